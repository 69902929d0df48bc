"""A user's filter class -> the class that the chain runs: events under the chain's names, behind the failure policy.

The result is a subclass, so that `self` is what the user wrote.  Everything that the class or the configuration decides
is decided here: which events there are, whether they are coroutines, whether a failed filter can be bypassed, whether
routes have a configuration of their own.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.header_check import HeaderCheck
from pyvoy.extensions.native import upper
from pyvoy.extensions.native.class_check import what_is_wrong
from pyvoy.extensions.native.filters import Filter, StreamFilter
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict

if TYPE_CHECKING:
    from pyvoy.extensions.attributes import Place
    from pyvoy.extensions.failure import Failures
    from pyvoy.extensions.host import Host
    from pyvoy.http.headers import HeaderMap

Handler = Callable[..., Any]

EVENTS = {
    "on_request_headers": "request_headers",
    "on_request_data": "request_data",
    "on_request_trailers": "request_trailers",
    "on_response_headers": "response_headers",
    "on_response_data": "response_data",
    "on_response_trailers": "response_trailers",
}
NOTICES = {
    "on_informational": "response_informational",
    "on_local_reply": "on_local_reply",
    "on_log": "on_log",
    "on_destroy": "on_destroy",
}
"""Events that decide nothing."""
ARGUMENTS = {
    "on_request_headers": "stream, headers, end",
    "on_request_data": "stream, data, end",
    "on_request_trailers": "stream, trailers",
    "on_response_headers": "stream, headers, end",
    "on_response_data": "stream, data, end",
    "on_response_trailers": "stream, trailers",
    "on_informational": "stream, headers",
    "on_local_reply": "stream, reply",
    "on_log": "stream",
    "on_destroy": "stream",
}
"""What each event is called with."""
UPPER_ARGUMENTS = {"on_request": "request", "on_response": "response"}
OTHER_HOOKS = ("on_load",)


class ClassError(Exception):
    """The class cannot be a filter; the text says why."""


def compile_filter(
    cls: type[StreamFilter],
    *,
    host: Host,
    place: Place,
    config: Any,
    config_class: type | None,
    failures: Failures,
    routes: bool,
    bypass: bool,
) -> type[HttpFilter]:
    """The class for the chain.

    `routes`: some route has a configuration of its own (its plan gives it by `config_for`); `bypass`: a filter that has
    failed is left out of the rest of its stream.  Raises ClassError."""
    wrong = what_is_wrong(cls, ARGUMENTS | (UPPER_ARGUMENTS if issubclass(cls, Filter) else {}), OTHER_HOOKS)
    if wrong:
        raise ClassError(wrong)
    names: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "host": host,
        "place": place,
        "config": config,
        "failures": failures,
    }
    names |= _lower(cls, failures)
    if issubclass(cls, Filter):
        upper_level = upper.handlers(cls, failures)
        both = sorted(set(upper_level) & set(names))
        if both:
            raise ClassError(f"{cls.__name__} mixes the levels: {', '.join(both)} is defined on both")
        names |= upper_level
    if not any(event in names for event in (*EVENTS.values(), *NOTICES.values())):
        raise ClassError(f"{cls.__name__} defines no event (on_request, on_request_headers, ...)")
    if bypass:
        names |= {event: _skipping(names[event]) for event in EVENTS.values() if event in names}
    if routes:
        names |= _with_route(names, config_class)
    names["__init__"] = _maker(cls)
    if cls.__init__ is not StreamFilter.__init__:
        names["request_headers"] = _unless_broken(names.get("request_headers"), failures)
    return type(cls.__name__, (cls,), names)


def _lower(cls: type, failures: Failures) -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    check = HeaderCheck()
    for hook, event in EVENTS.items():
        method = getattr(cls, hook, None)
        if method is not None:
            found[event] = _guarded(method, hook, failures, check)
    for hook, event in NOTICES.items():
        method = getattr(cls, hook, None)
        if method is not None:
            if inspect.iscoroutinefunction(method):
                raise ClassError(f"{cls.__name__}.{hook} decides nothing, so nobody would wait for it: no async here")
            found[event] = _noticed(method, failures)
    return found


def _guarded(method: Handler, hook: str, failures: Failures, check: HeaderCheck) -> Handler:
    """The event behind the wall; what a filter leaves in headers and trailers is checked."""
    if inspect.iscoroutinefunction(method):
        return _guarded_coroutine(method, hook, failures, check)
    if hook.endswith("_data"):
        return _guarded_data(method, hook, failures)
    if hook.endswith("_trailers"):
        return _guarded_trailers(method, hook, failures, check)
    return _guarded_headers(method, hook, failures, check)


def _guarded_data(method: Handler, hook: str, failures: Failures) -> Handler:
    def data(self: Any, stream: Any, piece: bytes, end: bool) -> Verdict:
        try:
            verdict = method(self, stream, piece, end)
            return CONTINUE if verdict is None else _checked(verdict, hook)
        except BaseException as error:  # the wall of the extension
            return _failed(self, stream, failures, error)

    return data


def _guarded_headers(method: Handler, hook: str, failures: Failures, check: HeaderCheck) -> Handler:
    def fields(self: Any, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        generation = headers.generation
        try:
            verdict = method(self, stream, headers, end)
            if headers.generation != generation:
                check(headers)
            return CONTINUE if verdict is None else _checked(verdict, hook)
        except BaseException as error:  # the wall of the extension
            return _failed(self, stream, failures, error)

    return fields


def _guarded_trailers(method: Handler, hook: str, failures: Failures, check: HeaderCheck) -> Handler:
    def fields(self: Any, stream: Any, trailers: HeaderMap) -> Verdict:
        try:
            verdict = method(self, stream, trailers)
            check(trailers)
            return CONTINUE if verdict is None else _checked(verdict, hook)
        except BaseException as error:  # the wall of the extension
            return _failed(self, stream, failures, error)

    return fields


def _guarded_coroutine(method: Handler, hook: str, failures: Failures, check: HeaderCheck) -> Handler:
    async def event(self: Any, stream: Any, *arguments: Any) -> Verdict:
        self.own_stream = stream
        try:
            verdict = await method(self, stream, *arguments)
            if not hook.endswith("_data"):
                check(arguments[0])
            return CONTINUE if verdict is None else _checked(verdict, hook)
        except GeneratorExit:
            raise
        except asyncio.CancelledError as error:
            if stream.finished:
                raise
            return _failed(self, stream, failures, error)
        except BaseException as error:  # the wall of the extension
            return _failed(self, stream, failures, error)

    return event


def _noticed(method: Handler, failures: Failures) -> Handler:
    def notice(self: Any, stream: Any, *arguments: Any) -> None:
        try:
            method(self, stream, *arguments)
        except BaseException as error:  # the wall of the extension
            failures.note(error)

    return notice


def _failed(filter_: Any, stream: Any, failures: Failures, error: BaseException) -> Verdict:
    if failures.end_stream(stream, error):
        filter_.bypassed = True
    return CONTINUE


def _checked(verdict: Any, hook: str) -> Verdict:
    if type(verdict) is not Verdict:
        raise TypeError(
            f"{hook} must answer CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK or None, not {verdict!r}"
        )
    return verdict


def _skipping(handler: Handler) -> Handler:
    """Leaves out a filter that has failed on this stream."""
    if inspect.iscoroutinefunction(handler):

        async def waiting(self: Any, stream: Any, *arguments: Any) -> Any:
            return CONTINUE if self.bypassed else await handler(self, stream, *arguments)

        return waiting

    def event(self: Any, stream: Any, *arguments: Any) -> Any:
        return CONTINUE if self.bypassed else handler(self, stream, *arguments)

    return event


def _with_route(names: dict[str, Any], config_class: type | None) -> dict[str, Handler]:
    """Takes the route's configuration before the first event: the request, or a reply that an earlier filter makes."""
    reply_handler = names.get("on_local_reply")

    def take(self: Any, stream: Any) -> None:
        self.routed = True
        plan = stream.route_plan(self)
        if plan is not None:
            self.config = plan.config_for(config_class)

    def on_local_reply(self: Any, stream: Any, reply: Any) -> None:
        if not self.routed:
            take(self, stream)
        if reply_handler is not None:
            reply_handler(self, stream, reply)

    return {"request_headers": _before(names.get("request_headers"), take), "on_local_reply": on_local_reply}


