"""Watches the life of HTTP filters under test: every call is written down, every verdict looked at.

The rules: on_log once, then on_destroy once, and nothing after it.
"""

from __future__ import annotations

import inspect
from typing import Any

from pyvoy.http.http_filter import HttpFilter, Verdict

EVENTS = (
    "request_headers",
    "request_data",
    "request_trailers",
    "response_informational",
    "response_headers",
    "response_data",
    "response_trailers",
    "on_local_reply",
    "on_log",
    "on_destroy",
)


class Ledger:
    """Every call of the filter under test, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Any, str]] = []
        self.made: list[Any] = []

    def check(self, shared: bool) -> str:
        """A complaint about the life cycle, or ""."""
        ended: set[tuple[int, int]] = set()
        logged: set[tuple[int, int]] = set()
        for filter_, stream, event in self.calls:
            key = (id(filter_), id(stream))
            if key in ended:
                return f"{event} was called after on_destroy"
            if event == "on_log":
                if key in logged:
                    return "on_log was called twice"
                logged.add(key)
            if event == "on_destroy":
                if key not in logged:
                    return "on_destroy was called before on_log"
                ended.add(key)
        if not shared and len(ended) != len(self.made):
            return "on_destroy was not called"
        return ""


def guarded(cls: type[HttpFilter], ledger: Ledger) -> type[HttpFilter]:
    """The class with every call written down and every verdict looked at."""

    def init(self: Any, plan: Any) -> None:
        cls.__init__(self, plan)
        ledger.made.append(self)

    # A filter that only asks for its end when it needs to is watched to the end all the same.
    always = cls.on_demand - {"on_log", "on_destroy"}
    members: dict[str, Any] = {"__init__": init, "on_demand": always}
    for event in EVENTS:
        method = getattr(cls, event, None)
        if method is not None or event in ("on_log", "on_destroy"):
            members[event] = _guard(event, method, ledger)
    return type(cls.__name__, (cls,), members)


def _guard(event: str, method: Any, ledger: Ledger) -> Any:
    verdict = event.startswith("re") and event != "response_informational"

    def looked_at(result: Any) -> Any:
        assert not verdict or isinstance(result, Verdict), f"{event} answered {result!r}, not a Verdict"
        return result

    if method is not None and inspect.iscoroutinefunction(method):

        async def later(self: Any, stream: Any, *arguments: Any) -> Any:
            ledger.calls.append((self, stream, event))
            return looked_at(await method(self, stream, *arguments))

        return later

    def now(self: Any, stream: Any, *arguments: Any) -> Any:
        ledger.calls.append((self, stream, event))
        return looked_at(method(self, stream, *arguments)) if method is not None else None

    return now
