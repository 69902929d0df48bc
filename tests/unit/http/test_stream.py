"""The ends of a stream: local replies and resets at every event, failing filters, vanished clients, routes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyvoy.http.chain import FilterSpec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP_AND_BUFFER, STOP_AND_WATERMARK, HttpFilter, LocalReply, Verdict
from pyvoy.observe.details import Flag
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import (
    Event,
    Play,
    act,
    after,
    cut,
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    high_watermark,
    informational,
    low_watermark,
    play,
    reply,
    reset,
    response,
    response_data,
    response_trailers,
    sent,
    sent_data,
    sent_informational,
    sent_trailers,
    trailers,
    upstream_cut,
    upstream_paused,
    upstream_reset,
    upstream_resumed,
    whole_response,
)
from pyvoy.testing.stage import Stage

WHOLE: tuple[Event, ...] = (
    headers("POST"),
    data(b"a"),
    trailers(x="1"),
    informational(103),
    response(200),
    response_data(b"b"),
    response_trailers(y="2"),
)
EVENTS = (
    "request_headers",
    "request_data",
    "request_trailers",
    "response_informational",
    "response_headers",
    "response_data",
    "response_trailers",
)


class At(HttpFilter):
    """Does one thing in one event, and notes every call in its plan's third part."""

    def __init__(self, plan: tuple[str, Any, list[str]]) -> None:
        self.event, self.does, self.calls = plan

    def _at(self, event: str, stream: Any) -> Verdict:
        self.calls.append(event)
        if event == self.event:
            self.does(stream)
        return CONTINUE

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self._at("request_headers", stream)

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return self._at("request_data", stream)

    def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return self._at("request_trailers", stream)

    def response_informational(self, stream: Any, headers: HeaderMap) -> None:
        self._at("response_informational", stream)

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        return self._at("response_headers", stream)

    def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        return self._at("response_data", stream)

    def response_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        return self._at("response_trailers", stream)

    def on_local_reply(self, stream: Any, reply: LocalReply) -> None:
        self._at("on_local_reply", stream)

    def on_log(self, stream: Any) -> None:
        self._at("on_log", stream)

    def on_destroy(self, stream: Any) -> None:
        self._at("on_destroy", stream)


def refuse(stream: Any) -> None:
    stream.send_local_reply(403, b"no", details="refused", headers=((b"x-why", b"no"),))


def explode(_: Any) -> None:
    raise ValueError("on purpose")


def perform(event: str, does: Any) -> tuple[Play, list[str], list[str]]:
    """A whole conversation with two filters, of which the first does something in one event."""
    calls: list[str] = []
    behind: list[str] = []
    p = play([(At, (event, does, calls)), (At, ("", None, behind))])
    for one in WHOLE:
        p >> one
    return p, calls, behind


# ---- local replies ----


@pytest.mark.parametrize("event", EVENTS[:4])
def test_a_local_reply_before_the_response_reaches_the_client_through_the_response_filters(event: str) -> None:
    p, calls, behind = perform(event, refuse)
    (head,) = p.stage.record.of("sent")
    assert (head.status, head.header("x-why"), p.stage.record.body("sent_data")) == (403, b"no", b"no")
    assert calls[-5:] == ["on_local_reply", "response_headers", "response_data", "on_log", "on_destroy"]
    assert behind[-5:] == calls[-5:]
    if event == "request_headers":
        assert "request_headers" not in behind
    assert p.stage.log.logged == [(403, "refused", 0)]
    p.stage.close()


def test_a_local_reply_from_the_response_head_takes_its_place() -> None:
    p, calls, _ = perform("response_headers", refuse)
    assert [fact.status for fact in p.stage.record.of("sent")] == [403]
    assert calls[-4:] == ["response_headers", "on_local_reply", "on_log", "on_destroy"]
    assert p.stage.log.logged == [(403, "refused", 0)]
    p.stage.close()


@pytest.mark.parametrize("event", EVENTS[5:])
def test_a_local_reply_behind_the_response_head_cuts_the_stream(event: str) -> None:
    p, _, _ = perform(event, refuse)
    assert [fact.status for fact in p.stage.record.of("sent")] == [200]
    assert p.stage.record.of("reset")
    p.stage.close()


