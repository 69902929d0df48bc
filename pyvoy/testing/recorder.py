"""The record of a conversation: what left the proxy, in order, as plain facts that can be compared and printed."""

from __future__ import annotations

from dataclasses import dataclass

from pyvoy.http.headers import HeaderMap, Pair


@dataclass(slots=True, frozen=True)
class Fact:
    """One thing that happened at an edge: `kind` says what, the rest what it carried."""

    kind: str
    headers: tuple[Pair, ...] = ()
    data: bytes = b""
    end: bool = False

    @property
    def status(self) -> int:
        """The response status of `sent` and `informational`, 0 for others."""
        return int(dict(self.headers).get(b":status", b"0"))

    def header(self, name: str) -> bytes | None:
        """The first value of a header."""
        return dict(reversed(self.headers)).get(name.lower().encode())

    def __str__(self) -> str:
        parts = [self.kind]
        if self.headers:
            parts.append(
                ", ".join(f"{name.decode('latin-1')}={value.decode('latin-1')}" for name, value in self.headers)
            )
        if self.data:
            parts.append(repr(self.data if len(self.data) <= 60 else self.data[:57] + b"..."))
        if self.end:
            parts.append("end")
        return " ".join(parts)


class Record:
    """Facts in the order they happened; `taken` of them have been looked at."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.taken = 0

    def note(self, kind: str, *, headers: HeaderMap | None = None, data: bytes = b"", end: bool = False) -> None:
        """Add a fact; headers are copied as they are now."""
        pairs = () if headers is None else tuple(headers.items())
        self.facts.append(Fact(kind, pairs, data, end))

    def rest(self) -> list[Fact]:
        """What has not been looked at."""
        return self.facts[self.taken :]

    def take(self) -> Fact | None:
        """The next fact that has not been looked at, or None."""
        if self.taken >= len(self.facts):
            return None
        fact = self.facts[self.taken]
        self.taken += 1
        return fact

    def skip(self) -> None:
        """Look at nothing of what happened so far."""
        self.taken = len(self.facts)

    def of(self, *kinds: str) -> list[Fact]:
        """All facts of these kinds."""
        return [fact for fact in self.facts if fact.kind in kinds]

    def body(self, kind: str) -> bytes:
        """The data of all facts of one kind, joined: `forwarded_data` or `sent_data`."""
        return b"".join([fact.data for fact in self.facts if fact.kind == kind])

    def text(self) -> str:
        """One line each."""
        return "\n".join(f"  {fact}" for fact in self.facts) or "  (nothing)"
