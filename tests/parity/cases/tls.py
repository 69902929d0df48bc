"""TLS downstream: handshakes that work, handshakes that fail, what they leave in logs and statistics, and their ends."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import base64
import hashlib
import json
import ssl
from typing import Any

from tests.parity.bootstrap import tls_socket
from tests.parity.case import Case, answers, ask, get, request, tunnel
from tests.support.certificates import Issued, authority, issued
from tests.support.steps import Close, Fin, Until, UntilEnd, Wait
from tests.support.tls import Tls

CA = authority()
OTHER = authority("Other CA")
SERVER = issued("server", ("a.test",), ("spiffe://td/server",))
B = issued("b", ("b.test", "*.w.test"))
RSA = issued("rsa", ("r.test",), is_rsa=True)
BOTH = issued("both", ("a.test",), is_rsa=True)
NAMELESS = issued("c.test")
CLIENT = CA.issue("client", ("c.test", "*.wild.test"), ("spiffe://td/client",), ("10.1.2.3",), ("c@client.test",))
STRANGER = OTHER.issue("stranger", ("c.test",))
EXPIRED = CA.issue("expired", ("c.test",), expired=True)
REVOKED = CA.issue("revoked", ("c.test",))
ANYONE = Tls()
TICKET_KEYS = {"keys": [{"inline_string": letter * 80} for letter in "ab"]}
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SUITES = {"1": "TLS_AES_128_GCM_SHA256", "2": "TLS_AES_256_GCM_SHA384", "c": "TLS_CHACHA20_POLY1305_SHA256"}

LOG = (
    "st=%RESPONSE_CODE%~fl=%RESPONSE_FLAGS%~de=%RESPONSE_CODE_DETAILS%~ve=%DOWNSTREAM_TLS_VERSION%~ci=%DOWNSTREAM_TLS_CIPHER%"
    "~gr=%DOWNSTREAM_TLS_GROUP%~su=%DOWNSTREAM_PEER_SUBJECT%~is=%DOWNSTREAM_PEER_ISSUER%~se=%DOWNSTREAM_PEER_SERIAL%"
    "~ur=%DOWNSTREAM_PEER_URI_SAN%~dn=%DOWNSTREAM_PEER_DNS_SAN%~ip=%DOWNSTREAM_PEER_IP_SAN%~em=%DOWNSTREAM_PEER_EMAIL_SAN%"
    "~fp=%DOWNSTREAM_PEER_FINGERPRINT_256%~f1=%DOWNSTREAM_PEER_FINGERPRINT_1%~pc=%DOWNSTREAM_PEER_CERT%"
    "~vs=%DOWNSTREAM_PEER_CERT_V_START%~ls=%DOWNSTREAM_LOCAL_SUBJECT%~lu=%DOWNSTREAM_LOCAL_URI_SAN%"
    "~ld=%DOWNSTREAM_LOCAL_DNS_SAN%~sn=%REQUESTED_SERVER_NAME%~tf=%DOWNSTREAM_TRANSPORT_FAILURE_REASON%~sc=%REQUEST_HEADER(:SCHEME)%\n"
)
TCP_LOG = "fl=%RESPONSE_FLAGS%~tf=%DOWNSTREAM_TRANSPORT_FAILURE_REASON%~ct=%CONNECTION_TERMINATION_DETAILS%~ve=%DOWNSTREAM_TLS_VERSION%~rx=%BYTES_RECEIVED%~tx=%BYTES_SENT%\n"


def cert(*ours: Issued) -> list[dict[str, Any]]:
    """Entries of tls_certificates."""
    return [{"certificate_chain": {"inline_string": one.cert}, "private_key": {"inline_string": one.key}} for one in ours]


def server(*certificates: Issued, validation: dict[str, Any] | None = None, common: dict[str, Any] | None = None, **fields: Any) -> str:
    """The fields of a DownstreamTlsContext."""
    whole: dict[str, Any] = {"tls_certificates": cert(*(certificates or (SERVER,))), **(common or {})}
    if validation is not None:
        whole["validation_context"] = validation
    return json.dumps({"common_tls_context": whole, **fields})


def trust(**more: Any) -> dict[str, Any]:
    return {"trusted_ca": {"inline_string": CA.cert}, **more}


def web(name: str, context: str, tls: Tls | tuple[Tls, ...] = ANYONE, want: str = "200", **more: Any) -> Case:
    """One request over TLS for each of the clients."""
    count = len(tls) if isinstance(tls, tuple) else 1
    more.setdefault("log", LOG)
    more.setdefault("send", get("/") * count)
    return Case(f"tls-{name}", want, tls=tls, tls_context=context, **more)


def refused(name: str, context: str, tls: Tls = ANYONE, **more: Any) -> Case:
    """A handshake that fails; the failure is seen on the listener's log."""
    chains = json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(context)), "filters": [{"echo": None}]}])
    return Case(f"tls-refused-{name}", "", ((b"x", UntilEnd(2.0)),), tls=tls, chains=chains, log=TCP_LOG, settle_s=0.3,
                listener=f"access_log: [{{name: f, typed_config: {{'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog, path: $log, log_format: {{text_format_source: {{inline_string: {json.dumps(TCP_LOG)}}}}}}}}}]", **more)


