"""Message heads that come again and again, and the header maps that stand for one of them until somebody looks inside.

A `KnownHead` keeps whatever has been made of a head: its bytes on the wire, its text for a module, and the heads that
changes lead to which scripts and modules make in one piece (`header_changes`).  One header (the service time of a
response, the id of a request) differs from message to message: all of it is cut where that one's value stands.
A `KnownHeaders` is one message's map: a known head and that value.  Filters that make such changes never look inside;
for any other reader it becomes an ordinary `HeaderMap` at the first touch.  Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyvoy.http.headers import HeaderMap, header_map

MARK = b"\0"
"""Stands for what varies; no header can hold it."""

_STEERING = (
    b":method",
    b":path",
    b":authority",
    b":scheme",
    b":protocol",
    b":status",
    b"content-length",
    b"transfer-encoding",
    b"x-forwarded-proto",
)
"""Changes of these are more than other bytes on the wire: they are made the ordinary way."""
_MOST = 4


class Changes(Protocol):
    """What `header_changes` offers."""

    def apply(self, headers: HeaderMap) -> None:
        """Make them."""


class KnownHead:
    """One head, with MARK as the value of `varying`, a name that it has once.  Shared by all its messages.

    `values` and `pairs` are those of a header map, `count` is how many headers it has.  `led` tells what changes have
    led to, by their bytes; None for those that are to be made the ordinary way."""

    __slots__ = (
        "_candidate",
        "before",
        "behind",
        "changed",
        "count",
        "encoded_for",
        "led",
        "outcome",
        "pairs",
        "shown",
        "shown_end",
        "values",
        "varying",
    )

    def __init__(self, headers: HeaderMap, varying: bytes, *, changed: bool = False) -> None:
        """`headers` belong to this object from now on; `changed` says that they are what changes have led to."""
        self.values = headers.map
        self.pairs = headers.pairs
        self.count = len(headers)
        self.varying = varying
        self.changed = changed
        self.before = self.behind = b""
        """The bytes on the wire around the value that varies, once encoded."""
        self.encoded_for: object = None
        """What `encode` was told last."""
        self.outcome: KnownHead | None = None
        """What the router makes of it, for whoever keeps that here."""
        self.shown: dict[int, bytes] = {}
        """With `shown_end`, what the mirrors of modules keep here, by the size of the value that varies."""
        self.shown_end = b""
        self.led: dict[bytes, KnownHead | None] = {}
        self._candidate = b""

    def encode(self, encoder: Callable[[HeaderMap], bytes], encoded_for: object) -> None:
        """Make the bytes on the wire."""
        self.before, _, self.behind = encoder(self.headers()).partition(MARK)
        self.encoded_for = encoded_for

    def headers(self) -> HeaderMap:
        """A map of one's own with this head, MARK included."""
        headers = header_map(self.values.copy())
        headers.pairs = None if self.pairs is None else self.pairs.copy()
        return headers

    def text(self) -> tuple[bytes, bytes]:
        """Names and values with a NUL behind each, cut where the value stands that varies."""
        pairs = list(self.values.items()) if self.pairs is None else self.pairs
        words = [word + b"\0" for pair in pairs for word in pair]
        at = 2 * pairs.index((self.varying, MARK)) + 1
        return b"".join(words[:at]), b"\0" + b"".join(words[at + 1 :])

    def learn(self, text: bytes, changes: Changes) -> KnownHead | None:
        """Where these changes, whose bytes are `text`, lead; None where they are to be made the ordinary way, as they
        are the first time: what comes twice on end is worth remembering."""
        if text in self.led or text != self._candidate:
            self._candidate = text
            return self.led.get(text)
        if len(self.led) >= _MOST:
            self.led.clear()
        headers = self.headers()
        changes.apply(headers)
        before, after, varying = self.values, headers.map, self.varying
        ordinary = all(before.get(name) == after.get(name) for name in (*_STEERING, varying))
        found = self.led[text] = KnownHead(headers, varying, changed=True) if ordinary else None
        return found


class _Inside:
    """An attribute of the ordinary map, which the first touch makes."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, headers: KnownHeaders, owner: type) -> Any:
        headers.open()
        return getattr(headers, self._name)

    def __set__(self, headers: KnownHeaders, value: Any) -> None:
        headers.open()
        setattr(headers, self._name, value)


class KnownHeaders(HeaderMap):
    """The headers of one message with a known head, as long as nobody looks inside."""

    __slots__ = ()

    map: dict[bytes, bytes] = _Inside("map")  # type: ignore[assignment]
    pairs: Any = _Inside("pairs")
    generation: int = _Inside("generation")  # type: ignore[assignment]

    def open(self) -> None:
        """Become an ordinary map."""
        head, value = self.head, self.value
        varying = head.varying
        self.__class__ = HeaderMap  # type: ignore[assignment]  # its layout is this one's
        values = self.map = head.values.copy()
        values[varying] = value
        pairs = head.pairs
        self.pairs = None if pairs is None else [(varying, value) if pair[1] is MARK else pair for pair in pairs]
        self.generation = int(head.changed)

    def get(self, name: bytes) -> bytes | None:
        """The value of `name`, or None."""
        value = self.head.values.get(name)
        return self.value if value is MARK else value

    def joined(self, name: bytes) -> bytes | None:
        """All values of `name` joined with a comma, or None."""
        return self.get(name) if self.head.pairs is None else HeaderMap.joined(self, name)

    def __contains__(self, name: bytes) -> bool:
        return name in self.head.values

    def __len__(self) -> int:
        return self.head.count


_new = KnownHeaders.__new__


def known_headers(head: KnownHead, value: bytes) -> KnownHeaders:
    """The map of a message with this head, in which `value` stands for what varies."""
    made = _new(KnownHeaders)
    made.head = head
    made.value = value
    return made


def make_changes(headers: HeaderMap, text: bytes, changes: Changes) -> None:
    """Make changes whose bytes are `text`: known ones by going over to the head that they lead to."""
    if type(headers) is KnownHeaders:
        head = headers.head.led.get(text) or headers.head.learn(text, changes)
        if head is not None:
            headers.head = head
            return
    changes.apply(headers)
