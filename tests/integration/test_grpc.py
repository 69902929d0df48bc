"""Calls of all four kinds between a real gRPC client and a real gRPC server, through the running proxy."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.integration.proxy import Proxy, cluster, listener, peak_bytes
from tests.integration.test_python_filters import python_listener

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")


def _unary(request, context):
    if request == b"fail":
        context.abort(grpc.StatusCode.NOT_FOUND, "not here: 100%")
    if request == b"metadata":
        return repr([dict(context.invocation_metadata())["x-raw-bin"], context.time_remaining() < 20]).encode()
    context.set_trailing_metadata((("x-trailer", "value"),))
    return request * 2


def _count(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def _join(requests, context):
    return b",".join(requests)


def _echo(requests, context):
    for request in requests:
        yield request.upper()


GONE = Event()


def _forever(requests, context):
    context.add_callback(GONE.set)
    for request in requests:
        while context.is_active():
            yield request
            time.sleep(0.01)


HANDLERS = {
    "Forever": grpc.stream_stream_rpc_method_handler(_forever),
    "Unary": grpc.unary_unary_rpc_method_handler(_unary),
    "Count": grpc.unary_stream_rpc_method_handler(_count),
    "Join": grpc.stream_unary_rpc_method_handler(_join),
    "Echo": grpc.stream_stream_rpc_method_handler(_echo),
}


CALLING = """
from pyvoy.api import *

class F(Filter):
    async def on_request(self, request):
        answer = await self.grpc_call(
            "up", "test.Service", request.path[1:], await request.body(), metadata={"x-raw-bin": b"\\0a"}, timeout_s=20
        )
        last = answer.trailing_metadata.get("x-trailer")
        return Response(200, f"{answer.status.name}|{answer.message}|{answer.response.decode()}|{last}")

class S(Filter):
    # One call of the kind that the path names; what comes back stands in the body.

    async def on_request(self, request):
        method = request.path[1:]
        parts = (await request.body()).split(b",")
        extra = {"x-raw-bin": b"\\0a"}
        async with self.grpc_stream("up", "test.Service", method, metadata=extra, timeout_s=20) as call:
            try:
                if method in ("Unary", "Join"):
                    for part in parts:
                        await call.send(part)
                    answer = await call.result()
                    return Response(200, f"{answer.status.name}|{answer.message}|{answer.response.decode()}")
                if method == "Count":
                    await call.send(parts[0], end=True)
                    return Response(200, str([message.decode() async for message in call]))
                seen = []
                for part in parts:
                    await call.send(part)
                    seen.append((await call.receive()).decode())
                call.end()
                return Response(200, f"{seen} {await call.receive()}")
            except GrpcFailed as error:
                return Response(500, f"{error.status.name}|{error.answer.message}")

class Big(Filter):
    # Sends and reads at the same time, far more than any window takes.

    async def on_request(self, request):
        import asyncio
        total = 0
        async with self.grpc_stream("up", "test.Service", "Echo") as call:
            async def feed():
                for _ in range(50):
                    await call.send(b"x" * (1 << 20))
                call.end()
            feeding = asyncio.ensure_future(feed())
            async for message in call:
                total += len(message)
            await feeding
        return Response(200, str(total))

class Endless(Filter):
    # Reads a stream without an end as long as its client stays.

    async def on_request(self, request):
        async with self.grpc_stream("up", "test.Service", "Forever") as call:
            await call.send(b"go")
            async for message in call:
                self.counter("messages").inc()

class G(StreamFilter):
    async def on_request_headers(self, stream, headers, end):
        answer = await self.grpc_call("up", "test.Service", "Unary", b"low")
        stream.send_local_reply(200, answer.response, details="called")
        return STOP
