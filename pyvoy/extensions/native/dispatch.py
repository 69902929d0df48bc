"""A class that stands for whatever class is current: with the failure policy FAIL_RELOAD code is loaded anew."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pyvoy.extensions.native.compile import EVENTS, NOTICES, Handler
from pyvoy.http.http_filter import CONTINUE, HttpFilter


def dispatching(cls: type[HttpFilter], current: Callable[[], type[HttpFilter]]) -> type[HttpFilter]:
    """A class with the events of `cls` that makes instances of whatever class is current."""

    def make(_: type, plan: Any) -> Any:
        return current()(plan)

    names: dict[str, Any] = {"__new__": make, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    for event in (*EVENTS.values(), *NOTICES.values()):
        handler = getattr(cls, event, None)
        if handler is not None:
            names[event] = _dispatched(event, waits=inspect.iscoroutinefunction(handler))
    return type(cls.__name__, (HttpFilter,), names)


def _dispatched(event: str, *, waits: bool) -> Handler:
    if waits:

        async def waiting(self: Any, *arguments: Any) -> Any:
            handler = getattr(self, event, None)
            return CONTINUE if handler is None else await handler(*arguments)

        return waiting

    def run(self: Any, *arguments: Any) -> Any:
        handler = getattr(self, event, None)
        return CONTINUE if handler is None else handler(*arguments)

    return run
