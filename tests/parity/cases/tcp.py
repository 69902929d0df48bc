"""TCP sessions: ends, failures, limits and early data, with the logs of listener and session and all counters."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, request, tunnel
from tests.support.steps import Close, Fin, Reset, Step, Until, UntilEnd, Wait
from tests.support.upstream import Script

_LOG = """
- name: envoy.access_loggers.file
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
    path: $log
    log_format: {text_format_source: {inline_string: "by=%ACCESS_LOG_TYPE%~fl=%RESPONSE_FLAGS%~de=%RESPONSE_CODE_DETAILS%~ct=%CONNECTION_TERMINATION_DETAILS%~rx=%BYTES_RECEIVED%~tx=%BYTES_SENT%~cl=%UPSTREAM_CLUSTER%~up=%UPSTREAM_HOST%~ul=%UPSTREAM_LOCAL_ADDRESS%~tf=%UPSTREAM_TRANSPORT_FAILURE_REASON%~at=%UPSTREAM_REQUEST_ATTEMPT_COUNT%~ha=%UPSTREAM_HOSTS_ATTEMPTED%~ur=%UPSTREAM_WIRE_BYTES_RECEIVED%~us=%UPSTREAM_WIRE_BYTES_SENT%~dr=%DOWNSTREAM_WIRE_BYTES_RECEIVED%~ds=%DOWNSTREAM_WIRE_BYTES_SENT%~co=%RESPONSE_CODE%~fc=%FILTER_CHAIN_NAME%\\n"}}
