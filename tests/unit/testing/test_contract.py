"""The contract checker finds what it promises to find, and lets honest filters pass."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Verdict
from pyvoy.testing.contract import check_http_filter


class Nothing(HttpFilter):
    """Defines no event."""


class Whole(HttpFilter):
    """Holds a request until it is whole."""

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return CONTINUE if end else STOP

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return CONTINUE if end else STOP_AND_BUFFER

    def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return CONTINUE


class Slow(HttpFilter):
    """Waits in both directions."""

    async def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        await asyncio.sleep(2)
        return CONTINUE

    async def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        await asyncio.sleep(2)
        return CONTINUE


class Forgetful(HttpFilter):
    """Never resumes: the stream's time-out ends it."""

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return STOP_AND_BUFFER


@pytest.mark.parametrize("cls", [Nothing, Whole, Slow, Forgetful])
def test_honest_filters_pass(cls: type[HttpFilter]) -> None:
    check_http_filter(cls)


class Raises(HttpFilter):
    def response_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        raise ValueError("on purpose")


class AnswersNothing(HttpFilter):
    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Any:
        return None


class LeavesTimer(HttpFilter):
    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.services.timers.call_later(100_000.0, lambda: None)
        return CONTINUE


class LeavesTask(HttpFilter):
    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.services.spawn(asyncio.sleep(100_000.0), "left")
        return CONTINUE


class LeavesGauge(HttpFilter):
    """Counts up with the request and down with the response only."""

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.services.root_scope.gauge("active").inc()
        return CONTINUE

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.services.root_scope.gauge("active").dec()
        return CONTINUE


class LeavesPaused(HttpFilter):
    """Stops the client and does not take it back."""

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.manager.connection.read_disable(True)
        return CONTINUE


class CutsByPieces(HttpFilter):
    """Marks every piece."""

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        stream.add_request_data(self, b"|")
        return CONTINUE


class UpperCase(HttpFilter):
    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        headers.add(b"X-Upper", b"1")
        return CONTINUE


@pytest.mark.parametrize(
    ("cls", "complaint"),
    [
        (Raises, "the filter raised"),
        (AnswersNothing, "not a Verdict|the filter raised"),
        (LeavesTimer, "timers are left"),
        (LeavesTask, "tasks are left"),
        (LeavesGauge, "gauges are not back"),
        (LeavesPaused, "stays paused"),
        (CutsByPieces, "depends on how its body is cut"),
        (UpperCase, "not in lower case"),
    ],
)
def test_what_breaks_the_contract_is_found(cls: type[HttpFilter], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_http_filter(cls)
