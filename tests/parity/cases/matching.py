"""Matcher trees: of virtual hosts, of listeners, in RBAC."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, ask, get, request
from tests.support.steps import UntilEnd

_ROUTE = "name: r, typed_config: {'@type': type.googleapis.com/envoy.config.route.v3.Route, %s}"
_LIST = "name: r, typed_config: {'@type': type.googleapis.com/envoy.config.route.v3.RouteList, routes: [%s]}"
_HEADER = "{name: h, typed_config: {'@type': type.googleapis.com/envoy.type.matcher.v3.HttpRequestHeaderMatchInput, header_name: %s}}"
_QUERY = "{name: q, typed_config: {'@type': type.googleapis.com/envoy.type.matcher.v3.HttpRequestQueryParamMatchInput, query_param: %s}}"
_NET = "{name: n, typed_config: {'@type': type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.%s}}"


def _reply(status: int, match: str = "{prefix: /}") -> str:
    return f"match: {match}, direct_response: {{status: {status}}}, name: n{status}"


def _act(status: int, match: str = "{prefix: /}") -> str:
    return f"action: {{{_ROUTE % _reply(status, match)}}}"


def _vhost(name: str, want: str, matcher: str, send: object) -> Case:
    vhosts = f"- {{name: $id, domains: ['*'], matcher: {matcher}}}"
    return Case(f"tree-{name}", want, send, vhosts=vhosts)  # type: ignore[arg-type]


def _map(kind: str, read: str, entries: dict[str, str], no_match: str = "") -> str:
    pairs = ", ".join(f"'{key}': {{{value}}}" for key, value in entries.items())
    return f"{{matcher_tree: {{input: {read}, {kind}: {{map: {{{pairs}}}}}}}{no_match}}}"


def _one(read: str, test: str) -> str:
    return f"single_predicate: {{input: {read}, {test}}}"


def _listed(*entries: tuple[str, str], no_match: str = "") -> str:
    fields = ", ".join(f"{{predicate: {{{predicate}}}, on_match: {{{then}}}}}" for predicate, then in entries)
    return f"{{matcher_list: {{matchers: [{fields}]}}{no_match}}}"


_BY_PATH = get("/a", "/b", "/other")
_X = _HEADER % "x"
_WITH_X = (ask(request("/", "x: a"), request("/", "x: ab"), request("/", "x: b"), request("/")),)
_TWICE = (ask(request("/", "x: a", "x: b")),)

_IPS = """custom_match: {name: ip, typed_config: {'@type': type.googleapis.com/xds.type.matcher.v3.IPMatcher,
  range_matchers: [%s]}}"""
_RANGE = "{ranges: [{address_prefix: %s, prefix_len: %d}], on_match: {%s}%s}"


def _chain(name: str, body: str) -> str:
    reply = f"{{name: d, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.network.direct_response.v3.Config, response: {{inline_string: {body}}}}}}}"
    return f"{{name: {name}, filters: [{reply}]}}" if name else f"{{filters: [{reply}]}}"


def _named(name: str) -> str:
    return f"action: {{name: {name}, typed_config: {{'@type': type.googleapis.com/google.protobuf.StringValue, value: {name}}}}}"


def _listener(name: str, matcher: str, default: bool = False) -> Case:
    more = f"\ndefault_filter_chain: {_chain('last', 'last')}" if default else ""
    chains = f"[{_chain('one', 'one')}, {_chain('two', 'two')}]"
    return Case(f"tree-l-{name}", "", ((UntilEnd(1.0),),), chains=chains, listener=f"filter_chain_matcher: {matcher}{more}")


def _rbac(name: str, want: str, matcher: str, field: str = "matcher") -> Case:
    return Case(f"tree-rbac-{name}", want, _WITH_X, filters=f"- rbac: {{{field}: {matcher}}}")


def _do(name: str, action: str) -> str:
    return f"action: {{name: a, typed_config: {{'@type': type.googleapis.com/envoy.config.rbac.v3.Action, name: {name}, action: {action}}}}}"


_OK, _BAD = _do("ok", "ALLOW"), _do("bad", "DENY")
_NESTED = "matcher: " + _map("exact_match_map", _X, {"a": _BAD})
_IN_NETWORK = """custom_match: {name: ip, typed_config: {'@type': type.googleapis.com/envoy.extensions.matching.input_matchers.ip.v3.Ip,
  stat_prefix: s, cidr_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]}}"""


def _judged(name: str, want: str, matcher: str, send: object) -> Case:
    return Case(f"tree-rbac-{name}", want, send, filters=f"- rbac: {{matcher: {matcher}}}")  # type: ignore[arg-type]


def _networks(*entries: tuple[str, int, str, str]) -> str:
    ranges = ", ".join(_RANGE % entry for entry in entries)
    return "{matcher_tree: {input: " + _NET % "SourceIPInput" + ", " + _IPS % ranges + "}}"


_SKIP = "action: {name: skip, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter}}"


def _delegate(name: str, want: str, inner: str, send: object = None, **rest: object) -> Case:
    tree = _map("exact_match_map", _X, {"a": _SKIP})
    filters = f"- {{name: md, typed_config: {{'@type': type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher, xds_matcher: {tree}, extension_config: {{name: inner, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.{inner}}}}}}}}}"
    return Case(f"tree-delegate-{name}", want, send or _WITH_X, filters=filters, **rest)  # type: ignore[arg-type]


CASES: tuple[Case, ...] = (
    _vhost("exact", "201 202 404", _map("exact_match_map", _HEADER % "':path'", {"/a": _act(201), "/b": _act(202)}), _BY_PATH),
    _vhost("prefix", "201 202 201 404", _map("prefix_match_map", _X, {"a": _act(201), "ab": _act(202), "": _act(201)}), _WITH_X),
    _vhost("no-match", "201 203 203 203", _map("exact_match_map", _X, {"a": _act(201)}, f", on_no_match: {{{_act(203)}}}"), _WITH_X),
    _vhost("route-does-not-match", "404 404 404 404", _map("exact_match_map", _X, {"a": _act(201, "{prefix: /zz}")}, f", on_no_match: {{{_act(203, '{path: /no}')}}}"), _WITH_X),
    _vhost("route-list", "202 404 404 404", _map("exact_match_map", _X, {"a": f"action: {{{_LIST % ('{' + _reply(201, '{path: /zz}') + '}, {' + _reply(202) + '}')}}}"}), _WITH_X),
    _vhost("list", "201 202 203 404", _listed(
        (_one(_X, "value_match: {exact: a}"), _act(201)), (_one(_X, "value_match: {prefix: a}"), _act(202)),
        (_one(_X, "value_match: {safe_regex: {google_re2: {}, regex: '[b-z]'}}"), _act(203))), _WITH_X),
    _vhost("nested-finds-nothing", "203 202 404 404", _listed(
        (_one(_X, "value_match: {prefix: a}"), f"matcher: {_map('exact_match_map', _X, {'ab': _act(202)})}"),
        (_one(_X, "value_match: {exact: a}"), _act(203))), _WITH_X),
    _vhost("and-or-not", "201 202 203 203", _listed(
        (f"and_matcher: {{predicate: [{{{_one(_X, 'value_match: {prefix: a}')}}}, {{not_matcher: {{{_one(_X, 'value_match: {suffix: b}')}}}}}]}}", _act(201)),
        (f"or_matcher: {{predicate: [{{{_one(_X, 'value_match: {exact: zz}')}}}, {{{_one(_X, 'value_match: {contains: AB, ignore_case: true}')}}}]}}", _act(202)),
        no_match=f", on_no_match: {{{_act(203)}}}"), _WITH_X),
    _vhost("joined", "201", _map("exact_match_map", _X, {"a,b": _act(201)}), _TWICE),
    _listener("port", _map("exact_match_map", _NET % "DestinationPortInput", {"$port": _named("two")})),
    _listener("nothing", _map("exact_match_map", _NET % "DestinationPortInput", {"1": _named("two")})),
    _listener("default", _map("exact_match_map", _NET % "DestinationPortInput", {"1": _named("two")}), default=True),
    _listener("unknown-name", _map("exact_match_map", _NET % "DestinationPortInput", {"$port": _named("three")}), default=True),
    _listener("no-match-action", _map("exact_match_map", _NET % "DestinationPortInput", {"1": _named("two")}, f", on_no_match: {{{_named('one')}}}")),
    _rbac("allow", "200 403 403 403", _map("exact_match_map", _X, {"a": _do("ok", "ALLOW")})),
    _rbac("deny", "403 200 200 200", _map("exact_match_map", _X, {"a": _do("bad", "DENY")}, f", on_no_match: {{{_do('rest', 'ALLOW')}}}")),
    _rbac("log", "200 403 403 403", _map("exact_match_map", _X, {"a": _do("seen", "LOG")})),
    _rbac("shadow", "200 200 200 200", _map("exact_match_map", _X, {"a": _do("bad", "DENY")}), "shadow_matcher"),
    _judged("address", "200", _map("exact_match_map", _NET % "SourceIPInput", {"127.0.0.1": _OK}), get("/")),
    _judged("port", "200", _map("exact_match_map", _NET % "DestinationPortInput", {"$port": _OK}), get("/")),
    _judged("no-server-name", "403", _map("prefix_match_map", _NET % "ServerNameInput", {"": _OK}), get("/")),
    _judged("networks", "403", _networks(("127.0.0.0", 8, _OK, ""), ("127.0.0.1", 32, _BAD, "")), get("/")),
    _judged("networks-fall-back", "200", _networks(("127.0.0.0", 8, _OK, ""), ("127.0.0.1", 32, _NESTED, "")), get("/")),
    _judged("networks-exclusive", "200", _networks(("127.0.0.0", 8, _OK, ""), ("127.0.0.1", 32, _NESTED, ", exclusive: true")), get("/")),
    _judged("in-networks", "200", _listed((_one(_NET % "SourceIPInput", _IN_NETWORK), _OK)), get("/")),
    Case("tree-l4-rbac", "", ((b"ping", UntilEnd(0.5)),), l4="- rbac: {stat_prefix: $id, matcher: " + _map("exact_match_map", _NET % "DestinationPortInput", {"1": _OK}) + "}\n- echo:"),
    _judged("networks-exclusive-wide", "403", _networks(("127.0.0.0", 8, _OK, ", exclusive: true"), ("127.0.0.1", 32, _NESTED, "")), get("/")),
    _listener("source-type", _map("exact_match_map", _NET % "SourceTypeInput", {"local": _named("two")})),
    _delegate("fault", "200 418 418 418", "fault.v3.HTTPFault, abort: {http_status: 418, percentage: {numerator: 100}}"),
    _delegate("response", "200 200 200 200", "header_mutation.v3.HeaderMutation, mutations: {response_mutations: [{append: {header: {key: x-r, value: '1'}}}]}"),
    _delegate("body", "413 200", "buffer.v3.Buffer, max_request_bytes: 4", (ask(request("/", method="POST", body=b"hello")), ask(request("/", "x: a", method="POST", body=b"hello")))),
)
