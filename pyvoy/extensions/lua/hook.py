"""One run of envoy_on_request or envoy_on_response on one stream: where it stands, and what the chain is told.

The two directions differ only in the stream's methods, which `RequestHook` and `ResponseHook` name.
Source: Envoy's StreamHandleWrapper (start, onData, onTrailers, luaBody, luaTrailers, onSuccess).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.extensions.lua.states import (
    ABSENT,
    ERROR,
    FOR_BODY,
    FOR_CALL,
    FOR_CHUNK,
    FOR_TRAILERS,
    OVER,
    PRESENT,
    RESPONDED,
    WAIT,
)
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, Verdict

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.http_call import CallResult, HttpCall
    from pyvoy.extensions.lua.script import LuaState
    from pyvoy.http.headers import HeaderMap, Pair
    from pyvoy.http.http_filter import Stream

log = logging.getLogger("pyvoy.lua")

DETAILS = "lua_response"
NO_MEMORY = b"not enough memory"
NOT_IN_CALLBACK, IN_HEADERS, IN_DATA, IN_CHUNK = range(4)

BODY_STREAMED = b"cannot call body() after body has been streamed"
BODY_STREAMING = b"cannot call body() after body streaming has started"
CHUNKS_TOO_LATE = b"cannot call bodyChunks after body processing has begun"


class Owner(Protocol):
    """The filter whose hook it is, as far as a script can see it."""

    slot: int

    @property
    def host(self) -> Host:
        """What the host offers the filter."""

    @property
    def clear_route_cache(self) -> bool:
        """Whether a change of the request's headers asks for the route anew."""

    def script_failed(self, hook: Hook, text: bytes, traceback: bytes) -> bool:
        """The script has raised: run nothing of it any more on this stream, and do what the failure policy says; True
        when the stream goes on."""

    def filter_context(self, stream: Stream) -> Mapping[str, Any]:
        """The filter_context of the route."""

    def own_call(self, call: Callable[..., Any], *arguments: Any, request: bool) -> Any:
        """Go on outside the chain's events (see HttpFilter)."""