def raw(name: str, filters: list[dict[str, Any]], send: tuple[Any, ...], **more: Any) -> Case:
    """L4 behind TLS."""
    chains = json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(server())), "filters": filters}])
    more.setdefault("settle_s", 0.3)
    return Case(f"tls-l4-{name}", "", (send,), tls=Tls(), chains=chains, **more)


PROXY = {"tcp_proxy": {"stat_prefix": "$id", "cluster": "$up"}}
ME = Tls(certificate=CLIENT)
MUTUAL = server(validation=trust(), require_client_certificate=True)


def spki(one: Issued) -> str:
    return base64.b64encode(hashlib.sha256(one.spki).digest()).decode()


def sans(kind: str, **matcher: Any) -> dict[str, Any]:
    return trust(match_typed_subject_alt_names=[{"san_type": kind, "matcher": matcher}])


MUST = CA.issue("must", ("a.test",), must_staple=True)
ASKS = Tls(asks_staple=True)


def staple(name: str, policy: str, response: bytes | None, one: Issued = SERVER, tls: Tls = ASKS, *, fails: bool = False) -> Case:
    """A server with an OCSP response, or none."""
    entry = cert(one)[0]
    if response is not None:
        entry["ocsp_staple"] = {"inline_bytes": base64.b64encode(response).decode()}
    context = server(common={"tls_certificates": [entry]}, ocsp_staple_policy=policy)
    return refused(f"staple-{name}", context, tls) if fails else web(f"staple-{name}", context, tls)


def routed(name: str, match: str, want: str) -> Case:
    """Clients with a certificate, without one, and one that comes again: 201 for those that the route is for."""
    again = Tls(resume=True, certificate=CLIENT)
    routes = f"- {{match: {{prefix: /, tls_context: {{{match}}}}}, direct_response: {{status: 201}}}}"
    others = "- {match: {prefix: /}, direct_response: {status: 202}}"
    return web(f"route-{name}", server(validation=trust()), (ME, ANYONE, again, again), want, routes=f"{routes}\n{others}")


RETURNING = Tls(resume=True, certificate=CLIENT)
LUA = """
- lua:
    default_source_code:
      inline_string: |
        function envoy_on_request(handle)
          local ssl = handle:streamInfo():downstreamSslConnection()
          local function add(name)
            local value = ssl[name](ssl)
            if type(value) == "table" then value = table.concat(value, "|") end
            handle:headers():add("x-" .. name, tostring(value))
          end
          for _, name in ipairs({"peerCertificatePresented", "peerCertificateValidated", "uriSanLocalCertificate",
              "sha256PeerCertificateDigest", "serialNumberPeerCertificate", "issuerPeerCertificate",
              "subjectPeerCertificate", "uriSanPeerCertificate", "dnsSansPeerCertificate", "subjectLocalCertificate",
              "dnsSansLocalCertificate", "oidsPeerCertificate", "oidsLocalCertificate", "validFromPeerCertificate",
              "expirationPeerCertificate", "ciphersuiteId", "ciphersuiteString", "tlsVersion",
              "urlEncodedPemEncodedPeerCertificate", "urlEncodedPemEncodedPeerCertificateChain"}) do
            add(name)
          end
        end
"""
RBAC = "- rbac: {rules: {policies: {p: {permissions: [{any: true}], principals: [{authenticated: {%s}}]}}}}"


