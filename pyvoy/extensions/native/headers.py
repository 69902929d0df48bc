"""Headers as text, for filters of the upper level: a view of the stream's own header map, not a copy.

Names are lower-case on the wire and compared without regard to case here; values are latin-1, as everywhere in HTTP/1.
Pseudo headers (`:path`, ...) are there by name and are left out when one walks over the headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping

from pyvoy.extensions.header_check import valid_in_line, valid_name, valid_value
from pyvoy.http.headers import HeaderMap


class Headers(MutableMapping[str, str]):
    """`headers["x-a"]` is all values joined by a comma; setting replaces them all.  `raw` is the map of bytes below.

    Setting raises ValueError for what cannot stand in a message."""

    __slots__ = ("raw",)

    def __init__(self, raw: HeaderMap) -> None:
        self.raw = raw

    def __getitem__(self, name: str) -> str:
        value = self.raw.joined(name.lower().encode("latin-1"))
        if value is None:
            raise KeyError(name)
        return value.decode("latin-1")

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """All values joined by a comma, or the default."""
        value = self.raw.joined(name.lower().encode("latin-1"))
        return default if value is None else value.decode("latin-1")

    def __setitem__(self, name: str, value: str) -> None:
        self.raw.set(*checked(name, value))

    def __delitem__(self, name: str) -> None:
        if not self.raw.remove(name.lower().encode("latin-1")):
            raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower().encode("latin-1") in self.raw.map

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode("latin-1") for name in self.raw.map if name[:1] != b":"])

    def __len__(self) -> int:
        return sum(1 for name in self.raw.map if name[:1] != b":")

    def add(self, name: str, value: str) -> None:
        """Append a value and keep the others."""
        self.raw.add(*checked(name, value))

    def get_all(self, name: str) -> list[str]:
        """Every value in order; empty when there is none."""
        return [value.decode("latin-1") for value in self.raw.get_all(name.lower().encode("latin-1"))]

    def remove(self, name: str) -> None:
        """Remove every value; a name that is not there is no error."""
        self.raw.remove(name.lower().encode("latin-1"))

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


HeaderInput = Mapping[str, str | list[str]] | Iterable[tuple[str, str]]


def checked(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as bytes.  Raises ValueError for what cannot stand in a message, TypeError for what is no text."""
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"a header is two texts, not {name!r}: {value!r}")
    raw_name, raw_value = name.lower().encode("latin-1"), value.encode("latin-1", "strict")
    if not valid_name(raw_name):
        raise ValueError(f"{name!r} is no header name")
    if not valid_value(raw_value) or (raw_name[:1] == b":" and not valid_in_line(raw_value)):
        raise ValueError(f"{value!r} cannot be the value of {name if raw_name[:1] == b':' else 'a header'}")
    return raw_name, raw_value


def pairs(headers: HeaderInput | None) -> list[tuple[bytes, bytes]]:
    """Headers that a filter gives, as pairs of bytes; a list in a mapping gives the name several times."""
    if headers is None:
        return []
    found: list[tuple[bytes, bytes]] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        for one in value if isinstance(value, list) else [value]:
            found.append(checked(name, one))
    return found
