"""Configurations that load and then surprise: warnings, and the mistakes that Envoy finds while it builds.

Looks at the whole bootstrap at once, so that these come together with all other problems.
Source: reference 1.2 and 3.1 (observed on Envoy 1.40), and the questions users ask.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pyvoy.config.compile import stats_config
from pyvoy.config.compile.addresses import listen_address
from pyvoy.config.message_types import TypeNotFoundError, unpack
from pyvoy.config.problems import Problems, Spot, Where, join_path, nearest_name
from pyvoy.config.registry import lookup, type_name_of
from pyvoy.config.shapes import shape_of

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
TLS_INSPECTOR = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
UPSTREAM_TLS = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"

PROTOCOL_OPTIONS = (
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    "envoy.extensions.upstreams.tcp.v3.TcpProtocolOptions",
)

_ANYWHERE = frozenset(("0.0.0.0", "::"))
_CHOOSES_BY_HEADER = frozenset(("cluster_header", "cluster_specifier_plugin", "inline_cluster_specifier_plugin"))
_LONG_TEXT = 200
_CODE = re.compile(r"\.(code|source_code|default_source_code|source_codes\[[^]]*\])$").search
"""Ends the path of a message that says where the code of an extension is."""


def check(bootstrap: Any, where: Where, problems: Problems) -> None:
    """Report every trap of a Bootstrap."""
    static = bootstrap.static_resources
    static_where = where.child("static_resources")
    _duplicate_clusters(static, static_where, problems)
    _unused_clusters(bootstrap, static_where, problems)
    _open_admin(bootstrap, where, problems)
    _addresses(bootstrap, where, problems)
    stats_config.build(bootstrap, Spot(problems, where))
    _protocol_options(static, static_where, problems)
    if bootstrap.stats_flush_on_admin and bootstrap.HasField("stats_flush_interval"):
        what = "stats_flush_interval and stats_flush_on_admin exclude each other: set only one"
        problems.error(where.child("stats_flush_on_admin"), "stats_flush_on_admin", what)
    for index, listener in enumerate(static.listeners):
        path = f"static_resources.listeners[{index}]"
        _missing_inspector(listener, static_where.follow(f"listeners[{index}]"), path, problems)
    for message, at, path in messages_of(bootstrap, where):
        if message.DESCRIPTOR.full_name == HCM:
            _http_filters(message, at, path, problems)
        elif message.DESCRIPTOR.full_name == UPSTREAM_TLS:
            _unverified_upstream(message, at, path, problems)


def messages_of(message: Any, where: Where, path: str = "") -> Iterator[tuple[Any, Where, str]]:
    """A message and all messages within, also those in Any (types that are not known are left out)."""
    yield message, where, path
    fields = shape_of(message.DESCRIPTOR).fields
    for descriptor, value in message.ListFields():
        field = fields[descriptor.name]
        if field.kind != "message":
            continue
        below, below_path = where.child(field.name), join_path(path, field.name)
        if field.key_kind:
            children = [(value[key], below.child(key), f'{below_path}["{key}"]') for key in sorted(value)]
        elif field.repeated:
            children = [(item, below.child(i), f"{below_path}[{i}]") for i, item in enumerate(value)]
        else:
            children = [(value, below, below_path)]
        for child, child_where, child_path in children:
            if field.type_name == "google.protobuf.Any":
                yield from _messages_in_any(child, child_where, child_path)
            elif not field.type_name.startswith("google.protobuf."):
                yield from messages_of(child, child_where, child_path)


def _messages_in_any(config: Any, where: Where, path: str) -> Iterator[tuple[Any, Where, str]]:
    name = type_name_of(config.type_url)
    if not name or name.startswith("google.protobuf."):
        return
    try:
        inner = unpack(config, name)
    except (TypeNotFoundError, ValueError):
        return
    yield from messages_of(inner, where, path)


def _duplicate_clusters(static: Any, where: Where, problems: Problems) -> None:
    names: set[str] = set()
    for index, cluster in enumerate(static.clusters):
        if cluster.name in names:
            field = f"clusters[{index}].name"
            problems.error(where.follow(field), f"static_resources.{field}", f"duplicate cluster '{cluster.name}'")
        names.add(cluster.name)


def _unused_clusters(bootstrap: Any, where: Where, problems: Problems) -> None:
    clusters = bootstrap.static_resources.clusters
    if not clusters or problems.has_errors:  # a mistyped use must not be told twice
        return
    texts: set[str] = set()
    code: list[str] = []
    for message, _, path in messages_of(bootstrap, where):
        if _CODE(path):
            inline = getattr(message, "inline_string", "")
            if not inline:  # code that is elsewhere may call any cluster
                return
            code.append(inline)
        is_cluster = path.startswith("static_resources.clusters[") and path.endswith("]") and "." not in path[17:]
        for descriptor, value in message.ListFields():
            if descriptor.name in _CHOOSES_BY_HEADER:
                return
            if descriptor.cpp_type == descriptor.CPPTYPE_STRING and not (is_cluster and descriptor.name == "name"):
                if path.startswith("static_resources.clusters[") and descriptor.name == "cluster_name":
                    continue
                texts.update(value if descriptor.is_repeated else (value,))
                if descriptor.name == "inline_code":
                    code.append(value)
    long_texts = [*code, *(str(text) for text in texts if len(text) > _LONG_TEXT)]
    for index, cluster in enumerate(clusters):
        if cluster.name not in texts and not any(cluster.name in text for text in long_texts):
            field = f"clusters[{index}]"
            problems.warning(
                where.follow(field), f"static_resources.{field}", f"cluster '{cluster.name}' is used nowhere"
            )


def _open_admin(bootstrap: Any, where: Where, problems: Problems) -> None:
    address = bootstrap.admin.address.socket_address.address
    if address in _ANYWHERE:
        field = "admin.address.socket_address.address"
        what = f"the admin endpoint listens on {address}: whoever reaches it can stop the proxy and read its secrets"
        problems.warning(where.follow(field), field, what)


def _addresses(bootstrap: Any, where: Where, problems: Problems) -> None:
    # Sockets are bound before plans are built, so their addresses are checked here.
    places: list[tuple[Any, str]] = []
    if bootstrap.admin.HasField("address"):
        places.append((bootstrap.admin.address, "admin.address"))
    for index, listener in enumerate(bootstrap.static_resources.listeners):
        path = f"static_resources.listeners[{index}]"
        places.append((listener.address, f"{path}.address"))
        for number, additional in enumerate(listener.additional_addresses):
            places.append((additional.address, f"{path}.additional_addresses[{number}].address"))
    for address, path in places:
        if not problems.has_error_below(path):
            listen_address(address, Spot(problems, where.follow(path), path))


def _protocol_options(static: Any, where: Where, problems: Problems) -> None:
    for index, cluster in enumerate(static.clusters):
        for key in cluster.typed_extension_protocol_options:
            if key not in PROTOCOL_OPTIONS:
                step = f'clusters[{index}].typed_extension_protocol_options["{key}"]'
                what = f"there are no protocol options named '{key}'"
                nearest = nearest_name(key, PROTOCOL_OPTIONS)
                problems.error(where.follow(step), f"static_resources.{step}", what, nearest)


def _missing_inspector(listener: Any, where: Where, path: str, problems: Problems) -> None:
    types = {type_name_of(item.typed_config.type_url) for item in listener.listener_filters}
    if TLS_INSPECTOR in types or any(item.HasField("config_discovery") for item in listener.listener_filters):
        return
    for index, chain in enumerate(listener.filter_chains):
        match = chain.filter_chain_match
        asks = (
            ("server_names", bool(match.server_names)),
            ("transport_protocol", match.transport_protocol == "tls"),
            ("application_protocols", bool(match.application_protocols) and match.transport_protocol != "raw_buffer"),
        )
        for name, asked in asks:
            if asked:
                field = f"filter_chains[{index}].filter_chain_match.{name}"
                what = "never matches: the listener has no envoy.filters.listener.tls_inspector that would detect it"
                problems.warning(where.follow(field), join_path(path, field), what)


def _unverified_upstream(context: Any, where: Where, path: str, problems: Problems) -> None:
    common = context.common_tls_context
    kind = common.WhichOneof("validation_context_type")
    if kind is None:
        what = "nobody is verified: without a validation_context any server, an attacker's too, is trusted"
    elif kind != "validation_context" or context.auto_sni_san_validation:
        return
    elif common.validation_context.HasField("trusted_ca") and not _names_peer(common.validation_context):
        what = "any server with a certificate of the trusted authority passes: say match_typed_subject_alt_names"
    else:
        return
    problems.warning(where, path, what)


def _names_peer(validation: Any) -> bool:
    names = (validation.match_typed_subject_alt_names, validation.match_subject_alt_names)
    pins = (validation.verify_certificate_spki, validation.verify_certificate_hash)
    return any((*names, *pins))


def _http_filters(manager: Any, where: Where, path: str, problems: Problems) -> None:
    filters = manager.http_filters
    if not filters:
        what = "http_filters is empty: requests are read and never answered; add envoy.filters.http.router"
        problems.warning(where, path, what)
        return
    last = len(filters) - 1
    for index, item in enumerate(filters):
        field = f"http_filters[{index}]"
        at, at_path = where.follow(field), join_path(path, field)
        terminal = _is_terminal(item)
        if terminal and index != last:
            problems.error(at, at_path, f"terminal filter named {item.name} must be the last filter in the chain")
        elif terminal is False and index == last:
            what = f"non-terminal filter named {item.name} is the last filter in the chain: the last one is the router"
            problems.error(at, at_path, what)
        elif terminal and item.disabled:
            what = f"the last (terminal) filter {item.name} cannot be disabled"
            problems.error(at.child("disabled"), join_path(at_path, "disabled"), what)


def _is_terminal(item: Any) -> bool | None:
    """Whether an HTTP filter ends the chain; None for one that is not known here."""
    name = type_name_of(item.typed_config.type_url)
    if name == ROUTER:
        return True
    found = lookup("http_filter", name)
    return None if found is None else bool(getattr(found.factory, "terminal", False))
