"""L4: tcp_proxy and its kin, listener filters, filter chain match."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import socket
import ssl
import struct

from tests.parity.case import Case, request, tunnel
from tests.support.steps import Close, Drip, Fin, Reset, Until, UntilEnd, Wait
from tests.support.upstream import Script

PROXY = "- tcp_proxy: {stat_prefix: $id, cluster: $up}"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def hello(sni: str | None, *alpn: str) -> bytes:
    """A real ClientHello, made by the standard library."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if alpn:
        context.set_alpn_protocols(list(alpn))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname=sni)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake without a peer cannot end")


def v2(command: int, family: int, payload: bytes) -> bytes:
    """A PROXY protocol header, version 2."""
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(payload)) + payload


V4 = socket.inet_aton("1.2.3.4") + socket.inet_aton("5.6.7.8") + struct.pack("!HH", 1111, 2222)


def say(text: str) -> str:
    """A chain that answers with its own name."""
    return f"filters: [{{direct_response: {{response: {{inline_string: '{text};'}}}}}}]"


def chain(match: str, name: str) -> str:
    return f"- {{filter_chain_match: {{{match}}}, name: {name}, {say(name)}}}\n"


def tls(name: str, sni: str | None, alpn: tuple[str, ...], chains: str, **more: object) -> Case:
    return Case(f"l4-match-{name}", "", ((hello(sni, *alpn), UntilEnd(1.0)),), chains=chains,
                listener="listener_filters: [tls_inspector: {}]", settle_s=0.5, **more)  # type: ignore[arg-type]


def proxied(name: str, first: bytes, chains: str = "", options: str = "", **more: object) -> Case:
    return Case(f"l4-proxy-protocol-{name}", "", ((first + b"data", UntilEnd(1.0)),), l4=PROXY if not chains else "",
                chains=chains, listener=f"listener_filters: [proxy_protocol: {{{options}}}]",
                upstream={"up": tunnel(Until(b"data"), b"answer", Wait(0.1), Close())}, settle_s=0.5,
                **more)  # type: ignore[arg-type]


SNI = (chain("server_names: [a.test]", "exact") + chain("server_names: ['*.b.test']", "wide")
       + chain("server_names: ['*.x.b.test']", "wider") + chain("transport_protocol: tls", "tls")
       + chain("transport_protocol: raw_buffer", "raw"))
ALPN = (chain("application_protocols: [h2]", "h2") + chain("application_protocols: [http/1.1]", "h11")
        + chain("", "none"))

