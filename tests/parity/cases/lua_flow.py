"""The Lua filter: bodies, chunks, trailers, replies, per-route scripts, stream info, metadata, statistics, refusals."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, request, response
from tests.parity.cases.lua import TOOLS, lua, req, resp, source
from tests.support.steps import Wait

POST = request("/p", method="POST", body=b"hello world")
CHUNKED = request("/p", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
TRAILERS = request("/p", "Transfer-Encoding: chunked", "TE: trailers", method="POST") + b"5\r\nhello\r\n0\r\nx-t: 1\r\nx-s: 2\r\n\r\n"
HCM_TRAILERS = "http_protocol_options: {enable_trailers: true}"
UP_TRAILERS = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}"
UP_CHUNKED = {"up": answers(response("200 OK", "Transfer-Encoding: chunked", body=None) + b"4\r\nabcd\r\n0\r\n\r\n")}
UP_WITH_TRAILERS = {"up": answers(response("200 OK", "Transfer-Encoding: chunked", "Trailer: x-t", body=None) + b"4\r\nabcd\r\n0\r\nx-t: 1\r\n\r\n")}
EMPTY = {"up": answers(response("204 No Content", body=None))}
SLOW = (request("/p", "Transfer-Encoding: chunked", method="POST"), Wait(0.05), b"5\r\nhello\r\n", Wait(0.05), b"6\r\n world\r\n", Wait(0.05), b"0\r\n\r\n")


def route(per_filter: str, *, filters: str = "", prefix: str = "/r", more: str = "") -> dict[str, str]:
    """Fields of a case with a per-route Lua configuration under a prefix, and all else without."""
    routes = f"- {{match: {{prefix: {prefix}}}, route: {{cluster: $up}}, per_filter: {{lua: {{{per_filter}}}}}{more}}}\n- {{match: {{prefix: /}}, route: {{cluster: $up}}}}"
    return {"routes": routes} | ({"filters": filters} if filters else {})


def both(name: str, request_side: str, response_side: str, *requests: bytes, want: str = "200", **fields: object) -> Case:
    """A script with both hooks."""
    return lua(name, want, f"function envoy_on_request(h) {request_side} end function envoy_on_response(h) {response_side} end", *requests, **fields)  # type: ignore[arg-type]


SET_CONTEXT = 'out(h, "r", dump(h:filterContext():get("k")) .. tostring(h:filterContext()["k"]))'
CONTEXT_SCRIPT = f"function envoy_on_request(h) {SET_CONTEXT} end"

CASES = (
    # ---- body
    req("body", 'local b = h:body() out(h, "r", b:length() .. b:getBytes(0, b:length()))', POST),
    req("body-part", 'local b = h:body() out(h, "r", b:getBytes(1, 3) .. "|" .. b:getBytes(0, 0) .. "|" .. b:getBytes(11, 0))', POST),
    req("body-bounds", 'local b = h:body() out(h, "r", err(function() local x = b:getBytes(1, 11) end)) out(h, "s", err(function() local x = b:getBytes(-1, 1) end))', POST),
    req("body-bad-arguments", 'local b = h:body() out(h, "r", err(function() local x = b:getBytes("x", 1) end))', POST),
    req("body-none", 'out(h, "r", tostring(h:body()))'),
    req("body-none-count", 'out(h, "r", select("#", h:body()))'),
    req("body-none-wrapped", 'local b = h:body(true) out(h, "r", b:length())'),
    req("body-none-wrapped-set", 'local b = h:body(true) out(h, "r", b:setBytes("made"))'),
    req("body-set", 'local b = h:body() out(h, "r", b:setBytes("new"))', POST),
    req("body-set-longer", 'local b = h:body() b:setBytes(("x"):rep(1000)) out(h, "r", b:length())', POST),
    req("body-set-empty", 'local b = h:body() b:setBytes("")', POST),
    req("body-set-chunked", 'local b = h:body() b:setBytes("new")', CHUNKED),
    req("body-chunked", 'local b = h:body() out(h, "r", b:getBytes(0, b:length()))', CHUNKED),
    req("body-empty-length", 'local b = h:body() out(h, "r", tostring(b))', request("/", method="POST", body=b"")),
    req("body-empty-chunked", 'local b = h:body() out(h, "r", b and b:length() or "none")', request("/", "Transfer-Encoding: chunked", method="POST") + b"0\r\n\r\n"),
    Case("lua-body-slow", "200", ((*SLOW, *ask(b"")[1:]),), filters=f"- lua: {{{source(TOOLS + 'function envoy_on_request(h) local b = h:body() out(h, string.char(114), b:getBytes(0, b:length())) end')}}}"),
    req("body-twice", 'local b = h:body() out(h, "r", tostring(h:body() == b) .. h:body():length())', POST),
    req("body-headers-die", 'local m = h:headers() h:body() out(h, "r", err(function() m:add("a", "b") end))', POST),
    req("body-headers-live-without-body", 'local m = h:headers() h:body() out(h, "r", err(function() m:add("a", "b") end))'),
    req("body-info-dies", 'local i = h:streamInfo() h:body() out(h, "r", err(function() local p = i:protocol() end))', POST),
    req("body-iterator-dies", 'local f = pairs(h:headers()) h:body() out(h, "r", err(function() f() end))', POST),
    req("body-then-chunks", 'h:body() out(h, "r", err(function() local c = h:bodyChunks() end))', POST),
    req("body-too-large", 'h:body() out(h, "r", 1)', request("/", method="POST", body=b"x" * 5000), want="413", listener="per_connection_buffer_limit_bytes: 1024"),
    req("body-in-pcall", 'out(h, "r", err(function() local b = h:body() return b:length() end))', POST),
    resp("response-body", 'local b = h:body() out(h, "r", b:getBytes(0, b:length()))'),
    resp("response-body-set", 'h:body():setBytes("replaced by the script")'),
    resp("response-body-set-gone-length", 'h:headers():remove("content-length") h:body():setBytes("replaced")'),
    resp("response-body-chunked", 'local b = h:body() out(h, "r", b:length()) b:setBytes("xyz")', upstream=UP_CHUNKED),
    resp("response-body-none", 'out(h, "r", tostring(h:body()))', want="204", upstream=EMPTY),
    resp("response-body-wrapped", 'h:body(true):setBytes("made")', upstream={"up": answers(response("200 OK", "Content-Length: 0", body=None))}),
    resp("response-body-head", 'out(h, "r", tostring(h:body()))', request("/", method="HEAD"), upstream={"up": answers(response("200 OK", "Content-Length: 4", body=None))}),
    resp("response-body-too-large", 'h:body() out(h, "r", 1)', want="500", upstream={"up": answers(response(body=b"x" * 500000))}, listener="per_connection_buffer_limit_bytes: 1024"),
    both("body-both", 'h:body():setBytes("a")', 'h:body():setBytes("b")', POST),
    req("body-raise-behind", 'local b = h:body() b:setBytes("changed") error("x")', POST),
    # ---- chunks
    req("chunks", 'local t = {} for c in h:bodyChunks() do if c:length() > 0 then t[#t + 1] = c:getBytes(0, c:length()) end end h:logInfo(table.concat(t))', POST),
    req("chunks-none", 'local n = 0 for c in h:bodyChunks() do n = n + 1 end out(h, "r", n)'),
    req("chunks-headers-gone", 'for c in h:bodyChunks() do end local ok, e = pcall(function() h:headers():add("x-late", "1") end) h:streamInfo():dynamicMetadata():set("lua", "e", tostring(e))', POST, log="%DYNAMIC_METADATA(lua:e)%\n"),
    req("chunks-add-header-before", 'h:headers():add("x-early", "1") for c in h:bodyChunks() do end', POST),
    req("chunks-set", 'for c in h:bodyChunks() do if c:length() > 0 then c:setBytes(c:getBytes(0, c:length()):upper()) end end', CHUNKED),
    req("chunks-respond", 'for c in h:bodyChunks() do end local ok, e = pcall(function() h:respond({[":status"] = "403"}) end) h:streamInfo():dynamicMetadata():set("lua", "e", tostring(e))', POST, log="%DYNAMIC_METADATA(lua:e)%\n"),
    req("chunks-body", 'for c in h:bodyChunks() do end local ok, e = pcall(function() local b = h:body() end) h:streamInfo():dynamicMetadata():set("lua", "e", tostring(e))', POST, log="%DYNAMIC_METADATA(lua:e)%\n"),
    req("chunks-body-inside", 'for c in h:bodyChunks() do local ok, e = pcall(function() local b = h:body() end) if c:length() > 0 then h:streamInfo():dynamicMetadata():set("lua", "e", tostring(e)) end end', POST, log="%DYNAMIC_METADATA(lua:e)%\n"),
    resp("response-chunks-set", 'h:headers():remove("content-length") for c in h:bodyChunks() do if c:length() > 0 then c:setBytes("<" .. c:getBytes(0, c:length()) .. ">") end end'),
    resp("response-chunks-trailers", 'h:headers():add("x-early", "1") for c in h:bodyChunks() do end h:trailers()', upstream=UP_CHUNKED),
    # ---- trailers
    req("trailers-none", 'out(h, "r", tostring(h:trailers()))'),
    req("trailers-none-body", 'h:body() out(h, "r", tostring(h:trailers()))', POST),
    req("trailers", 'h:body() local t = h:trailers() out(h, "r", t:get("x-t") .. t:get("x-s"))', TRAILERS, hcm=HCM_TRAILERS),
    req("trailers-edit", 'h:body() local t = h:trailers() t:add("x-n", "9") t:replace("x-t", "8") t:remove("x-s")', TRAILERS, hcm=HCM_TRAILERS, cluster=UP_TRAILERS),
    req("trailers-behind-chunks", 'for c in h:bodyChunks() do end h:trailers():add("x-n", "9")', TRAILERS, hcm=HCM_TRAILERS, cluster=UP_TRAILERS),
    req("trailers-without-body", 'local t = h:trailers() if t then t:add("x-n", "9") end', TRAILERS, hcm=HCM_TRAILERS, cluster=UP_TRAILERS),
    req("trailers-without-body-none", 'local t = h:trailers() h:streamInfo():dynamicMetadata():set("lua", "e", tostring(t))', POST, log="%DYNAMIC_METADATA(lua:e)%\n"),
    resp("response-trailers", 'h:body() local t = h:trailers() out(h, "r", t:get("x-t")) t:add("x-n", "2")', upstream=UP_WITH_TRAILERS, hcm=HCM_TRAILERS, cluster=UP_TRAILERS),
    # ---- respond
    req("respond", 'h:respond({[":status"] = "403", ["x-r"] = "1"}, "no entry")', want="403"),
    req("respond-number", 'h:respond({[":status"] = 403}, "no")', want="403"),
    req("respond-no-body", 'h:respond({[":status"] = "401"})', want="401"),
    req("respond-nil-body", 'h:respond({[":status"] = "401"}, nil)', want="401"),
    req("respond-empty-body", 'h:respond({[":status"] = "401"}, "")', want="401"),
    req("respond-list", 'h:respond({[":status"] = "200", ["set-cookie"] = {"a=1", "b=2"}}, "x")'),
    req("respond-content-type", 'h:respond({[":status"] = "200", ["content-type"] = "text/html"}, "<p>")'),
    req("respond-own-length", 'h:respond({[":status"] = "200", ["content-length"] = "99", ["transfer-encoding"] = "chunked"}, "abc")'),
    req("respond-upper-case", 'h:respond({[":status"] = "200", ["X-Upper"] = "1"}, "abc")'),
    req("respond-no-status", 'out(h, "r", err(function() h:respond({}, "") end))'),
    req("respond-status-low", 'out(h, "r", err(function() h:respond({[":status"] = "199"}, "") end))'),
    req("respond-status-high", 'out(h, "r", err(function() h:respond({[":status"] = "600"}, "") end))'),
    req("respond-status-text", 'out(h, "r", err(function() h:respond({[":status"] = "abc"}, "") end))'),
    req("respond-no-table", 'out(h, "r", err(function() h:respond("x") end))'),
    req("respond-bad-value", 'out(h, "r", err(function() h:respond({[":status"] = true}) end))'),
    req("respond-bad-value-body", 'out(h, "r", err(function() h:respond({[":status"] = true}, "x") end))'),
    req("respond-bad-body", 'out(h, "r", err(function() h:respond({[":status"] = "200"}, {}) end))'),
    req("respond-ends-script", 'pcall(function() h:respond({[":status"] = "200"}, "first") end) h:respond({[":status"] = "500"}, "second")'),
    req("respond-after-body", 'local b = h:body() h:respond({[":status"] = "200"}, b:getBytes(0, b:length()))', POST),
    req("respond-without-reading-body", 'h:respond({[":status"] = "403"}, "no")', POST, want="403"),
    req("respond-head", 'h:respond({[":status"] = "200"}, "body")', request("/", method="HEAD")),
    req("respond-grpc", 'h:respond({[":status"] = "403"}, "no")', request("/", "Content-Type: application/grpc"), want="200"),
    both("respond-passes-response-hook", 'h:respond({[":status"] = "403"}, "no")', 'out(h, "r", h:headers():get(":status")) h:body():setBytes("changed")', want="403"),
    resp("respond-in-response", 'out(h, "r", err(function() h:respond({[":status"] = "403"}, "no") end))'),
    resp("local-reply-of-router", 'out(h, "r", h:headers():get(":status")) h:body():setBytes("mine")', routes="- {match: {prefix: /}, direct_response: {status: 418, body: {inline_string: teapot}}}", want="418"),
    resp("local-reply-no-route", 'out(h, "r", 1)', routes="- {match: {prefix: /x}, route: {cluster: $up}}", want="404"),
    Case("lua-two-filters", "403", (ask(request("/")),), filters=f"""
