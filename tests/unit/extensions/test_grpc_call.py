"""Unary gRPC calls of extensions: what the upstream sees, how answers are read, which status a failure has."""

import base64

import pytest

from pyvoy.api import Filter, GrpcStatus, Response
from pyvoy.extensions.http_call import CallOptions, CallRefused, Failure, UnknownCluster
from pyvoy.http.grpc_frames import frame
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.filters import FakeStream, Reply
from tests.support import h2wire as h2
from tests.unit.extensions.test_http2_call import HTTP2, OK, sent
from tests.unit.extensions.test_http_call import Scene as HttpScene

YES = frame(b"yes")
FINE = (b"grpc-status", b"0")


class Scene(HttpScene):
    """A host over a cluster that speaks HTTP/2, and what its gRPC calls have brought."""

    def __init__(self, **relay):
        super().__init__(cluster=HTTP2, **relay)

    def grpc(self, request=b"hi", *, cluster="up", method="Do", metadata=None, authority="", **options):
        call = self.host.grpc_call(
            cluster,
            "my.Service",
            method,
            request,
            self.results.append,
            metadata=metadata,
            authority=authority,
            options=CallOptions(**options),
        )
        self.relay.settle()
        return call


def answered(*trailers, fields=OK, body=YES):
    """The result of a call that was answered so; without trailers the body ends the stream."""
    scene = Scene()
    scene.grpc()
    reply = h2.settings() + h2.head(1, fields=fields, end=False) + h2.data(1, body, end=not trailers)
    scene.relay.accept().sends(reply + (h2.head(1, fields=list(trailers)) if trailers else b""))
    return scene.result


def test_what_the_upstream_sees():
    scene = Scene()
    metadata = HeaderMap([(b"x-user", b"u"), (b"x-raw-bin", b"\0\xff\n")])
    scene.grpc(b"hello", metadata=metadata, authority="auth.test", timeout_s=1.5)
    request = sent(scene.relay.accept())
    fields = dict(request.headers)
    assert request.body == b"\0\0\0\0\5hello"
    assert [fields[name] for name in (b":method", b":path", b":authority", b":scheme")] == [
        b"POST",
        b"/my.Service/Do",
        b"auth.test",
        b"http",
    ]
    assert (fields[b"te"], fields[b"content-type"], fields[b"grpc-timeout"]) == (
        b"trailers",
        b"application/grpc",
        b"1500m",
    )
    assert (fields[b"x-user"], fields[b"x-raw-bin"]) == (b"u", base64.b64encode(b"\0\xff\n"))
    assert b"content-length" not in fields


def test_no_timeout_and_an_empty_message():
    scene = Scene()
    scene.grpc(b"", timeout_s=None)
    request = sent(scene.relay.accept())
    assert b"grpc-timeout" not in dict(request.headers)
    assert dict(request.headers)[b":authority"] == b"up"
    assert request.body == b"\0\0\0\0\0"


def test_the_answer_its_metadata_and_what_is_counted():
    scene = Scene()
    scene.grpc()
    upstream = scene.relay.accept()
    upstream.sends(h2.settings() + h2.head(1, fields=[*OK, (b"x-first", b"1")], end=False))
    upstream.sends(h2.data(1, b"\0\0\0", end=False) + h2.data(1, b"\0\3yes", end=False))
    upstream.sends(h2.head(1, fields=[FINE, (b"x-last", b"2")]))
    result = scene.result
    assert (result.status, result.response, result.message, result.failure) == (GrpcStatus.OK, b"yes", "", None)
    assert (result.initial_metadata.get(b"x-first"), result.trailing_metadata.get(b"x-last")) == (b"1", b"2")
    assert scene.relay.count("internal.upstream_rq_200") == scene.relay.count("upstream_rq_total") == 1
    assert scene.relay.level("upstream_rq_active") == 0


def test_a_refusal_without_a_message():
    scene = Scene()
    scene.grpc()
    fields = [*OK, (b"grpc-status", b"5"), (b"grpc-message", b"not here: 100%25 %C3%BC %zz")]
    scene.relay.accept().sends(h2.settings() + h2.head(1, fields=fields))
    result = scene.result
    assert (result.status, result.message) == (GrpcStatus.NOT_FOUND, "not here: 100% ü %zz")
    assert result.trailing_metadata.get(b"grpc-status") == b"5"
    assert not result.initial_metadata.map


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the response has no message"),
        (b"\0\0\0", "the response is cut short"),
        (b"\0\0\0\0\5hi", "the response is cut short"),
        (frame(b"hi") + b"\0", "the response is cut short"),
        (b"\1\0\0\0\2hi", "the response is compressed"),
        (b"\2\0\0\0\0", "the response is compressed"),
    ],
)
def test_what_cannot_be_read_is_internal(body, message):
    result = answered(FINE, body=body)
    assert (result.status, result.message, result.response) == (GrpcStatus.INTERNAL, message, b"")