CASES = (
    Case("l4-tcp-proxy", "", ((b"ping", Until(b"pong"), b"bye", UntilEnd()),), l4=PROXY,
         upstream={"up": tunnel(Until(b"ping"), b"pong", Until(b"bye"), Close())}),
    Case("l4-tcp-client-closes", "", ((b"ping", Until(b"pong"), Close()),), l4=PROXY,
         upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd())}, settle_s=0.3),
    Case("l4-tcp-half-close-client", "", ((b"question", Fin(), UntilEnd()),), l4=PROXY,
         upstream={"up": tunnel(UntilEnd(), b"answer after fin", Close())}),
    Case("l4-tcp-half-close-upstream", "", ((Until(b"hello"), UntilEnd(), b"late words", Wait(0.2), Fin()),), l4=PROXY,
         upstream={"up": tunnel(b"hello", Fin(), UntilEnd())}, settle_s=0.3),
    Case("l4-tcp-client-resets", "", ((b"ping", Until(b"pong"), Reset()),), l4=PROXY,
         upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd())}, settle_s=0.3),
    Case("l4-tcp-upstream-resets", "", ((b"ping", UntilEnd()),), l4=PROXY,
         upstream={"up": tunnel(Until(b"ping"), Reset())}, resets=True),
    Case("l4-tcp-upstream-speaks-first", "", ((Until(b"banner"), b"thanks", UntilEnd()),), l4=PROXY,
         upstream={"up": tunnel(b"banner", Until(b"thanks"), Close())}),
    Case("l4-tcp-large", "", ((b"q" * 2_000_000, Fin(), UntilEnd()),), l4=PROXY,
         upstream={"up": tunnel(UntilEnd(), b"r" * 2_000_000, Close())}),
    Case("l4-tcp-refused", "", ((b"ping", UntilEnd()),), l4="- tcp_proxy: {stat_prefix: $id, cluster: $dead}"),
    Case("l4-tcp-refused-attempts", "", ((b"ping", UntilEnd()),),
         l4="- tcp_proxy: {stat_prefix: $id, cluster: $dead, max_connect_attempts: 3}"),
    Case("l4-tcp-no-host", "", ((b"ping", UntilEnd()),), l4="- tcp_proxy: {stat_prefix: $id, cluster: $empty}"),
    Case("l4-tcp-no-cluster", "", ((b"ping", UntilEnd()),), l4="- tcp_proxy: {stat_prefix: $id, cluster: nope}"),
    Case("l4-tcp-weighted", "", ((b"ping", UntilEnd()),), l4="""
- tcp_proxy: {stat_prefix: $id, weighted_clusters: {clusters: [{name: $up, weight: 100000}, {name: $b, weight: 1}]}}""",
         upstream={"up": tunnel(Until(b"ping"), b"pong", Close())}),
    Case("l4-tcp-idle-timeout", "", ((b"ping", Until(b"pong"), UntilEnd()),),
         l4="- tcp_proxy: {stat_prefix: $id, cluster: $up, idle_timeout: 0.3s}",
         upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd())}),
    Case("l4-tcp-max-duration", "", ((b"ping", Until(b"pong"), UntilEnd()),),
         l4="- tcp_proxy: {stat_prefix: $id, cluster: $up, max_downstream_connection_duration: 0.3s}",
         upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd())}),
    Case("l4-tcp-access-log", "", ((b"ping", UntilEnd()),), l4="""
- tcp_proxy:
    stat_prefix: $id
    cluster: $up
    access_log:
    - name: envoy.access_loggers.file
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
        path: $log
        log_format: {text_format_source: {inline_string: "proxy=%BYTES_RECEIVED%/%BYTES_SENT%~up=%UPSTREAM_HOST%~fl=%RESPONSE_FLAGS%~pr=%PROTOCOL%~co=%RESPONSE_CODE%\\n"}}""",
         upstream={"up": tunnel(Until(b"ping"), b"pong", Close())}, listener="access_log: []"),
    Case("l4-tcp-breaker", "", ((b"ping", UntilEnd(0.5)),), l4=PROXY, settle_s=0.3,
         cluster="circuit_breakers: {thresholds: [{max_connections: 0}]}"),
    Case("l4-echo", "", ((b"hello", Until(b"hello"), b" again", Until(b"again"), Fin(), UntilEnd()),), l4="- echo: {}"),
    Case("l4-direct-response", "", ((UntilEnd(),),), l4="- direct_response: {response: {inline_string: 'go away'}}"),
    Case("l4-direct-response-ignores-data", "", ((b"hello", UntilEnd(),),),
         l4="- direct_response: {response: {inline_string: 'go away'}}"),
    Case("l4-connection-limit", "", ((b"one", Until(b"one"), Wait(0.05)), (UntilEnd(0.5),)), l4="""
- connection_limit: {stat_prefix: $id, max_connections: 1}
- echo: {}""", settle_s=0.2),
    Case("l4-connection-limit-delay", "", ((b"one", Until(b"one")), (b"two", UntilEnd(1.0),)), l4="""
- connection_limit: {stat_prefix: $id, max_connections: 1, delay: 0.3s}
- echo: {}""", settle_s=0.2),
    Case("l4-connection-limit-off", "", ((b"one", Until(b"one")), (b"two", Until(b"two"))), l4="""
- connection_limit: {stat_prefix: $id, max_connections: 1, runtime_enabled: {default_value: false, runtime_key: none}}
- echo: {}""", settle_s=0.2),
    Case("l4-local-ratelimit", "", ((b"one", Until(b"one")), (b"two", UntilEnd(0.5))), l4="""
- local_ratelimit: {stat_prefix: $id, token_bucket: {max_tokens: 1, tokens_per_fill: 1, fill_interval: 600s}}
- echo: {}""", settle_s=0.2),
    Case("l4-rbac-deny", "", ((b"ping", UntilEnd()),), l4="""
- rbac: {stat_prefix: $id, rules: {action: DENY, policies: {p1: {permissions: [{any: true}], principals: [{any: true}]}}}}
- echo: {}"""),
    Case("l4-sni-cluster", "", ((hello("l4-sni-cluster-up"), UntilEnd()),), l4="""
- sni_cluster: {}
- tcp_proxy: {stat_prefix: $id, cluster: $b}""", listener="listener_filters: [tls_inspector: {}]", upstream={
        "up": tunnel(Until(b"\x16"), b"sni chose me", Close()), "b": tunnel(b"default", Close())},
        clusters={"up": ""}),
    Case("l4-sni-cluster-none", "", ((hello(None), UntilEnd()),), l4="""
- sni_cluster: {}
- tcp_proxy: {stat_prefix: $id, cluster: $b}""", listener="listener_filters: [tls_inspector: {}]",
         upstream={"b": tunnel(Until(b"\x16"), b"default", Close())}),
    tls("sni-exact", "A.test", (), SNI),
    tls("sni-wildcard", "any.b.test", (), SNI),
    tls("sni-wildcard-deep", "q.x.b.test", (), SNI),
    tls("sni-bare-domain", "b.test", (), SNI),
    tls("sni-none", None, (), SNI),
    tls("alpn-client-order", "a.test", ("x", "http/1.1", "h2"), ALPN),
    tls("alpn-none", "a.test", (), ALPN),
    tls("alpn-unknown", "a.test", ("x",), ALPN),
    tls("no-backtracking", "a.test", ("x",), chain("server_names: [a.test], application_protocols: [h2]", "deep")
        + chain("transport_protocol: tls", "shallow")),
    Case("l4-match-default-chain", "", ((hello("zzz.test"), UntilEnd(1.0)),), chains=chain("server_names: [a.test]", "e"),
         listener="{listener_filters: [tls_inspector: {}], default_filter_chain: {name: dflt, " + say("dflt") + "}}",
         settle_s=0.5),
    Case("l4-match-raw", "", ((b"GET / HTTP/1.0\r\n\r\n", UntilEnd(1.0)),), chains=SNI, settle_s=0.5,
         listener="listener_filters: [tls_inspector: {}]"),
    Case("l4-match-tls-split", "", ((Drip(hello("a.test"), 40), UntilEnd(1.0)),), chains=SNI, settle_s=0.5,
         listener="listener_filters: [tls_inspector: {}]"),
    Case("l4-match-without-inspector", "", ((hello("a.test"), UntilEnd(1.0)),), chains=SNI, settle_s=0.5),
    Case("l4-match-none", "", ((b"hello", UntilEnd(1.0)),), settle_s=0.5,
         chains=chain("source_prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]", "never")),
    Case("l4-match-destination-port", "", ((UntilEnd(1.0),),), settle_s=0.5,
         chains=chain("destination_port: $port", "port") + chain("", "rest")),
    Case("l4-match-prefix-range", "", ((UntilEnd(1.0),),), settle_s=0.5, chains=chain(
        "prefix_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]", "wide") + chain(
        "prefix_ranges: [{address_prefix: 127.0.0.1, prefix_len: 32}]", "narrow")),
    Case("l4-match-source-type", "", ((UntilEnd(1.0),),), settle_s=0.5,
         chains=chain("source_type: SAME_IP_OR_LOOPBACK", "local") + chain("source_type: EXTERNAL", "external")),
    Case("l4-match-source-prefix", "", ((UntilEnd(1.0),),), settle_s=0.5, chains=chain(
        "source_prefix_ranges: [{address_prefix: 127.0.0.0, prefix_len: 8}]", "loop") + chain("", "rest")),
    Case("l4-empty-chain", "", ((b"hello", UntilEnd(1.0)),), settle_s=0.5, chains="- {filters: []}"),
    Case("l4-http-inspector", "", ((request("/"), UntilEnd(1.0)),), settle_s=0.5,
         listener="listener_filters: [http_inspector: {}]", chains=chain("application_protocols: [http/1.1]", "h11")
         + chain("application_protocols: [http/1.0]", "h10") + chain("application_protocols: [h2c]", "h2c")
         + chain("", "none")),
    Case("l4-http-inspector-preface", "", ((b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UntilEnd(1.0)),), settle_s=0.5,
         listener="listener_filters: [http_inspector: {}]", chains=chain("application_protocols: [h2c]", "h2c")
         + chain("", "none")),
    Case("l4-http-inspector-other", "", ((b"hello there\r\n\r\n", UntilEnd(1.0)),), settle_s=0.5,
         listener="listener_filters: [http_inspector: {}]", chains=chain("application_protocols: [http/1.1]", "h11")
         + chain("", "none")),
    Case("l4-listener-filter-timeout", "", ((b"\x16\x03\x01", UntilEnd(1.5)),), settle_s=0.3, l4="- echo: {}",
         listener="{listener_filters: [tls_inspector: {}], listener_filters_timeout: 0.3s}"),
    Case("l4-listener-filter-continue", "", ((b"\x16\x03\x01", Until(b"\x16\x03\x01", 1.5)),), settle_s=0.3,
         l4="- echo: {}", listener="{listener_filters: [tls_inspector: {}], listener_filters_timeout: 0.3s, "
         "continue_on_listener_filters_timeout: true}"),
    Case("l4-listener-filter-client-closes", "", ((b"\x16\x03", Wait(0.1), Close()),), settle_s=0.2, l4="- echo: {}",
         listener="listener_filters: [tls_inspector: {}]"),
    proxied("v1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n"),
    proxied("v1-unknown", b"PROXY UNKNOWN\r\n"),
    proxied("v1-v6", b"PROXY TCP6 2001:db8::1 2001:db8::2 1111 2222\r\n"),
    proxied("v1-bad", b"PROXY TCP4 1.2.3 5.6.7.8 1111 2222\r\n"),
    proxied("v1-no-crlf", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222" + b" " * 120),
    proxied("v2", v2(1, 0x11, V4)),
    proxied("v2-local", v2(0, 0x11, V4)),
    proxied("v2-tlv", v2(1, 0x11, V4 + b"\x02\x00\x06a.test")),
    proxied("v2-bad-family", v2(1, 0x91, V4)),
    proxied("v2-short", v2(1, 0x11, V4[:8])),
    proxied("absent", b"no header at all, but long enough to be sure"),
    proxied("absent-allowed", b"no header at all, but long enough to be sure", "",
            "allow_requests_without_proxy_protocol: true"),
    proxied("disallowed-version", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", "", "disallowed_versions: [V1]"),
    proxied("match-source", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", chain(
        "source_prefix_ranges: [{address_prefix: 1.2.3.4, prefix_len: 32}]", "rewritten") + chain("", "rest")),
    proxied("match-destination-port", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n",
            chain("destination_port: 2222", "restored") + chain("", "rest")),
    proxied("match-direct-source", b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n", chain(
        "direct_source_prefix_ranges: [{address_prefix: 127.0.0.1, prefix_len: 32}]", "direct") + chain("", "rest")),
    Case("l4-proxy-protocol-then-tls", "", ((b"PROXY TCP4 1.2.3.4 5.6.7.8 1111 2222\r\n" + hello("a.test"), UntilEnd(1.0)),),
         chains=SNI, listener="listener_filters: [proxy_protocol: {}, tls_inspector: {}]", settle_s=0.5),
    Case("l4-listener-connection-gone-at-once", "", ((Close(),),), l4=PROXY, settle_s=0.2,
         upstream={"up": Script(raw=((UntilEnd(1.0),),))}),
)
