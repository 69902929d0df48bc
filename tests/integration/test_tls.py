"""TLS of the running proxy: sessions that resume in any worker, secrets that change under it."""

import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed, upstream
from tests.support import h2wire
from tests.support.certificates import Issued, authority, issued
from tests.support.tls import Tls

_TLS = "envoy.extensions.transport_sockets.tls.v3."
FIRST, SECOND = issued("first", ("a.test",)), issued("second", ("a.test",))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    running = Proxy(tmp_path)
    try:
        yield running
    finally:
        running.stop()


def secured(proxy: Proxy, side: str, common: dict[str, Any], **fields: Any) -> dict[str, Any]:
    config = typed(f"{_TLS}{side}TlsContext", common_tls_context=common, **fields)
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def pair(one: Issued) -> dict[str, Any]:
    return {"certificate_chain": {"inline_string": one.cert}, "private_key": {"inline_string": one.key}}


def write_secret(path: Path, one: Issued) -> None:
    """A whole new file in place of the old one."""
    secret = {**typed(f"{_TLS}Secret", tls_certificate=pair(one)), "name": "server"}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"version_info": "1", "resources": [secret]}))
    fresh.rename(path)


def ask(port: int, tls: Tls) -> tuple[str, bool]:
    """One request: (how the handshake went, whether an answer came)."""
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.settimeout(5)
        session = tls.session(sock.sendall, server_side=False)
        session.start()
        session.write(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        answer = b""
        while not (session.ended or session.fault):
            data = sock.recv(65536)
            if not data:
                break
            answer += session.receive(data)
        return session.facts, answer.startswith(b"HTTP/1.1 200")


def answered(port: int, tls: Tls | None = None) -> bool:
    """Whether a request is answered; a connection that is closed with unread bytes is reset."""
    try:
        return ask(port, tls or Tls())[1]
    except ConnectionResetError:
        return False


def sds(path: Path) -> dict[str, Any]:
    return {"tls_certificate_sds_secret_configs": [
        {"name": "server", "sds_config": {"path_config_source": {"path": str(path)}}}]}  # fmt: skip


def serve(proxy: Proxy, common: dict[str, Any], workers: int = 1) -> None:
    web = listener("web", proxy.ports[0], body="hello")
    web["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", common)
    proxy.configure(listeners=[web])
    proxy.start(workers=workers)


def test_a_session_resumes_whichever_worker_the_client_comes_to(proxy: Proxy) -> None:
    serve(proxy, {"tls_certificates": [pair(FIRST)]}, workers=2)
    client = Tls(resume=True)
    ask(proxy.ports[0], client)
    answers = [ask(proxy.ports[0], client) for _ in range(12)]
    assert all("resumed" in facts and ok for facts, ok in answers)
    proxy.counted(f"listener.127.0.0.1_{proxy.ports[0]}.ssl.session_reused", 12)


def test_a_new_certificate_in_a_file_is_shown_to_new_clients(proxy: Proxy, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    write_secret(path, FIRST)
    serve(proxy, sds(path))
    assert "CN=first" in ask(proxy.ports[0], Tls())[0]
    path.write_text("{broken")
    proxy.wait(lambda: "left as they were" in proxy.log())
    assert "CN=first" in ask(proxy.ports[0], Tls())[0]
    write_secret(path, SECOND)
    proxy.wait(lambda: "CN=second" in ask(proxy.ports[0], Tls())[0])


def test_a_secret_may_come_later_than_the_proxy(proxy: Proxy, tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    serve(proxy, sds(path))
    assert not answered(proxy.ports[0])
    name = f"listener.127.0.0.1_{proxy.ports[0]}.server_ssl_socket_factory.downstream_context_secrets_not_ready"
    proxy.counted(name, 1)
    write_secret(path, FIRST)
    proxy.counted(name.replace("downstream_context_secrets_not_ready", "ssl_context_update_by_sds"), 1)
    assert answered(proxy.ports[0])


def test_a_reload_keeps_the_secrets_of_unchanged_clusters_alive(proxy: Proxy, tmp_path: Path) -> None:
    """The plan of a cluster that a reload leaves alone goes on looking at its files."""
    path = tmp_path / "ca.json"

    def trust(ca: str) -> None:
        context = typed(f"{_TLS}Secret", validation_context={"trusted_ca": {"inline_string": ca}})
        path.write_text(json.dumps({"resources": [{**context, "name": "ca"}]}))

    trust(authority().cert)
    config = {"name": "ca", "sds_config": {"path_config_source": {"path": str(path)}}}
    socket_ = secured(proxy, "Upstream", {"validation_context_sds_secret_config": config})
    inner = listener("inner", proxy.ports[1], body="inner")
    inner["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", {"tls_certificates": [pair(FIRST)]})
    front = listener("front", proxy.ports[0], cluster="c")
    proxy.configure(listeners=[front, inner], clusters=[cluster("c", proxy.ports[1], transport_socket=socket_)])
    proxy.start()
    assert proxy.get("/", proxy.ports[0]) == (200, "inner")
    proxy.reload()
    trust(authority("Other CA").cert)
    proxy.wait(lambda: proxy.stats()["cluster.c.client_ssl_socket_factory.ssl_context_update_by_sds"] >= 1)
    # The connection that is open stays; a new one is verified by the new authority.
    proxy.configure(listeners=[front, inner], clusters=[cluster("c", proxy.ports[1], transport_socket=socket_,
                                                                connect_timeout="2s")])  # fmt: skip
    proxy.reload()
    assert proxy.get("/", proxy.ports[0])[0] == 503
    assert proxy.stats()["cluster.c.ssl.fail_verify_error"] == 1


def test_tls_passes_through_by_its_server_name(proxy: Proxy) -> None:
    inner = listener("inner", proxy.ports[1], body="inner")
    inner["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", {"tls_certificates": [pair(SECOND)]})
    tcp = typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="t", cluster="c")
    inspector = typed("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector")
    front = listener("front", proxy.ports[0], body="never")
    front["listener_filters"] = [{"name": "i", "typed_config": inspector}]
    front["filter_chains"] = [
        {"filter_chain_match": {"server_names": ["a.test"]}, "filters": [{"name": "t", "typed_config": tcp}]}
    ]
    proxy.configure(listeners=[front, inner], clusters=[cluster("c", proxy.ports[1])])
    proxy.start()
    facts, ok = ask(proxy.ports[0], Tls("a.test"))
    assert (ok, "CN=second" in facts) == (True, True)
    assert not answered(proxy.ports[0], Tls("b.test"))


def test_plain_upstreams_behind_tls_clients(proxy: Proxy) -> None:
    with upstream(body=b"plain") as port:
        web = listener("web", proxy.ports[0], cluster="c")
        web["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", {"tls_certificates": [pair(FIRST)]})
        proxy.configure(listeners=[web], clusters=[cluster("c", port)])
        proxy.start()
        assert [ask(proxy.ports[0], Tls())[1] for _ in range(3)] == [True, True, True]


@pytest.mark.parametrize(("ca", "healthy"), [("Test CA", 1), ("Other CA", 0)])
def test_health_checks_speak_tls_to_hosts_that_do(proxy: Proxy, ca: str, healthy: int) -> None:
    inner = listener("inner", proxy.ports[1], body="inner")
    inner["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", {"tls_certificates": [pair(FIRST)]})
    trust = {"validation_context": {"trusted_ca": {"inline_string": authority(ca).cert}}}
    check = {"timeout": "2s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 1,
             "healthy_threshold": 1, "http_health_check": {"path": "/"}}  # fmt: skip
    checked = cluster("c", proxy.ports[1], transport_socket=secured(proxy, "Upstream", trust), health_checks=[check])
    proxy.configure(listeners=[listener("front", proxy.ports[0], cluster="c"), inner], clusters=[checked])
    proxy.start()
    proxy.wait(lambda: proxy.stats()[f"cluster.c.health_check.{'success' if healthy else 'network_failure'}"] > 1)
    assert proxy.stats()["cluster.c.membership_healthy"] == healthy


def test_http2_is_agreed_on_by_alpn_on_both_sides(proxy: Proxy) -> None:
    common = {"alpn_protocols": ["h2", "http/1.1"], "tls_certificates": [pair(FIRST)]}
    edge, back = listener("edge", proxy.ports[0], cluster="back"), listener("back", proxy.ports[1], body="hello")
    for one in (edge, back):
        one["filter_chains"][0]["transport_socket"] = secured(proxy, "Downstream", common)
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    behind = cluster(
        "back",
        proxy.ports[1],
        transport_socket=secured(
            proxy, "Upstream", {"validation_context": {"trusted_ca": {"inline_string": authority().cert}}}, sni="a.test"
        ),
        typed_extension_protocol_options={options: typed(options, explicit_http_config={"http2_protocol_options": {}})},
    )
    proxy.configure(listeners=[edge, back], clusters=[behind])
    proxy.start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", proxy.ports[0]), 5) as plain, context.wrap_socket(plain) as sock:
        assert sock.selected_alpn_protocol() == "h2"
        sock.sendall(h2wire.opening() + h2wire.head(1))
        answer = b""
        while not (found := h2wire.responses(answer)[0]) or found[0].body != b"hello":
            answer += sock.recv(65536)
    proxy.counted("http.edge.downstream_rq_http2_total", 1)
    proxy.counted("http.back.downstream_cx_http2_total", 1)
    proxy.counted("cluster.back.upstream_cx_http2_total", 1)
    proxy.counted("cluster.back.ssl.handshake", 1)
