"""Answers the proxy makes itself: mapping, body format, and the gRPC form.

`compile_local_reply` gives the function from a stream and a LocalReply to response headers and body; without
configuration it is the direct path.  What calls it (when, and whether filters see the reply) is the stream's matter.
Source: Envoy's LocalReplyImpl and Http::Utility::prepareLocalReply, checked on the running 1.40.

Other than Envoy a mapped 204 or 304 carries no body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import LocalReply

GRPC_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""grpc-status by HTTP status; 2 (unknown) for others."""

LocalReplyRules = Callable[[Any, LocalReply], tuple[HeaderMap, bytes]]
Formatter = Callable[[Any], bytes]

_NO_BODY = (204, 304)


@dataclass(slots=True, frozen=True)
class BodyFormat:
    """How a body is rendered; `render` reads the original one as the source's `local_reply_body`."""

    render: Formatter
    content_type: bytes


@dataclass(slots=True, frozen=True)
class Mapper:
    """One ResponseMapper: what it changes for the replies it `matches`."""

    matches: Callable[[Any], bool]
    status: int | None = None
    body: bytes | None = None
    add_headers: Callable[[Any, HeaderMap], None] | None = None
    body_format: BodyFormat | None = None


def compile_local_reply(mappers: Sequence[Mapper] = (), body_format: BodyFormat | None = None) -> LocalReplyRules:
    """The function for a local_reply_config; the first mapper that matches counts."""
    if not mappers and body_format is None:
        return plain_reply
    rows = tuple(mappers)

    def reply_with_rules(stream: Any, reply: LocalReply) -> tuple[HeaderMap, bytes]:
        headers = _head(reply)
        stream.response_headers = headers
        stream.info.response_code = reply.status
        body, how = reply.body, body_format
        content_type = reply.content_type
        for mapper in rows:
            if mapper.matches(stream):
                body, how = _map(mapper, stream, headers, body, how)
                break
        if how is not None:
            stream.local_reply_body = body
            body = how.render(stream)
            stream.local_reply_body = b""
            content_type = how.content_type
        return _finish(stream, reply, headers, body, content_type)

    return reply_with_rules


def plain_reply(stream: Any, reply: LocalReply) -> tuple[HeaderMap, bytes]:
    """A reply without local_reply_config."""
    return _finish(stream, reply, _head(reply), reply.body, reply.content_type)


def _head(reply: LocalReply) -> HeaderMap:
    headers = HeaderMap()
    headers.map[b":status"] = b"%d" % reply.status
    for name, value in reply.headers:
        headers.add(name, value)
    return headers


def _map(
    mapper: Mapper, stream: Any, headers: HeaderMap, body: bytes, how: BodyFormat | None
) -> tuple[bytes, BodyFormat | None]:
    """Apply one mapper; its headers still see the old status, as in Envoy."""
    if mapper.add_headers is not None:
        mapper.add_headers(stream, headers)
    if mapper.status is not None:
        headers.set(b":status", b"%d" % mapper.status)
        stream.info.response_code = mapper.status
    return (body if mapper.body is None else mapper.body), mapper.body_format or how


def _finish(
    stream: Any, reply: LocalReply, headers: HeaderMap, body: bytes, content_type: bytes
) -> tuple[HeaderMap, bytes]:
    """Length and type of the body, or the gRPC form; HEAD gets the head only."""
    request = stream.request_headers
    asked = getattr(stream, "answers_grpc", None)
    if _wants_grpc(request) if asked is None else asked:
        _to_grpc(request, reply, headers, body)
        return headers, b""
    if int(headers.map[b":status"]) in _NO_BODY:
        body = b""
    if not body:
        headers.remove(b"content-length")
        headers.remove(b"content-type")
        return headers, b""
    headers.set(b"content-length", b"%d" % len(body))
    if body != reply.body or b"content-type" not in headers.map:
        headers.set(b"content-type", content_type)
    if request is not None and request.map.get(b":method") == b"HEAD":
        return headers, b""
    return headers, body


def _wants_grpc(request: HeaderMap | None) -> bool:
    if request is None:
        return False
    content_type = request.map.get(b"content-type")
    if content_type is None or not content_type.startswith(b"application/grpc"):
        return False
    return (len(content_type) == 16 or content_type[16:17] == b"+") and b":path" in request.map


def _to_grpc(request: HeaderMap, reply: LocalReply, headers: HeaderMap, body: bytes) -> None:
    """A trailers-only gRPC response: HTTP 200, the status and the body in headers."""
    status = reply.grpc_status
    if status is None:
        status = GRPC_STATUS.get(int(headers.map[b":status"]), 2)
    headers.set(b":status", b"200")
    headers.set(b"content-type", b"application/grpc")
    headers.set_default(b"grpc-status", b"%d" % status)
    if body and request.map.get(b":method") != b"HEAD":
        headers.set(b"grpc-message", percent_encode(body.removesuffix(b"\n")))
    headers.remove(b"content-length")


def percent_encode(text: bytes) -> bytes:
    """A grpc-message: everything but printable ASCII, and `%`, as %XX."""
    return b"".join([bytes((octet,)) if 32 <= octet <= 126 and octet != 37 else b"%%%02X" % octet for octet in text])
