"""What a scripted peer does, client or upstream: bytes are sent, the other steps are here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Read until this text has arrived (anywhere in what was received so far), or the other side ended."""

    text: bytes
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Answers:
    """Client only: read until so many final responses are complete, or the other side ended."""

    count: int
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class UntilEnd:
    """Read until the other side ended its sending direction."""

    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Drip:
    """Send byte by byte (or `size` by `size`), each in its own segment."""

    data: bytes
    size: int = 1
    pause_s: float = 0.001


@dataclass(frozen=True, slots=True)
class Fin:
    """Half-close: end our sending direction."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket in an orderly way."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Close the socket with a RST."""


Step = bytes | Wait | Until | Answers | UntilEnd | Drip | Fin | Close | Reset
