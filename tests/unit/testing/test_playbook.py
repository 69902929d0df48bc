"""Playbooks: what passes, what a failed one says, and the kinds of configuration it takes."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.buffer import Buffer
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Verdict
from pyvoy.testing.playbook import (
    after,
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    play,
    reply,
    response,
    sent,
    whole_response,
)


class Pass(HttpFilter):
    """Does nothing."""


class Hold(HttpFilter):
    """Holds heads for a second."""

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        stream.services.timers.call_later(1.0, lambda: stream.continue_request(self))
        return STOP


def test_events_and_what_they_lead_to() -> None:
    p = (
        play(Hold)
        >> headers(x_a="1")
        << held()
        >> after(0.999)
        << held()
        >> after(0.001)
        << forwarded("/", x_a="1", x_b=None)
    )
    p >> response(204, end=True) << sent(204, end=True)
    p.end()


@pytest.mark.parametrize(
    ("expectation", "complaint"),
    [
        (held(), "not held: forwarded"),
        (sent(200), "forwarded happened, not sent"),
        (forwarded("/other"), ":path is"),
        (forwarded(x_a="2"), "x-a is"),
        (forwarded(x_a=None), "x-a is there"),
        (forwarded(end=False), "ended here"),
        (reply(403), "forwarded happened, not sent"),
    ],
)
def test_what_differs_is_said_with_the_conversation(expectation: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint) as error:
        play(Pass) >> headers(x_a="1") << expectation
    assert ">> headers(GET / end)" in str(error.value)
    assert "forwarded :method=GET" in str(error.value)


def test_more_than_expected_is_a_failure_once_anything_is_expected() -> None:
    with pytest.raises(AssertionError, match="more happened: sent_data"):
        play(Pass) >> headers() >> whole_response(200, b"x") << sent(200) >> headers()


def test_events_without_expectations_are_not_looked_at() -> None:
    p = play(Pass) >> headers("POST") >> data(b"x") >> data(b"y", end=True) << forwarded_data(b"y", end=True)
    p.end()


def test_details_and_flags_of_replies_are_compared() -> None:
    with pytest.raises(AssertionError, match="details are 'request_payload_too_large', not 'other'"):
        play(Buffer, "max_request_bytes: 1") >> headers("POST") >> data(b"xx") << reply(413, detail="other")


def test_configuration_is_checked_as_in_a_bootstrap() -> None:
    with pytest.raises(ConfigErrors, match="max_request_byte"):
        play(Buffer, "max_request_byte: 1")
    with pytest.raises(ConfigErrors, match="max_request_bytes"):
        play(Buffer, "{}")


def test_a_chain_of_several() -> None:
    p = play([(Hold, None), (Buffer, "max_request_bytes: 1"), (Hold, None)])
    p >> headers() << held() >> after(1) << held() >> after(1) << forwarded()
    assert p.stage.plan.chain.names == ("Hold-0", "envoy.filters.http.buffer", "Hold-2", "pyvoy.testing.upstream")
    p.stage.close()


class PerRoute(HttpFilter):
    """Not registered: plans are what the test gives."""

    def __init__(self, plan: Any) -> None:
        self.plan = plan

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        headers.set(b"x-plan", str(self.plan).encode())
        return CONTINUE


def test_a_filter_of_a_test_takes_its_plan_as_it_is() -> None:
    p = play(PerRoute, 7) >> headers() << forwarded(x_plan="7")
    p.stage.close()