"""
_INNER = _LOG.replace("\n", "\n    ")
EARLY = "max_early_data_bytes: 10"
ON_DATA = f"upstream_connect_mode: ON_DOWNSTREAM_DATA;{EARLY}"
BREAKER = "circuit_breakers: {thresholds: [{%s}]}"
PING = tunnel(Until(b"ping"), b"pong", UntilEnd())
CLOSING = tunnel(Until(b"ping"), b"pong", Close())


def proxy(more: str = "", cluster: str = "$up") -> str:
    """A tcp_proxy with further fields, separated by semicolons."""
    fields = "".join(f"    {field}\n" for field in more.split(";") if field)
    return f"- tcp_proxy:\n    stat_prefix: $id\n    cluster: {cluster}\n{fields}    access_log:{_INNER}"


def tcp(name: str, steps: tuple[Step, ...], up: Script | None = None, more: str = "", **options: object) -> Case:
    """A session in front of `up`, or of the cluster that is named."""
    cluster = str(options.pop("cluster_name", "$up"))
    before = str(options.pop("before", ""))
    options.setdefault("settle_s", 0.3)
    return Case(f"tcp-{name}", "", (steps,), l4=before + proxy(more, cluster), upstream={"up": up} if up else {},
                listener=f"access_log:{_LOG}", **options)  # type: ignore[arg-type]


CASES = (
    tcp("both-ways", (b"ping", Until(b"pong"), b"bye", UntilEnd()), tunnel(Until(b"ping"), b"pong", Until(b"bye"), Close())),
    tcp("client-closes", (b"ping", Until(b"pong"), Close()), PING),
    tcp("client-ends-first", (b"q", Fin(), UntilEnd()), tunnel(UntilEnd(), b"answer", Close())),
    tcp("upstream-ends-first", (Until(b"hello"), UntilEnd(), b"late", Wait(0.2), Fin()), tunnel(b"hello", Fin(), UntilEnd())),
    tcp("client-resets", (b"ping", Until(b"pong"), Reset()), PING),
    tcp("upstream-resets", (b"ping", UntilEnd()), tunnel(Until(b"ping"), Reset()), resets=True),
    tcp("client-ends-upstream-resets", (b"q", Fin(), UntilEnd()), tunnel(UntilEnd(), b"answer", Wait(0.1), Reset()), resets=True),
    tcp("upstream-ends-client-resets", (Until(b"hello"), UntilEnd(), b"late", Wait(0.2), Reset()), tunnel(b"hello", Fin(), Until(b"late"), UntilEnd())),
    tcp("upstream-closes-client-stays", (b"ping", Until(b"pong"), Wait(0.3)), CLOSING),
    tcp("large-client-gone", (b"q" * 3_000_000, Close()), tunnel(Wait(0.3), UntilEnd(), Close()), settle_s=1.0),
    tcp("large-upstream-gone", (Wait(0.3), UntilEnd()), tunnel(b"r" * 8_000_000, Close()), settle_s=0.5),
    tcp("refused", (UntilEnd(),), cluster_name="$dead"),
    tcp("refused-thrice", (UntilEnd(),), more="max_connect_attempts: 3", cluster_name="$dead"),
    tcp("refused-backoff", (UntilEnd(),), more="max_connect_attempts: 3;backoff_options: {base_interval: 0.05s, max_interval: 0.1s}", cluster_name="$dead"),
    tcp("no-answer", (b"ping", UntilEnd(3.0)), cluster_name="$stuck", resets=True, settle_s=1.2),
    tcp("no-answer-twice", (b"ping", UntilEnd(4.0)), more="max_connect_attempts: 2", cluster_name="$stuck", settle_s=1.2),
    tcp("no-answer-client-leaves", (b"ping", Wait(0.1), Close()), cluster_name="$stuck", settle_s=1.2),
    tcp("no-host", (UntilEnd(),), cluster_name="$empty"),
    tcp("no-cluster", (UntilEnd(),), cluster_name="nope"),
    tcp("idle", (b"ping", Until(b"pong"), UntilEnd()), PING, "idle_timeout: 0.3s"),
    tcp("idle-off", (b"ping", Until(b"pong"), Wait(0.2)), PING, "idle_timeout: 0s"),
    tcp("idle-while-connecting", (b"ping", UntilEnd()), more="idle_timeout: 0.3s", cluster_name="$stuck", resets=True),
    tcp("duration", (b"ping", Until(b"pong"), UntilEnd()), PING, "max_downstream_connection_duration: 0.3s"),
    tcp("duration-while-connecting", (b"ping", UntilEnd()), more="max_downstream_connection_duration: 0.3s", cluster_name="$stuck"),
    tcp("log-in-between", (b"ping", Until(b"pong"), Wait(0.75), Close()), PING,
        "access_log_options: {flush_access_log_on_connected: true, access_log_flush_interval: 0.5s}"),
    tcp("on-data", (Wait(0.1), b"ping", Until(b"pong"), Close()), PING, ON_DATA),
    tcp("on-data-large", (b"p" * 100, Until(b"pong"), Close()), tunnel(Until(b"p" * 100), b"pong", UntilEnd()), ON_DATA),
    tcp("on-data-refused", (b"p", UntilEnd()), more=ON_DATA, cluster_name="$dead"),
    tcp("on-data-idle", (UntilEnd(1.0),), PING, f"idle_timeout: 0.3s;{ON_DATA}"),
    tcp("on-data-needs-limit", (b"ping", UntilEnd(1.0)), more=f"max_connect_attempts: 1;{EARLY}", cluster_name="$empty"),
    tcp("on-handshake-of-plain-text", (Wait(0.1), b"ping", Until(b"pong"), Close()), PING,
        f"upstream_connect_mode: ON_DOWNSTREAM_TLS_HANDSHAKE;{EARLY}"),
    tcp("early-no-answer", (b"ping", UntilEnd(3.0)), more=EARLY, cluster_name="$stuck", settle_s=1.2),
    tcp("early-client-ends", (b"ping", Wait(0.1), Close()), more=EARLY, cluster_name="$stuck", settle_s=1.2),
    tcp("early-client-resets", (b"ping", Wait(0.1), Reset()), more=EARLY, cluster_name="$stuck", settle_s=0.5),
    tcp("early-over-limit", (b"ping" * 10, Wait(0.1), b"x" * 20, UntilEnd(3.0)), more=EARLY, cluster_name="$stuck", settle_s=1.2),
    tcp("breaker-one-connection", (b"ping", UntilEnd(0.8)), CLOSING, clusters={"up": BREAKER % "max_connections: 1"}),
    tcp("breaker-no-requests", (b"ping", UntilEnd(0.8)), CLOSING, clusters={"up": BREAKER % "max_requests: 0"}),
    tcp("behind-a-limit", (b"ping", Until(b"pong"), Close()), PING, before="- connection_limit: {stat_prefix: $id, max_connections: 5}\n"),
    Case("tcp-refused-by-a-limit", "", ((b"ping", Until(b"pong")), (UntilEnd(0.5),)), upstream={"up": PING}, settle_s=0.3,
         l4="- connection_limit: {stat_prefix: $id, max_connections: 1}\n" + proxy(), listener=f"access_log:{_LOG}"),
    Case("tcp-breaker-second-session", "", ((b"ping", Until(b"pong")), (UntilEnd(0.8),)), upstream={"up": PING}, settle_s=0.3,
         l4=proxy(), listener=f"access_log:{_LOG}", clusters={"up": BREAKER % "max_connections: 1"}),
    Case("tcp-no-buffer-limit", "", ((b"ping", Until(b"pong"), Close()),), upstream={"up": PING}, settle_s=0.3, l4=proxy(),
         listener="per_connection_buffer_limit_bytes: 0"),
    Case("tcp-empty-chain-with-data", "", ((request(version="HTTP/1.0"), UntilEnd(1.0)),), settle_s=0.3, resets=True,
         chains="- {name: empty, filters: []}", listener=f"listener_filters: [http_inspector: {{}}]\naccess_log:{_LOG}"),
    Case("tcp-no-chain-with-data", "", ((request(version="HTTP/1.0"), UntilEnd(1.0)),), settle_s=0.3, resets=True,
         chains="- {filter_chain_match: {server_names: [a.test]}, filters: [echo: {}]}", listener=f"listener_filters: [http_inspector: {{}}]\naccess_log:{_LOG}"),
    Case("tcp-http-listener-log", "200", ((request("/"), Until(b"ok"), Close()),), settle_s=0.3, hcm="server_name: envoy",
         listener="access_log:" + _LOG.replace("~tx=%BYTES_SENT%", "")),  # the service time has one digit or two
)