- lua: {{{source('function envoy_on_request(h) h:headers():add("x-f", "1") end function envoy_on_response(h) h:headers():add("x-o", (h:headers():get("x-o") or "") .. "1") end')}}}
- name: second
  typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, {source('function envoy_on_request(h) h:respond({[":status"] = "403"}, h:headers():get("x-f")) end function envoy_on_response(h) h:headers():add("x-o", "2") end')}}}""",
        routes="- {match: {prefix: /}, route: {cluster: $up}}"),
    Case("lua-two-filters-body", "200", (ask(POST),), filters=f"""
- lua: {{{source('function envoy_on_request(h) h:body():setBytes("one") end function envoy_on_response(h) h:body():setBytes(h:body():getBytes(0, 3) .. "1") end')}}}
- name: second
  typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, {source('function envoy_on_request(h) local b = h:body() b:setBytes(b:getBytes(0, 3) .. "two") end function envoy_on_response(h) h:body():setBytes("222") end')}}}"""),
    # ---- per route
    lua("route-disabled", "200 200", 'function envoy_on_request(h) out(h, "r", 1) end', request("/r"), request("/"), **route("disabled: true")),
    lua("route-name", "200 200", 'function envoy_on_request(h) out(h, "r", "default") end', request("/r"), request("/"), more=", source_codes: {other: {inline_string: 'function envoy_on_request(h) h:headers():add(\"x-r\", \"other\") end'}}", **route("name: other")),
    lua("route-unknown-name", "200 200", 'function envoy_on_request(h) out(h, "r", "default") end', request("/r"), request("/"), **route("name: nobody")),
    lua("route-source", "200 200", 'function envoy_on_request(h) out(h, "r", "default") end', request("/r"), request("/"), **route("source_code: {inline_string: 'function envoy_on_response(h) h:headers():add(\"x-r\", \"route\") end'}")),
    Case("lua-route-source-only", "200 200", (ask(request("/r"), request("/")),), filters="- lua: {}", **route("source_code: {inline_string: 'function envoy_on_response(h) h:headers():add(\"x-r\", \"route\") end'}")),
    lua("context", "200 200", CONTEXT_SCRIPT, request("/r"), request("/"), **route("filter_context: {k: {a: 1, b: [x, true, null, 2.5]}}")),
    lua("context-named", "200", "", request("/r"), more=f", source_codes: {{n: {{inline_string: {source(TOOLS + CONTEXT_SCRIPT).partition('inline_string: ')[2]}}}", **route("name: n, filter_context: {k: v}")),
    lua("context-pairs", "200", 'function envoy_on_request(h) local t = {} for k, v in pairs(h:filterContext()) do t[#t + 1] = k .. dump(v) end table.sort(t) out(h, "r", table.concat(t, " ")) end', request("/r"), **route("filter_context: {k: v, n: 1, t: {x: y}}")),
    lua("route-vhost", "200 200", 'function envoy_on_request(h) out(h, "r", "default") end', request("/r"), request("/"), vhost="per_filter: {lua: {disabled: true}}", **route("source_code: {inline_string: 'function envoy_on_request(h) h:headers():add(\"x-r\", \"route\") end'}")),
    lua("route-changed-by-script", "200", 'function envoy_on_request(h) h:headers():replace(":path", "/r") out(h, "r", "default") end function envoy_on_response(h) out(h, "s", "default") end', request("/"), **route("source_code: {inline_string: 'function envoy_on_response(h) h:headers():add(\"x-s\", \"route\") end'}")),
    # ---- metadata and stream info
    req("metadata", 'out(h, "r", dump(h:metadata():get("k")) .. dump(h:metadata():get("t")) .. select("#", h:metadata():get("none")))', request("/r"), **route("", more=", metadata: {filter_metadata: {envoy.filters.http.lua: {k: v, t: {a: [1, 2, {b: false}], n: 1.5}}}}")),
    req("metadata-none", 'out(h, "r", tostring((h:metadata():get("k"))))'),
    req("metadata-pairs", 'local t = {} for k, v in pairs(h:metadata()) do t[#t + 1] = k .. dump(v) end table.sort(t) out(h, "r", table.concat(t, " "))', request("/r"), **route("", more=", metadata: {filter_metadata: {envoy.filters.http.lua: {k: v, n: 2}}}")),
    Case("lua-metadata-of-named-filter", "200", (ask(request("/")),), filters=f"""