@pytest.mark.parametrize("trailers", [(), ((b"x", b"y"),), ((b"grpc-status", b"17"),), ((b"grpc-status", b"-1"),)])
def test_an_end_without_a_known_status_is_unknown(trailers):
    assert answered(*trailers).status is GrpcStatus.UNKNOWN


@pytest.mark.parametrize(
    ("code", "status"),
    [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14), (418, 2), (500, 2)],
)
def test_an_answer_of_http_has_the_status_of_its_code(code, status):
    result = answered(fields=[(b":status", b"%d" % code)], body=b"no gRPC here")
    assert (result.status, result.message, result.failure) == (status, f"HTTP status {code}", None)


def test_a_grpc_status_is_worth_more_than_the_http_status():
    scene = Scene()
    scene.grpc()
    fields = [(b":status", b"404"), (b"grpc-status", b"7")]
    scene.relay.accept().sends(h2.settings() + h2.head(1, fields=fields))
    assert scene.result.status is GrpcStatus.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("how", "status", "failure"),
    [
        ("refused", GrpcStatus.UNAVAILABLE, Failure.CONNECT),
        ("reset", GrpcStatus.UNAVAILABLE, Failure.RESET),
        ("reset in the answer", GrpcStatus.INTERNAL, Failure.INCOMPLETE),
        ("silent", GrpcStatus.DEADLINE_EXCEEDED, Failure.TIMEOUT),
        ("silent in the answer", GrpcStatus.DEADLINE_EXCEEDED, Failure.TIMEOUT),
        ("too large", GrpcStatus.INTERNAL, Failure.TOO_LARGE),
    ],
)
def test_failures_have_the_status_that_fits(how, status, failure):
    scene = Scene()
    scene.grpc(timeout_s=2.0, max_response_bytes=10)
    if how == "refused":
        scene.relay.refuse()
    else:
        upstream = scene.relay.accept()
        started = h2.head(1, fields=OK, end=False) if how in ("reset in the answer", "silent in the answer") else b""
        upstream.sends(h2.settings() + started)
        if how == "too large":
            upstream.sends(h2.head(1, fields=OK, end=False) + h2.data(1, b"x" * 20, end=False))
        elif how.startswith("silent"):
            scene.relay.wait(2.1)
        else:
            upstream.sends(h2.rst(1, 2))
    result = scene.result
    assert (result.status, result.failure, result.response) == (status, failure, b"")
    assert result.message


def test_no_host_is_unavailable():
    scene = Scene(hosts="0")
    scene.grpc()
    assert (scene.result.status, scene.result.message) == (GrpcStatus.UNAVAILABLE, "no healthy upstream")


def test_cancelling_resets_the_stream():
    scene = Scene()
    call = scene.grpc()
    upstream = scene.relay.accept()
    call.cancel()
    scene.relay.settle()
    assert sent(upstream).framing == "reset 2"
    assert not scene.results


def test_what_is_refused():
    scene = Scene()
    with pytest.raises(UnknownCluster):
        scene.grpc(cluster="nowhere")
    for method in ("", "a/b", "a b", "a?b"):
        with pytest.raises(CallRefused, match="no gRPC service and method"):
            scene.grpc(method=method)
    with pytest.raises(CallRefused, match="cannot be metadata"):
        scene.grpc(metadata=HeaderMap([(b":path", b"/other")]))
    with pytest.raises(CallRefused, match="is no header"):
        scene.grpc(metadata=HeaderMap([(b"x-a", b"1\r\nx-b: 2")]))


class Asking(Filter):
    async def on_request(self, request):
        answer = await self.grpc_call("api", "a.B", "C", b"q", metadata={"X-A": "1", "b-bin": b"\0"}, timeout_s=2)
        return Response(200 if answer.ok else 503, f"{answer.status.name} {answer.message} {answer.response}")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply.grpc(b"fine"), "OK  b'fine'"),
        (Reply.grpc(status=5, message="50% of ü"), "NOT_FOUND 50% of ü b''"),
        (Reply(after_s=3), "DEADLINE_EXCEEDED upstream request timeout b''"),
    ],
)
def test_a_python_filter_calls(reply, text):
    stream = FakeStream(Asking, calls={"api": reply}).request()
    stream.advance(3)
    assert stream.response.text == text
    (call,) = stream.calls
    assert (call.path, call.body, call.headers["x-a"]) == ("/a.B/C", b"\0\0\0\0\1q", "1")
    assert call.headers["b-bin"] == "AA=="
