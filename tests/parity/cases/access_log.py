"""Access log formats and filters: text and JSON with all operators."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response

_ADDRESSES = [
    f"DOWNSTREAM_{direct}{side}_{what}"
    for direct in ("", "DIRECT_") for side in ("REMOTE", "LOCAL")
    for what in ("ADDRESS", "ADDRESS_WITHOUT_PORT", "PORT")
]
OPERATORS = (
    *(name for name in _ADDRESSES if name not in ("DOWNSTREAM_REMOTE_PORT", "DOWNSTREAM_DIRECT_REMOTE_PORT")),
    "REQ(X-A)", "REQUEST_HEADER(x-none?x-a)", "REQUEST_HEADER(x-a):2", "REQUEST_HEADER(x-none)", "RESP(X-UP)",
    "RESPONSE_HEADER(x-up):1", "TRAILER(x-t)", "RESPONSE_TRAILER(x-t)", "PROTOCOL", "RESPONSE_CODE",
    "RESPONSE_CODE_DETAILS", "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG", "BYTES_RECEIVED", "BYTES_SENT",
    "REQUEST_HEADERS_BYTES", "RESPONSE_TRAILERS_BYTES",
    "DOWNSTREAM_WIRE_BYTES_RECEIVED", "UPSTREAM_WIRE_BYTES_RECEIVED",
    "DOWNSTREAM_HEADER_BYTES_RECEIVED", "UPSTREAM_HEADER_BYTES_RECEIVED",
    "ROUTE_NAME", "VIRTUAL_CLUSTER_NAME", "UPSTREAM_HOST", "UPSTREAM_HOST_NAME", "UPSTREAM_CLUSTER",
    "UPSTREAM_CLUSTER_RAW", "UPSTREAM_REMOTE_ADDRESS", "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", "UPSTREAM_REMOTE_PORT",
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", "UPSTREAM_TRANSPORT_FAILURE_REASON", "UPSTREAM_REQUEST_ATTEMPT_COUNT",
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON", "CONNECTION_TERMINATION_DETAILS", "REQUESTED_SERVER_NAME",
    "FILTER_CHAIN_NAME", "PATH(WQ)", "PATH(NQ)", "PATH(WQ:ORIG)", "PATH(NQ:PATH)", "QUERY_PARAM(q)", "QUERY_PARAM(none)",
    "LOCAL_REPLY_BODY", "ACCESS_LOG_TYPE", "DYNAMIC_METADATA(ns:key)", "METADATA(ROUTE:ns:key)", "METADATA(CLUSTER:ns:key)",
    "FILTER_STATE(none:PLAIN)", "UPSTREAM_METADATA(ns:key)", "ENVIRONMENT(PARITY_NONE)", "TRACE_ID", "CUSTOM_FLAGS",
    "GRPC_STATUS", "GRPC_STATUS_NUMBER", "DOWNSTREAM_TLS_VERSION", "DOWNSTREAM_TLS_CIPHER", "DOWNSTREAM_PEER_SUBJECT",
    "DOWNSTREAM_PEER_URI_SAN", "UPSTREAM_TLS_VERSION", "TLS_JA3_FINGERPRINT", "START_TIME(%%)",
    "HOSTNAME",
)
TEXT = "~".join(f"op{n}=%{op}%" for n, op in enumerate(OPERATORS)) + "\\n"
JSON = "{" + ", ".join(f"'{n:02d} {op.replace('%', '')}': '%{op}%'" for n, op in enumerate(OPERATORS)) + "}"
ROUTES = """
- match: {prefix: /p}
  name: named
  metadata: {filter_metadata: {ns: {key: value, num: 4}}}
  route: {cluster: $up, prefix_rewrite: /new}"""
SEND = (ask(request("/p/a?q=1&r=2", "X-A: some-value", method="POST", body=b"hello"), request("/none")),)
UP = {"up": answers(response("200 OK", "X-Up: upstream-value"))}


def filtered(name: str, text: str) -> Case:
    """Two requests, /ok (200) and /none (404); the filter decides which are logged."""
    return Case(
        f"log-filter-{name}", "200 404", (ask(request("/ok", "X-A: 1"), request("/none")),),
        routes="- {match: {prefix: /ok}, direct_response: {status: 200}}",
        hcm=f"""
