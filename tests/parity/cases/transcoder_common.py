"""What the cases of the gRPC-JSON transcoder share: requests of clients, gRPC answers, the filter's configuration."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from tests.parity.case import Case, ask, request
from tests.parity.cases.http2_upstream import HTTP2, fields, from_http2, reply, upstream
from tests.parity.differences import KNOWN
from tests.support import h2wire as h2
from tests.support.h2wire import data, head
from tests.support.shop import framed, message
from tests.support.steps import Answers, Wait
from tests.support.upstream import STREAM

GRPC = (b"content-type", b"application/grpc")
DONE = [(b"grpc-status", b"0")]
JSON = "Content-Type: application/json"


def book(**more: Any) -> bytes:
    """A Book as a gRPC message."""
    made = message("Book")()
    for name, value in more.items():
        _fill(made, name, value)
    return framed(made)


def _fill(made: Any, name: str, value: Any) -> None:
    """Give a field its value: plain values for wrappers and Struct, messages of other pools for messages."""
    field = made.DESCRIPTOR.fields_by_name[name]
    kind = "" if field.message_type is None else field.message_type.full_name
    if field.is_repeated and isinstance(value[0] if isinstance(value, list) else None, Message):
        for each in value:
            getattr(made, name).add().ParseFromString(each.SerializeToString())
    elif isinstance(value, Message):
        getattr(made, name).ParseFromString(value.SerializeToString())
        getattr(made, name).SetInParent()
    elif kind.startswith("google.protobuf.") and kind.endswith("Value") and not isinstance(value, list):
        getattr(made, name).value = value
        getattr(made, name).SetInParent()
    elif kind in ("google.protobuf.Struct", "google.protobuf.ListValue"):
        json_format.ParseDict(value, getattr(made, name))
    else:
        made.MergeFrom(type(made)(**{name: value}))


def answer(*bodies: bytes, status: bytes = b"0", trailers: h2.Headers | None = None, **more: Any) -> bytes:
    """A gRPC answer with these messages."""
    return reply(GRPC, body=b"".join(bodies) if bodies else None, trailers=[(b"grpc-status", status), *(trailers or [])], **more)


def only(status: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A trailers-only answer."""
    return reply(GRPC, (b"grpc-status", status), *more, body=None)


BOOK = answer(book(id=7, title="Emma"))


def filters(config: str = "") -> str:
    """The filter with these fields."""
    return f"- grpc_json_transcoder: {{proto_descriptor: $shop, services: [shop.v1.Shop]{', ' + config if config else ''}}}"


def call(name: str, want: str, target: str, body: bytes | None = None, *headers: str, method: str | None = None, up: Any = BOOK, config: str = "", **more: Any) -> Case:
    """One request of an HTTP/1 client."""
    verb = method or ("GET" if body is None else "POST")
    lines = headers or ((JSON,) if body is not None else ())
    sent = request(target, *lines, method=verb, body=body)
    more.setdefault("cluster", HTTP2)
    more.setdefault("upstream", upstream(up))
    more.setdefault("filters", filters(config))
    return Case(f"json-{name}", want, (ask(sent),), **more)


def echo(name: str, want: str, body: bytes, **more: Any) -> Case:
    """A JSON body as a Book."""
    return call(f"in-{name}", want, "/echo", body, **more)


def shown(name: str, config: str = "", want: str = "200", wire: bytes | None = None, **values: Any) -> Case:
    """A Book as JSON."""
    sent = framed(wire) if wire is not None else book(**values)
    return call(f"out-{name}", want, "/v1/books/1", up=answer(sent), config=config)


PIECES = (
    head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, book(id=1)[:3], False),
    Wait(0.05),
    data(STREAM, book(id=1)[3:] + book(id=2)[:6], False),
    Wait(0.05),
    data(STREAM, book(id=2)[6:], False),
    Wait(0.05),
    head(STREAM, fields=DONE),
)
DETAILS = b"CAMaLAoidHlwZS5nb29nbGVhcGlzLmNvbS9zaG9wLnYxLkF1dGhvchIGCgF4GNAP"
"""google.rpc.Status with code 3 and an Author in its details."""


