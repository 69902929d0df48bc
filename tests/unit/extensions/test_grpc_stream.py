"""Streaming gRPC calls on the wire: events and their order, statuses, windows, and what ends when."""

import pytest

from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.extensions.grpc_stream import MessageReader
from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import CallOptions, CallRefused, Failure, UnknownCluster
from pyvoy.http.grpc_frames import frame
from pyvoy.http.headers import HeaderMap
from tests.support import h2wire as h2
from tests.support.relay import Relay, answer
from tests.unit.extensions.test_http2_call import HTTP2, OK
from tests.unit.extensions.test_http_call import LOG

RST, WINDOW_UPDATE = 3, 8
HEAD = h2.settings() + h2.head(1, fields=[*OK, (b"x-first", b"1")], end=False)
FINE = h2.head(1, fields=[(b"grpc-status", b"0"), (b"x-last", b"2")])


def message(body=b"yes", *, end=False):
    return h2.data(1, frame(body), end=end)


class Scene:
    """A host over a cluster that speaks HTTP/2; `events` is what a call has told, `call` the call."""

    def __init__(self, *, cluster=HTTP2, **relay):
        self.relay = Relay(cluster=cluster, **relay)
        fakes = self.relay.fakes
        self.host = Host(fakes.scope.scope("ext"), fakes.arena, LOG, fakes.services)
        self.events = []
        self.on_event = lambda name: None

    def begin(self, *, cluster="up", service="my.Service", metadata=None, **options):
        options = {"timeout_s": None, **options}
        self.call = self.host.grpc_stream(
            cluster, service, "Do", self, metadata=metadata, options=CallOptions(**options)
        )
        self.relay.settle()
        return self

    def accept(self):
        upstream = self.relay.accept()
        self.relay.settle()
        return upstream

    # ---- GrpcEvents ----

    def on_initial_metadata(self, metadata):
        self._note("initial", metadata.get(b"x-first"))

    def on_message(self, message):
        self._note("message", message)

    def on_trailing_metadata(self, metadata):
        self._note("trailing", metadata.get(b"x-last") or metadata.get(b"grpc-status"))

    def on_end(self, end):
        self._note("end", end.status, end.number, end.failure)
        self.text = end.message

    def on_writable(self):
        self._note("writable")

    def _note(self, *event):
        self.events.append(event)
        self.on_event(event[0])

    @property
    def names(self):
        return [event[0] for event in self.events]


def sent(upstream):
    (request,) = h2.messages(upstream.wire.out, b":method")[1]
    return request


def resets(upstream):
    return [frame for frame in h2.frames(upstream.wire.out) if frame.kind == RST]


def test_the_head_goes_out_at_once_and_messages_as_they_come():
    scene = Scene().begin(metadata=HeaderMap([(b"x-user", b"u")]), timeout_s=2.0)
    upstream = scene.accept()
    fields = dict(sent(upstream).headers)
    assert (fields[b":path"], fields[b"te"], fields[b"grpc-timeout"], fields[b"x-user"]) == (
        b"/my.Service/Do",
        b"trailers",
        b"2000m",
        b"u",
    )
    assert b"content-length" not in fields
    assert not sent(upstream).complete
    scene.call.send(b"one")
    scene.call.send(b"")
    scene.relay.settle()
    assert sent(upstream).body == b"\0\0\0\0\3one\0\0\0\0\0"
    scene.call.end()
    scene.call.send(b"late")
    scene.relay.settle()
    assert (sent(upstream).body, sent(upstream).complete) == (b"\0\0\0\0\3one\0\0\0\0\0", True)


def test_what_is_sent_before_there_is_a_connection_is_kept():
    scene = Scene().begin()
    scene.call.send(b"one")
    scene.call.send(b"two", end=True)
    upstream = scene.accept()
    assert (sent(upstream).body, sent(upstream).complete) == (b"\0\0\0\0\3one\0\0\0\0\3two", True)