class Hook:
    """A hook that runs or waits.  `ended` says that nothing more of the message is to come.

    Most hooks end at once and touch few of these facts, so the defaults live on the class.
    """

    on_request = False
    continued = False
    state = OVER
    ended_stream = False
    """The failure policy has ended the stream."""
    trailers: HeaderMap | None = None
    call: HttpCall | None = None
    """The HTTP call that is waited for."""
    keys: dict[bytes, Any] | None = None
    """Public keys that the script has imported."""
    reply: tuple[int, bytes, list[Pair]] = (0, b"", [])
    """What the script answers, once it has."""
    answer: tuple[bytes, bytes | None] = (b"", None)
    """What the HTTP call was answered with."""
    suspended = 0
    """The Lua side's number of the hook while it waits, else 0."""

    _saw_body = False
    _always_wrap = False
    _buffered = False
    _place = IN_HEADERS
    _chunk = b""
    _piece: bytes | None = None
    """What is to be handed on in place of the piece that the chain has given."""
    _changed = False
    _whole: bytes | None = None
    """The whole body while the script may change it: in the callback of its end, or made for a message without."""

    def __init__(self, owner: Any, state: LuaState, stream: Stream, headers: HeaderMap, ended: bool) -> None:
        self.owner = owner
        self.lua = state
        self.stream = stream
        self.headers = headers
        self.ended = ended

    # ---- what the chain says ----

    def began(self, result: Any) -> Verdict:
        """The headers have come and the hook has run until it ended or waited, which `result` tells."""
        if result == 0:  # the hook has ended
            if self._whole is not None:
                self._give_body()
            return CONTINUE
        self._take(result)
        if self._whole is not None:
            self._give_body()
        self._place = NOT_IN_CALLBACK
        if self.state in (FOR_BODY, FOR_CALL, RESPONDED):
            verdict = STOP
        else:
            self.continued = True
            verdict = CONTINUE
        if FOR_BODY <= self.state <= FOR_CALL:
            self.stream.demand(self.owner)
        return verdict

    def data(self, data: bytes, end: bool) -> Verdict:
        """A piece of the body.  The end of an HTTP/1 message is a piece of its own, an empty one, as in Envoy."""
        if not (end and data and self.state == FOR_CHUNK and self._ends_apart()):
            verdict = self._data(data, end)
            piece = self._take_piece()
            if piece is not None:
                self._replace_piece(piece)
            return verdict
        self._data(data, False)
        first = self._take_piece()
        verdict = self._data(b"", True)
        last = self._take_piece()
        if first is not None or last is not None:
            self._replace_piece((data if first is None else first) + (last or b""))
        return verdict

    def _take_piece(self) -> bytes | None:
        piece, self._piece = self._piece, None
        return piece

    def _data(self, data: bytes, end: bool) -> Verdict:
        self.ended = end
        self._saw_body = True
        if self.state == FOR_CHUNK:
            self._place, self._chunk = IN_CHUNK, data
            self._resume(PRESENT)
        elif self.state == FOR_BODY and end:
            whole = self._held_body() + data
            if len(whole) > self._limit_bytes() and self._ends_apart():
                return STOP_AND_BUFFER  # the chain answers before the end has come
            self._place, self._whole, self._changed = IN_DATA, whole, False
            self._resume(PRESENT)
            if self._changed:
                self._replace_body(b"")
                self._piece = self._whole
            self._whole = None
        elif self.state == FOR_TRAILERS and end:
            self._resume(ABSENT)
        self._place = NOT_IN_CALLBACK
        if self.state in (FOR_CALL, FOR_BODY):
            return STOP_AND_BUFFER
        if self.state == RESPONDED:
            return STOP
        self.continued = True
        return CONTINUE

    def end_with(self, trailers: HeaderMap) -> Verdict:
        """The trailers."""
        self.ended = True
        self.trailers = trailers
        if self.state == FOR_CHUNK:
            self._resume(ABSENT)
        elif self.state == FOR_BODY:
            found = self.body(self._always_wrap)
            self._resume(PRESENT if found == PRESENT else ABSENT)
        if self.state == FOR_TRAILERS:
            self._resume(PRESENT)
        if self._whole is not None:
            self._give_body()
        if self.state in (FOR_CALL, RESPONDED):
            return STOP
        self.continued = True
        return CONTINUE

    def answered(self, result: CallResult) -> None:
        """The HTTP call is over: go on with its response."""
        if result.answered:
            pairs = [part for pair in result.headers.items() for part in pair]
            self._answered(b"\0".join(pairs) + b"\0", result.body or None)
        else:
            self.refused(b"upstream failure")

    def refused(self, text: bytes) -> None:
        """There was no answer to the HTTP call, or it could not be made."""
        self._answered(b":status\x00503\0", text)

    def _answered(self, headers: bytes, body: bytes | None) -> None:
        self.call = None
        if self.state != FOR_CALL:
            return
        self.answer = (headers, body)
        self.owner.own_call(self._resume, PRESENT, request=self.on_request)
        if self.state == OVER and not self.ended_stream:
            self.continued = True
            self._continue()

    def drop(self) -> None:
        """The stream is over, or the script has failed elsewhere: nothing is run any more."""
        self.state = OVER
        if self.suspended:
            self.lua.forget(self.suspended)
            self.suspended = 0
        if self.call is not None:
            self.call.cancel()
            self.call = None

    def _resume(self, value: int) -> None:
        bridge = self.lua.bridge
        bridge.running = self
        suspended, self.suspended = self.suspended, 0
        try:
            result = self.lua.go_on(suspended, value)
        except Exception as error:  # the wall of the extension
            result = self.broken(error)
        bridge.running = None
        self._take(result)

    def broken(self, error: Exception) -> tuple[int, bytes, bytes]:
        """Lua itself could not go on (no memory left), or a function of the bridge has failed."""
        log.debug("lua: a hook broke off", exc_info=error)
        text = NO_MEMORY if type(error).__name__ == "LuaMemoryError" else f"{type(error).__name__}: {error}".encode()
        return ERROR, text, b""

    def _take(self, result: Any) -> None:
        if result == 0:
            self.state = OVER
        elif result[0] == ERROR:
            self.state = OVER
            self.ended_stream = not self.owner.script_failed(self, result[1], result[2])
        else:
            self.state, self.suspended = result
            if self.state == RESPONDED:
                status, body, headers = self.reply
                self.lua.forget(self.suspended)
                self.suspended = 0
                self.stream.send_local_reply(status, body, details=DETAILS, headers=headers)

    # ---- what the script asks for ----

    def body(self, always_wrap: bool) -> int | bytes:
        """Whether the body is there, absent, or has to be waited for; or why it cannot be had."""
        if not self.ended:
            if self._saw_body:
                return BODY_STREAMING
            self._always_wrap = always_wrap
            self._buffered = True
            return WAIT
        if self._saw_body:
            return PRESENT if self._buffered else BODY_STREAMED
        if self._whole is not None:
            return PRESENT
        if not always_wrap:
            return ABSENT
        self._whole = b""
        return PRESENT

    def chunks(self) -> bytes | None:
        """Why the body cannot be had in chunks, or None."""
        return CHUNKS_TOO_LATE if self._saw_body else None

    def buffer(self) -> bytes:
        """The bytes of the chunk or body that the script holds."""
        if self._place == IN_CHUNK:
            return self._chunk
        return self._held_body() if self._whole is None else self._whole

    def set_buffer(self, data: bytes) -> None:
        """Put other bytes in their place.  Headers that have gone on keep their length."""
        if not self.continued:
            self.headers.set(b"content-length", b"%d" % len(data))
        self._changed = True
        if self._place == IN_CHUNK:
            self._chunk = self._piece = data
        elif self._whole is not None:
            self._whole = data
        else:
            self._replace_body(data)

    # ---- the direction ----

    def _give_body(self) -> None:
        """Give a message that has no body the one that the script has made."""
        raise NotImplementedError

    def _ends_apart(self) -> bool:
        """Whether the peer speaks HTTP/1."""
        raise NotImplementedError

    def _limit_bytes(self) -> int:
        """The most that the chain buffers."""
        raise NotImplementedError

    def _held_body(self) -> bytes:
        raise NotImplementedError

    def _replace_body(self, data: bytes) -> None:
        raise NotImplementedError

    def _replace_piece(self, data: bytes) -> None:
        raise NotImplementedError

    def _continue(self) -> None:
        raise NotImplementedError


