"""The embedded generator against scripted targets: what it asks, what it counts, and what a stall costs."""

import pytest

from pyvoy.bench.load import LoadError, LoadPlan, run_load
from tests.support.certificates import issued
from tests.support.h2wire import data, goaway, head, rst
from tests.support.messages import requests
from tests.support.ports import free_port
from tests.support.steps import Close, Reset, Wait
from tests.support.tls import Tls
from tests.support.upstream import OK, STREAM, Script
from tests.unit.bench.load.serving import GOOD, load

MS = 1000


def heads(upstream):
    """All requests of all connections."""
    return [message for peer in upstream.connections for message in requests(bytes(peer.received))[0]]


def answer(status: int, *more: str, body: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", *more, "", body]
    return "\r\n".join(lines).encode()


def test_a_target_that_stalls_cannot_hide_it():
    answers = (*[(OK,)] * 20, (Wait(0.5), OK), (OK,))
    result, _ = load(answers, connections=1, rate=100, requests=100)
    assert (result.sent, result.answered, result.basis) == (100, 100, "due")
    # Fifty requests fell due in half a second: ten of them waited for 400 ms and more.
    assert result.latency.percentile_us(99.0) >= 400 * MS
    assert result.latency.percentile_us(90.0) >= 300 * MS
    assert result.latency.above(300 * MS) >= result.service.above(300 * MS) + 10


def test_the_same_stall_is_one_slow_request_in_the_closed_loop():
    answers = (*[(OK,)] * 20, (Wait(0.5), OK), (OK,))
    result, _ = load(answers, connections=1, requests=100)
    assert (result.sent, result.basis, result.service) == (100, "sent", None)
    assert result.latency.max_us >= 500 * MS
    assert result.latency.percentile_us(50.0) < 500 * MS


def test_what_is_asked():
    result, upstream = load(
        path="/orders?n=1", connections=1, requests=2, method="PUT", headers=(("X-A", "1"), ("x-a", "2")), body=b"hello"
    )
    first = bytes(upstream.connections[0].received).partition(b"PUT")[2]
    assert result.good == 2
    assert first.startswith(b" /orders?n=1 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % upstream.port)
    assert b"X-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello" in first


def test_connections_are_kept():
    result, upstream = load(connections=3, requests=30)
    assert result.good == 30
    assert len([peer for peer in upstream.connections if peer.received]) <= 3


def test_a_host_header_takes_the_place_of_the_urls():
    _, upstream = load(connections=1, requests=1, headers=(("Host", "a.test"),))
    assert upstream.received().count(b"Host: a.test\r\n") == 1
    assert b"127.0.0.1" not in upstream.received()


def test_a_connection_for_each_request():
    result, upstream = load(connections=2, requests=6, close=True)
    assert result.good == 6
    assert sorted(len(requests(bytes(peer.received))[0]) for peer in upstream.connections) == [1] * 6


def test_a_path_for_each_request():
    _, upstream = load(path="/n/", connections=2, requests=10, threads=2, unique_paths=True, engine="embedded")
    paths = [line for line in upstream.received().split(b"\r\n") if line.startswith(b"GET /n/")]
    assert len(set(paths)) == 10


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_an_answer_without_a_body(method):
    status = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n" if method == "HEAD" else b"HTTP/1.1 204 No\r\n\r\n"
    result, upstream = load(((status,),), connections=1, requests=3, method=method)
    assert result.statuses == {"2xx": 3}
    assert len([peer for peer in upstream.connections if peer.received]) == 1


def test_an_interim_answer_is_none():
    early = b"HTTP/1.1 100 Continue\r\n\r\n"
    result, _ = load(((early, OK),), connections=1, requests=3)
    assert (result.statuses, result.errors) == ({"2xx": 3}, {})


def test_a_body_that_ends_with_the_connection():
    result, _ = load(((b"HTTP/1.1 200 OK\r\n\r\n", b"body", Close()),), connections=1, requests=2)
    assert (result.statuses, result.errors) == ({"2xx": 2}, {})


def test_statuses_are_counted_by_class():
    answers = tuple((answer(status),) for status in (200, 201, 302, 404, 404, 503))
    result, _ = load(answers, connections=1, requests=6)
    assert result.statuses == {"2xx": 2, "3xx": 1, "4xx": 2, "5xx": 1}
    assert (result.good, result.failed) == (3, 3)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ((Reset(),), "reset"),
        ((Close(),), "reset"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Close()), "reset"),
        ((b"nonsense\r\n\r\n",), "protocol"),
        ((Wait(30.0),), "timeout"),
    ],
)
def test_errors_are_counted_by_kind_and_the_load_goes_on(steps, kind):
    timeout_s = 1.0 if kind == "timeout" else 20.0
    result, _ = load(((OK,), steps, (OK,)), connections=1, requests=5, timeout_s=timeout_s)
    assert result.errors == {kind: 1}
    assert result.statuses == {"2xx": 4}
    assert (result.sent, result.failed) == (5, 1)