def test_a_second_local_reply_is_ignored() -> None:
    def twice(stream: Any) -> None:
        refuse(stream)
        stream.send_local_reply(500, b"later", details="later")

    p, _, _ = perform("request_headers", twice)
    assert p.stage.log.logged == [(403, "refused", 0)]
    p.stage.close()


def test_a_local_reply_over_a_local_reply_goes_out_past_the_filters() -> None:
    def page(stream: Any) -> None:
        stream.send_local_reply(418, b"page", details="page")

    calls: list[str] = []
    behind: list[str] = []
    p = play([(At, ("response_headers", page, calls)), (At, ("request_headers", refuse, behind))])
    p >> headers() << reply(418, b"page", detail="page")
    assert calls.count("response_headers") == 1
    assert "response_data" not in calls
    assert calls.count("on_local_reply") == 2
    p.end()


def test_a_local_reply_may_come_from_outside_of_callbacks() -> None:
    p = play(At, ("", None, []))
    p >> headers("POST") << forwarded() >> act(refuse) << reply(403, b"no", detail="refused") << upstream_cut()
    p.end()


def test_a_filter_may_change_a_local_reply_before_it_is_sent() -> None:
    class Changes(HttpFilter):
        def on_local_reply(self, stream: Any, reply: LocalReply) -> None:
            reply.status = 429
            reply.body = b"slowly"

    p = play([(Changes, None), (At, ("request_headers", refuse, []))])
    p >> headers() << reply(429, b"slowly", detail="refused")
    p.end()


def test_a_local_reply_may_be_held_by_a_response_filter() -> None:
    class Holds(HttpFilter):
        async def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            await asyncio.sleep(1)
            return CONTINUE

    p = play([(Holds, None), (At, ("request_headers", refuse, []))])
    p >> headers() << held() >> after(1) << reply(403, b"no")
    p.end()


def test_a_reset_while_a_local_reply_is_announced_ends_the_stream_once() -> None:
    def give_up(stream: Any) -> None:
        stream.reset("given_up")

    calls: list[str] = []
    p = play([(At, ("", None, calls)), (At, ("on_local_reply", give_up, [])), (At, ("request_headers", refuse, []))])
    p >> headers() << cut()
    assert calls.count("on_destroy") == 1
    p.end()


# ---- resets, vanished clients, failing upstreams ----


@pytest.mark.parametrize("event", [*EVENTS[:3], *EVENTS[4:]])
def test_a_filter_may_reset_at_every_event(event: str) -> None:
    p, calls, _ = perform(event, lambda stream: stream.reset("given_up", Flag.LOCAL_RESET))
    assert p.stage.record.of("reset")
    assert calls[-2:] == ["on_log", "on_destroy"]
    assert p.stage.log.logged[0][1:] == ("given_up", Flag.LOCAL_RESET)
    p.stage.close()


@pytest.mark.parametrize("count", range(1, len(WHOLE)))
def test_a_client_that_vanishes_ends_the_stream_silently(count: int) -> None:
    calls: list[str] = []
    p = play(At, ("", None, calls))
    for event in WHOLE[:count]:
        p >> event
    p >> reset() << upstream_cut()
    assert calls[-2:] == ["on_log", "on_destroy"]
    assert p.stage.log.logged[0][2] & Flag.DOWNSTREAM_REMOTE_RESET
    p.end()


def test_an_upstream_that_fails_before_its_response_is_answered_and_later_cut() -> None:
    p = play(At, ("", None, []))
    p >> headers() << forwarded() >> upstream_reset() << reply(503)
    p.end()
    p = play(At, ("", None, []))
    p >> headers() << forwarded() >> response(200) << sent(200) >> upstream_reset() << cut()
    p.end()


# ---- failing filters ----


@pytest.mark.parametrize("event", EVENTS)
def test_a_filter_that_raises_ends_its_stream_with_500_or_a_cut(event: str) -> None:
    p, calls, _ = perform(event, explode)
    record = p.stage.record
    if event in EVENTS[:5]:
        assert [fact.status for fact in record.of("sent")] == [500]
        assert p.stage.log.logged[0][:2] == (500, "filter_exception")
    else:
        assert record.of("reset")
    assert calls[-2:] == ["on_log", "on_destroy"]
    assert p.counter("pyvoy.filter_failures") == 1
    p >> headers() << (forwarded() if event != "request_headers" else reply(500))
    p.stage.close()