def http_body(content_type: bytes, body: bytes) -> bytes:
    """A google.api.HttpBody as a gRPC message."""
    return framed(message("google.api.HttpBody")(content_type=content_type.decode(), data=body))


def pieces(name: str, *bodies: bytes, want: str = "200", path: bytes = b"/echo", kind: bytes = b"application/json", config: str = "", early: bytes = b"") -> Case:
    """A chunked request of an HTTP/1 client, each chunk for itself."""
    steps: list[Any] = [b"POST " + path + b" HTTP/1.1\r\nHost: a.test\r\nContent-Type: " + kind + b"\r\nTransfer-Encoding: chunked\r\n\r\n"]
    for body in bodies:
        steps += [Wait(0.05), b"%x\r\n%b\r\n" % (len(body), body) if body else b""]
    return Case(f"json-pieces-{name}", want, ((*steps, Wait(0.05), b"0\r\n\r\n", Answers(1)),), filters=filters(config), cluster=HTTP2, upstream=upstream(early or BOOK, early=bool(early)))


def chat(name: str, *bodies: bytes, want: str = "200") -> Case:
    """A stream in both directions: the upstream answers as soon as the head is there."""
    steps: list[Any] = [b"POST /chat HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"]
    for body in bodies:
        steps += [Wait(0.05), b"%x\r\n%b\r\n" % (len(body), body)]
    return Case(f"json-chat-{name}", want, ((*steps, Wait(0.05), b"0\r\n\r\n", Answers(1)),), filters=filters(), cluster=HTTP2, upstream=upstream(answer(book(id=1), book(id=2))))


def get2(path: str) -> bytes:
    """The head of a GET of an HTTP/2 client."""
    return head(1, fields=[(name, path.encode() if name == b":path" else value) for name, value in h2.GET])


def post2(path: str) -> bytes:
    """The head of a POST of an HTTP/2 client."""
    return head(1, (b"content-type", b"application/json"), fields=[(name, path.encode() if name == b":path" else value) for name, value in h2.POST], end=False)


def from2(name: str, want: str, *steps: Any, up: Any = BOOK, config: str = "") -> Case:
    """A request of an HTTP/2 client."""
    return from_http2(f"json-{name}", want, *steps, up=upstream(up), filters=filters(config))


def any_of(name: str, **values: Any) -> any_pb2.Any:
    """A message of the shop in an Any."""
    return packed(message(name)(**values))


def packed(inner: Any) -> any_pb2.Any:
    """A message in an Any."""
    return any_pb2.Any(type_url=f"type.googleapis.com/{inner.DESCRIPTOR.full_name}", value=inner.SerializeToString())


_DIFFERENT = frozenset(known.case for known in KNOWN)


def gathered(name: str, cases: Iterable[Case], size: int = 10) -> Iterator[Case]:
    """Cases that differ in what is sent and answered alone, some at a time in one listener: a connection for each.

    A common bootstrap of a listener for every value would take long to load.  Cases listed as different stay alone."""
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        key = _key(case) if _alike(case) and case.id not in _DIFFERENT else case.id
        groups.setdefault(key, []).append(case)
    for group in groups.values():
        for at in range(0, len(group), size):
            yield _one(f"json-{name}-{group[at].id.removeprefix('json-')}", group[at : at + size])


def _alike(case: Case) -> bool:
    """Whether a case asks its upstream once at most."""
    return set(case.upstream) == {"up"} and case.cluster == HTTP2 and case.settle_s is None and not case.clusters


def _key(case: Case) -> Any:
    """What the cases of a group have in common.  Refused ones do not use up answers, so theirs have to be the same."""
    script = case.upstream["up"]
    same = replace(case, id="", want="", send=(), upstream={})
    refused = case.want != "200" and "400" in case.want
    return repr(same), script.early, script.http2, repr(script.answers) if refused else ""


def _one(name: str, cases: list[Case]) -> Case:
    if len(cases) == 1:
        return cases[0]
    scripts = [case.upstream["up"] for case in cases]
    answers = tuple(answer for script in scripts for answer in script.answers)
    return replace(
        cases[0],
        id=name,
        want=" ".join(case.want for case in cases),
        send=tuple(steps for case in cases for steps in case.send),
        upstream={"up": replace(scripts[0], answers=answers)},
        settle_s=0.05,
    )
