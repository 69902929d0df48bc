"""gRPC calls and streams of Proxy-Wasm modules: what is sent, which callback comes when, every status."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from envoy.config.core.v3.grpc_service_pb2 import GrpcService

from pyvoy.extensions.wasm.pairs import serialize
from pyvoy.http.grpc_frames import frame
from tests.parity.case import ROUTE_ALL, Case, answers
from tests.parity.cases.http2_upstream import HTTP2, fields
from tests.parity.cases.wasm import CALL_PATH, on_request, value, wasm
from tests.support import h2wire as h2
from tests.support.guest import OUT, OUT_U32, At, Guest, P, Raw, Saved, call, keep, note, save, show_reply
from tests.support.steps import Close, Step, Wait
from tests.support.upstream import STREAM, Script

BAD = 0x7FFFFFF0
METADATA = serialize([(b"x-user", b"u"), (b"x-raw-bin", b"\0\xff"), (b"X-Upper", b"1")])
TOKEN = "(call $digit (i32.load (i32.const 256)))"
HEAD = h2.head(STREAM, fields=fields(200, (b"content-type", b"application/grpc"), (b"x-first", b"1")), end=False)


def message(body: bytes = b"yes", *, end: bool = False) -> bytes:
    return h2.data(STREAM, frame(body), end=end)


def end(status: bytes = b"0", *more: tuple[bytes, bytes]) -> bytes:
    return h2.head(STREAM, fields=[(b"grpc-status", status), *more])


def only(status: bytes, *more: tuple[bytes, bytes], code: int = 200) -> bytes:
    """An answer of trailers only."""
    return h2.head(STREAM, fields=fields(code, (b"content-type", b"application/grpc"), (b"grpc-status", status), *more))


def up(*steps: Step, early: bool = False) -> dict[str, Script]:
    """The gRPC server."""
    return {"b": Script(answers(tuple(steps), early=early).answers, early=early, http2=True)}


def grpc_call(cluster: object, *, method: str = "Do", message_: str = "hi", timeout: int = 0, metadata: object = METADATA) -> object:
    return call("grpc_call", cluster, "my.Service", method, metadata, message_, timeout, At(256), label="call")


def grpc_stream(cluster: object, *, metadata: object = METADATA) -> object:
    return call("grpc_stream", cluster, "my.Service", "Do", metadata, At(256), label="stream")


def said(name: str, *more: object) -> tuple[object, ...]:
    """What a callback notes: its own parameters, the status of the last call, what can be read now."""
    return (
        note(name, P(0), "/", P(1), "/", P(2)),
        call("get_buffer_bytes", 5, 0, 100, OUT, label="b"), value(4, "x-first"), value(5, "x-last"), value(4, "grpc-status"), value(5, "grpc-status"),
        call("get_status", OUT_U32, OUT), *more,
    )


BACK = (call("set_effective_context", Saved(1), label="e"), show_reply())


def guest(*steps: object, abi: str = "0.2.1", **callbacks: tuple[object, ...]) -> Guest:
    """Steps in the request headers callback, which waits; every gRPC callback notes, the close answers."""
    made = Guest(abi).on("request_headers", keep(0, 1), *steps, returns=1)  # type: ignore[arg-type]
    made.on("grpc_receive_initial_metadata", *said("initial"), *callbacks.get("initial", ()))  # type: ignore[arg-type]
    made.on("grpc_receive", *said("receive"), *callbacks.get("receive", ()))  # type: ignore[arg-type]
    made.on("grpc_receive_trailing_metadata", *said("trailing"), *callbacks.get("trailing", ()))  # type: ignore[arg-type]
    made.on("grpc_close", *said("close"), *callbacks.get("close", BACK))  # type: ignore[arg-type]
    return made


def unary(name: str, *steps: Step, want: str = "200", done: tuple[object, ...] = (), early: bool = False, cluster: str = "b", abi: str = "0.2.1", http: str = HTTP2, **more: object) -> Case:
    """One call; its success answers, and so does its failure."""
    id_ = f"grpc-call-{name}"
    options = more.pop("call", {})
    more.setdefault("routes", f"{ROUTE_ALL}  # and ${cluster}")
    made = guest(grpc_call(f"wasm-{id_}-{cluster}", **options), save(0), TOKEN, abi=abi, receive=(*done, *BACK))  # type: ignore[arg-type]
    return wasm(id_, want, made, clusters={cluster: http}, upstream=up(*steps, early=early) if cluster == "b" else {}, **more)  # type: ignore[arg-type]


def stream(name: str, *steps: Step, then: tuple[object, ...] = (), want: str = "200", early: bool = False, cluster: str = "b", abi: str = "0.2.1", metadata: object = METADATA, **callbacks: tuple[object, ...]) -> Case:
    """One stream; its close answers."""
    id_ = f"grpc-stream-{name}"
    made = guest(grpc_stream(f"wasm-{id_}-{cluster}", metadata=metadata), save(0), TOKEN, *then, abi=abi, **callbacks)
    return wasm(id_, want, made, clusters={cluster: HTTP2}, upstream=up(*steps, early=early) if cluster == "b" else {}, routes=f"{ROUTE_ALL}  # and ${cluster}")  # type: ignore[arg-type]


def send(text: str, end_: int = 0) -> object:
    return call("grpc_send", Saved(0), text, end_, label="send")


CLOSE = call("grpc_close", Saved(0), label="close")
CANCEL = call("grpc_cancel", Saved(0), label="cancel")
FINE = HEAD + message() + end(b"0", (b"x-last", b"2"))

def service(name: str, cluster: str, *steps: Step, streaming: bool = False, authority: str = "", metadata: bool = False) -> Case:
    """The service is a serialized GrpcService."""
    id_ = f"grpc-service-{name}"
    target = GrpcService()
    target.envoy_grpc.cluster_name = cluster
    target.envoy_grpc.authority = authority
    if metadata:
        target.initial_metadata.add(key="x-service", value="s")
    data = target.SerializeToString()
    begin = (grpc_stream(data), save(0), send("x", 1)) if streaming else (grpc_call(data),)
    made = guest(*begin, **({} if streaming else {"receive": BACK}))
    return wasm(id_, "200", made, clusters={"b": HTTP2}, upstream=up(*steps), routes=f"{ROUTE_ALL}  # and $b")


CASES = (
    unary("ok", FINE),
    unary("old", FINE, abi="0.1.0"),
    unary("020", FINE, abi="0.2.0"),
    unary("timeout-told", FINE, call={"timeout": 2000}),
    unary("no-metadata", FINE, call={"metadata": Raw(0, 0)}),
    unary("two-messages", HEAD + message(b"one") + message(b"two") + end()),
    unary("no-message", HEAD + end()),
    unary("refused", only(b"7", (b"grpc-message", b"not%20you"))),
    unary("refused-late", HEAD + message() + end(b"5", (b"grpc-message", b"gone"))),
    unary("status-undefined", only(b"17")),
    unary("status-text", only(b"x")),
    unary("status-missing", HEAD + message() + h2.head(STREAM, fields=[(b"x-last", b"2")])),
    unary("no-trailers", HEAD + message(end=True)),
    unary("http-404", h2.head(STREAM, fields=fields(404))),
    unary("http-503-body", h2.head(STREAM, fields=fields(503), end=False) + h2.data(STREAM, b"oops")),
    unary("compressed", HEAD + h2.data(STREAM, b"\1\0\0\0\2hi", end=False) + end()),
    unary("bad-prefix", HEAD + h2.data(STREAM, b"\2\0\0\0\2hi", end=False) + end()),
    unary("cut-short", HEAD + h2.data(STREAM, b"\0\0\0\0\5hi", end=False) + end()),
    unary("reset", h2.rst(STREAM, 2)),
    unary("reset-late", HEAD + h2.rst(STREAM, 2)),
    unary("closed", HEAD, Close()),
    unary("timeout", Wait(3.0), call={"timeout": 300}),
    unary("timeout-late", HEAD, Wait(3.0), call={"timeout": 300}),
    unary("dead", cluster="dead"),
    unary("empty", cluster="empty"),
    unary("http1", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ngrpc-status: 3\r\n\r\n", http=""),
    # streams
    stream("ok", FINE, then=(send("one"), send("two", 1))),
    stream("old", FINE, then=(send("one"), CLOSE), abi="0.1.0"),
    stream("020", FINE, then=(send("one"), CLOSE), abi="0.2.0"),
    stream("no-metadata", FINE, then=(CLOSE,), metadata=Raw(0, 0)),
    stream("both-ways", HEAD + message(b"first"), Wait(0.2), message(b"second"), Wait(0.2), end(b"0", (b"x-last", b"2")), then=(send("a"),), early=True, receive=(send("more"),)),
    stream("server-ends-first", FINE, then=(send("a"),), early=True),
    stream("initial-pairs", FINE, then=(send("a"),), early=True, initial=(call("get_header_map_pairs", 4, OUT), call("get_header_map_size", 4, OUT_U32), call("add_header_map_value", 4, "x", "y"), call("remove_header_map_value", 4, "x-first"), call("set_header_map_pairs", 4, b"\0\0\0\0")), trailing=(call("get_header_map_pairs", 5, OUT), call("get_header_map_pairs", 4, OUT), call("get_header_map_size", 5, OUT_U32), call("replace_header_map_value", 5, "x-last", "y"))),
    stream("buffer", FINE, then=(CLOSE,), receive=(call("get_buffer_bytes", 5, 1, 1, OUT), call("get_buffer_bytes", 5, 9, 1, OUT), call("get_buffer_status", 5, OUT_U32, OUT_U32), call("set_buffer_bytes", 5, 0, 1, "x"))),
    stream("messages", HEAD + message(b"") + message(b"a" * 99) + message(b"b") + end(), then=(CLOSE,)),
    stream("refused", only(b"7", (b"grpc-message", b"not%20you"), (b"x-first", b"1")), then=(CLOSE,)),
    stream("refused-open", only(b"7"), then=(send("a"),), early=True),
    stream("status-undefined", HEAD + end(b"17"), then=(CLOSE,)),
    stream("status-missing", HEAD + h2.head(STREAM, fields=[(b"x-last", b"2")]), then=(CLOSE,)),
    stream("no-trailers", HEAD + message(end=True), then=(CLOSE,)),
    stream("http-404", h2.head(STREAM, fields=fields(404)), then=(CLOSE,)),
    stream("http-404-grpc", only(b"5", code=404), then=(CLOSE,)),
    stream("http-503-body", h2.head(STREAM, fields=fields(503), end=False) + h2.data(STREAM, b"oops"), then=(CLOSE,)),
    stream("compressed", HEAD + h2.data(STREAM, b"\1\0\0\0\2hi", end=False) + end(), then=(CLOSE,)),
    stream("reset", h2.rst(STREAM, 2), then=(send("a"),), early=True),
    stream("reset-late", HEAD + message() + h2.rst(STREAM, 2), then=(send("a"),), early=True),
    stream("closed", HEAD + message(), Close(), then=(send("a"),), early=True),
    stream("dead", then=(send("a"),), cluster="dead"),
    # giving up
    stream("cancel", FINE, then=(send("a"), CANCEL, CANCEL, CLOSE, send("b"), show_reply()), early=True),
    stream("cancel-in-initial", HEAD + message() + end(), then=(send("a"),), early=True, initial=(CANCEL, *BACK)),
    stream("cancel-in-receive", HEAD + message() + message() + end(), then=(send("a"),), early=True, receive=(CANCEL, *BACK)),
    stream("close-in-receive", HEAD + message(), Wait(0.3), end(), then=(send("a"),), early=True, receive=(CLOSE, CLOSE, send("late"))),
    stream("close-twice", FINE, then=(CLOSE, CLOSE, send("late"))),
    # what is refused, ids, services
    on_request("grpc-refused", call("grpc_call", "nothing", "S", "M", Raw(0, 0), "x", 0, At(256), label="name"), call("grpc_stream", "nothing", "S", "M", Raw(0, 0), At(256), label="name"), *(call(name, token, *more, label=f"{name}{token}") for name, more in (("grpc_send", ("x", 0)), ("grpc_close", ()), ("grpc_cancel", ())) for token in (0, 4, 5, 6, 7, 8, 4294967294, 4294967295))),
    on_request("grpc-bad-pointers", call("grpc_call", Raw(BAD, 3), "S", "M", Raw(0, 0), "x", 0, At(256), label="a"), call("grpc_call", "x", Raw(BAD, 3), "M", Raw(0, 0), "x", 0, At(256), label="b"), call("grpc_call", "x", "S", Raw(BAD, 3), Raw(0, 0), "x", 0, At(256), label="c"), call("grpc_call", "x", "S", "M", Raw(BAD, 3), "x", 0, At(256), label="d"), call("grpc_call", "x", "S", "M", Raw(0, 0), Raw(BAD, 3), 0, At(256), label="e"), call("grpc_stream", Raw(BAD, 3), "S", "M", Raw(0, 0), At(256), label="f"), call("grpc_stream", "x", "S", "M", Raw(BAD, 3), At(256), label="g"), call("grpc_send", 6, Raw(BAD, 3), 0, label="h")),
    on_request("grpc-ids", *(step for number in range(2) for step in (call("http_call", "wasm-grpc-ids-stuck", CALL_PATH, Raw(0, 0), Raw(0, 0), 0, At(256), label="http"), TOKEN, grpc_call("wasm-grpc-ids-stuck"), TOKEN, grpc_stream("wasm-grpc-ids-stuck"), TOKEN)), routes=f"{ROUTE_ALL}  # and $stuck", clusters={"stuck": HTTP2}),
    on_request("grpc-cancel-call", grpc_call("wasm-grpc-cancel-call-stuck"), save(0), CANCEL, CANCEL, CLOSE, grpc_call("wasm-grpc-cancel-call-stuck"), save(0), send("x"), CLOSE, CLOSE, routes=f"{ROUTE_ALL}  # and $stuck", clusters={"stuck": HTTP2}),
    service("call", "wasm-grpc-service-call-b", FINE),
    service("stream", "wasm-grpc-service-stream-b", FINE, streaming=True),
    service("authority", "wasm-grpc-service-authority-b", FINE, authority="auth.test", metadata=True),
    service("unknown", "nothing"),
    service("stream-unknown", "nothing", streaming=True),
)
