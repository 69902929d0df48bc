"""Header rules: add and remove at every level, append actions, operators."""


from tests.parity.case import Case, ask, get, request, response
from tests.support.upstream import Script

OPERATORS = (
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_LOCAL_ADDRESS", "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "DOWNSTREAM_LOCAL_PORT", "PROTOCOL",
    "REQUEST_HEADER(:path)", "REQUEST_HEADER(x-none?:method)", "REQUEST_HEADER(x-long):3", "REQ(x-a)",
    "ROUTE_NAME", "VIRTUAL_CLUSTER_NAME", "RESPONSE_CODE", "RESPONSE_FLAGS", "RESPONSE_CODE_DETAILS",
    "UPSTREAM_HOST", "UPSTREAM_CLUSTER", "UPSTREAM_REMOTE_ADDRESS", "BYTES_RECEIVED", "PATH(NQ)", "PATH(WQ:ORIG)",
    "QUERY_PARAM(q)", "QUERY_PARAM(none)", "REQUESTED_SERVER_NAME", "FILTER_CHAIN_NAME",
    "DYNAMIC_METADATA(none:key)", "RESPONSE_HEADER(x-up)", "DOWNSTREAM_TLS_VERSION", "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "ENVIRONMENT(PARITY_NOT_SET)", "ACCESS_LOG_TYPE", "CONNECTION_TERMINATION_DETAILS", "UPSTREAM_CLUSTER_RAW",
    "RESPONSE_FLAGS_LONG", "METADATA(ROUTE:none:key)", "FILTER_STATE(none:PLAIN)", "UPSTREAM_HOST_NAME",
)


def add(key: str, value: str, action: str = "", more: str = "") -> str:
    rule = f", append_action: {action}" if action else ""
    return f"{{header: {{key: {key}, value: '{value}'}}{rule}{more}}}"


def operators(side: str) -> Case:
    rules = ", ".join(add(f"x-op-{n}", f"<%{op}%>") for n, op in enumerate(OPERATORS))
    return Case(
        f"rules-operators-{side}", "200", (ask(request("/p/a?q=1&r=2", "X-A: v", "X-Long: abcdefgh")),),
        routes=f"- {{match: {{prefix: /}}, name: named, route: {{cluster: $up}}, {side}_headers_to_add: [{rules}]}}",
        upstream={"up": Script(((response("200 OK", "X-Up: u"),),))},
    )


def action(name: str, present: bool) -> Case:
    rules = add("x-a", "new", name)
    return Case(
        f"rules-{name.lower().replace('_', '-')}-{'present' if present else 'absent'}", "200",
        (ask(request("/", *(("X-A: old",) if present else ()))),),
        routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up}}, request_headers_to_add: [{rules}], "
               f"response_headers_to_add: [{rules}]}}",
        upstream={"up": Script(((response("200 OK", *(("X-A: old",) if present else ())),),))},
    )


def levels(name: str, route_config: str) -> Case:
    """The same header set at weighted cluster, route, virtual host and table."""
    def rules(level: str) -> str:
        return ", ".join(
            f"{side}_headers_to_add: [{add('x-over', level, 'OVERWRITE_IF_EXISTS_OR_ADD')}, {add('x-app', level)}, "
            f"{add('x-absent', level, 'ADD_IF_ABSENT')}, {add('x-if', level, 'OVERWRITE_IF_EXISTS')}]"
            for side in ("request", "response")
        )
    return Case(
        f"rules-levels-{name}", "200", (ask(request("/", "X-If: client")),),
        routes=f"- match: {{prefix: /}}\n  route: {{weighted_clusters: {{clusters: [{{name: $up, weight: 1, "
               f"{rules('cluster')}}}]}}}}\n  " + rules("route").replace(", response_headers", "\n  response_headers"),
        vhost=f"{{{rules('vhost')}}}", route_config=f"{{{rules('table')}{route_config}}}",
    )


CASES = (
    *(action(name, present)
      for name in ("APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS")
      for present in (True, False)),
    levels("default", ""),
    levels("most-specific", ", most_specific_header_mutations_wins: true"),
    operators("request"),
    operators("response"),
    Case("rules-remove", "200", (ask(request("/", "X-A: 1", "X-B: 2", "X-C: 3", "X-D: 4", "X-A: again")),), routes="""
- {match: {prefix: /}, route: {cluster: $up}, request_headers_to_remove: [x-a, X-B], response_headers_to_remove: [x-a]}
""", vhost="{request_headers_to_remove: [x-c], response_headers_to_remove: [x-c]}",
         route_config="{request_headers_to_remove: [x-d], response_headers_to_remove: [x-d]}",
         upstream={"up": Script(((response("200 OK", "X-A: 1", "X-C: 3", "X-D: 4", "X-E: 5"),),))}),
    Case("rules-remove-then-add", "200", (ask(request("/", "X-A: client")),), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}}, request_headers_to_remove: [x-a],
   request_headers_to_add: [{add('x-a', 'route')}]}}"""),
    Case("rules-empty-value", "200", get("/"), routes=f"""
- match: {{prefix: /}}
  route: {{cluster: $up}}
  request_headers_to_add: [{add('x-none', '%REQUEST_HEADER(x-missing)%')},
    {add('x-kept', '%REQUEST_HEADER(x-missing)%', more=', keep_empty_value: true')},
    {add('x-text', 'a%REQUEST_HEADER(x-missing)%b')}]
  response_headers_to_add: [{add('x-none', '%RESPONSE_HEADER(x-missing)%')}]"""),
    Case("rules-percent", "200", get("/"), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}}, request_headers_to_add: [{add('x-p', '100%% of %%it')}]}}"""),
    Case("rules-upper-case-key", "200", get("/"), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}}, request_headers_to_add: [{add('X-UPPER', 'V')}],
   response_headers_to_add: [{add('X-UPPER', 'V')}]}}"""),
    Case("rules-append-several", "200", get("/"), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}},
   request_headers_to_add: [{add('x-l', '1')}, {add('x-l', '2')}, {add('x-m', '3')}, {add('x-l', '4')}]}}"""),
    Case("rules-on-local-reply", "404 503", get("/none", "/dead"), vhosts=f"""
- name: v
  domains: ['*']
  response_headers_to_add: [{add('x-v', 'vhost %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%')}]
  routes: [{{match: {{prefix: /dead}}, route: {{cluster: $dead}}}}]""",
         route_config=f"response_headers_to_add: [{add('x-t', 'table')}]"),
    Case("rules-server-override", "200", get("/"), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}}, response_headers_to_remove: [server, date],
   response_headers_to_add: [{add('server', 'mine', 'OVERWRITE_IF_EXISTS_OR_ADD')}]}}""",
         upstream={"up": Script(((response("200 OK", "Server: up", "Date: Mon, 01 Jan 2024 00:00:00 GMT"),),))}),
    Case("rules-start-time-format", "200", get("/"), routes=f"""
- {{match: {{prefix: /}}, route: {{cluster: $up}},
   request_headers_to_add: [{add('x-year', '%START_TIME(%Y)%')}, {add('x-fixed', '%START_TIME(%%)%')}]}}"""),
)
