"""What the proxy writes into a response head, as on the running Envoy 1.40."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.response_rules import ResponseRulesPlan, ServerHeader, compile_response_rules


class Stream:
    """The part of a stream that the rules read."""

    def __init__(self, *pairs: Pair) -> None:
        self.request_headers = HeaderMap(pairs)


def sent(pairs: list[Pair], request: list[Pair], **plan: Any) -> list[Pair]:
    headers = HeaderMap([(b":status", b"200"), *pairs])
    compile_response_rules(ResponseRulesPlan(**plan), lambda: b"now")(headers, Stream(*request))
    return list(headers)[1:]


DATE = (b"date", b"now")
SERVER = (b"server", b"envoy")


@pytest.mark.parametrize(
    ("pairs", "request_pairs", "plan", "expected"),
    [
        ([], [], {}, [DATE, SERVER]),
        ([(b"date", b"then"), (b"server", b"zz")], [], {}, [(b"date", b"then"), SERVER]),
        ([(b"server", b"zz")], [], {"server_header": ServerHeader.APPEND_IF_ABSENT}, [(b"server", b"zz"), DATE]),
        ([], [], {"server_header": ServerHeader.PASS_THROUGH}, [DATE]),
        ([], [], {"via": b"v1"}, [DATE, SERVER, (b"via", b"v1")]),
        ([(b"via", b"y")], [], {"via": b"v1"}, [(b"via", b"y, v1"), DATE, SERVER]),
        (
            [(b"connection", b"x"), (b"x", b"1"), (b"keep-alive", b"4")],
            [],
            {},
            [(b"x", b"1"), (b"keep-alive", b"4"), DATE, SERVER],
        ),
        ([], [(b"x-request-id", b"id")], {}, [DATE, SERVER]),
        ([], [(b"x-request-id", b"id")], {"always_set_request_id": True}, [DATE, SERVER, (b"x-request-id", b"id")]),
        (
            [],
            [(b"x-request-id", b"id"), (b"x-envoy-force-trace", b"1")],
            {},
            [DATE, SERVER, (b"x-request-id", b"id")],
        ),
    ],
)
def test_response_head(
    pairs: list[Pair], request_pairs: list[Pair], plan: dict[str, Any], expected: list[Pair]
) -> None:
    assert sent(pairs, request_pairs, **plan) == expected
