"""What an authorization server has said, whatever it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import Stream


class Outcome(Enum):
    """The request may go on, may not, or nobody knows."""

    OK = "ok"
    DENIED = "denied"
    ERROR = "error"


class How(Enum):
    """How a header is written."""

    SET = "set"
    ADD = "add"
    ADD_IF_THERE = "add if there"
    JOIN_IF_THERE = "join if there"
    ADD_IF_ABSENT = "add if absent"
    SET_IF_THERE = "set if there"


Change = tuple[bytes, bytes, How]


def apply(changes: Sequence[Change], headers: HeaderMap) -> None:
    """Write headers."""
    for name, value, how in changes:
        there = name in headers.map
        if how is How.SET or (how is How.SET_IF_THERE and there):
            headers.set(name, value)
        elif how is How.ADD or (how is How.ADD_IF_ABSENT and not there) or (how is How.ADD_IF_THERE and there):
            headers.add(name, value)
        elif how is How.JOIN_IF_THERE and there:
            headers.append_value(name, value)


@dataclass(slots=True, frozen=True)
class Answer:
    """One answer.  `status`, `body` and `client_headers` are for the client of a request that may not go on; the others
    change a request that may, and the response to it."""

    outcome: Outcome
    status: int = 0
    body: bytes = b""
    client_headers: tuple[Pair, ...] = ()
    changes: tuple[Change, ...] = ()
    to_remove: tuple[bytes, ...] = ()
    query_to_set: tuple[Pair, ...] = ()
    query_to_remove: tuple[bytes, ...] = ()
    response_changes: tuple[Change, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Question:
    """What is asked about.  `partial` is None where no body is shown, else whether it is cut; `context` are the
    route's context_extensions."""

    stream: Stream
    headers: HeaderMap
    body: bytes
    partial: bool | None
    context: Mapping[str, str]


class Client(Protocol):
    """Asks a server."""

    async def check(self, question: Question) -> Answer:
        """The answer; an ERROR when there is none."""


ERROR = Answer(Outcome.ERROR)
