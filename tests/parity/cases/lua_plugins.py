"""Lua outside the filter: the cluster specifier and the string matcher."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json

from tests.parity.case import Case, ask, request

SPECIFIER = "type.googleapis.com/envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig"
MATCHER = "type.googleapis.com/envoy.extensions.string_matcher.lua.v3.Lua"


def plugin(script: str, default: str = "$b") -> str:
    config = {"@type": SPECIFIER, "source_code": {"inline_string": script}}
    if default:
        config["default_cluster"] = default
    return json.dumps({"name": "envoy.router.cluster_specifier_plugin.lua", "typed_config": config})


def choose(name: str, want: str, body: str, *requests: bytes, default: str = "$b") -> Case:
    """A script whose envoy_on_route(h) names a cluster; `$up` is the one it can choose, `$b` the default."""
    script = f"function envoy_on_route(h) {body} end"
    routes = f"- match: {{prefix: /never}}\n  route: {{cluster: $up}}\n- match: {{prefix: /}}\n  name: chosen\n  route: {{inline_cluster_specifier_plugin: {{extension: {plugin(script, default)}}}}}"
    return Case(f"lua-cluster-{name}", want, (ask(*(requests or (request("/", "X-A: 1", "X-A: 2"),))),), routes=routes)


def match(name: str, want: str, script: str, *values: str) -> Case:
    """Requests whose x-m the script matches are answered 299, others forwarded."""
    matcher = {"custom": {"name": "lua", "typed_config": {"@type": MATCHER, "source_code": {"inline_string": script}}}}
    routes = f"- match: {{prefix: /, headers: [{{name: x-m, string_match: {json.dumps(matcher)}}}]}}\n  direct_response: {{status: 299}}\n- {{match: {{prefix: /}}, route: {{cluster: $up}}}}"
    return Case(f"lua-match-{name}", want, (ask(*(request("/", f"X-M: {value}") for value in values)),), routes=routes)


CASES = (
    choose("constant", "200", 'return "$up"'),
    choose("by-header", "200 200", 'if h:headers():get("x-to") == "up" then return "$up" end return "$b"', request("/", "X-To: up"), request("/")),
    choose("joined-header", "200", 'if h:headers():get("X-A") == "1,2" then return "$up" end'),
    choose("missing-header", "200", 'if select("#", h:headers():get("none")) == 0 then return "$up" end'),
    choose("nothing", "200", ""),
    choose("nil", "200", "return nil"),
    choose("table", "200", "return {}"),
    choose("number", "503", "return 5"),
    choose("unknown", "503", 'return "nobody"'),
    choose("two-values", "200", 'return "nobody", "$up"'),
    choose("raise", "200", 'error("x")'),
    choose("raise-no-default", "503", 'error("x")', default=""),
    choose("cluster", "200", 'local c = h:getCluster("$up") if c and c:numConnections() == 0 and c:numRequests() == 0 and c:numPendingRequests() == 0 then return "$up" end'),
    choose("cluster-unknown", "200", 'if select("#", h:getCluster("nobody")) == 0 then return "$up" end'),
    choose("cluster-no-name", "200", 'if select(2, pcall(function() local c = h:getCluster() end)):find("string expected, got no value") then return "$up" end'),
    choose("read-only", "200", 'if not pcall(function() h:headers():add("x", "y") end) then return "$up" end'),
    choose("stale", "200 200", 'if kept and select(2, pcall(function() local m = kept:headers() end)):find("outside of proper scope") then return "$up" end kept = h', request("/"), request("/")),
    choose("log", "200", 'h:logInfo("x") h:headers():logErr("y") return "$up"'),
    choose("state", "200 200", 'n = (n or 0) + 1 if n == 2 then return "$up" end', request("/"), request("/")),
    Case("lua-cluster-by-name", "200", (ask(request("/")),), routes="- {match: {prefix: /never}, route: {cluster: $up}}\n- match: {prefix: /}\n  route: {cluster_specifier_plugin: envoy.router.cluster_specifier_plugin.lua}",
         route_config=f"cluster_specifier_plugins: [{{extension: {plugin('function envoy_on_route(h) return [[$up]] end')}}}]"),
    match("equal", "299 200", 'function envoy_match(s) return s == "yes" end', "yes", "no"),
    match("pattern", "299 200", 'function envoy_match(s) return s:find("^a.c$") ~= nil end', "abc", "abd"),
    match("not-boolean", "200 200", "function envoy_match(s) return 1 end", "a", "b"),
    match("nothing", "200", "function envoy_match(s) end", "a"),
    match("raise", "200", 'function envoy_match(s) error("x") end', "a"),
    match("state", "200 299", "n = 0 function envoy_match(s) n = n + 1 return n == 2 end", "a", "a"),
)