def test_events_come_in_order_and_are_counted():
    scene = Scene().begin()
    upstream = scene.accept()
    scene.call.end()
    whole = HEAD + message(b"a") + message(b"") + message(b"bcd") + FINE
    for octet in range(len(whole)):
        upstream.sends(whole[octet : octet + 1])
    assert scene.events == [
        ("initial", b"1"),
        ("message", b"a"),
        ("message", b""),
        ("message", b"bcd"),
        ("trailing", b"2"),
        ("end", GrpcStatus.OK, 0, None),
    ]
    assert scene.call.done
    assert scene.relay.count("internal.upstream_rq_200") == scene.relay.count("upstream_rq_total") == 1
    assert scene.relay.level("upstream_rq_active") == 0
    assert not resets(upstream)


def test_several_messages_in_one_piece_and_one_in_several():
    scene = Scene().begin()
    upstream = scene.accept()
    both = frame(b"first") + frame(b"second")
    upstream.sends(HEAD + h2.data(1, both[:14], end=False))
    assert scene.events[1:] == [("message", b"first")]
    upstream.sends(h2.data(1, both[14:], end=False))
    assert scene.events[2:] == [("message", b"second")]


def test_an_end_of_the_upstream_resets_what_was_not_ended_here():
    scene = Scene().begin()
    upstream = scene.accept()
    scene.call.send(b"x")
    upstream.sends(HEAD + FINE)
    assert scene.names == ["initial", "trailing", "end"]
    assert len(resets(upstream)) == 1
    assert scene.relay.level("upstream_rq_active") == 0
    assert not upstream.closed


def test_trailers_only():
    scene = Scene().begin()
    fields = [*OK, (b"grpc-status", b"7"), (b"grpc-message", b"no%21"), (b"x-first", b"1")]
    scene.accept().sends(h2.settings() + h2.head(1, fields=fields))
    assert scene.events == [("initial", None), ("trailing", b"7"), ("end", GrpcStatus.PERMISSION_DENIED, 7, None)]
    assert scene.text == "no!"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b":status", b"503")], GrpcStatus.UNAVAILABLE),
        ([(b":status", b"404"), (b"grpc-status", b"5")], GrpcStatus.NOT_FOUND),
    ],
)
def test_an_http_answer(fields, status):
    scene = Scene().begin()
    scene.accept().sends(h2.settings() + h2.head(1, fields=fields))
    assert scene.events[-1][:2] == ("end", status)


def test_an_http_error_with_a_body_ends_the_call_at_its_head():
    scene = Scene().begin()
    upstream = scene.accept()
    upstream.sends(h2.settings() + h2.head(1, fields=[(b":status", b"500")], end=False) + h2.data(1, b"oops"))
    assert scene.names == ["initial", "trailing", "end"]
    assert (scene.events[-1][1], scene.text) == (GrpcStatus.UNKNOWN, "HTTP status 500")
    assert len(resets(upstream)) == 1


@pytest.mark.parametrize(
    ("trailer", "status", "number"),
    [(b"17", GrpcStatus.UNKNOWN, -1), (b"x", GrpcStatus.UNKNOWN, -1), (None, GrpcStatus.UNKNOWN, 2)],
)
def test_a_status_that_nobody_knows(trailer, status, number):
    scene = Scene().begin()
    fields = [(b"x-last", b"2")] + ([] if trailer is None else [(b"grpc-status", trailer)])
    scene.accept().sends(HEAD + h2.head(1, fields=fields))
    assert scene.events[-1] == ("end", status, number, None)


def test_an_end_without_trailers_is_unknown():
    scene = Scene().begin()
    scene.accept().sends(HEAD + message(b"a", end=True))
    assert scene.events[1:] == [("message", b"a"), ("trailing", None), ("end", GrpcStatus.UNKNOWN, 2, None)]


