"""Streaming gRPC calls of Python filters against a scripted peer: messages, ends, waiting, giving up."""

import base64

import pytest

from pyvoy.api import (
    CONTINUE,
    STOP,
    CallRefused,
    Failure,
    Filter,
    GrpcFailed,
    GrpcStatus,
    GrpcStream,
    Response,
    StreamFilter,
    UnknownCluster,
)
from pyvoy.extensions.native.grpc_stream import UNREAD_LIMIT_BYTES
from pyvoy.testing.filters import FakeStream, Reply

SERVICE = ("chat", "my.Chat", "Talk")


class Talk(Filter):
    """Sends what the path says, then joins all that comes."""

    async def on_request(self, request):
        async with self.grpc_stream(*SERVICE, metadata={"x-user": "u", "raw-bin": b"\0"}, timeout_s=9.0) as call:
            for piece in request.path[1:].split(","):
                await call.send(piece.encode())
            call.end()
            first = await call.metadata()
            try:
                found = [message async for message in call]
            except GrpcFailed as error:
                return Response(503, f"{error.status.name} {error.answer.message} {error.failure}")
            answer = await call.result()
        return Response(200, f"{first.get('x-a')} {b'+'.join(found).decode()} {answer.trailing_metadata.get('x-z')}")


class Count(Filter):
    """One answer to many messages."""

    async def on_request(self, request):
        call = self.grpc_stream(*SERVICE)
        await call.send(b"1")
        await call.send(b"2", end=True)
        answer = await call.result()
        return Response(200, f"{answer.status.name} {answer.response.decode()} {answer.message}")


def begin(filter_, path="/a,b", **more):
    """The stream after a request, and the far end of its call."""
    stream = FakeStream(filter_, streams=["chat"], **more).request("GET", path)
    return stream, stream.peers[0]


def test_messages_both_ways():
    stream, peer = begin(Talk)
    assert (peer.path, peer.messages, peer.ended) == ("/my.Chat/Talk", [b"a", b"b"], True)
    assert peer.metadata["x-user"] == "u"
    assert peer.metadata["raw-bin"] == base64.b64encode(b"\0").decode()
    assert peer.metadata["grpc-timeout"] == "9000m"
    peer.answers({"x-a": "1"}).sends(b"x", b"y").sends(b"z")
    assert stream.response is None
    peer.finishes(metadata={"x-z": "2"})
    assert (stream.response.status, stream.response.text) == (200, "1 x+y+z 2")
    assert not peer.cancelled


def test_a_status_is_raised_behind_the_messages():
    stream, peer = begin(Talk)
    peer.sends(b"x").finishes(7, "not you")
    assert stream.response.text == "PERMISSION_DENIED not you None"


def test_the_answer_of_a_call_with_one_answer():
    stream, peer = begin(Count)
    assert (peer.messages, peer.ended) == ([b"1", b"2"], True)
    peer.sends(b"two").finishes()
    assert stream.response.text == "OK two "


def test_a_result_never_raises():
    stream, peer = begin(Count)
    peer.finishes(5, "gone")
    assert stream.response.text == "NOT_FOUND  gone"


@pytest.mark.parametrize("when", ["before", "head", "message"])
@pytest.mark.parametrize(("failure", "status"), [(Failure.RESET, "UNAVAILABLE"), (Failure.INCOMPLETE, "INTERNAL")])
def test_the_upstream_vanishes(when, failure, status):
    stream, peer = begin(Talk)
    if when == "head":
        peer.answers()
    elif when == "message":
        peer.sends(b"x")
    peer.fails(failure)
    assert stream.response.text.startswith(f"{status} ")
    assert str(failure) in stream.response.text


def test_the_deadline():
    stream, peer = begin(Talk)
    peer.sends(b"x")
    stream.advance(9.1)
    assert stream.response.text.startswith("DEADLINE_EXCEEDED")


@pytest.mark.parametrize("when", ["before", "message"])
def test_the_call_ends_with_the_filters_stream(when):
    stream, peer = begin(Talk)
    if when == "message":
        peer.sends(b"x")
    stream.reset()
    stream.advance(0.0)
    assert peer.cancelled


class Kept(Filter):
    """Begins a call with the request and goes on with it in the response."""

    async def on_request(self, request):
        self.chat = self.grpc_stream(*SERVICE)
        await self.chat.send(b"request")

    async def on_response(self, response):
        await self.chat.send(b"response")
        answer = await self.chat.receive()
        response.headers["x-chat"] = answer.decode()


def test_a_call_is_kept_from_the_request_to_the_response_and_ends_with_the_stream():
    stream, peer = begin(Kept)
    assert stream.forwarded is not None
    stream.respond(200)
    assert peer.messages == [b"request", b"response"]
    peer.sends(b"yes")
    assert stream.response.headers["x-chat"] == "yes"
    stream.advance(0.0)
    assert peer.cancelled


def test_a_kept_call_ends_when_the_client_leaves():
    stream, peer = begin(Kept)
    stream.reset()
    stream.advance(0.0)
    assert peer.cancelled


class Lower(StreamFilter):
    async def on_request_headers(self, stream, headers, end):
        self.chat = self.grpc_stream(*SERVICE)
        await self.chat.send(b"hello")
        return CONTINUE

    async def on_response_headers(self, stream, headers, end):
        headers.set(b"x-chat", await self.chat.receive())
        return CONTINUE


def test_the_lower_level():
    stream, peer = begin(Lower)
    stream.respond(200, end=False)
    peer.sends(b"low")
    assert stream.response.headers["x-chat"] == "low"
    assert not peer.cancelled
    stream.reset()
    stream.advance(0.0)
    assert peer.cancelled