"""


@pytest.fixture(scope="module")
def server_port():
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.fixture(scope="module")
def channel(tmp_path_factory, server_port):
    """A channel to the proxy, whose upstream is the server."""
    proxy = Proxy(tmp_path_factory.mktemp("grpc"))
    up = cluster("up", server_port, http2_protocol_options={})
    proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[up])
    try:
        proxy.start()
        with grpc.insecure_channel(f"127.0.0.1:{proxy.ports[0]}") as made:
            yield made
    finally:
        proxy.stop()


CLASSES = ("F", "G", "S", "Big", "Endless")


@pytest.fixture(scope="module")
def calling(tmp_path_factory, server_port):
    """A proxy with a listener for each filter that calls the server, in the order of CLASSES."""
    proxy = Proxy(tmp_path_factory.mktemp("calling"), ports=len(CLASSES))
    code = proxy.folder / "f.py"
    code.write_text(CALLING)
    listeners = [python_listener(proxy, code, index=at, **{"class": name}) for at, name in enumerate(CLASSES)]
    proxy.configure(listeners=listeners, clusters=[cluster("up", server_port, http2_protocol_options={})])
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()


def asking(proxy, name):
    """Asks the listener of that filter."""
    port = proxy.ports[CLASSES.index(name)]
    return lambda method, body="": proxy.request("POST", f"/{method}", port, body)[:2]


def test_a_filter_of_the_lower_level_calls(calling):
    assert asking(calling, "G")("Unary", "hi") == (200, "lowlow"), calling.log()


def test_streaming_calls_of_all_kinds(calling):
    ask = asking(calling, "S")
    assert ask("Unary", "hi") == (200, "OK||hihi"), calling.log()
    assert ask("Unary", "fail") == (200, "NOT_FOUND|not here: 100%|")
    assert ask("Unary", "metadata") == (200, "OK||[b'\\x00a', True]")
    assert ask("Join", "a,b,c") == (200, "OK||a,b,c")
    assert ask("Count", "3") == (200, "['0', '1', '2']")
    assert ask("Echo", "a,bc,") == (200, "['A', 'BC', ''] None")
    assert ask("Count", "x")[1].startswith("UNKNOWN|")
    assert ask("Nothing", "x")[1].startswith("UNIMPLEMENTED|")


def test_a_large_conversation_in_bounded_memory(calling):
    ask = asking(calling, "Big")
    ask("warm")
    (worker,) = calling.workers()
    before = peak_bytes(worker)
    assert ask("big") == (200, str(50 << 20))
    assert peak_bytes(worker) - before < 16 << 20


def test_a_call_ends_with_its_client(calling):
    GONE.clear()
    with socket.create_connection(("127.0.0.1", calling.ports[CLASSES.index("Endless")])) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        calling.wait(lambda: calling.stats().get("http.in4.python.Endless.messages", 0) > 2)
    assert GONE.wait(20)


def test_python_filters_call(calling):
    proxy = calling
    ask = asking(proxy, "F")
    assert ask("Unary", "hi") == (200, "OK||hihi|value")
    assert ask("Unary", "fail") == (200, "NOT_FOUND|not here: 100%||None")
    assert ask("Unary", "metadata") == (200, "OK||[b'\\x00a', True]|None")
    assert ask("Nothing", "hi")[1].startswith("UNIMPLEMENTED|")
    assert ask("Unary", "x" * 100_000) == (200, f"OK||{'x' * 200_000}|value")
    assert proxy.stats()["cluster.up.upstream_cx_http2_total"] == 1


def test_unary(channel):
    answer, call = channel.unary_unary("/test.Service/Unary").with_call(b"hi", timeout=20)
    assert answer == b"hihi"
    assert ("x-trailer", "value") in [(item.key, item.value) for item in call.trailing_metadata()]


def test_server_streaming(channel):
    answers = list(channel.unary_stream("/test.Service/Count")(b"300", timeout=20))
    assert answers == [b"%d" % number for number in range(300)]


def test_client_streaming(channel):
    assert channel.stream_unary("/test.Service/Join")(iter([b"a", b"b", b"c"]), timeout=20) == b"a,b,c"


def test_both_ways_in_turn(channel):
    sent = [b"x" * size for size in (1, 100_000, 0, 3_000_000)]
    answers = channel.stream_stream("/test.Service/Echo")(iter(sent), timeout=60)
    assert [len(answer) for answer in answers] == [len(piece) for piece in sent]


def test_a_failed_call_keeps_its_status_and_message(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/test.Service/Unary")(b"fail", timeout=20)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "not here: 100%")


def test_a_method_that_nobody_has_is_unimplemented(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/test.Service/None")(b"", timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_many_calls_at_once(channel):
    call = channel.unary_unary("/test.Service/Unary")
    futures = [call.future(b"%d" % number, timeout=30) for number in range(200)]
    assert [future.result() for future in futures] == [b"%d%d" % (number, number) for number in range(200)]
