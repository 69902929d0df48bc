"""Tags of a stat name: `cluster.a.upstream_rq_total` is `cluster.upstream_rq_total` with envoy.cluster_name = a.

Read side only, and cold: patterns are compiled when the first extractor is made, results are remembered by name.
Source: Envoy, Config::TagNames (the default tags of 1.40) and Stats::TagProducerImpl (order, removal).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

_PARTS = {
    "<ADDRESS>": r"(?:(?:\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[[a-fA-F_\d]+\])_\d+)",
    "<CIPHER>": r"[\w-]+",
    "<TLS_VERSION>": r"TLSv\d\.\d",
    "<TAG_VALUE>": r"[^.]+",
    "<ROUTE_CONFIG_NAME>": r"[\w.-]+",
    "<LISTENER_OR_CLUSTER>": r"(?:listener|cluster)\..*?",
}

# (tag, pattern, value that does not count).  A pattern with "^" is a regular expression whose first group is cut out
# of the name and whose second is the value; any other is dotted tokens: * one, ** several, $ the value.
DEFAULT_TAGS: tuple[tuple[str, str, str], ...] = (
    ("envoy.response_code", r"^.*_rq(_(\d{3}))$", ""),
    ("envoy.response_code_class", r"^.*_rq_((\d))xx$", ""),
    (
        "envoy.dynamo_partition_id",
        r"^http\.<TAG_VALUE>\.dynamodb\.table\.<TAG_VALUE>\.capacity\.<TAG_VALUE>(\.__partition_id=(\w{7}))$",
        "",
    ),
    (
        "envoy.dynamo_operation",
        r"^http\.<TAG_VALUE>\.dynamodb\.(?:operation|table\.<TAG_VALUE>\.capacity)(\.(<TAG_VALUE>))(?:\.|$)",
        "",
    ),
    ("envoy.mongo_callsite", "mongo.*.collection.*.callsite.$.query.**", ""),
    ("envoy.dynamo_table", r"^http\.<TAG_VALUE>\.dynamodb\.(?:table|error)\.((<TAG_VALUE>)\.)", ""),
    ("envoy.mongo_collection", "mongo.*.collection.$.**.query.*", ""),
    ("envoy.mongo_cmd", "mongo.*.cmd.$.**", ""),
    ("envoy.grpc_bridge_method", "cluster.*.grpc.*.$.**", ""),
    ("envoy.http_user_agent", "http.*.user_agent.$.**", ""),
    ("envoy.virtual_cluster", "vhost.*.vcluster.$.**", ""),
    ("envoy.fault_downstream_cluster", "http.*.fault.$.**", ""),
    ("envoy.ssl_cipher", r"^listener\..*?\.ssl\.ciphers(\.(<CIPHER>))$", ""),
    ("envoy.ssl_curve", r"^<LISTENER_OR_CLUSTER>\.ssl\.curves(\.(<CIPHER>))$", ""),
    ("envoy.ssl_sigalg", r"^<LISTENER_OR_CLUSTER>\.ssl\.sigalgs(\.(<CIPHER>))$", ""),
    ("envoy.ssl_version", r"^<LISTENER_OR_CLUSTER>\.ssl\.versions(\.(<TLS_VERSION>))$", ""),
    ("envoy.ssl_cipher_suite", r"^cluster\.<TAG_VALUE>\.ssl\.ciphers(\.(<CIPHER>))$", ""),
    ("envoy.grpc_bridge_service", "cluster.*.grpc.$.**", ""),
    ("envoy.tcp_prefix", "tcp.$.**", ""),
    ("envoy.udp_prefix", "udp.$.**", ""),
    ("envoy.clientssl_prefix", "auth.clientssl.$.**", ""),
    ("envoy.ratelimit_prefix", "ratelimit.$.**", ""),
    ("envoy.cluster_name", "cluster.$.**", ""),
    ("envoy.health_check_name", r"^cluster\.<TAG_VALUE>\.health_check(\.name\.(<TAG_VALUE>))\..+", ""),
    ("envoy.http_conn_manager_prefix", r"^listener\..*?\.http\.((<TAG_VALUE>)\.)", ""),
    ("envoy.ext_authz_prefix", "cluster.*.ext_authz.$.**", ""),
    ("envoy.ext_authz_prefix", "http.*.ext_authz.$.**", ""),
    ("envoy.http_conn_manager_prefix", "http.$.**", ""),
    (
        "envoy.worker_id",
        r"^(?:listener\.(?:<ADDRESS>|<TAG_VALUE>)|server|listener_manager|thread_local_cluster_manager)"
        r"\.worker_((\d+)\.)",
        "",
    ),
    ("envoy.listener_address", r"^listener\.((<ADDRESS>|<TAG_VALUE>)\.)", "admin"),
    ("envoy.virtual_host", "vhost.$.**", ""),
    ("envoy.mongo_prefix", "mongo.$.**", ""),
    ("envoy.rds_route_config", r"^http\.<TAG_VALUE>\.rds\.((<ROUTE_CONFIG_NAME>)\.)\w+?$", ""),
    ("envoy.scoped_rds_config", r"^http\.<TAG_VALUE>\.scoped_rds\.((<ROUTE_CONFIG_NAME>)\.)\w+?$", ""),
    ("envoy.route", "vhost.*.route.$.**", ""),
    ("envoy.thrift_prefix", "thrift.$.**", ""),
    ("envoy.redis_prefix", "redis.$.**", ""),
    ("envoy.local_http_ratelimit_prefix", "$.http_local_rate_limit.**", ""),
    ("envoy.local_network_ratelimit_prefix", "local_rate_limit.$.**", ""),
    ("envoy.local_listener_ratelimit_prefix", "listener_local_ratelimit.$.**", ""),
    ("envoy.dns_filter_prefix", "dns_filter.$.**", ""),
    ("envoy.connection_limit_prefix", "connection_limit.$.**", ""),
    ("envoy.rbac_prefix", "$.rbac.**", ""),
    ("envoy.rbac_http_prefix", r"^http\.<TAG_VALUE>\.rbac\.((<TAG_VALUE>)\.).*?", "policy"),
    (
        "envoy.rbac_policy_name",
        r"^http\.<TAG_VALUE>\.rbac\.(?:<TAG_VALUE>\.)?policy\.((<TAG_VALUE>)\.)"
        r"(allowed|shadow_allowed|denied|shadow_denied)$",
        "",
    ),
    ("envoy.proxy_protocol_version", r"^proxy_proto\.((?:<TAG_VALUE>\.)?versions\.v(\d)\.)\w+$", ""),
    ("envoy.proxy_protocol_prefix", r"^proxy_proto\.((<TAG_VALUE>)\.).+$", "versions"),
    ("envoy.google_grpc_client_prefix", "grpc.$.**", ""),
    ("envoy.tls_certificate", r"^<LISTENER_OR_CLUSTER>\.ssl\.certificate\.((<TAG_VALUE>)\.).*$", ""),
    ("pyvoy.filter_name", r"^http\.<TAG_VALUE>\.filter_time\.((.+)\.)(?:request|response)_ns$", ""),
    ("envoy.xds_resource_name", r"^sds\.((<TAG_VALUE>)\.).+", ""),
)

_FIRST_TOKEN = re.compile(r"\^?(\w+)(?:\\\.|\.)")


@dataclass(slots=True, frozen=True)
class TaggedName:
    """A name without its tag values, and the tags in Envoy's order."""

    name: str
    tags: tuple[tuple[str, str], ...]


