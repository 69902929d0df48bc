"""Which context a client gets, and that a listener's TLS holds on live connections."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import Any

import pytest

from pyvoy.filters.listener.tls_inspector import TlsInspector, TlsInspectorPlan, TlsInspectorStats
from pyvoy.filters.network.echo import Echo
from pyvoy.network.chain_match import ChainMatch, build_chain_table
from pyvoy.network.listener import FilterChain
from pyvoy.network.tls.context import CertificatePlan, TlsPlan
from pyvoy.network.tls.server import DownstreamTls, ServerSecrets, server_contexts
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.verify import ValidationPlan
from pyvoy.stats.store import memory_store
from tests.support.certificates import Issued, authority, issued
from tests.support.listening import Worker, run
from tests.support.peer import Peer
from tests.support.tls import Tls

A = issued("server", ("a.test",))
B = issued("b", ("b.test", "*.w.test"))
BOTH = issued("both", ("a.test",), is_rsa=True)
NAMELESS = issued("c.test")
CLIENT = issued("client", ("c.test",))
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
TRUST = ValidationPlan(trusted_ca=authority().cert.encode())


def plans(*certificates: Issued) -> tuple[CertificatePlan, ...]:
    return tuple(CertificatePlan(one.cert.encode(), one.key.encode()) for one in certificates)


def contexts(*certificates: Issued, scan_all: bool = False) -> Any:
    return server_contexts(TlsPlan(plans(*certificates)), TlsStats(memory_store().root), scan_all=scan_all)


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("a.test", "server"), ("A.TEST", "server"), ("b.test", "b"), ("x.w.test", "b"), ("x.y.w.test", "server"),
        ("w.test", "server"), ("c.test", "c.test"), ("other", "server"), ("", "server"),
    ],
)  # fmt: skip
def test_a_name_gets_its_certificate_and_any_other_the_first(name: str, common: str) -> None:
    assert contexts(A, B, NAMELESS).choose(name).agreements.local.common_name == common


def test_one_context_holds_a_certificate_of_each_key_type() -> None:
    found = contexts(A, BOTH, B)
    assert found.choose("a.test").is_choosing
    assert not found.choose("b.test").is_choosing
    assert not found.default.is_choosing
    assert contexts(A, BOTH, B, scan_all=True).default.is_choosing


def chain(worker: Worker, name: str, plan: TlsPlan) -> FilterChain:
    stats = TlsStats(worker.store.root.scope("listener.test"))
    secrets = ServerSecrets(server_contexts(plan, stats, scan_all=False))
    return FilterChain(name, ((Echo, None),), DownstreamTls(secrets, lambda: None))


async def echoed(worker: Worker, port: int, tls: Tls) -> tuple[bytes, Peer]:
    peer = await worker.secured(port, tls)
    peer.write(b"hello")
    await peer.until(lambda: b"hello" in peer.received, 2.0)
    return bytes(peer.received), peer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_certificate_does_not_get_into_the_chain_that_demands_one(version: ssl.TLSVersion) -> None:
    """By the name in its ClientHello a client reaches the chain whose trust holds for it: never another's."""

    async def work(worker: Worker) -> None:
        free = chain(worker, "free", TlsPlan(plans(A)))
        strict = chain(worker, "strict", TlsPlan(plans(B), TRUST, require_certificate=True))
        matches = [("free", ChainMatch(server_names=("a.test",)), free)]
        matches.append(("strict", ChainMatch(server_names=("b.test",)), strict))
        table, problems = build_chain_table(matches, None)
        assert not problems
        inspector = TlsInspectorPlan(TlsInspectorStats(worker.store.root))
        port = await worker.listen(chain=free, match=table.find, listener_filters=((TlsInspector, inspector),))
        assert (await echoed(worker, port, Tls("a.test", maximum=version)))[0] == b"hello"
        assert (await echoed(worker, port, Tls("b.test", maximum=version)))[0] == b""
        assert (await echoed(worker, port, Tls("b.test", CLIENT, maximum=version)))[0] == b"hello"
        assert worker.count("listener.test.ssl.fail_verify_no_cert") == 1

    run(work)


def test_certificates_are_chosen_without_an_inspector_too() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(chain=chain(worker, "c", TlsPlan(plans(A, B))))
        for name in ("b.test", "a.test"):
            _, peer = await echoed(worker, port, Tls(name, trusted=authority().cert))
            assert peer.session is not None
            assert f"CN={'b' if name == 'b.test' else 'server'}" in peer.session.facts

    run(work)


def test_the_facts_of_a_connection_are_known_to_its_filters() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(chain=chain(worker, "c", TlsPlan(plans(A), TRUST, alpn=("http/1.1",))))
        await echoed(worker, port, Tls("a.test", CLIENT, alpn=("http/1.1",)))
        tls = next(iter(worker.listener.connections)).info.tls
        assert tls is not None
        assert (tls.version, tls.alpn, tls.peer_dns_sans) == ("TLSv1.3", "http/1.1", ("c.test",))
        assert (tls.peer_presented, tls.peer_validated) == (True, True)
        assert tls.peer_fingerprint_256
        assert len(tls.peer_chain_serials) == 1

    run(work)


def test_a_slow_handshake_is_ended_and_counted() -> None:
    async def work(worker: Worker) -> None:
        secured = chain(worker, "c", TlsPlan(plans(A)))
        late: list[int] = []
        assert isinstance(secured.transport_socket, DownstreamTls)
        secured.transport_socket.limit_handshakes(0.05, lambda: late.append(1))
        client = await worker.dial(await worker.listen(chain=secured))
        assert await client.rest() == b""
        assert late == [1]
        _, peer = await echoed(worker, await worker.listen(chain=secured), Tls())
        assert bytes(peer.received) == b"hello"

    run(work)


def test_without_its_secret_a_connection_is_ended() -> None:
    async def work(worker: Worker) -> None:
        missing: list[int] = []
        socket = DownstreamTls(ServerSecrets(), lambda: missing.append(1))
        port = await worker.listen(chain=FilterChain("c", ((Echo, None),), socket))
        client = await worker.dial(port)
        assert await client.rest() == b""
        assert missing == [1]

    run(work)


def test_a_session_resumes_where_the_keys_are_the_same() -> None:
    """As in two workers: contexts of their own, ticket keys in common."""
    resume_in_turn((b"k" * 80, False), (b"k" * 80, True), (b"o" * 80, False))


def resume_in_turn(*steps: tuple[bytes, bool], version: ssl.TLSVersion = V13) -> None:
    """A client that resumes what it can meets contexts with these keys, and does resume or not."""

    async def work(worker: Worker) -> None:
        client = Tls(resume=True, maximum=version)
        for keys, resumed in steps:
            plan = replace(TlsPlan(plans(A)), ticket_keys=keys)
            port = await worker.listen(chain=chain(worker, "c", plan))
            _, peer = await echoed(worker, port, client)
            assert peer.session is not None
            assert peer.session.object.session_reused is resumed

    run(work)
