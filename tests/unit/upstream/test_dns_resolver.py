"""Resolvers against a small DNS server on loopback: families, empty answers, failures, literals, times to live."""

import asyncio
import socket
import struct
import threading
from contextlib import contextmanager

import pytest

from pyvoy.upstream.cluster_plan import DnsLookupFamily, DnsPlan
from pyvoy.upstream.dns_resolver import Answer, ResolutionError, SystemResolver, make_resolver

A, AAAA = 1, 28
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
RECORDS = {
    "four.test": (NO_ERROR, {A: [("127.0.0.1", 300), ("127.0.0.2", 60), ("127.0.0.1", 300)]}),
    "both.test": (NO_ERROR, {A: [("127.0.0.5", 300)], AAAA: [("::5", 300)]}),
    "empty.test": (NO_ERROR, {}),
    "unknown.test": (NO_SUCH_NAME, {}),
    "broken.test": (SERVER_FAILURE, {}),
}


def reply(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    (kind,) = struct.unpack_from("!H", query, at + 1)
    code, records = RECORDS[".".join(labels)]
    answers = b""
    for ip, ttl in records.get(kind, []):
        raw = socket.inet_pton(socket.AF_INET if kind == A else socket.AF_INET6, ip)
        answers += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, ttl, len(raw)) + raw
    counts = struct.pack("!HHHHH", 0x8180 | code, 1, len(records.get(kind, [])), 0, 0)
    return query[:2] + counts + query[12 : at + 5] + answers


@contextmanager
def name_server():
    """The address of a server that answers in a thread; an empty datagram ends it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve():
            while True:
                query, peer = sock.recvfrom(4096)
                if not query:
                    return
                sock.sendto(reply(query), peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sock.getsockname()
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join()


def asked(name, family, plan):
    """What a resolver says of a name: an answer or the error's text."""

    async def ask():
        resolver = make_resolver(plan, asyncio.get_running_loop())
        try:
            return await resolver.resolve(name, family)
        finally:
            resolver.close()

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def dns():
    with name_server() as address:
        yield DnsPlan(resolvers=(address,), no_search_domain=True, query_tries=1, query_timeout_s=5.0)


@pytest.mark.parametrize(
    ("name", "family", "ips"),
    [
        ("four.test", DnsLookupFamily.AUTO, ("127.0.0.1", "127.0.0.2")),
        ("four.test", DnsLookupFamily.V4_ONLY, ("127.0.0.1", "127.0.0.2")),
        ("four.test", DnsLookupFamily.V6_ONLY, ()),
        ("both.test", DnsLookupFamily.AUTO, ("::5",)),
        ("both.test", DnsLookupFamily.V4_PREFERRED, ("127.0.0.5",)),
        ("both.test", DnsLookupFamily.V4_ONLY, ("127.0.0.5",)),
        ("empty.test", DnsLookupFamily.AUTO, ()),
        ("unknown.test", DnsLookupFamily.AUTO, ()),
        ("127.0.0.7", DnsLookupFamily.AUTO, ("127.0.0.7",)),
        ("::7", DnsLookupFamily.V4_PREFERRED, ("::7",)),
        ("localhost", DnsLookupFamily.V4_ONLY, ("127.0.0.1",)),
    ],
)
def test_addresses_by_family(dns, name, family, ips):
    assert asked(name, family, dns).ips == ips


def test_all_families_at_once(dns):
    assert set(asked("both.test", DnsLookupFamily.ALL, dns).ips) == {"127.0.0.5", "::5"}


def test_the_shortest_time_to_live_counts(dns):
    assert asked("four.test", DnsLookupFamily.V4_ONLY, dns) == Answer(("127.0.0.1", "127.0.0.2"), 60)


@pytest.mark.parametrize("family", [DnsLookupFamily.AUTO, DnsLookupFamily.V4_ONLY])
def test_a_broken_server_is_a_failure(dns, family):
    with pytest.raises(ResolutionError, match="failure"):
        asked("broken.test", family, dns)


def test_answers_are_not_remembered(dns, monkeypatch):
    async def scenario():
        resolver = make_resolver(dns, asyncio.get_running_loop())
        first = await resolver.resolve("four.test", DnsLookupFamily.V4_ONLY)
        monkeypatch.setitem(RECORDS, "four.test", (NO_ERROR, {A: [("127.0.0.9", 300)]}))
        return first, await resolver.resolve("four.test", DnsLookupFamily.V4_ONLY)

    first, second = asyncio.run(scenario())
    assert first.ips == ("127.0.0.1", "127.0.0.2")
    assert second.ips == ("127.0.0.9",)


def test_questions_at_the_same_time(dns):
    async def scenario():
        resolver = make_resolver(dns, asyncio.get_running_loop())
        names = ["four.test", "both.test", "empty.test"] * 5
        return await asyncio.gather(*(resolver.resolve(name, DnsLookupFamily.V4_ONLY) for name in names))

    assert [len(answer.ips) for answer in asyncio.run(scenario())] == [2, 1, 0] * 5


def test_a_question_may_be_given_up(dns):
    async def scenario():
        resolver = make_resolver(dns, asyncio.get_running_loop())
        task = asyncio.ensure_future(resolver.resolve("four.test", DnsLookupFamily.V4_ONLY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await resolver.resolve("both.test", DnsLookupFamily.V4_ONLY)

    assert asyncio.run(scenario()).ips == ("127.0.0.5",)


@pytest.mark.parametrize(
    ("name", "family", "ips"),
    [("127.0.0.7", DnsLookupFamily.V4_ONLY, ("127.0.0.7",)), ("localhost", DnsLookupFamily.V4_ONLY, ("127.0.0.1",))],
)
def test_the_systems_own_resolver(name, family, ips):
    assert asked(name, family, DnsPlan(system=True)) == Answer(ips)


@pytest.mark.parametrize(("errno", "outcome"), [(socket.EAI_NONAME, Answer()), (socket.EAI_AGAIN, "try again")])
def test_what_the_system_says_of_unknown_names(errno, outcome):
    class Loop:
        async def getaddrinfo(self, *args, **kwargs):
            raise socket.gaierror(errno, "try again")

    resolver = SystemResolver(Loop())
    if isinstance(outcome, Answer):
        assert asyncio.run(resolver.resolve("x", DnsLookupFamily.AUTO)) == outcome
    else:
        with pytest.raises(ResolutionError, match=outcome):
            asyncio.run(resolver.resolve("x", DnsLookupFamily.AUTO))
    resolver.close()
