"""How the upper level runs on the lower one: the chain's events become one call of `on_request` and of `on_response`.

The method runs at once.  If it ends without waiting the message goes on without having been held; if it waits, the head
is held, and what comes of the body is kept (limited by pausing the peer, or by 413 and 500 once it has asked for it).
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.native.messages import Message, Request, Response, UpstreamResponse
from pyvoy.http.eager import Rest, begin
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK, Verdict

if TYPE_CHECKING:
    from pyvoy.extensions.failure import Failures
    from pyvoy.http.headers import HeaderMap

Handler = Callable[..., Any]


def handlers(cls: type, failures: Failures) -> dict[str, Handler]:
    """The chain's handlers of a class of the upper level, by event."""
    found: dict[str, Handler] = {}
    if hasattr(cls, "on_request"):
        found |= _side(cls.on_request, failures, request=True)
    if hasattr(cls, "on_response"):
        found |= _side(cls.on_response, failures, request=False)
    return found


def _side(method: Handler, failures: Failures, *, request: bool) -> dict[str, Handler]:
    direction = "request" if request else "response"
    run = _Run(method, failures, request=request)
    found: dict[str, Handler] = {f"{direction}_headers": run.headers_handler()}
    if run.waits:
        found[f"{direction}_data"] = _data_handler(f"{direction}_message")
        found[f"{direction}_trailers"] = _trailers_handler(f"{direction}_message")
    return found


def _data_handler(slot: str) -> Handler:
    def data(self: Any, stream: Any, piece: bytes, end: bool) -> Verdict:
        message: Message | None = getattr(self, slot)
        if message is None or not message.running:
            return CONTINUE
        if end:
            message.on_end()
        return STOP_AND_BUFFER if message.wants_body else STOP_AND_WATERMARK

    return data


def _trailers_handler(slot: str) -> Handler:
    def trailers(self: Any, stream: Any, fields: HeaderMap) -> Verdict:
        message: Message | None = getattr(self, slot)
        if message is None or not message.running:
            return CONTINUE
        message.on_end()
        return STOP

    return trailers


class _Run:
    """One method of one class: how it is begun and what is done with what it answers."""

    __slots__ = ("_failures", "_method", "_request", "waits")

    def __init__(self, method: Handler, failures: Failures, *, request: bool) -> None:
        self._method = method
        self._failures = failures
        self._request = request
        self.waits = inspect.iscoroutinefunction(method)

    def headers_handler(self) -> Handler:
        """The handler of the head."""
        method, waits, request = self._method, self.waits, self._request
        finish, fail, hold = self._finish, self._fail, self._hold

        def headers(self: Any, stream: Any, fields: HeaderMap, end: bool) -> Verdict:
            message: Any
            if request:
                message = self.request_message = Request(self, stream, fields, end)
            else:
                message = UpstreamResponse(self, stream, fields, end, self.request_message)
                self.response_message = message
            try:
                answer = method(self, message)
                if waits:
                    answer = begin(answer, stream.services.loop)
                    if type(answer) is Rest:
                        return hold(self, message, answer)
                if answer is not None:
                    finish(self, message, answer)
            except BaseException as error:  # the wall of the extension
                fail(self, message, error)
            message.running = False
            if message.new_body:
                _add(self, message, request)
            return CONTINUE

        return headers

    def _hold(self, filter_: Any, message: Message, rest: Rest) -> Verdict:
        message.held = True
        if message.new_body:
            _add(filter_, message, self._request)
        message.stream.spawn(self._rest(filter_, message, rest), f"filter {self._failures.name}")
        return STOP

    async def _rest(self, filter_: Any, message: Message, rest: Rest) -> None:
        stream = message.stream
        try:
            answer = await filter_.own_coroutine(rest.finish(), request=self._request)
            if answer is not None:
                self._finish(filter_, message, answer)
        except GeneratorExit:
            raise
        except asyncio.CancelledError as error:
            if stream.finished:
                raise
            self._fail(filter_, message, error)
        except BaseException as error:  # the wall of the extension
            self._fail(filter_, message, error)
        message.running = False
        if stream.finished:
            return
        if self._request:
            stream.continue_request(filter_)
        else:
            stream.continue_response(filter_)

    def _finish(self, filter_: Any, message: Message, answer: Any) -> None:
        if answer is message:
            return
        if not isinstance(answer, Response):
            raise TypeError(f"{self._method.__qualname__} must answer a Response or nothing, not {answer!r}")
        message.stream.send_local_reply(
            answer.status, answer.body, details=answer.details, headers=tuple(answer.headers)
        )

    def _fail(self, filter_: Any, message: Message, error: BaseException) -> None:
        if self._failures.end_stream(message.stream, error):
            filter_.bypassed = True


def _add(filter_: Any, message: Message, request: bool) -> None:
    """A body for a message that had none."""
    stream, body = message.stream, message.new_body or b""
    if request:
        stream.add_request_data(filter_, body)
    else:
        stream.add_response_data(filter_, body)
