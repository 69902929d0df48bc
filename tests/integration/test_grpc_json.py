"""REST clients with JSON in front of a real gRPC server, and what a real gRPC client sees beside them."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed
from tests.support.shop import SET, message

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")

FILTER = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"


def _get(request, context):
    if request.id == 404:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such book: 404%")
    return message("Book")(id=request.id, title=f"{request.shelf}/{request.view}", tags=request.read)


def _echo(request, context):
    return request


def _create(request, context):
    return message("Book")(pages=len(request.book.tags))


def _count(request, context):
    for number in range(int(request.id)):
        yield message("Book")(id=number)
    if request.view == "fail":
        context.abort(grpc.StatusCode.INTERNAL, "gone")


def _join(requests, context):
    return message("Book")(ratings=[request.id for request in requests])


def _chat(requests, context):
    for book in requests:
        yield message("Book")(id=book.id * 2)


def _upload(requests, context):
    bodies = list(requests)
    return message("Book")(pages=sum(len(body.data) for body in bodies))


def _download(request, context):
    for piece in (b"a" * 100_000, b"b"):
        yield message("google.api.HttpBody")(content_type="text/plain", data=piece)


METHODS = {
    "Get": ("unary_unary", _get, "BookRequest"),
    "Echo": ("unary_unary", _echo, "Book"),
    "Create": ("unary_unary", _create, "BookRequest"),
    "Count": ("unary_stream", _count, "BookRequest"),
    "Join": ("stream_unary", _join, "BookRequest"),
    "Chat": ("stream_stream", _chat, "Book"),
    "UploadPieces": ("stream_unary", _upload, "google.api.HttpBody"),
    "DownloadPieces": ("unary_stream", _download, "BookRequest"),
}


def _handlers():
    made = {}
    for name, (kind, method, taken) in METHODS.items():
        handler = getattr(grpc, f"{kind}_rpc_method_handler")
        made[name] = handler(method, request_deserializer=message(taken).FromString, response_serializer=_serialize)
    return made


def _serialize(made):
    return made.SerializeToString()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    server = grpc.server(ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.v1.Shop", _handlers()),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    made = Proxy(tmp_path_factory.mktemp("json"))
    (made.folder / "shop.pb").write_bytes(SET)
    front = listener("in", made.ports[0], cluster="up")
    transcoder = typed(
        FILTER, proto_descriptor=str(made.folder / "shop.pb"), services=["shop.v1.Shop"], convert_grpc_status=True
    )
    filters = front["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
    filters.insert(0, {"name": "envoy.filters.http.grpc_json_transcoder", "typed_config": transcoder})
    made.configure(listeners=[front], clusters=[cluster("up", port, http2_protocol_options={})])
    try:
        made.start()
        yield made
    finally:
        made.stop()
        server.stop(None).wait()


def ask(proxy, method, path, body=None):
    """(status, the JSON of the answer)."""
    status, text = proxy.request(method, path, proxy.ports[0], body)[:2]
    return status, json.loads(text)


def test_unary(proxy):
    assert ask(proxy, "GET", "/v1/shelves/s%2F1/books/7?view=v&read=a&read=b") == (
        200, {"id": "7", "title": "s/1/v", "tags": ["a", "b"]},
    )  # fmt: skip
    book = {"id": "1", "author": {"firstName": "Jané"}, "printed": "2020-01-02T03:04:05Z", "stock": {"k": 2}}
    assert ask(proxy, "POST", "/echo", json.dumps(book)) == (200, book)


def test_a_failed_call(proxy):
    assert ask(proxy, "GET", "/v1/books/404") == (404, {"code": 5, "message": "no such book: 404%"})


def test_json_that_is_none(proxy):
    status, text = proxy.request("POST", "/echo", proxy.ports[0], '{"id":')[:2]
    assert (status, text) == (400, "Unexpected end of string. Expected a value.\n\n^")


def test_streams(proxy):
    assert ask(proxy, "GET", "/count?id=300") == (200, [{"id": str(n)} if n else {} for n in range(300)])
    assert ask(proxy, "POST", "/join", '[{"id":1},{"id":2}]') == (200, {"ratings": [1, 2]})
    assert ask(proxy, "POST", "/chat", '[{"id":1},{"id":2}]') == (200, [{"id": "2"}, {"id": "4"}])


def test_a_conversation_in_turn(proxy):
    """Each message is answered before the next one is sent."""
    with socket.create_connection(("127.0.0.1", proxy.ports[0]), 20) as sock:
        sock.sendall(b"POST /chat HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for text, wanted in ((b'[{"id":1}', b'[{"id":"2"}'), (b',{"id":2}', b',{"id":"4"}'), (b"]", b"]\r\n")):
            end = b"0\r\n\r\n" if text == b"]" else b""
            sock.sendall(b"%x\r\n%b\r\n" % (len(text), text) + end)
            received = b""
            while wanted not in received:
                piece = sock.recv(65536)
                assert piece, received
                received += piece


def test_json_longer_than_a_buffer(proxy):
    long = json.dumps({"tags": ["x" * 1000] * 3000})
    assert ask(proxy, "POST", "/v1/shelves/s/books", long) == (200, {"pages": 3000})
    status, text = proxy.request("POST", "/v1/shelves/s/books", proxy.ports[0], '{"title":"' + "x" * (17 << 20))[:2]
    assert (status, text[:16]) == (413, "Request rejected")


def test_bodies_that_are_no_json(proxy):
    sent = "x" * 3_000_000
    assert ask(proxy, "POST", "/pieces", sent) == (200, {"pages": 3_000_000})
    assert proxy.request("GET", "/download/pieces", proxy.ports[0])[:2] == (200, "a" * 100_000 + "b")


def test_a_grpc_client_passes(proxy):
    with grpc.insecure_channel(f"127.0.0.1:{proxy.ports[0]}") as channel:
        call = channel.unary_unary(
            "/shop.v1.Shop/Get",
            request_serializer=_serialize,
            response_deserializer=message("Book").FromString,
        )
        assert call(message("BookRequest")(id=5, shelf="s"), timeout=20).id == 5
