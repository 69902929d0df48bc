"""Calls of all four kinds between a real gRPC client and a real gRPC server, through the running proxy."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.proxy import Proxy, cluster, listener

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")


def _unary(request, context):
    if request == b"fail":
        context.abort(grpc.StatusCode.NOT_FOUND, "not here: 100%")
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


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    """A channel to the proxy, whose upstream is the server."""
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Service", HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    proxy = Proxy(tmp_path_factory.mktemp("grpc"))
    filters = "http2_protocol_options"
    proxy.configure(
        listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[cluster("up", port, **{filters: {}})]
    )
    try:
        proxy.start()
        with grpc.insecure_channel(f"127.0.0.1:{proxy.ports[0]}") as made:
            yield made
    finally:
        proxy.stop()
        server.stop(None).wait()


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