class Sender(Filter):
    """Sends ten messages once it was told to."""

    async def on_request(self, request):
        async with self.grpc_stream(*SERVICE) as call:
            await call.receive()
            try:
                for number in range(10):
                    await call.send(b"%d" % number)
            except GrpcFailed as error:
                return Response(200, error.status.name)
            return Response(200, (await call.result()).status.name)


def test_sending_waits_for_the_upstream():
    stream, peer = begin(Sender)
    peer.blocks().sends(b"go")
    assert peer.messages == [b"0"]
    peer.blocks(False)
    assert (len(peer.messages), peer.ended) == (10, True)
    peer.finishes()
    assert stream.response.text == "OK"


@pytest.mark.parametrize("status", [0, 8])
def test_the_end_of_the_call_wakes_a_sender_that_waits(status):
    stream, peer = begin(Sender)
    peer.blocks().sends(b"go").finishes(status)
    assert peer.messages == [b"0"]
    assert stream.response.text == GrpcStatus(status).name


def test_messages_that_nobody_reads_pause_the_upstream():
    class Slow(Filter):
        async def on_request(self, request):
            async with self.grpc_stream(*SERVICE) as call:
                await self.call("gate", "/")
                return Response(200, str(len([message async for message in call])))

    stream = FakeStream(Slow, streams=["chat"], calls={"gate": Reply(after_s=1.0)}).request("GET", "/")
    (peer,) = stream.peers
    peer.sends(*[b"x" * (UNREAD_LIMIT_BYTES // 4)] * 4)
    assert not peer.paused
    peer.sends(b"y")
    assert peer.paused
    stream.advance(1.0)
    assert not peer.paused
    peer.finishes()
    assert stream.response.text == "5"


class GivesUp(Filter):
    async def on_request(self, request):
        call = self.grpc_stream(*SERVICE)
        await call.send(b"x")
        call.cancel()
        call.end()
        seen = [call.over, (await call.result()).status.name, dict(await call.metadata())]
        for attempt in (call.receive(), call.send(b"y")):
            try:
                await attempt
            except GrpcFailed as error:
                seen.append(error.status.name)
        return Response(200, str(seen))


def test_giving_up():
    stream, peer = begin(GivesUp)
    assert peer.cancelled
    assert stream.response.text == "[True, 'CANCELLED', {}, 'CANCELLED', 'CANCELLED']"


class Refused(Filter):
    async def on_request(self, request):
        seen = []
        for cluster, service in (("nobody", "a"), ("chat", "a b")):
            try:
                self.grpc_stream(cluster, service, "M")
            except (UnknownCluster, CallRefused) as error:
                seen.append(type(error).__name__)
        return Response(200, " ".join(seen))


def test_what_makes_no_call():
    stream = FakeStream(Refused, streams=["chat"]).request("GET", "/")
    assert stream.response.text == "UnknownCluster CallRefused"


class ByCallback(StreamFilter):
    """The same without coroutines."""

    def on_request_headers(self, stream, headers, end):
        self.stream, self.seen = stream, []
        self.call = self.host.grpc_stream(*SERVICE, self)
        self.call.send(b"hello", end=True)
        return STOP

    def on_initial_metadata(self, metadata):
        self.seen.append(metadata.get(b"x-a"))

    def on_message(self, message):
        self.seen.append(message)

    def on_trailing_metadata(self, metadata):
        self.seen.append(metadata.get(b"x-z"))

    def on_end(self, end):
        self.stream.send_local_reply(200, repr([*self.seen, end.status.name]).encode(), details="x")

    def on_writable(self):
        pass

    def on_destroy(self, stream):
        self.call.cancel()


def test_by_callback():
    stream, peer = begin(ByCallback)
    assert (peer.messages, peer.ended) == ([b"hello"], True)
    peer.answers({"x-a": "1"}).sends(b"m").finishes(8, metadata={"x-z": "2"})
    assert stream.response.text == repr([b"1", b"m", b"2", "RESOURCE_EXHAUSTED"])


def test_by_callback_whoever_began_it_ends_it():
    stream, peer = begin(ByCallback)
    stream.reset()
    assert peer.cancelled


class Background(StreamFilter):
    """One call for the life of the configuration."""

    seen = ()

    @classmethod
    def on_load(cls):
        cls.spawn(cls.watch())

    @classmethod
    async def watch(cls):
        call = GrpcStream.open(cls.host, *SERVICE)
        try:
            async for message in call:
                Background.seen += (message,)
        except GrpcFailed as error:
            Background.seen += (error.status,)

    def on_request_headers(self, stream, headers, end):
        stream.send_local_reply(200, b"", details="x")
        return STOP


def test_a_call_of_no_stream_ends_with_the_configuration():
    Background.seen = ()
    stream, peer = begin(Background)
    peer.sends(b"1")
    stream.reset()
    stream.request("GET", "/").advance(0.0)
    assert Background.seen == (b"1",)
    assert not peer.cancelled
    stream.retire()
    assert peer.cancelled
    assert Background.seen == (b"1", GrpcStatus.CANCELLED)


class Binary(Filter):
    async def on_request(self, request):
        answer = await self.grpc_stream(*SERVICE).result()
        return Response(200, repr([answer.binary("a-bin"), answer.binary("b-bin"), answer.binary("c-bin")]))


def test_binary_metadata_may_come_without_padding_and_joined():
    stream, peer = begin(Binary)
    peer.answers({"a-bin": "AAE"}).finishes(metadata={"b-bin": "AA==,/w"})
    assert stream.response.text == repr([[b"\0\1"], [b"\0", b"\xff"], []])