def xfcc(name: str, hcm: str, tls: Tls) -> Case:
    """What the upstream is told of the client's certificate, and what a client may say itself."""
    said = request("/", "x-forwarded-client-cert: Hash=abc;URI=said")
    return web(f"xfcc-{name}", server(validation=trust()), tls, "200 200", hcm=hcm, send=(ask(request(), said),))


CASES = (
    *(staple(f"{policy.lower()}-{name}", f"{policy}_STAPLE" if policy == "MUST" else f"{policy}_STAPLING", response, fails=fails) for policy, name, response, fails in (
        ("LENIENT", "good", CA.staple(SERVER), False), ("LENIENT", "expired", CA.staple(SERVER, expired=True), False),
        ("LENIENT", "endless", CA.staple(SERVER, endless=True), False), ("LENIENT", "none", None, False),
        ("STRICT", "good", CA.staple(SERVER), False), ("STRICT", "expired", CA.staple(SERVER, expired=True), True), ("STRICT", "none", None, False),
        ("MUST", "good", CA.staple(SERVER), False), ("MUST", "expired", CA.staple(SERVER, expired=True), True))),
    routed("presented", "presented: true", "201 202 201 201"),
    routed("not-presented", "presented: false", "202 201 202 202"),
    routed("validated", "validated: true", "201 202 201 202"),
    routed("both", "presented: true, validated: false", "202 202 202 201"),
    routed("neither", "", "201 201 201 201"),
    Case("route-tls-context-on-plain-text", "202 201", ((*ask(request()),), (*ask(request("/no")),)), routes="""
- {match: {prefix: /no, tls_context: {validated: false}}, direct_response: {status: 201}}
- {match: {prefix: /, tls_context: {presented: true}}, direct_response: {status: 200}}
- {match: {prefix: /}, direct_response: {status: 202}}"""),
    staple("not-asked", "MUST_STAPLE", CA.staple(SERVER, expired=True), tls=ANYONE),
    staple("v12", "LENIENT_STAPLING", CA.staple(SERVER), tls=Tls(asks_staple=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    staple("feature-good", "LENIENT_STAPLING", CA.staple(MUST), MUST),
    staple("feature-expired", "LENIENT_STAPLING", CA.staple(MUST, expired=True), MUST, fails=True),
    web("plain", server()),
    web("keep-alive", server(), send=get("/", "/b", "/c"), want="200 200 200"),
    web("v12", server(), Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    web("rsa", server(RSA)),
    web("rsa-v12", server(RSA), Tls(maximum=V12, ciphers="ECDHE-RSA-AES256-GCM-SHA384")),
    *(web(f"suites-{name}", server(), Tls(minimum=V13, suites=":".join(SUITES[letter] for letter in name)))
      for name in ("12", "21", "1c2", "1c", "c1", "2c1", "c21")),
    web("v12-ours-wins", server(), Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")),
    web("v12-clients-wins", server(prefer_client_ciphers=True), Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")),
    web("only-v13", server(common={"tls_params": {"tls_minimum_protocol_version": "TLSv1_3"}})),
    web("only-v12", server(common={"tls_params": {"tls_maximum_protocol_version": "TLSv1_2", "cipher_suites": ["ECDHE-ECDSA-AES256-GCM-SHA384"]}})),
    web("curves", server(common={"tls_params": {"ecdh_curves": ["P-256"]}})),
    web("alpn", server(common={"alpn_protocols": ["http/1.1"]}), Tls(alpn=("http/1.1",))),
    web("alpn-ours-wins", server(common={"alpn_protocols": ["http/1.1", "http/1.0"]}), Tls(alpn=("http/1.0", "http/1.1"))),
    web("alpn-none-in-common", server(common={"alpn_protocols": ["http/1.1"]}), Tls(alpn=("spdy/1",))),
    web("alpn-unasked", server(), Tls(alpn=("http/1.1",))),
    web("no-sni", server(), Tls(sni=None)),
    web("big", server(), send=(ask(request(method="POST", body=b"q" * 300_000)),),
        upstream={"up": answers(b"HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n" + b"r" * 400_000)}),
    web("chunked", server(), upstream={"up": answers((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", Wait(0.05), b"0\r\n\r\n"))}),
    web("certs-by-sni", server(SERVER, B), (Tls("a.test"), Tls("b.test"), Tls("x.w.test"), Tls("x.y.w.test"), Tls("zz.test"), Tls(None)), "200 200 200 200 200 200"),
    web("certs-by-common-name", server(SERVER, NAMELESS), (Tls("c.test"), Tls("a.test")), "200 200"),
    web("certs-by-key-type", server(SERVER, BOTH), (Tls(), Tls(maximum=V12, ciphers="ECDHE-RSA-AES128-GCM-SHA256"), Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")), "200 200 200"),
    web("certs-rsa-first", server(BOTH, SERVER), (Tls(), Tls(maximum=V12, ciphers="ECDHE-RSA-AES128-GCM-SHA256")), "200 200"),
    web("mutual", MUTUAL, ME),
    web("mutual-v12", MUTUAL, Tls(certificate=CLIENT, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    web("mutual-optional", server(validation=trust()), (Tls(), ME), "200 200"),
    web("mutual-required-without-trust", server(require_client_certificate=True), Tls(certificate=STRANGER)),
    web("pin-certificate", server(validation={"verify_certificate_hash": [hashlib.sha256(CLIENT.der).hexdigest()]}, require_client_certificate=True), ME),
    web("pin-certificate-colons", server(validation=trust(verify_certificate_hash=[hashlib.sha256(CLIENT.der).digest().hex(":").upper()])), ME),
    web("pin-spki", server(validation={"verify_certificate_spki": [spki(CLIENT)]}, require_client_certificate=True), ME),
    web("pin-either", server(validation=trust(verify_certificate_spki=[spki(SERVER)], verify_certificate_hash=[hashlib.sha256(CLIENT.der).hexdigest()])), ME),
    web("san-uri", server(validation=sans("URI", exact="spiffe://td/client")), ME),
    web("san-uri-prefix", server(validation=sans("URI", prefix="spiffe://td/")), ME),
    web("san-dns", server(validation=sans("DNS", exact="c.test")), ME),
    web("san-dns-wildcard", server(validation=sans("DNS", exact="x.wild.test")), ME),
    web("san-ip", server(validation=sans("IP_ADDRESS", exact="10.1.2.3")), ME),
    web("san-email", server(validation=sans("EMAIL", suffix="@client.test")), ME),
    web("san-regex", server(validation=sans("DNS", safe_regex={"regex": "[a-c].test"})), ME),
    web("accept-untrusted", server(validation=trust(trust_chain_verification="ACCEPT_UNTRUSTED")), Tls(certificate=STRANGER)),
    web("expired-allowed", server(validation=trust(allow_expired_certificate=True)), Tls(certificate=EXPIRED)),
    web("crl-good", server(validation=trust(crl={"inline_string": CA.revoke(REVOKED)})), ME),
    web("combined", json.dumps({"common_tls_context": {"tls_certificates": cert(SERVER), "combined_validation_context": {
        "default_validation_context": {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "c.test"}}]},
        "validation_context_sds_secret_config": {"name": "tls-parity-ca"}}}}), ME),
    web("static-secret", json.dumps({"common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": "tls-parity-server"}]}})),
    web("resumed", server(), (one := Tls(resume=True), one, one), "200 200 200"),
    web("resumed-v12", server(), (two := Tls(resume=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"), two), "200 200"),
    web("resumed-mutual", MUTUAL, (three := Tls(resume=True, certificate=CLIENT), three), "200 200"),
    web("ticket-keys", server(session_ticket_keys=TICKET_KEYS), (seven := Tls(resume=True), seven, seven), "200 200 200"),
    web("ticket-keys-v12", server(session_ticket_keys=TICKET_KEYS), (eight := Tls(resume=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"), eight), "200 200"),
    web("no-tickets", server(disable_stateless_session_resumption=True), (four := Tls(resume=True), four), "200 200"),
    web("no-resumption-v12", server(disable_stateless_session_resumption=True, disable_stateful_session_resumption=True), (five := Tls(resume=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"), five), "200 200"),
    web("stateful-v12", server(disable_stateless_session_resumption=True), (six := Tls(resume=True, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256"), six), "200 200"),
    web("client-ends-http", server(), send=((request(), Until(b"ok"), Fin(), UntilEnd(1.0)),)),
    web("connection-close", server(), send=((request("/", "Connection: close"), UntilEnd(2.0)),)),
    web("bad-request", server(), send=((b"GET / HTTP/1.1\r\nHost: a.test\r\nbad header\r\n\r\n", UntilEnd(2.0)),), want="400"),
    web("scheme-headers", server(), hcm="use_remote_address: true"),
    web("require-tls-redirect", server(), vhost="require_tls: ALL"),
    *(xfcc(f"{mode.lower()}-{who}", f"forward_client_cert_details: {mode}", tls)
      for mode in ("SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY")
      for who, tls in (("mutual", ME), ("unknown", Tls()))),
    xfcc("details", "forward_client_cert_details: SANITIZE_SET\nset_current_client_cert_details: {subject: true, cert: true, chain: true, uri: true, dns: true}", ME),
    xfcc("details-append", "forward_client_cert_details: APPEND_FORWARD\nset_current_client_cert_details: {subject: true, uri: true, dns: true}", ME),
    xfcc("details-no-uri", "forward_client_cert_details: SANITIZE_SET\nset_current_client_cert_details: {subject: true, uri: true, dns: true}", Tls(certificate=B)),
    *(web(f"rbac-{name}", server(validation=trust()), tls, want, filters=RBAC % principal) for name, tls, want, principal in (
        ("uri", ME, "200", "principal_name: {exact: 'spiffe://td/client'}"),
        ("dns", ME, "200", "principal_name: {exact: c.test}"),
        ("subject-beside-names", ME, "200", "principal_name: {exact: 'O=Test Org,CN=client'}"),
        ("subject", Tls(certificate=NAMELESS), "200", "principal_name: {exact: 'O=Test Org,CN=c.test'}"),
        ("other", ME, "403", "principal_name: {exact: 'spiffe://td/other'}"),
        ("any", ME, "200", ""),
        ("any-tls", Tls(), "200", ""),
    )),
    *(web(f"lua-{name}", context, tls, want, filters=LUA) for name, context, tls, want in (
        ("mutual", MUTUAL, ME, "200"),
        ("mutual-resumed", MUTUAL, (RETURNING, RETURNING), "200 200"),
        ("unknown", server(), Tls(), "200"),
    )),
    refused("no-client-cert", MUTUAL),
    refused("no-client-cert-v12", MUTUAL, Tls(maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    refused("unknown-ca", MUTUAL, Tls(certificate=STRANGER)),
    refused("unknown-ca-v12", MUTUAL, Tls(certificate=STRANGER, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    refused("expired", MUTUAL, Tls(certificate=EXPIRED)),
    refused("revoked", server(validation=trust(crl={"inline_string": CA.revoke(REVOKED)})), Tls(certificate=REVOKED)),
    refused("san", server(validation=sans("URI", exact="spiffe://td/other")), ME),
    refused("san-kind", server(validation=sans("DNS", exact="spiffe://td/client")), ME),
    refused("pin", server(validation=trust(verify_certificate_spki=[spki(SERVER)])), ME),
    refused("pin-without-ca", server(validation={"verify_certificate_hash": ["00" * 32]}), ME),
    refused("version", server(common={"tls_params": {"tls_minimum_protocol_version": "TLSv1_3"}}), Tls(maximum=V12)),
    refused("cipher", server(), Tls(maximum=V12, ciphers="AES128-SHA256")),
    refused("rsa-cipher-only", server(), Tls(maximum=V12, ciphers="ECDHE-RSA-AES128-GCM-SHA256")),
    refused("client-distrusts", server(), Tls(trusted=OTHER.cert, maximum=V12, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256")),
    Case("tls-refused-plain-text", "", ((request(), UntilEnd(2.0)),), settle_s=0.3, log=TCP_LOG,
         chains=json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(server())), "filters": [{"echo": None}]}])),
    Case("tls-refused-garbage", "", ((b"\x16\x03\x01\x00\x05hello", UntilEnd(2.0)),), settle_s=0.3, log=TCP_LOG,
         chains=json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(server())), "filters": [{"echo": None}]}])),
    Case("tls-refused-silent-fin", "", ((Wait(0.05), Fin(), UntilEnd(2.0)),), settle_s=0.3,
         chains=json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(server())), "filters": [{"echo": None}]}])),
    Case("tls-handshake-timeout", "", ((UntilEnd(2.0),),), settle_s=0.3,
         chains=json.dumps([{"transport_socket": tls_socket("Downstream", json.loads(server())), "filters": [{"echo": None}], "transport_socket_connect_timeout": "0.2s"}])),
    raw("echo", [{"echo": None}], (b"hello", Until(b"hello"), Fin(), UntilEnd())),
    raw("direct-response", [{"direct_response": {"response": {"inline_string": "go away"}}}], (UntilEnd(),)),
    raw("proxy", [PROXY], (b"ping", Until(b"pong"), b"bye", UntilEnd()), upstream={"up": tunnel(Until(b"ping"), b"pong", Until(b"bye"), Close())}),
    raw("half-close-client", [PROXY], (b"question", Fin(), UntilEnd()), upstream={"up": tunnel(UntilEnd(), b"answer after fin", Close())}),
    raw("half-close-upstream", [PROXY], (Until(b"hello"), UntilEnd(0.5), b"late words", Wait(0.2), Fin()), upstream={"up": tunnel(b"hello", Fin(), UntilEnd())}),
    raw("client-closes", [PROXY], (b"ping", Until(b"pong"), Close()), upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd())}),
    raw("upstream-speaks-first", [PROXY], (Until(b"banner"), b"thanks", UntilEnd()), upstream={"up": tunnel(b"banner", Until(b"thanks"), Close())}),
    raw("large", [PROXY], (b"q" * 1_000_000, Fin(), UntilEnd()), upstream={"up": tunnel(UntilEnd(), b"r" * 1_000_000, Close())}),
    Case("tls-inspected-plain-http", "200", get("/"), log=LOG, listener="listener_filters: [tls_inspector: {}]"),
    Case("tls-inspected-plain-tcp", "", ((b"GET / HTTP/1.1\r\n\r\n", Until(b"pong"), UntilEnd()),), l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}", log=TCP_LOG, settle_s=0.3,
         listener="listener_filters: [tls_inspector: {}]", upstream={"up": tunnel(Until(b"GET"), b"pong", Close())}),
    Case("tls-chains-by-sni", "", tuple((b"hi", Until(b"hi"), Fin(), UntilEnd(1.0)) for _ in range(3)), tls=(Tls("a.test"), Tls("b.test"), Tls("b.test", certificate=CLIENT)), settle_s=0.3,
         listener="listener_filters: [tls_inspector: {}]",
         chains=json.dumps([
             {"filter_chain_match": {"server_names": ["a.test"]}, "transport_socket": tls_socket("Downstream", json.loads(server())), "filters": [{"echo": None}], "name": "A"},
             {"filter_chain_match": {"server_names": ["b.test"]}, "transport_socket": tls_socket("Downstream", json.loads(server(B, validation=trust(), require_client_certificate=True))), "filters": [{"echo": None}], "name": "B"}])),
)
"""The static secrets are in tests/parity/bootstrap.py."""