access_log:
- name: envoy.access_loggers.file
  filter: {{{text}}}
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: $log
    log_format: {{text_format_source: {{inline_string: "line=%RESPONSE_CODE%\\n"}}}}""",
    )


CASES = (
    Case("log-text-operators", "200 404", SEND, routes=ROUTES, upstream=UP, log=TEXT.replace("\\n", "\n")),
    Case("log-json-operators", "200 404", SEND, routes=ROUTES, upstream=UP, json_log=JSON),
    Case("log-json-nested", "200", get("/p"), routes=ROUTES, json_log="""
{z: 'text %RESPONSE_CODE%', a: {inner: '%BYTES_SENT%', list: ['%PROTOCOL%', fixed, '%RESPONSE_CODE%']}, n: '%REQ(none)%',
 q: 'quote " backslash \\ %REQ(none)%', e: '', num: 3, b: true}"""),
    Case("log-json-escape", "200", (ask(request("/p", 'X-A: quote " back \\ tab\there caf\xe9')),), routes=ROUTES,
         json_log="{h: '%REQ(X-A)%', mixed: '<%REQ(X-A)%>'}"),
    Case("log-text-escape", "200", (ask(request("/p", 'X-A: quote " back \\ tab\there caf\xe9')),), routes=ROUTES,
         log="h=%REQ(X-A)%~\n"),
    Case("log-default-format", "200", (ask(request("/p", "User-Agent: t")),), routes=ROUTES, hcm="""
access_log:
- name: envoy.access_loggers.file
  typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: $log}"""),
    Case("log-omit-empty", "200", get("/p"), routes=ROUTES, hcm="""
access_log:
- name: envoy.access_loggers.file
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: $log
    log_format: {omit_empty_values: true, json_format: {a: '%REQ(none)%', b: 'x%REQ(none)%y', c: '%RESPONSE_CODE%'}}"""),
    Case("log-omit-empty-text", "200", get("/p"), routes=ROUTES, hcm="""
access_log:
- name: envoy.access_loggers.file
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: $log
    log_format: {omit_empty_values: true, text_format_source: {inline_string: "a=<%REQ(none)%>\\n"}}"""),
    Case("log-deprecated-format", "200", get("/p"), routes=ROUTES, hcm="""
access_log:
- name: envoy.access_loggers.file
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: $log
    format: "old=%RESPONSE_CODE%\\n" """),
    Case("log-start-time", "200", get("/p"), routes=ROUTES, log="t=%START_TIME%~y=%START_TIME(%Y-%m-%d)%~\n"),
    filtered("status", "status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: none}}}"),
    filtered("status-eq", "status_code_filter: {comparison: {op: EQ, value: {default_value: 200, runtime_key: none}}}"),
    filtered("header", "header_filter: {header: {name: x-a, present_match: true}}"),
    filtered("flag", "response_flag_filter: {flags: [NR]}"),
    filtered("flag-any", "response_flag_filter: {}"),
    filtered("and-or", "and_filter: {filters: [{header_filter: {header: {name: x-a, present_match: true}}}, "
             "{or_filter: {filters: [{response_flag_filter: {flags: [NR]}}, {status_code_filter: {comparison: "
             "{op: LE, value: {default_value: 200, runtime_key: none}}}}]}}]}"),
    filtered("runtime", "runtime_filter: {runtime_key: none.key, percent_sampled: {numerator: 0}}"),
    filtered("duration", "duration_filter: {comparison: {op: GE, value: {default_value: 60000, runtime_key: none}}}"),
    filtered("not-health-check", "not_health_check_filter: {}"),
    filtered("traceable", "traceable_filter: {}"),
    filtered("log-type", "log_type_filter: {types: [DownstreamEnd]}"),
)
