"""Requests and responses as filters of the upper level see them."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

from pyvoy.extensions import stream_facts
from pyvoy.extensions.attributes import compile_attribute
from pyvoy.extensions.native.headers import HeaderInput, Headers, checked, pairs
from pyvoy.http.sides import REQUEST_SIDE, RESPONSE_SIDE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.tls_info import TlsInfo


class BodyGone(Exception):
    """The body was asked for, or set, when it had already gone on (or not come: await `body()` first)."""


BodyInput = bytes | str | dict[str, Any] | list[Any]


def as_bytes(body: bytes | str) -> bytes:
    """Text as UTF-8.  Raises TypeError for what is neither."""
    if isinstance(body, str):
        return body.encode()
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(f"a body is bytes or text, not {type(body).__name__}")
    return bytes(body)


def as_content(body: BodyInput) -> bytes:
    """The same, with a dict or list as JSON."""
    return json.dumps(body).encode() if isinstance(body, dict | list) else as_bytes(body)


class Response:
    """An answer of the filter itself.  `body` may be text (sent as UTF-8); a dict or list is sent as JSON."""

    __slots__ = ("body", "details", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        body: BodyInput = b"",
        headers: HeaderInput | None = None,
        *,
        details: str = "python_response",
    ) -> None:
        """`details` is what %RESPONSE_CODE_DETAILS% logs.  Raises ValueError for what makes no response."""
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"the status must be a number between 200 and 599, not {status!r}")
        self.status = status
        self.headers = pairs(headers)
        self.details = details.replace(" ", "_")
        if isinstance(body, dict | list) and not any(name == b"content-type" for name, _ in self.headers):
            self.headers.append((b"content-type", b"application/json"))
        self.body = as_content(body)


class Message:
    """What requests and responses have in common.

    `running` while the filter's method is at work on it, `held` once the stream waits for that, `ended` when all of it
    is there, `new_body` what was set before it was held."""

    __slots__ = (
        "_filter",
        "_future",
        "_headers",
        "_map",
        "ended",
        "held",
        "new_body",
        "running",
        "stream",
        "wants_body",
    )

    side: ClassVar[Any]

    def __init__(self, filter_: Any, stream: Any, headers: HeaderMap, end: bool) -> None:
        self.stream = stream
        self.ended = end
        self.running = True
        self.held = False
        self.new_body: bytes | None = None
        self.wants_body = False
        self._filter = filter_
        self._map = headers
        self._headers: Headers | None = None
        self._future: asyncio.Future[None] | None = None

    @property
    def headers(self) -> Headers:
        """The headers; changes go on with the message."""
        if self._headers is None:
            self._headers = Headers(self._map)
        return self._headers

    async def body(self) -> bytes:
        """The whole body.  One that outgrows the buffer limit ends the stream: 413 for a request, else 500."""
        if not self.running:
            raise BodyGone("the body has gone on already")
        if not self.ended:
            await self._whole()
        return self._buffered()

    async def text(self) -> str:
        """The whole body as UTF-8."""
        return (await self.body()).decode()

    async def json(self) -> Any:
        """The whole body as JSON.  Raises ValueError when it is none."""
        return json.loads(await self.body())

    def set_body(self, body: BodyInput) -> None:
        """Send another body, with its content-length; a dict or list is sent as JSON, whatever content-type says.

        Raises BodyGone before `await body()` and after the end."""
        if not self.running or not self.ended:
            raise BodyGone("await body() before set_body()")
        data = as_content(body)
        if self.held:
            self._replace(data)
        else:
            self.new_body = data
        self._map.set(b"content-length", b"%d" % len(data))
        self._map.remove(b"transfer-encoding")

    async def _whole(self) -> None:
        """Wait for the end of the message."""
        if not self.wants_body:
            self.wants_body = True
            if self.held and len(self._buffered()) > self.side.limit_bytes(self.stream):
                self.side.too_large(self.stream)
        if self._future is None or self._future.done():
            self._future = self.stream.services.loop.create_future()
        await self._future

    def on_end(self) -> None:
        """All of the message is there."""
        self.ended = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def _buffered(self) -> bytes:
        return self._read() if self.held else self.new_body or b""

    def _read(self) -> bytes:
        raise NotImplementedError

    def _replace(self, body: bytes) -> None:
        raise NotImplementedError

    def attribute(self, path: str) -> Any:
        """An attribute by its dotted path (`source.address`, `connection.tls_version`, `metadata.ns.key`, ...); None
        when there is no such thing.  See docs for the list; times are nanoseconds."""
        get = compile_attribute(path, self._filter.place)
        return None if get is None else get(self.stream)

    @property
    def metadata(self) -> dict[str, dict[str, Any]]:
        """The stream's dynamic metadata, {namespace: {key: value}}; can be changed."""
        found: dict[str, dict[str, Any]] = self.stream.info.dynamic_metadata
        return found

    @property
    def filter_state(self) -> dict[str, Any]:
        """Named objects that the filters of this stream share; can be changed."""
        found: dict[str, Any] = self.stream.info.filter_state
        return found


