"""TLS to upstreams: verification, names, client certificates, sockets by metadata, and how failures are told."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json
from typing import Any

from tests.parity.bootstrap import tls_socket
from tests.parity.case import Case, answers, get, tunnel
from tests.parity.cases.tls import CA, CLIENT, OTHER, SERVER, V12, cert, trust
from tests.support.certificates import Issued
from tests.support.steps import Close, Fin, Until, UntilEnd, Wait
from tests.support.tls import Tls
from tests.support.upstream import OK, Script

LOG = (
    "st=%RESPONSE_CODE%~fl=%RESPONSE_FLAGS%~de=%RESPONSE_CODE_DETAILS%~ve=%UPSTREAM_TLS_VERSION%~ci=%UPSTREAM_TLS_CIPHER%"
    "~su=%UPSTREAM_PEER_SUBJECT%~is=%UPSTREAM_PEER_ISSUER%~dn=%UPSTREAM_PEER_DNS_SAN%~ur=%UPSTREAM_PEER_URI_SAN%"
    "~tf=%UPSTREAM_TRANSPORT_FAILURE_REASON%\n"
)


def socket(validation: dict[str, Any] | None = None, certificate: Issued | None = None, common: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """An UpstreamTlsContext as transport socket."""
    whole: dict[str, Any] = dict(common or {})
    if validation is not None:
        whole["validation_context"] = validation
    if certificate is not None:
        whole["tls_certificates"] = cert(certificate)
    return tls_socket("Upstream", {"common_tls_context": whole, **fields})


def web(name: str, tls_socket: dict[str, Any] | None, serves: Tls | None = None, want: str = "200", more_cluster: dict[str, Any] | None = None, **more: Any) -> Case:
    """One request to an upstream that speaks TLS."""
    cluster = {**({"transport_socket": tls_socket} if tls_socket else {}), **(more_cluster or {})}
    script = Script(((OK,),), tls=serves if serves is not None else HOST)
    more.setdefault("upstream", {"up": script})
    return Case(f"tls-up-{name}", want, more.pop("send", get("/")), cluster=json.dumps(cluster), log=LOG, **more)


def options(**fields: Any) -> dict[str, Any]:
    """HttpProtocolOptions with upstream_http_protocol_options."""
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    typed = {"@type": f"type.googleapis.com/{name}", "explicit_http_config": {"http_protocol_options": {}}, "upstream_http_protocol_options": fields}
    return {"typed_extension_protocol_options": {name: typed}}


HOST = Tls(certificate=SERVER)
HOST12 = Tls(certificate=SERVER, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
STRICT = Tls(certificate=SERVER, trusted=CA.cert, require=True)
STRICT12 = Tls(certificate=SERVER, trusted=CA.cert, require=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")
DNS = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "a.test"}}]}
URI = {"match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"exact": "spiffe://td/server"}}]}
WRONG = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "b.test"}}]}
OTHERS = {"trusted_ca": {"inline_string": OTHER.cert}}
MATCHES = {"transport_socket_matches": [
    {"name": "secure", "match": {"tls": True}, "transport_socket": socket(trust())},
    {"name": "plain", "match": {}, "transport_socket": {"name": "raw", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}}]}


def hosts(metadata: dict[str, Any]) -> dict[str, Any]:
    """One endpoint, with metadata for transport_socket_matches."""
    address = {"socket_address": {"address": "127.0.0.1", "port_value": "$up_port"}}
    endpoint = {"endpoint": {"address": address}, "metadata": {"filter_metadata": {"envoy.transport_socket_match": metadata}}}
    return {"load_assignment": {"cluster_name": "$id-up", "endpoints": [{"lb_endpoints": [endpoint]}]}}


def proxied(name: str, steps: tuple[Any, ...], *script: Any, serves: Tls = HOST, **fields: Any) -> Case:
    """tcp_proxy to an upstream that speaks TLS."""
    return Case(f"tls-up-tcp-{name}", "", (steps,), l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}", settle_s=0.3,
                cluster=json.dumps({"transport_socket": socket(**fields)}), upstream={"up": Script(raw=(script,), tls=serves)})


CASES = (
    web("unverified", socket()),
    web("v12", socket(), HOST12),
    web("verified", socket(trust())),
    web("keep-alive", socket(trust()), send=get("/", "/b", "/c"), want="200 200 200"),
    web("san-dns", socket(trust(**DNS))),
    web("san-uri", socket(trust(**URI))),
    web("san-wrong", socket(trust(**WRONG)), want="503"),
    web("san-wrong-v12", socket(trust(**WRONG)), HOST12, want="503"),
    web("unknown-ca", socket(OTHERS), want="503"),
    web("unknown-ca-v12", socket(OTHERS), HOST12, want="503"),
    web("sni", socket(sni="a.test")),
    web("alpn", socket(common={"alpn_protocols": ["http/1.1"]}), Tls(certificate=SERVER, alpn=("http/1.1",))),
    web("alpn-default", socket(), Tls(certificate=SERVER, alpn=("http/1.1",))),
    web("client-certificate", socket(trust(), CLIENT), STRICT),
    web("client-certificate-v12", socket(trust(), CLIENT), STRICT12),
    web("client-certificate-missing-v12", socket(trust()), STRICT12, want="503"),
    web("upstream-plain", socket(), want="503", upstream={"up": answers(OK)}),
    web("upstream-closes", socket(), want="503", upstream={"up": tunnel(Wait(0.05), Close())}),
    web("upstream-garbage", socket(), want="503", upstream={"up": tunnel(b"HTTP/1.1 400 Bad\r\n\r\n", UntilEnd())}),
    web("upstream-silent", socket(), want="503", upstream={"up": tunnel(UntilEnd())}, more_cluster={"connect_timeout": "0.3s"}),
    web("v13", socket(trust(), common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}})),
    web("san-wrong-v13", socket(trust(**WRONG), common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}), want="503"),
    web("client-certificate-v13", socket(trust(), CLIENT, common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}), STRICT),
    web("resumed-v13", socket(trust(), common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}}), send=get("/") * 2, want="200 200", upstream={"up": Script(((b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Close()),), tls=HOST)}),
    web("version", socket(common={"tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}}), HOST12, want="503"),
    web("match-secure", None, more_cluster={**MATCHES, **hosts({"tls": True})}),
    web("match-plain", None, more_cluster={**MATCHES, **hosts({"tls": False})}, upstream={"up": answers(OK)}),
    web("auto-sni", socket(trust()), more_cluster=options(auto_sni=True)),
    web("auto-san", socket(trust()), more_cluster=options(auto_sni=True, auto_san_validation=True)),
    web("auto-san-wrong", socket(trust()), more_cluster=options(auto_sni=True, auto_san_validation=True), want="503",
        send=((b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", Until(b"503")),)),
    web("sni-san-validation", socket(trust(), sni="a.test", auto_sni_san_validation=True)),
    web("sni-san-validation-wrong", socket(trust(), sni="b.test", auto_sni_san_validation=True), want="503"),
    web("retry", socket(OTHERS), want="503", routes="- {match: {prefix: /}, route: {cluster: $up, retry_policy: {retry_on: connect-failure, num_retries: 1}}}"),
    web("resumed", socket(trust()), send=get("/") * 2, want="200 200", upstream={"up": Script(((b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Close()),), tls=HOST)}),
    web("no-session-keys", socket(trust(), max_session_keys=0), send=get("/") * 2, want="200 200", upstream={"up": Script(((b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Close()),), tls=HOST)}),
    web("ends-without-notify", socket(), upstream={"up": Script(((b"HTTP/1.1 200 OK\r\n\r\nrest", Wait(0.05), Close()),), tls=HOST)}),
    web("static-secret", tls_socket("Upstream", {"common_tls_context": {"validation_context_sds_secret_config": {"name": "tls-parity-ca"}, "tls_certificate_sds_secret_configs": [{"name": "tls-parity-server"}]}}), STRICT),
    proxied("proxy", (b"ping", Until(b"pong"), b"bye", UntilEnd()), Until(b"ping"), b"pong", Until(b"bye"), Close()),
    proxied("half-close-client", (b"question", Fin(), UntilEnd()), UntilEnd(), b"answer after fin", Close()),
    proxied("half-close-upstream", (Until(b"hello"), UntilEnd(0.5), b"late words", Wait(0.2), Fin()), b"hello", Fin(), UntilEnd()),
    proxied("unknown-ca", (b"ping", UntilEnd()), UntilEnd(), validation=OTHERS),
    proxied("large", (b"q" * 1_000_000, Fin(), UntilEnd()), UntilEnd(), b"r" * 1_000_000, Close()),
)