def _unless_broken(handler: Handler | None, failures: Failures) -> Handler:
    """Fails at the first event if the instance could not be made."""

    def check(self: Any, stream: Any) -> None:
        if self.broken is not None:
            error, self.broken = self.broken, None
            _failed(self, stream, failures, error)

    return _before(handler, check)


def _before(handler: Handler | None, first: Callable[[Any, Any], None]) -> Handler:
    if handler is not None and inspect.iscoroutinefunction(handler):

        async def waiting(self: Any, stream: Any, headers: HeaderMap, end: bool) -> Any:
            first(self, stream)
            return CONTINUE if self.bypassed else await handler(self, stream, headers, end)

        return waiting

    def event(self: Any, stream: Any, headers: HeaderMap, end: bool) -> Any:
        first(self, stream)
        return CONTINUE if handler is None or self.bypassed else handler(self, stream, headers, end)

    return event


def _maker(cls: type) -> Callable[[Any, Any], None]:
    """`__init__` as the chain calls it."""
    if cls.__init__ is StreamFilter.__init__:  # type: ignore[misc]  # which function it is, is the question

        def nothing(self: Any, plan: Any) -> None:
            pass

        return nothing
    user_init: Any = cls.__init__  # type: ignore[misc]

    def init(self: Any, plan: Any) -> None:
        self.broken = None
        try:
            user_init(self)
        except BaseException as error:  # the wall of the extension: told to the stream at its first event
            self.broken = error

    return init