class Request(Message):
    """A request.  What is set here is what the upstream gets."""

    __slots__ = ()

    side = REQUEST_SIDE

    def _header(self, name: bytes) -> str:
        return (self._map.map.get(name) or b"").decode("latin-1")

    @property
    def method(self) -> str:
        """The method."""
        return self._header(b":method")

    @method.setter
    def method(self, value: str) -> None:
        self._map.set(*checked(":method", value))

    @property
    def path(self) -> str:
        """Path and query."""
        return self._header(b":path")

    @path.setter
    def path(self, value: str) -> None:
        self._map.set(*checked(":path", value))

    @property
    def host(self) -> str:
        """The authority (Host header)."""
        return self._header(b":authority")

    @host.setter
    def host(self, value: str) -> None:
        self._map.set(*checked(":authority", value))

    @property
    def scheme(self) -> str:
        """http or https."""
        return self._header(b":scheme")

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters of the query, each with all its values."""
        return parse_qs(self.path.partition("?")[2], keep_blank_values=True)

    @property
    def trailers(self) -> Headers | None:
        """The trailers, once the body is there and if there are any."""
        raw = self.stream.request_trailers
        return None if raw is None else Headers(raw)

    @property
    def client(self) -> str:
        """The address of the client, as the connection manager trusts it."""
        address = self.stream.info.downstream_remote or self.stream.connection.remote
        return str(address.text)

    @property
    def tls(self) -> TlsInfo | None:
        """The TLS facts of the client's connection; None on plain text."""
        found: TlsInfo | None = self.stream.connection.tls
        return found

    @property
    def route_name(self) -> str:
        """The name of the chosen route; "" when there is none."""
        route = self.stream.route
        return "" if route is None else route.name

    def route_metadata(self, namespace: str) -> Mapping[str, Any]:
        """The metadata of the chosen route."""
        return stream_facts.route_metadata(self.stream, namespace)

    def clear_route_cache(self) -> None:
        """Choose the route anew, by what the request says now."""
        self.stream.clear_route_cache()

    def override_upstream_host(self, address: str, *, strict: bool = False) -> None:
        """Have the router take this host of the cluster; with `strict`, or none."""
        stream_facts.override_upstream_host(self.stream, address, strict=strict)

    def _read(self) -> bytes:
        data: bytes = self.stream.request_body(self._filter)
        return data

    def _replace(self, body: bytes) -> None:
        self.stream.replace_request_body(self._filter, body)


class UpstreamResponse(Message):
    """A response on its way to the client, of the upstream or of the proxy itself (`is_local`)."""

    __slots__ = ("request",)

    side = RESPONSE_SIDE

    def __init__(self, filter_: Any, stream: Any, headers: HeaderMap, end: bool, request: Request | None) -> None:
        super().__init__(filter_, stream, headers, end)
        self.request = request

    @property
    def status(self) -> int:
        """The status code."""
        return int(self._map.map[b":status"])

    @status.setter
    def status(self, value: int) -> None:
        if not isinstance(value, int) or not 200 <= value <= 599:
            raise ValueError(f"the status must be a number between 200 and 599, not {value!r}")
        self._map.set(b":status", b"%d" % value)

    @property
    def is_local(self) -> bool:
        """Whether the proxy answers, not the upstream."""
        return bool(self.stream.local_replied)

    @property
    def trailers(self) -> Headers | None:
        """The trailers, once the body is there and if there are any."""
        raw = self.stream.response_trailers
        return None if raw is None else Headers(raw)

    def _read(self) -> bytes:
        data: bytes = self.stream.response_body(self._filter)
        return data

    def _replace(self, body: bytes) -> None:
        self.stream.replace_response_body(self._filter, body)
