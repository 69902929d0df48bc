"""Fields that real configurations set now and then: formatters, local addresses, predicates, lists without effect."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response
from tests.parity.cases.health import endpoint, hosts

_BAD = ", metadata: {filter_metadata: {envoy.lb: {kind: bad}}}"
_OMIT = (
    "retry_policy: {retry_on: 5xx, num_retries: 1, host_selection_retry_max_attempts: 5, retry_host_predicate: "
    "[{name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.retry.host.omit_host_metadata.v3."
    "OmitHostMetadataConfig, metadata_match: {filter_metadata: {envoy.lb: {kind: bad}}}}}]}"
)
_FORMATTER = (
    "access_log: [{name: f, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3."
    "FileAccessLog, path: $log, log_format: {text_format_source: {inline_string: "
    "\"a=%REQ_WITHOUT_QUERY(X-NONE?:PATH)%~b=%REQ_WITHOUT_QUERY(X-Q):4%~c=%REQ_WITHOUT_QUERY(X-NONE)%\\n\"}, formatters: "
    "[{name: q, typed_config: {'@type': type.googleapis.com/envoy.extensions.formatter.req_without_query.v3."
    "ReqWithoutQuery}}]}}}]"
)

CASES: tuple[Case, ...] = (
    Case("tail-req-without-query", "200", (ask(request("/p?secret=1", "X-Q: abcdef?g")),), hcm=_FORMATTER),
    Case(
        "tail-bind-source-address",
        "200",
        get("/"),
        cluster="upstream_bind_config: {source_address: {address: 127.0.0.9, port_value: 0}}",
        log="la=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%\n",
    ),
    Case(
        "tail-omit-host-metadata",
        "503",
        get("/"),
        routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up, {_OMIT}}}}}\n- {{match: {{prefix: /}}, route: {{cluster: $b}}}}",
        cluster=hosts(endpoint("$b_port")[:-1] + _BAD + "}"),
        upstream={"b": answers(response("503 X"))},
    ),
    Case(
        "tail-only-the-codec-upstream",
        "200",
        get("/"),
        router="upstream_http_filters: [{name: envoy.filters.http.upstream_codec, typed_config: {'@type': "
        "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec}}]",
    ),
    Case(
        "tail-hedge-policy-of-nothing",
        "200",
        get("/"),
        routes="- {match: {prefix: /}, route: {cluster: $up, hedge_policy: {initial_requests: 1}}}",
    ),
    Case("tail-downstream-protocol", "200", get("/"), cluster="protocol_selection: USE_DOWNSTREAM_PROTOCOL"),
)
