"""Calls of all four kinds between a real gRPC client and a real gRPC server, through the running proxy."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.proxy import Proxy, cluster, listener
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


HANDLERS = {
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


@pytest.fixture(scope="module", params=["F", "G"])
def calling(request, tmp_path_factory, server_port):
    """A proxy with a filter that calls the server: of the upper (F) or the lower level (G)."""
    proxy = Proxy(tmp_path_factory.mktemp("calling"))
    code = proxy.folder / "f.py"
    code.write_text(CALLING)
    found = python_listener(proxy, code)
    filters = found["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    filters[0]["typed_config"]["class"] = request.param
    proxy.configure(listeners=[found], clusters=[cluster("up", server_port, http2_protocol_options={})])
    try:
        proxy.start()
        yield request.param, proxy
    finally:
        proxy.stop()


def test_python_filters_call(calling):
    level, proxy = calling

    def ask(method, body):
        return proxy.request("POST", f"/{method}", proxy.ports[0], body)[:2]

    if level == "G":
        assert ask("Unary", "hi") == (200, "lowlow"), proxy.log()
        return
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