@pytest.mark.parametrize("prefix", [b"\1\0\0\0\2hi", b"\2\0\0\0\0"])
def test_compressed_messages_are_internal(prefix):
    scene = Scene().begin()
    upstream = scene.accept()
    upstream.sends(HEAD + message(b"a") + h2.data(1, prefix, end=False))
    assert scene.events[1:] == [("message", b"a"), ("trailing", None), ("end", GrpcStatus.INTERNAL, 13, None)]
    assert len(resets(upstream)) == 1


def test_a_message_that_is_too_large():
    scene = Scene().begin(max_response_bytes=10)
    upstream = scene.accept()
    upstream.sends(HEAD + message(b"x" * 10) + h2.data(1, frame(b"x" * 11)[:6], end=False))
    assert scene.names == ["initial", "message", "trailing", "end"]
    assert scene.events[-1] == ("end", GrpcStatus.INTERNAL, 13, Failure.TOO_LARGE)
    assert len(resets(upstream)) == 1


AT = {"before": b"", "head": HEAD, "message": HEAD + message(b"a"), "half": HEAD + h2.data(1, b"\0\0", end=False)}


@pytest.mark.parametrize("when", AT)
@pytest.mark.parametrize("how", ["close", "reset", "goaway"])
def test_the_upstream_vanishes(when, how):
    scene = Scene().begin()
    upstream = scene.accept()
    scene.call.send(b"x")
    if AT[when]:
        upstream.sends(AT[when])
    if how == "close":
        upstream.ends()
    else:
        upstream.sends(h2.rst(1) if how == "reset" else h2.goaway(0))
    scene.relay.settle()
    began = when != "before"
    assert scene.events[-1][1] is (GrpcStatus.INTERNAL if began else GrpcStatus.UNAVAILABLE)
    assert scene.events[-1][3] is (Failure.INCOMPLETE if began else Failure.RESET)
    assert scene.events[-2][0] == "trailing"
    assert scene.names.count("end") == scene.names.count("initial") == 1
    assert scene.relay.level("upstream_rq_active") == 0


def test_no_connection():
    scene = Scene().begin()
    scene.call.send(b"x")
    scene.relay.refuse()
    assert scene.events == [
        ("initial", None),
        ("trailing", b"14"),
        ("end", GrpcStatus.UNAVAILABLE, 14, Failure.CONNECT),
    ]
    assert "remote connection failure" in scene.text


def test_no_host_is_told_later():
    scene = Scene(hosts="0")
    scene.call = scene.host.grpc_stream("up", "my.Service", "Do", scene)
    assert not scene.events
    scene.relay.settle()
    assert scene.events[-1] == ("end", GrpcStatus.UNAVAILABLE, 14, Failure.NO_HOST)
    assert scene.text == "no healthy upstream"


def test_the_circuit_breaker():
    scene = Scene(cluster=f"{HTTP2}\ncircuit_breakers: {{thresholds: [{{max_requests: 1}}]}}").begin()
    scene.accept()
    first = scene.call
    scene.begin()
    assert scene.events[-1][:2] == ("end", GrpcStatus.UNAVAILABLE)
    first.cancel()
    scene.events.clear()
    scene.begin()
    assert not scene.events


@pytest.mark.parametrize("when", ["before", "message"])
def test_the_deadline(when):
    scene = Scene().begin(timeout_s=1.0)
    upstream = scene.accept()
    if when == "message":
        upstream.sends(HEAD + message(b"a"))
    scene.relay.wait(1.1)
    assert scene.events[-1] == ("end", GrpcStatus.DEADLINE_EXCEEDED, 4, Failure.TIMEOUT)
    assert len(resets(upstream)) == 1
    assert scene.relay.count("upstream_rq_timeout") == 1
    upstream.sends(h2.window(0, 10))
    assert scene.names.count("end") == 1


def test_what_makes_no_call():
    scene = Scene()
    with pytest.raises(UnknownCluster):
        scene.begin(cluster="nobody")
    with pytest.raises(CallRefused):
        scene.begin(service="a b")
    with pytest.raises(CallRefused):
        scene.begin(metadata=HeaderMap([(b"x", b"a\nb")]))


