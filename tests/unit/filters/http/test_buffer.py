"""The buffer filter: whole requests, the limit, content-length, and routes."""

from __future__ import annotations

from pyvoy.filters.http.buffer import Buffer
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    play,
    reply,
    trailers,
)

LIMIT = "max_request_bytes: 4"


def test_a_body_over_the_limit_is_answered_413() -> None:
    p = play(Buffer, LIMIT) >> headers("POST", "/", content_length=None) << held()
    p >> data(b"hello") << reply(413, b"Payload Too Large", detail="request_payload_too_large")
    p.end()


def test_a_whole_body_over_the_limit_is_answered_413() -> None:
    p = play(Buffer, LIMIT) >> headers("POST") << held() >> data(b"hello", end=True) << reply(413)
    p.end()


def test_a_request_without_length_gets_one() -> None:
    p = play(Buffer, LIMIT) >> headers("POST") << held() >> data(b"he") << held()
    p >> data(b"y", end=True) << forwarded(content_length=3) << forwarded_data(b"hey", end=True)
    p.end()


def test_a_length_that_is_there_stays() -> None:
    p = play(Buffer, LIMIT) >> headers("POST", content_length="3") << held()
    p >> data(b"hey", end=True) << forwarded(content_length=3) << forwarded_data(b"hey", end=True)
    p.end()


def test_trailers_end_the_body() -> None:
    p = play(Buffer, LIMIT) >> headers("POST") << held() >> data(b"hey") << held()
    p >> trailers(x="1") << forwarded(content_length=3) << forwarded_data(b"hey") << forwarded_trailers(x="1")
    p.end()


def test_requests_without_body_pass() -> None:
    p = play(Buffer, LIMIT) >> headers() << forwarded(end=True)
    p.end()


def test_a_route_has_its_own_limit() -> None:
    p = play(Buffer, LIMIT, route="buffer: {max_request_bytes: 8}") >> headers("POST") << held()
    p >> data(b"12345678") << held() >> data(b"9") << reply(413)
    p.end()


def test_a_route_may_switch_it_off() -> None:
    p = play(Buffer, LIMIT, route="disabled: true") >> headers("POST") << forwarded() >> data(b"12345")
    p << forwarded_data(b"12345")
    p.end()


def test_contract() -> None:
    check_http_filter(Buffer, "max_request_bytes: 65536")
    check_http_filter(Buffer, LIMIT)