@dataclass(slots=True, frozen=True)
class _Extractor:
    tag: str
    match: Callable[[str], Any]
    unless: str = ""
    first_token: str = ""


class TagExtractor:
    """Extracts tags; owns the memory of the names it has seen.

    `custom` are the bootstrap's tags with a pattern (RE2's, found anywhere in the name; the first group is cut out, the
    second or else the first is the value), `fixed` those with a value, which every name gets.
    """

    def __init__(
        self,
        defaults: Iterable[tuple[str, str, str]] = DEFAULT_TAGS,
        custom: Iterable[tuple[str, str]] = (),
        fixed: tuple[tuple[str, str], ...] = (),
    ) -> None:
        compiled = [_compile(*tag) for tag in defaults]
        self._anywhere = [extractor for extractor in compiled if not extractor.first_token]
        self._anywhere.extend(_compile_custom(*tag) for tag in custom)
        self._by_token: dict[str, list[_Extractor]] = {}
        for extractor in compiled:
            if extractor.first_token:
                self._by_token.setdefault(extractor.first_token, []).append(extractor)
        self._fixed = fixed
        self._known: dict[str, TaggedName] = {}

    def extract(self, name: str) -> TaggedName:
        """The tags of a full stat name."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._extract(name)
        return found

    def _extract(self, name: str) -> TaggedName:
        tags: dict[str, str] = dict(self._fixed)
        cuts: list[tuple[int, int]] = []
        for extractor in (*self._anywhere, *self._by_token.get(name.partition(".")[0], ())):
            match = None if extractor.tag in tags else extractor.match(name)
            cut, value, *_ = (*match.groups(), "", "") if match is not None else ("", "")
            if match is not None and cut and (not value or value != extractor.unless):
                tags[extractor.tag] = value or cut
                cuts.append(match.span(1))
        return TaggedName(_without(name, cuts), tuple(tags.items()))


def _compile(tag: str, pattern: str, unless: str) -> _Extractor:
    first = _FIRST_TOKEN.match(pattern)
    expression = pattern if pattern.startswith("^") else _token_expression(pattern)
    for part, meaning in _PARTS.items():
        expression = expression.replace(part, meaning)
    return _Extractor(tag, re.compile(expression, re.DOTALL).match, unless, first[1] if first else "")


def _compile_custom(tag: str, pattern: str) -> _Extractor:
    import re2  # only for a bootstrap with stats_tags

    return _Extractor(tag, re2.compile(pattern).search)


def _token_expression(pattern: str) -> str:
    *tokens, last = pattern.split(".")
    meanings = {"*": r"[^.]*\.", "**": r"(?:[^.]*\.)*?", "$": r"(([^.]*)\.)"}
    body = "".join(meanings.get(token, re.escape(token) + r"\.") for token in tokens)
    return f"^{body}{'.*' if last == '**' else '[^.]*'}$"


def _without(name: str, cuts: list[tuple[int, int]]) -> str:
    kept: list[str] = []
    position = 0
    for start, end in sorted(cuts):
        if start > position:
            kept.append(name[position:start])
        position = max(position, end)
    return "".join((*kept, name[position:]))