class RequestHook(Hook):
    """envoy_on_request."""

    on_request = True

    def _give_body(self) -> None:
        assert self._whole is not None
        self.stream.add_request_data(self.owner, self._whole)
        self._whole = None

    def _ends_apart(self) -> bool:
        return self.stream.info.protocol.startswith("HTTP/1")

    def _limit_bytes(self) -> int:
        return self.stream.request_buffer_limit_bytes

    def _held_body(self) -> bytes:
        return self.stream.request_body(self.owner)

    def _replace_body(self, data: bytes) -> None:
        self.stream.replace_request_body(self.owner, data)

    def _replace_piece(self, data: bytes) -> None:
        self.stream.replace_request_data(self.owner, data)

    def _continue(self) -> None:
        self.stream.continue_request(self.owner)


class ResponseHook(Hook):
    """envoy_on_response."""

    def _give_body(self) -> None:
        assert self._whole is not None
        self.stream.add_response_data(self.owner, self._whole)
        self._whole = None

    def _ends_apart(self) -> bool:
        return not self.stream.local_replied and self.stream.info.upstream_protocol.startswith("HTTP/1")

    def _limit_bytes(self) -> int:
        return self.stream.response_buffer_limit_bytes

    def _held_body(self) -> bytes:
        return self.stream.response_body(self.owner)

    def _replace_body(self, data: bytes) -> None:
        self.stream.replace_response_body(self.owner, data)

    def _replace_piece(self, data: bytes) -> None:
        self.stream.replace_response_data(self.owner, data)

    def _continue(self) -> None:
        self.stream.continue_response(self.owner)


class LogHook(Hook):
    """pyvoy_on_log: the stream is over, so that nothing can be waited for, answered or changed."""

    continued = True

    def _take(self, result: Any) -> None:
        if result != 0 and result[0] != ERROR:
            result = (ERROR, b"nothing can be waited for when the stream is over", b"")
        super()._take(result)