@pytest.mark.parametrize("event", ["on_log", "on_destroy"])
def test_a_filter_that_raises_at_the_end_harms_nobody(event: str) -> None:
    calls: list[str] = []
    p = play([(At, (event, explode, [])), (At, ("", None, calls))])
    p >> headers() << forwarded() >> response(200, end=True) << sent(200)
    assert calls[-2:] == ["on_log", "on_destroy"]
    assert p.counter("pyvoy.filter_failures") == 1
    p.end()


def test_a_filter_that_cannot_be_made_ends_its_stream_with_500() -> None:
    class Unmakeable(HttpFilter):
        def __init__(self, plan: Any) -> None:
            raise ValueError("on purpose")

    p = play(Unmakeable)
    p >> headers() << reply(500, detail="filter_exception")
    p.end()


def test_an_async_filter_that_raises_ends_its_stream_with_500() -> None:
    class Later(HttpFilter):
        async def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            await asyncio.sleep(1)
            raise ValueError("on purpose")

    p = play(Later)
    p >> headers() << held() >> after(1) << reply(500, detail="filter_exception")
    p.end()


# ---- async ----


def test_an_async_filter_is_cancelled_when_the_client_vanishes() -> None:
    ends: list[str] = []

    class Waits(HttpFilter):
        async def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                ends.append("cancelled")
                raise
            return CONTINUE

        def on_destroy(self, stream: Any) -> None:
            ends.append("destroyed")

    p = play(Waits)
    p >> headers() << held() >> reset() << held()
    assert ends == ["destroyed", "cancelled"]
    assert not p.stage.fakes.services.tasks
    p.end()


def test_an_async_filter_may_answer_itself() -> None:
    class Answers(HttpFilter):
        async def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            await asyncio.sleep(1)
            stream.send_local_reply(401, b"who?", details="unknown")
            return CONTINUE

    p = play(Answers)
    (
        p
        >> headers("POST")
        << held()
        >> data(b"x", end=True)
        << held()
        >> after(1)
        << reply(401, b"who?", detail="unknown")
    )
    p.end()


# ---- time-outs, watermarks, order ----


def test_a_request_that_is_held_for_ever_ends_by_the_idle_timeout() -> None:
    class Holds(HttpFilter):
        def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            return STOP_AND_BUFFER

    p = play(Holds, stream_idle_timeout_s=5.0)
    p >> headers() << held() >> after(4.9) << held()
    p >> after(0.2) << reply(504, detail="stream_idle_timeout", flags="SI")
    p.end()


def test_a_slow_client_pauses_the_upstream() -> None:
    p = play(At, ("", None, []))
    p >> headers() << forwarded() >> response(200) << sent(200) >> high_watermark() << upstream_paused()
    p >> low_watermark() << upstream_resumed()
    p.end()


def test_a_full_buffer_and_a_slow_client_pause_once_and_both_must_let_go() -> None:
    class Holds(HttpFilter):
        def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
            return STOP_AND_WATERMARK

    p = play(Holds, buffer_limit_bytes=2)
    p >> headers() << forwarded() >> response(200) << sent(200) >> response_data(b"123") << upstream_paused()
    p >> high_watermark() << held()
    p >> act(lambda stream: stream.continue_response(stream.filters[0])) << sent_data(b"123")
    p >> low_watermark() << upstream_resumed()
    p.end()


def test_log_and_destroy_come_once_in_chain_order_and_access_logs_in_between() -> None:
    order: list[str] = []

    class Ends(HttpFilter):
        def __init__(self, plan: str) -> None:
            self.name = plan

        def on_log(self, stream: Any) -> None:
            order.append(f"log {self.name}")

        def on_destroy(self, stream: Any) -> None:
            order.append(f"destroy {self.name} after {len(p.stage.log.logged)} lines")

    p = play([(Ends, "a"), (Ends, "b")])
    p >> headers() << forwarded() >> response(200, end=True) << sent(200)
    assert order == ["log a", "log b", "destroy a after 1 lines", "destroy b after 1 lines"]
    p.end()
    assert len(order) == 4