- name: my.lua
  typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, {source('function envoy_on_request(h) h:headers():add("x-r", h:metadata():get("k")) h:headers():add("x-s", tostring((h:metadata():get("l")))) end')}}}""",
        routes="- {match: {prefix: /}, route: {cluster: $up}, metadata: {filter_metadata: {envoy.filters.http.lua: {k: general, l: m}, my.lua: {k: own}}}}"),
    req("route-object", 'out(h, "r", dump(h:route():metadata():get("k")) .. dump((h:virtualHost():metadata():get("k"))))', request("/"), routes="- {match: {prefix: /}, route: {cluster: $up}, metadata: {filter_metadata: {envoy.filters.http.lua: {k: r}}}}", vhost="metadata: {filter_metadata: {envoy.filters.http.lua: {k: v}}}"),
    req("route-object-no-route", 'h:respond({[":status"] = "200"}, tostring(h:route()):sub(1, 8) .. tostring((h:route():metadata():get("k"))) .. tostring((h:virtualHost():metadata():get("k"))))', routes="- {match: {prefix: /x}, route: {cluster: $up}}"),
    req("dynamic-metadata", 'local d = h:streamInfo():dynamicMetadata() d:set("ns", "s", "text") d:set("ns", "n", 1.5) d:set("ns", "b", true) d:set("ns", "l", {1, "two", {x = 3}}) d:set("ns", "m", {a = {b = "c"}}) d:set("ns", "e", {}) out(h, "r", dump(d:get("ns")))', log="%DYNAMIC_METADATA(ns)%\n"),
    req("dynamic-metadata-nil", 'local d = h:streamInfo():dynamicMetadata() d:set("ns", "s", nil) d:set("ns", "t", {1, nil, 3}) d:set("ns", "k", {[1] = "a", [3] = "c"}) out(h, "s", err(function() d:set("ns", "q", {[10] = "a", z = 1}) end)) out(h, "r", dump(d:get("ns")))', log="%DYNAMIC_METADATA(ns)%\n"),
    req("dynamic-metadata-missing", 'out(h, "r", select("#", h:streamInfo():dynamicMetadata():get("none")))'),
    req("dynamic-metadata-function", 'out(h, "r", err(function() h:streamInfo():dynamicMetadata():set("a", "b", function() end) end))'),
    req("dynamic-metadata-nested-function", 'out(h, "r", err(function() h:streamInfo():dynamicMetadata():set("a", "b", {c = print}) end))'),
    req("dynamic-metadata-userdata", 'out(h, "r", err(function() h:streamInfo():dynamicMetadata():set("a", "b", h) end))'),
    req("dynamic-metadata-arguments", 'out(h, "r", err(function() h:streamInfo():dynamicMetadata():set("a") end))'),
    req("dynamic-metadata-pairs", 'local d = h:streamInfo():dynamicMetadata() d:set("a", "k", 1) d:set("b", "k", 2) local t = {} for n, v in pairs(d) do t[#t + 1] = n .. dump(v) end table.sort(t) out(h, "r", table.concat(t, " "))'),
    req("dynamic-metadata-set-in-pairs", 'local d = h:streamInfo():dynamicMetadata() d:set("a", "k", 1) local e for n, v in pairs(d) do e = err(function() d:set("b", "k", 1) end) end out(h, "r", e)'),
    both("dynamic-metadata-across", 'h:streamInfo():dynamicMetadata():set("ns", "k", "from request")', 'out(h, "r", h:streamInfo():dynamicMetadata():get("ns")["k"])'),
    req("stream-info", 'local i = h:streamInfo() out(h, "r", i:protocol() .. "|" .. i:routeName() .. "|" .. i:virtualClusterName() .. "|" .. i:requestedServerName() .. "|" .. tostring(i:downstreamSslConnection()))'),
    req("stream-info-addresses", 'local i = h:streamInfo() out(h, "r", i:downstreamLocalAddress() .. "|" .. i:downstreamDirectLocalAddress() .. "|" .. i:downstreamRemoteAddress():gsub(":%d+", "") .. "|" .. i:downstreamDirectRemoteAddress():gsub(":%d+", ""))'),
    req("stream-info-http10", 'out(h, "r", h:streamInfo():protocol())', request("/", version="HTTP/1.0"), hcm="http_protocol_options: {accept_http_10: true}"),
    req("stream-info-xff", 'out(h, "r", h:streamInfo():downstreamRemoteAddress())', request("/", "X-Forwarded-For: 1.2.3.4"), hcm="use_remote_address: false"),
    req("connection", 'out(h, "r", tostring(h:connection():ssl()) .. type(h:connection()))'),
    req("connection-metadata", 'out(h, "r", select("#", h:connectionStreamInfo():dynamicMetadata():get("x")) .. tostring(h:connectionStreamInfo():dynamicTypedMetadata("x")) .. tostring(h:streamInfo():dynamicTypedMetadata("x")))'),
    req("filter-state", 'local f = h:streamInfo():filterState() out(h, "r", select("#", f:get("none"))) f:set("k", "envoy.string", "v") out(h, "s", f:get("k")) out(h, "t", err(function() f:set("k2", "nobody", "v") end))', log="%FILTER_STATE(k:PLAIN)%\n"),
    req("filter-state-set-twice", 'local f = h:streamInfo():filterState() f:set("k", "envoy.string", "v") out(h, "r", err(function() f:set("k", "envoy.string", "w") end)) out(h, "s", f:get("k"))'),
    # ---- statistics
    lua("stats-prefix", "200", 'function envoy_on_request(h) h:stats():counter("c"):inc() h:stats():counter("c"):add(4) out(h, "r", h:stats():counter("c"):value()) end', more=", stat_prefix: mine"),
    req("stats-gauge", 'local g = h:stats():gauge("g") g:set(5) g:inc() g:dec() g:add(3) g:sub(1) out(h, "r", g:value())'),
    req("stats-histogram", 'h:stats():histogram("h"):recordValue(5) h:stats():histogram("i", "ms"):recordValue(7) out(h, "r", err(function() local x = h:stats():histogram("j", "years") end))'),
    req("stats-errors", 'out(h, "r", err(function() local x = h:stats():counter() end)) out(h, "s", err(function() h:stats():counter("c"):add("x") end)) out(h, "t", err(function() h:stats():counter("c"):add(-1) end))'),
    both("stats-executions", "", ""),
    # ---- keys
    req("key-invalid", 'local k = h:importPublicKey("rubbish", 7) out(h, "r", tostring(k:get()) .. type(k)) out(h, "s", err(function() local x = h:verifySignature("SHA256", "rubbish", "s", 1, "d", 1) end))'),
    req("key-arguments", 'out(h, "r", err(function() local k = h:importPublicKey() end)) out(h, "s", err(function() local x = h:verifySignature() end))'),
    # ---- refused configurations are in tests/unit; scripts from other places
    Case("lua-inline-code", "200", (ask(request("/")),), filters="- lua: {inline_code: 'function envoy_on_response(h) h:headers():add(\"x-r\", \"inline\") end'}"),
    Case("lua-inline-bytes", "200", (ask(request("/")),), filters="- lua: {default_source_code: {inline_bytes: ZnVuY3Rpb24gZW52b3lfb25fcmVzcG9uc2UoaCkgaDpoZWFkZXJzKCk6YWRkKCJ4LXIiLCAiYnl0ZXMiKSBlbmQ=}}"),
    Case("lua-empty", "200", (ask(request("/")),), filters="- lua: {}"),
)
