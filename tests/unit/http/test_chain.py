"""The filter chain: what every verdict does in both directions, resuming, buffers and their limits, added data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK, HttpFilter, Verdict
from pyvoy.testing.playbook import (
    Play,
    act,
    after,
    cut,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    paused,
    play,
    reply,
    response,
    response_data,
    response_trailers,
    resumed,
    sent,
    sent_data,
    sent_trailers,
    trailers,
    upstream_cut,
    upstream_paused,
    upstream_resumed,
    whole_response,
)

STOPS = [STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK]
Step = Verdict | Callable[[Any, Any], Any]


class Scripted(HttpFilter):
    """Does what its plan says: {event: verdicts or functions (filter, stream), one per call}; then it continues."""

    def __init__(self, plan: dict[str, list[Step]]) -> None:
        self.plan = {event: list(steps) for event, steps in plan.items()}
        self.seen: list[Any] = []

    def _next(self, event: str, stream: Any, *what: Any) -> Verdict:
        self.seen.append((event, *what))
        steps = self.plan.get(event)
        step = steps.pop(0) if steps else CONTINUE
        if isinstance(step, Verdict):
            return step
        verdict = step(self, stream)
        return verdict if isinstance(verdict, Verdict) else CONTINUE

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self._next("request_headers", stream, end)

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return self._next("request_data", stream, data, end)

    def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return self._next("request_trailers", stream)

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self._next("response_headers", stream, end)

    def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return self._next("response_data", stream, data, end)

    def response_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return self._next("response_trailers", stream)


class HeadersOnly(HttpFilter):
    """Holds heads and has no other callback."""

    def __init__(self, plan: Verdict) -> None:
        self.plan = plan

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self.plan

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self.plan


def at(play: Play, slot: int = 0) -> Any:
    """A filter of the running stream."""
    return play.stream.filters[slot]


def go_on(slot: int = 0) -> Any:
    """Resume the request at a filter, from outside of its callbacks."""
    return act(lambda stream: stream.continue_request(stream.filters[slot]), f"continue_request({slot})")


def go_on_back(slot: int = 0) -> Any:
    """Resume the response at a filter."""
    return act(lambda stream: stream.continue_response(stream.filters[slot]), f"continue_response({slot})")


def answered(**scripts: list[Step]) -> Play:
    """A play whose request has reached the upstream."""
    held_play = play(Scripted, scripts)
    return held_play >> headers() << forwarded(end=True)


# ---- heads ----


def test_events_pass_in_order_through_filters_that_continue() -> None:
    p = play([(Scripted, {}), (Scripted, {})])
    p >> headers("POST") << forwarded(end=False) >> data(b"a") << forwarded_data(b"a", end=False)
    p >> trailers(x="1") << forwarded_trailers(x="1")
    p >> response(200) << sent(200, end=False) >> response_data(b"b") << sent_data(b"b", end=False)
    p >> response_trailers(y="2") << sent_trailers(y="2")
    p.end()


@pytest.mark.parametrize("stop", STOPS)
def test_a_held_head_goes_on_when_resumed_from_outside(stop: Verdict) -> None:
    p = play(Scripted, {"request_headers": [stop]})
    p >> headers() << held() >> go_on() << forwarded(end=True) >> go_on() << held()
    p.end()


@pytest.mark.parametrize("stop", STOPS)
def test_a_head_resumed_inside_its_own_callback_goes_on_when_the_callback_has_returned(stop: Verdict) -> None:
    def resume(filter_: Any, stream: Any) -> Verdict:
        stream.continue_request(filter_)
        return stop

    p = play(Scripted, {"request_headers": [resume]})
    p >> headers() << forwarded(end=True)
    p.end()


@pytest.mark.parametrize("stop", [STOP_AND_BUFFER, STOP_AND_WATERMARK])
def test_what_follows_a_wholly_held_head_waits_and_then_passes_the_filter_itself(stop: Verdict) -> None:
    p = play(Scripted, {"request_headers": [stop]})
    p >> headers("POST") << held() >> data(b"ab") << held() >> data(b"cd") << held() >> trailers(x="1") << held()
    assert at(p).seen == [("request_headers", False)]
    p >> go_on() << forwarded(end=False) << forwarded_data(b"abcd", end=False) << forwarded_trailers(x="1")
    assert at(p).seen[1:] == [("request_data", b"abcd", False), ("request_trailers",)]
    p.end()


def test_an_end_without_data_goes_with_the_held_head() -> None:
    p = play(Scripted, {"request_headers": [STOP_AND_BUFFER]})
    p >> headers("POST") << held() >> data(b"", end=True) << held() >> go_on() << forwarded(end=True)
    p.end()


@pytest.mark.parametrize("stop", STOPS)
def test_a_filter_without_data_callback_holds_what_follows_its_head(stop: Verdict) -> None:
    p = play(HeadersOnly, stop)
    p >> headers("POST") << held() >> data(b"ab") << held() >> data(b"", end=True) << held()
    p >> go_on() << forwarded(end=False) << forwarded_data(b"ab", end=True)
    p >> response(200) << held() >> response_data(b"x") << held() >> response_trailers(t="1") << held()
    p >> go_on_back() << sent(200, end=False) << sent_data(b"x", end=False) << sent_trailers(t="1")
    p.end()


def test_continuing_at_data_releases_a_stopped_head() -> None:
    p = play(Scripted, {"request_headers": [STOP], "request_data": [STOP_AND_BUFFER, CONTINUE]})
    p >> headers("POST") << held() >> data(b"a") << held()
    p >> data(b"b", end=True) << forwarded(end=False) << forwarded_data(b"ab", end=True)
    p.end()


def test_continuing_at_trailers_releases_head_and_body() -> None:
    p = play(Scripted, {"request_headers": [STOP], "request_data": [STOP_AND_BUFFER]})
    p >> headers("POST") << held() >> data(b"a") << held()
    p >> trailers(x="1") << forwarded(end=False) << forwarded_data(b"a", end=False) << forwarded_trailers(x="1")
    p.end()


# ---- data and trailers ----


@pytest.mark.parametrize("stop", [STOP_AND_BUFFER, STOP_AND_WATERMARK])
def test_buffered_data_goes_on_as_one_piece_when_the_filter_continues(stop: Verdict) -> None:
    p = play(Scripted, {"request_data": [stop, stop]})
    p >> headers("POST") << forwarded() >> data(b"a") << held() >> data(b"b") << held()
    p >> data(b"c") << forwarded_data(b"abc", end=False) >> data(b"d", end=True) << forwarded_data(b"d", end=True)
    assert [seen[1] for seen in at(p).seen if seen[0] == "request_data"] == [b"a", b"b", b"c", b"d"]
    p.end()


@pytest.mark.parametrize("stop", [STOP_AND_BUFFER, STOP_AND_WATERMARK])
def test_buffered_data_and_end_go_on_when_resumed(stop: Verdict) -> None:
    p = play(Scripted, {"request_data": [stop]})
    p >> headers("POST") << forwarded() >> data(b"a", end=True) << held()
    p >> go_on() << forwarded_data(b"a", end=True)
    assert len(at(p).seen) == 2
    p.end()


def test_a_stopped_piece_is_taken_by_the_filter() -> None:
    p = play(Scripted, {"request_data": [STOP, STOP_AND_BUFFER]})
    p >> headers("POST") << forwarded() >> data(b"gone") << held() >> data(b"kept") << held()
    p >> data(b"!", end=True) << forwarded_data(b"kept!", end=True)
    p.end()


def test_the_end_of_a_stopped_piece_is_kept() -> None:
    p = play(Scripted, {"request_data": [STOP]})
    p >> headers("POST") << forwarded() >> data(b"gone", end=True) << held()
    p >> go_on() << forwarded_data(b"", end=True)
    p.end()


@pytest.mark.parametrize("stop", STOPS)
def test_held_trailers_go_on_when_resumed(stop: Verdict) -> None:
    p = play(Scripted, {"request_trailers": [stop]})
    p >> headers("POST") << forwarded() >> data(b"a") << forwarded_data(b"a") >> trailers(x="1") << held()
    p >> go_on() << forwarded_trailers(x="1")
    p.end()


# ---- the response ----


@pytest.mark.parametrize("stop", STOPS)
def test_a_response_is_held_and_goes_on(stop: Verdict) -> None:
    p = answered(response_headers=[stop])
    p >> response(200, end=True) << held() >> go_on_back() << sent(200, end=True)
    p.end()


@pytest.mark.parametrize("stop", [STOP_AND_BUFFER, STOP_AND_WATERMARK])
def test_response_data_is_buffered_and_goes_on(stop: Verdict) -> None:
    p = answered(response_headers=[STOP], response_data=[stop])
    p >> response(200) << held() >> response_data(b"a") << held()
    p >> response_data(b"b", end=True) << sent(200, end=False) << sent_data(b"ab", end=True)
    p.end()


@pytest.mark.parametrize("stop", STOPS)
def test_response_trailers_are_held_and_go_on(stop: Verdict) -> None:
    p = answered(response_trailers=[stop])
    p >> response(200) << sent(200) >> response_data(b"a") << sent_data(b"a", end=False)
    p >> response_trailers(x="1") << held() >> go_on_back() << sent_trailers(x="1")
    p.end()


def test_the_response_passes_the_filters_last_to_first() -> None:
    p = play([(Scripted, {"response_headers": [STOP]}), (Scripted, {"response_headers": [STOP]})])
    p >> headers() << forwarded() >> response(200, end=True) << held()
    assert not [seen for seen in at(p, 0).seen if seen[0] == "response_headers"]
    p >> go_on_back(1) << held() >> go_on_back(0) << sent(200, end=True)
    p.end()


# ---- several filters ----


def test_each_of_several_holding_filters_has_to_let_go() -> None:
    p = play([(Scripted, {"request_headers": [STOP_AND_BUFFER]})] * 3)
    p >> headers("POST") << held() >> data(b"ab", end=True) << held()
    p >> go_on(1) << held() >> go_on(0) << held() >> go_on(2) << held()
    p >> go_on(1) << held() >> go_on(2) << forwarded(end=False) << forwarded_data(b"ab", end=True)
    p.end()


def test_a_filter_behind_may_hold_what_a_filter_before_releases() -> None:
    p = play([(Scripted, {"request_data": [STOP_AND_BUFFER]}), (Scripted, {"request_data": [STOP_AND_BUFFER]})])
    p >> headers("POST") << forwarded() >> data(b"a") << held() >> data(b"b") << held()
    p >> data(b"c", end=True) << forwarded_data(b"abc", end=True)
    p.end()


def test_resuming_without_having_stopped_loses_nothing() -> None:
    def needless(filter_: Any, stream: Any) -> Verdict:
        stream.continue_request(filter_)
        return CONTINUE

    first = {"request_headers": [STOP], "request_data": [CONTINUE, needless]}
    p = play([(Scripted, first), (Scripted, {})])
    p >> headers("POST") << held() >> data(b"a") << forwarded() << forwarded_data(b"a")
    p >> data(b"b") << forwarded_data(b"b") >> data(b"c", end=True) << forwarded_data(b"c", end=True)
    p.end()


# ---- limits and flow ----


def test_a_request_buffer_over_its_limit_is_answered_413() -> None:
    p = play(Scripted, {"request_headers": [STOP_AND_BUFFER]}, buffer_limit_bytes=4)
    p >> headers("POST") << held() >> data(b"1234") << held()
    p >> data(b"5") << reply(413, b"Payload Too Large", detail="request_payload_too_large")
    assert p.counter("http.test.downstream_rq_too_large") == 1
    p.end()


def test_a_request_buffer_over_its_limit_at_data_is_answered_413_and_the_upstream_is_cut() -> None:
    p = play(Scripted, {"request_data": [STOP_AND_BUFFER] * 9}, buffer_limit_bytes=4)
    p >> headers("POST") << forwarded() >> data(b"1234") << held()
    p >> data(b"5") << reply(413, detail="request_payload_too_large") << upstream_cut()
    p.end()


def test_a_last_piece_that_outgrows_the_limit_is_answered_413() -> None:
    p = play(Scripted, {"request_headers": [STOP]}, buffer_limit_bytes=4)
    p >> headers("POST") << held() >> data(b"12345", end=True) << reply(413)
    p.end()


def test_a_filter_may_move_its_limit() -> None:
    p = play(Scripted, {"request_headers": [STOP_AND_BUFFER]}, buffer_limit_bytes=4)
    p >> headers("POST") >> act(lambda stream: stream.set_request_buffer_limit(8)) >> data(b"12345678") << held()
    p >> data(b"9") << reply(413)
    p.end()


def test_a_response_buffer_over_its_limit_is_answered_500() -> None:
    p = play(Scripted, {"response_headers": [STOP_AND_BUFFER]}, buffer_limit_bytes=4)
    p >> headers() << forwarded() >> response(200) << held() >> response_data(b"1234") << held()
    p >> response_data(b"5") << reply(500, b"Internal Server Error", detail="response_payload_too_large")
    p << upstream_cut()
    assert p.counter("http.test.rs_too_large") == 1
    p.end()


def test_a_response_buffer_over_its_limit_cuts_a_response_that_has_begun() -> None:
    p = play(Scripted, {"response_data": [STOP_AND_BUFFER] * 9}, buffer_limit_bytes=4)
    p >> headers() << forwarded() >> response(200) << sent(200) >> response_data(b"12345") << cut() << upstream_cut()
    p.end()


def test_a_watermark_stop_pauses_the_client_and_resuming_reads_on() -> None:
    p = play(Scripted, {"request_headers": [STOP_AND_WATERMARK]}, buffer_limit_bytes=4)
    p >> headers("POST") << held() >> data(b"12345") << paused() >> data(b"6") << held()
    p >> go_on() << resumed() << forwarded() << forwarded_data(b"123456", end=False)
    p.end()


def test_a_watermark_stop_pauses_the_upstream_and_resuming_reads_on() -> None:
    p = play(Scripted, {"response_data": [STOP_AND_WATERMARK] * 2}, buffer_limit_bytes=4)
    p >> headers() << forwarded() >> response(200) << sent(200) >> response_data(b"12345") << upstream_paused()
    p >> response_data(b"6", end=True) << held() >> go_on_back() << upstream_resumed()
    p << sent_data(b"123456", end=True)
    p.end()


# ---- changing bodies ----


def test_buffered_data_may_be_read_and_replaced() -> None:
    def replace(filter_: Any, stream: Any) -> Verdict:
        assert stream.request_body(filter_) == b"ab"
        stream.replace_request_body(filter_, b"AB-")
        return CONTINUE

    p = play(Scripted, {"request_data": [STOP_AND_BUFFER, replace]})
    p >> headers("POST") << forwarded() >> data(b"ab") << held()
    p >> data(b"c", end=True) << forwarded_data(b"AB-c", end=True)
    p.end()


def test_buffered_response_data_may_be_read_and_replaced() -> None:
    def replace(filter_: Any, stream: Any) -> Verdict:
        assert stream.response_body(filter_) == b"ab"
        stream.replace_response_body(filter_, b"")
        return CONTINUE

    p = answered(response_data=[STOP_AND_BUFFER, replace])
    p >> response(200) << sent(200) >> response_data(b"ab") << held()
    p >> response_data(b"c", end=True) << sent_data(b"c", end=True)
    p.end()


@pytest.mark.parametrize("stop", [CONTINUE, STOP])
def test_a_body_may_be_added_to_a_request_that_has_none(stop: Verdict) -> None:
    def add(filter_: Any, stream: Any) -> Verdict:
        stream.add_request_data(filter_, b"body")
        return stop

    p = play([(Scripted, {"request_headers": [add]}), (Scripted, {})])
    p >> headers()
    if stop is STOP:
        p << held() >> go_on()
    p << forwarded(end=False) << forwarded_data(b"body", end=True)
    assert at(p, 1).seen == [("request_headers", False), ("request_data", b"body", True)]
    p.end()


def test_data_added_by_two_filters_both_arrive() -> None:
    def add(filter_: Any, stream: Any) -> None:
        stream.add_request_data(filter_, b"x")

    p = play([(Scripted, {"request_headers": [add]}), (Scripted, {"request_headers": [add]})])
    p >> headers()
    assert p.stage.record.body("forwarded_data") == b"xx"
    assert p.stage.record.facts[-1].end
    p.end()


def test_added_data_is_not_lost_when_a_filter_behind_holds_the_head() -> None:
    def add(filter_: Any, stream: Any) -> None:
        stream.add_request_data(filter_, b"x")

    p = play(
        [(Scripted, {}), (Scripted, {"request_headers": [add]}), (Scripted, {"request_headers": [STOP_AND_BUFFER]})]
    )
    p >> headers() << held() >> go_on(2) << forwarded(end=False) << forwarded_data(b"x", end=True)
    p.end()


def test_added_data_follows_the_piece_in_whose_callback_it_was_added() -> None:
    def add(filter_: Any, stream: Any) -> None:
        stream.add_response_data(filter_, b"!")

    p = answered(response_data=[add, add])
    p >> response(200) << sent(200) >> response_data(b"a") << sent_data(b"a!", end=False)
    p >> response_data(b"b", end=True) << sent_data(b"b!", end=True)
    p.end()


def test_a_piece_may_be_replaced_in_its_callback() -> None:
    def upper(filter_: Any, stream: Any) -> None:
        stream.replace_request_data(filter_, filter_.seen[-1][1].upper())

    def nothing(filter_: Any, stream: Any) -> None:
        stream.replace_response_data(filter_, b"")
        stream.add_response_data(filter_, b"!")

    p = play([(Scripted, {"request_data": [upper, upper], "response_data": [nothing, nothing]}), (Scripted, {})])
    p >> headers("POST") << forwarded() >> data(b"a") << forwarded_data(b"A", end=False)
    p >> data(b"b", end=True) << forwarded_data(b"B", end=True)
    p >> response(200) << sent(200) >> response_data(b"x") << sent_data(b"!", end=False)
    p >> response_data(b"y", end=True) << sent_data(b"!", end=True)
    p.end()


def test_a_replaced_piece_may_be_buffered() -> None:
    def upper(filter_: Any, stream: Any) -> Verdict:
        stream.replace_request_data(filter_, filter_.seen[-1][1].upper())
        return STOP_AND_BUFFER

    p = play(Scripted, {"request_data": [upper, upper]}) >> headers("POST") << forwarded()
    p >> data(b"a") << held() >> data(b"b") << held() >> data(b"c", end=True) << forwarded_data(b"ABc", end=True)
    p.end()


def test_data_added_while_held_joins_the_buffer() -> None:
    p = play(Scripted, {"request_data": [STOP_AND_BUFFER]})
    p >> headers("POST") << forwarded() >> data(b"a", end=True) << held()
    p >> act(lambda stream: stream.add_request_data(stream.filters[0], b"+")) << held()
    p >> go_on() << forwarded_data(b"a+", end=True)
    p.end()


def test_injected_data_passes_the_filters_behind_only() -> None:
    p = play([(Scripted, {"request_headers": [STOP], "request_data": [STOP, STOP]}), (Scripted, {})])
    p >> headers("POST") << held() >> data(b"swallowed") << held()
    p >> act(lambda stream: stream.inject_request_data(stream.filters[0], b"mine", False))
    p << forwarded(end=False) << forwarded_data(b"mine", end=False)
    p >> data(b"swallowed", end=True) << held()
    p >> act(lambda stream: stream.inject_request_data(stream.filters[0], b"", True)) << forwarded_data(b"", end=True)
    assert [seen[0] for seen in at(p, 1).seen] == ["request_headers", "request_data", "request_data"]
    p.end()


def test_data_injected_inside_a_callback_keeps_what_the_callback_asks_for_until_it_returns() -> None:
    order: list[str] = []

    def inject(filter_: Any, stream: Any) -> Verdict:
        stream.inject_request_data(filter_, b"in", False)
        stream.send_local_reply(403, details="inside")
        order.append("not yet" if not stream.local_replied else "at once")
        return STOP

    p = play([(Scripted, {"request_data": [inject]}), (Scripted, {})])
    p >> headers("POST") << forwarded() >> data(b"x")
    p << forwarded_data(b"in", end=False) << reply(403, detail="inside") << upstream_cut()
    assert order == ["not yet"]
    p.end()


def test_a_reply_asked_for_by_a_filter_that_was_injected_into_stops_the_filters_behind() -> None:
    def inject(filter_: Any, stream: Any) -> Verdict:
        stream.inject_request_data(filter_, b"in", False)
        return STOP

    def refuse(_: Any, stream: Any) -> None:
        stream.send_local_reply(403, details="behind")

    p = play([(Scripted, {"request_data": [inject]}), (Scripted, {"request_data": [refuse]})])
    p >> headers("POST") << forwarded() >> data(b"x") << reply(403, detail="behind") << upstream_cut()
    p.end()


def test_injected_response_data_goes_to_the_client() -> None:
    p = answered(response_headers=[STOP], response_data=[STOP, STOP])
    p >> response(200) << held() >> response_data(b"swallowed", end=True) << held()
    p >> act(lambda stream: stream.inject_response_data(stream.filters[0], b"mine", True))
    p << sent(200, end=False) << sent_data(b"mine", end=True)
    p.end()


@pytest.mark.parametrize("stop", [CONTINUE, STOP_AND_BUFFER])
def test_trailers_may_be_added_in_the_last_data_callback(stop: Verdict) -> None:
    def add(_: Any, stream: Any) -> Verdict:
        stream.add_request_trailers().add(b"x-added", b"1")
        return stop

    p = play([(Scripted, {}), (Scripted, {"request_data": [add]}), (Scripted, {})])
    p >> headers("POST") << forwarded() >> data(b"a", end=True)
    if stop is not CONTINUE:
        p << held() >> go_on(1)
    p << forwarded_data(b"a", end=False) << forwarded_trailers(x_added="1")
    assert [seen[0] for seen in at(p, 2).seen] == ["request_headers", "request_data", "request_trailers"]
    assert [seen[0] for seen in at(p, 0).seen] == ["request_headers", "request_data"]
    p.end()


def test_trailers_may_be_added_while_a_filter_behind_holds() -> None:
    def add(_: Any, stream: Any) -> None:
        stream.add_request_trailers().add(b"x-added", b"1")

    p = play([(Scripted, {"request_data": [add]}), (Scripted, {"request_headers": [STOP_AND_BUFFER]})])
    p >> headers("POST") << held() >> data(b"a", end=True) << held()
    p >> go_on(1) << forwarded() << forwarded_data(b"a", end=False) << forwarded_trailers(x_added="1")
    p.end()


def test_response_trailers_may_be_added() -> None:
    def add(_: Any, stream: Any) -> None:
        stream.add_response_trailers().add(b"x-added", b"1")

    p = play([(Scripted, {}), (Scripted, {"response_data": [add]})])
    p >> headers() << forwarded() >> response(200) << sent(200)
    p >> response_data(b"a", end=True) << sent_data(b"a", end=False) << sent_trailers(x_added="1")
    assert [seen[0] for seen in p.stage.log.logged and []] == []
    p.end()


# ---- async ----


class Awaiting(HttpFilter):
    """Waits a second in the callbacks that its plan names, then gives the verdict that stands there."""

    def __init__(self, plan: dict[str, Verdict]) -> None:
        self.plan = plan
        self.seen: list[Any] = []

    async def _wait(self, event: str, *what: Any) -> Verdict:
        self.seen.append((event, *what))
        if event not in self.plan:
            return CONTINUE
        await asyncio.sleep(1)
        return self.plan[event]

    async def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return await self._wait("request_headers", end)

    async def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return await self._wait("request_data", data, end)

    async def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return await self._wait("request_trailers")

    async def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return await self._wait("response_headers", end)

    async def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return await self._wait("response_data", data, end)


def test_async_callbacks_that_do_not_wait_change_nothing() -> None:
    p = play(Awaiting, {})
    p >> headers("POST") << forwarded() >> data(b"a") << forwarded_data(b"a") >> trailers(x="1")
    p << forwarded_trailers(x="1") >> response(200) << sent(200) >> response_data(b"b", end=True)
    p << sent_data(b"b", end=True)
    p.end()


def test_what_comes_while_an_async_head_waits_passes_the_filter_afterwards() -> None:
    p = play(Awaiting, {"request_headers": CONTINUE})
    p >> headers("POST") << held() >> data(b"a") << held() >> data(b"b", end=True) << held()
    p >> after(1) << forwarded(end=False) << forwarded_data(b"ab", end=True)
    assert at(p).seen == [("request_headers", False), ("request_data", b"ab", True)]
    p.end()


def test_async_data_callbacks_run_one_after_the_other() -> None:
    p = play(Awaiting, {"request_data": CONTINUE})
    (
        p
        >> headers("POST")
        << forwarded()
        >> data(b"a")
        << held()
        >> data(b"b")
        << held()
        >> data(b"c", end=True)
        << held()
    )
    assert at(p).seen[1:] == [("request_data", b"a", False)]
    p >> after(1) << forwarded_data(b"a", end=False) >> after(1) << forwarded_data(b"bc", end=True)
    assert at(p).seen[1:] == [("request_data", b"a", False), ("request_data", b"bc", True)]
    p.end()


def test_an_async_data_callback_may_take_the_piece() -> None:
    p = play(Awaiting, {"response_data": STOP})
    p >> headers() << forwarded() >> response(200) << sent(200) >> response_data(b"gone") << held()
    p >> response_data(b"gone too", end=True) << held() >> after(2) << held()
    p >> go_on_back() << sent_data(b"", end=True)
    p.end()


def test_an_async_data_callback_may_replace_its_piece() -> None:
    class Upper(HttpFilter):
        async def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
            await asyncio.sleep(1)
            stream.replace_request_data(self, data.upper())
            return CONTINUE if end else STOP_AND_BUFFER

    p = play(Upper) >> headers("POST") << forwarded() >> data(b"a") << held() >> data(b"b", end=True) << held()
    p >> after(3) << forwarded_data(b"AB", end=True)
    p.end()


def test_an_async_data_callback_may_buffer() -> None:
    p = play(Awaiting, {"request_data": STOP_AND_BUFFER})
    p >> headers("POST") << forwarded() >> data(b"a") << held() >> data(b"b") << held() >> trailers(x="1") << held()
    p >> after(5) << forwarded_data(b"ab", end=False) << forwarded_trailers(x="1")
    assert [seen[0] for seen in at(p).seen] == ["request_headers", "request_data", "request_data", "request_trailers"]
    p.end()


def test_an_async_head_that_stops_lets_data_come_to_the_filter() -> None:
    p = play(Awaiting, {"request_headers": STOP})
    p >> headers("POST") << held() >> data(b"a", end=True) << held()
    p >> after(1) << forwarded(end=False) << forwarded_data(b"a", end=True)
    p.end()


def test_async_response_heads_wait() -> None:
    p = play(Awaiting, {"response_headers": CONTINUE})
    p >> headers() << forwarded() >> response(200) << held() >> response_data(b"x", end=True) << held()
    p >> after(1) << sent(200) << sent_data(b"x", end=True)
    p.end()


def test_an_async_notification_is_refused_at_load() -> None:
    class Late(HttpFilter):
        async def on_destroy(self, stream: Any) -> None:
            """Nobody would wait for it."""

    with pytest.raises(TypeError, match=r"Late\.on_destroy"):
        ChainPlan((FilterSpec("late", Late, None),))


# ---- the compiled chain ----


def test_only_methods_that_exist_are_in_the_tuples_and_responses_run_backwards() -> None:
    chain = ChainPlan((FilterSpec("a", Scripted, {}), FilterSpec("b", HeadersOnly, CONTINUE)))
    assert [slot for slot, _ in chain.request_headers] == [0, 1]
    assert [slot for slot, _ in chain.response_headers] == [1, 0]
    assert [slot for slot, _ in chain.request_data] == [0]
    assert chain.informational == chain.log == chain.destroy == ()


def test_a_stateless_filter_is_made_once() -> None:
    class Shared(HttpFilter):
        stateless = True
        made = 0

        def __init__(self, plan: Any) -> None:
            Shared.made += 1

    chain = ChainPlan((FilterSpec("s", Shared, None),))
    assert chain.make_filters()[0] is chain.make_filters()[0]
    assert Shared.made == 1


def test_a_route_switches_filters_off_and_on() -> None:
    chain = ChainPlan(
        (FilterSpec("a", Scripted, {}), FilterSpec("b", Scripted, {}), FilterSpec("c", Scripted, {}, disabled=True))
    )
    assert chain.names == ("a", "b")
    assert chain.variant(frozenset({"a"}), frozenset({"c"})).names == ("b", "c")
    assert chain.variant(frozenset({"a"}), frozenset()) is chain.variant(frozenset({"a"}), frozenset())


class OnDemand(HttpFilter):
    """Sees data of a direction only once it has asked."""

    on_demand = frozenset(("request_data", "response_data"))

    def __init__(self, plan: Any) -> None:
        self.plan = plan

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        if "request" in self.plan:
            stream.demand(self)
        return CONTINUE

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        stream.replace_request_data(self, data.upper())
        return CONTINUE

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        if "response" in self.plan:
            stream.demand(self)
        return CONTINUE

    def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        stream.replace_response_data(self, data.upper())
        return CONTINUE


@pytest.mark.parametrize("plan", [(), ("request",), ("response",), ("request", "response")])
def test_events_on_demand(plan: tuple[str, ...]) -> None:
    p = play(OnDemand, plan)
    p >> headers("POST") << forwarded(end=False)
    p >> data(b"ab", end=True) << forwarded_data(b"AB" if "request" in plan else b"ab", end=True)
    body = b"XY" if plan else b"xy"
    p >> whole_response(200, b"xy") << sent(200, end=False) << sent_data(body, end=True)
    p.end()


def test_chains_that_demand_are_compiled_once() -> None:
    chain = ChainPlan((FilterSpec("a", OnDemand, ()), FilterSpec("b", OnDemand, ())))
    assert not chain.request_data
    first = chain.demanding(0)
    assert [slot for slot, _ in first.request_data] == [0]
    assert chain.demanding(0) is first
    assert first.demanding(0) is first
    assert [slot for slot, _ in first.demanding(1).request_data] == [0, 1]


class OwnPlan:
    """What a route says that has a filter of its own."""

    filter_class = HeadersOnly


def test_who_stands_at_a_place_is_asked_for_once_and_each_answer_is_compiled_once() -> None:
    spec = FilterSpec("a", Scripted, {}, in_place=lambda cls: cls)
    chain = ChainPlan((spec, FilterSpec("b", HeadersOnly, CONTINUE)))
    assert [slot for slot, _ in chain.local_reply] == [slot for slot, _ in chain.log] == [0]
    own, other = OwnPlan(), object()
    with_own = chain.decided(0, own)
    assert chain.decided(0, own) is with_own
    assert not with_own.chain.request_data
    assert not with_own.chain.log
    without = chain.decided(0, None)
    assert chain.decided(0, other) is without
    assert without.maker is None
    assert [slot for slot, _ in without.chain.request_data] == [0]
    assert not without.chain.log


def test_a_place_where_no_route_has_a_filter_is_asked_nothing() -> None:
    chain = ChainPlan((FilterSpec("a", HeadersOnly, CONTINUE),))
    assert not chain.log
    assert not chain.local_reply