# ---- giving up ----


@pytest.mark.parametrize("when", ["waiting", "running", "initial", "message", "trailing"])
def test_cancelling_at_every_event(when):
    scene = Scene().begin()
    if when == "waiting":
        scene.call.cancel()
        scene.relay.settle()
        assert not scene.events
        assert scene.relay.level("upstream_rq_pending_active") == 0
        return
    upstream = scene.accept()
    if when == "running":
        scene.call.cancel()
    else:
        scene.on_event = lambda name: scene.call.cancel() if name == when else None
        upstream.sends(HEAD + message(b"a") + message(b"b") + FINE)
        assert scene.names[-1] == when
    scene.relay.settle()
    assert len(resets(upstream)) == 1
    assert scene.call.done
    assert scene.relay.level("upstream_rq_active") == 0
    scene.call.send(b"late")
    scene.call.end()
    scene.call.pause(True)
    scene.call.cancel()
    assert len(resets(upstream)) == 1
    assert not upstream.closed


# ---- windows ----


def test_a_slow_upstream_fills_the_call_and_its_window_empties_it():
    scene = Scene(cluster=f"{HTTP2}\nper_connection_buffer_limit_bytes: 100000").begin()
    upstream = scene.accept()
    upstream.sends(h2.settings())
    assert not scene.call.full
    scene.call.send(b"x" * 60_000)
    assert not scene.call.full
    scene.call.send(b"x" * 120_000)
    assert scene.call.full
    assert not scene.events
    upstream.sends(h2.window(0, 200_000) + h2.window(1, 200_000))
    assert not scene.call.full
    assert scene.events == [("writable",)]
    assert len(sent(upstream).body) == 180_010


def test_what_waits_for_a_connection_fills_the_call_too():
    scene = Scene(cluster=f"{HTTP2}\nper_connection_buffer_limit_bytes: 1000").begin()
    scene.call.send(b"x" * 900)
    assert not scene.call.full
    scene.call.send(b"x" * 200)
    assert scene.call.full
    scene.accept()
    assert not scene.call.full
    assert scene.events == [("writable",)]


def credit(upstream):
    return sum(
        int.from_bytes(frame.payload, "big")
        for frame in h2.frames(upstream.wire.out)
        if frame.kind == WINDOW_UPDATE and frame.stream == 1
    )


def test_a_paused_call_gives_no_credit_until_it_goes_on():
    options = "http2_protocol_options: {initial_stream_window_size: 65535}"
    scene = Scene(cluster=options).begin()
    upstream = scene.accept()
    upstream.sends(HEAD)
    scene.call.pause(True)
    scene.call.pause(True)
    for _ in range(4):
        upstream.sends(message(b"x" * 16_000))
    assert scene.names.count("message") == 4
    assert credit(upstream) == 0
    scene.call.pause(False)
    scene.relay.settle()
    assert credit(upstream) >= 60_000
    assert scene.relay.count("upstream_flow_control_paused_reading_total") == 1


def test_a_cluster_of_http1_takes_calls_as_envoys_does():
    scene = Scene(cluster="{}").begin()
    upstream = scene.accept()
    scene.call.send(b"x", end=True)
    assert b"POST /my.Service/Do HTTP/1.1\r\n" in upstream.wire.out
    assert b"transfer-encoding: chunked\r\n" in upstream.wire.out
    upstream.sends(answer(200, "grpc-status: 0", body=frame(b"one")))
    assert scene.names == ["initial", "message", "trailing", "end"]
    assert scene.events[-1][1] is GrpcStatus.UNKNOWN


def test_a_reader_holds_one_message_at_most():
    reader = MessageReader(10)
    body = frame(b"0123456789") * 3
    found = []
    for at in range(0, len(body), 7):
        reader.feed(body[at : at + 7])
        while (one := reader.next()) is not None:
            found.append(one)
    assert found == [b"0123456789"] * 3
    assert reader.next() is None
    assert reader.fault is None