def test_informational_responses_pass_the_filters_and_are_dropped_behind_the_head() -> None:
    calls: list[str] = []
    p = play(At, ("", None, calls))
    p >> headers() << forwarded() >> informational(103, link="x") << sent_informational(103, link="x")
    assert calls[-1] == "response_informational"
    p >> response(200) << sent(200) >> informational(103) << held()
    p >> response_trailers(y="1") << sent_trailers(y="1")
    p.end()


def test_a_whole_response_passes_the_filters_like_its_parts() -> None:
    calls: list[str] = []
    p = play(At, ("", None, calls))
    (
        p
        >> headers()
        << forwarded()
        >> whole_response(200, b"body")
        << sent(200, end=False)
        << sent_data(b"body", end=True)
    )
    assert calls[-4:] == ["response_headers", "response_data", "on_log", "on_destroy"]
    p >> headers() << forwarded() >> whole_response(204) << sent(204, end=True)
    p.end()


def test_a_whole_response_is_refused_by_a_filter_of_its_head() -> None:
    class Refuses(HttpFilter):
        def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            if not stream.local_replied:
                refuse(stream)
            return CONTINUE

    p = play(Refuses)
    p >> headers() << forwarded() >> whole_response(200, b"body") << reply(403, b"no", detail="refused")
    p.end()


def test_data_behind_a_local_reply_goes_nowhere() -> None:
    p = play(At, ("request_headers", refuse, []))
    p >> headers("POST") << reply(403) >> data(b"late", end=True) << held()
    p.end()


def test_an_early_response_is_passed_on_while_the_request_runs() -> None:
    p = play(At, ("", None, []))
    p >> headers("POST") << forwarded() >> response(200) << sent(200) >> data(b"x") << forwarded_data(b"x")
    p >> response_data(b"y", end=True) << sent_data(b"y", end=True)
    assert p.stream.finished
    p.end()


@pytest.mark.parametrize("others", [0, 1])
def test_a_response_whose_status_a_filter_removed_becomes_502(others: int) -> None:
    class Removes(HttpFilter):
        def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            headers.remove(b":status")
            return CONTINUE

    class Holds(HttpFilter):
        async def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            return CONTINUE

    p = play([(Removes, None), *([(Holds, None)] * others)]) >> headers() << forwarded()
    detail = "filter_removed_required_response_headers{missing_required_header:_:status}"
    p >> response(200, end=True) << reply(502, b"missing required header: :status", detail=detail)
    p.end()


# ---- routes ----


class Tells(HttpFilter):
    """Keeps what its stream says of per-route plans."""

    told: list[Any] = []

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        Tells.told.append((stream.route_plan(self), stream.route_plans(self)))
        return CONTINUE


def test_per_route_plans_come_least_specific_first() -> None:
    Tells.told.clear()
    p = Play(Stage(FakeServices(), [FilterSpec("t", Tells, None)], {"t": ("table", "host", "route")}))
    p >> headers() << forwarded()
    assert Tells.told == [("route", ("table", "host", "route"))]
    p.end()
    p = play(Tells)
    p >> headers() << forwarded()
    assert Tells.told[1] == (None, ())
    p.end()


def test_without_a_route_there_are_no_plans() -> None:
    Tells.told.clear()
    p = play(Tells)
    p.stage.routes.route = None
    p >> headers() << forwarded()
    assert Tells.told == [(None, ())]
    p.end()


def test_a_route_switches_a_filter_off() -> None:
    calls: list[str] = []
    p = play([(At, ("", None, calls)), (Tells, None)])
    p.stage.route.disabled_filters = frozenset({"At-0"})
    p >> headers() << forwarded()
    assert calls == []
    p.end()


def test_clearing_the_route_cache_matches_anew() -> None:
    p = play([(At, ("request_headers", lambda stream: stream.clear_route_cache(), [])), (Tells, None)])
    p >> headers() << forwarded()
    assert p.stage.routes.asked == 2
    p.end()