def test_requests_that_no_connection_is_free_for_time_out_too():
    result, _ = load(((Wait(30.0),),), connections=1, rate=50, requests=10, timeout_s=0.5)
    assert (result.sent, result.answered, result.errors) == (10, 0, {"timeout": 10})


def test_a_target_that_closes_every_connection():
    result, _ = load(script=Script(raw=((Close(),),)), connections=1, requests=3)
    assert (result.answered, sum(result.errors.values())) == (0, 3)


def test_a_target_that_is_not_there():
    with pytest.raises(LoadError, match=r"cannot connect to 127\.0\.0\.1:\d+: Connection refused"):
        run_load(LoadPlan(f"http://127.0.0.1:{free_port()}/", engine="embedded"))


def test_a_target_without_tls():
    with pytest.raises(LoadError, match="SSL"):
        load(script=Script(raw=((b"no tls here\r\n",),)), secure=True, timeout_s=2.0)


def test_a_process_that_dies_is_told():
    with pytest.raises(LoadError, match=r"a process of the generator died: OSError: .*Invalid argument"):
        load(cpus=(100_000,), threads=2, engine="embedded")


def test_processes_share_the_load():
    result, upstream = load(connections=4, rate=200, requests=41, threads=2, engine="embedded")
    assert (result.good, result.sent) == (41, 41)
    assert len([peer for peer in upstream.connections if peer.received]) == 4


def test_the_duration_bounds_the_load_and_the_warm_up_does_not_count():
    result, upstream = load(connections=1, rate=50, duration_s=0.4, warm_up_s=0.2)
    assert result.sent == result.answered > 0
    assert len(heads(upstream)) > result.sent, "the warm-up is sent too"


def test_over_tls():
    tls = Tls(certificate=issued("load.test", ("load.test",)), alpn=("http/1.1",))
    result, upstream = load(script=Script(GOOD, tls=tls), connections=2, requests=6)
    assert result.statuses == {"2xx": 6}
    assert "http/1.1" in next(peer.session.facts for peer in upstream.connections if peer.received)


def h2(*answers, **options):
    more = {name: options.pop(name) for name in ("tls", "settings") if name in options}
    return load(script=Script(answers, http2=True, **more), http2=True, **options)


def ok2(body: bytes = b"ok") -> bytes:
    return head(STREAM, fields=[(b":status", b"200")], end=False) + data(STREAM, body)


def test_http2():
    result, upstream = h2((ok2(),), connections=2, streams=3, requests=12, body=b"hello", method="POST", rate=200)
    found = heads(upstream)
    assert result.statuses == {"2xx": 12}
    assert {(one.value(b":method"), one.value(b"content-length"), one.body) for one in found} == {
        (b"POST", b"5", b"hello")
    }
    assert len(found) == 12


def test_http2_over_tls():
    tls = Tls(certificate=issued("load.test", ("load.test",)), alpn=("h2",))
    result, _ = h2((ok2(),), tls=tls, connections=1, streams=2, requests=6)
    assert result.statuses == {"2xx": 6}


def test_a_target_without_http2_is_told():
    with pytest.raises(LoadError, match="does not speak HTTP/2"):
        load(script=Script(raw=((b"HTTP/1.1 400 Bad Request\r\n\r\n",),)), http2=True)


def test_a_target_without_http2_in_its_alpn_is_told():
    tls = Tls(certificate=issued("load.test", ("load.test",)), alpn=("http/1.1",))
    with pytest.raises(LoadError, match="does not speak HTTP/2"):
        load(script=Script(GOOD, tls=tls), http2=True)


def test_http2_streams_fail_each_for_itself():
    answers = ((ok2(),), (rst(STREAM, 2),), (b"",), (ok2(),))
    result, upstream = h2(*answers, connections=1, requests=5, timeout_s=1.0)
    assert result.statuses == {"2xx": 3}
    assert result.errors == {"reset": 1, "timeout": 1}
    assert len([peer for peer in upstream.connections if peer.received]) == 1


def test_http2_a_new_connection_follows_goaway():
    result, _ = h2((ok2(), goaway(1), Close()), (ok2(),), connections=1, requests=3)
    assert (result.statuses, result.errors) == ({"2xx": 3}, {})


def test_http2_the_targets_limit_of_streams_is_kept_and_told():
    result, _ = h2((ok2(),), settings=((3, 1),), connections=1, streams=4, requests=8)
    assert result.statuses == {"2xx": 8}
    assert "the target allows 1 streams on a connection" in result.warnings
