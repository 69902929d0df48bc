"""What a light stream does not answer itself, the full stream that it becomes does (see `light_stream`).

By descriptors and not by `__getattr__`, which would make every look-up on a light stream five times as dear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.filtered_stream import FilteredStream
from pyvoy.http.light_view import LightView
from pyvoy.http.stream import HttpStream

if TYPE_CHECKING:
    from pyvoy.http.light_stream import LightStream

_MADE_BY_INIT = ("request_buffer_limit_bytes", "response_buffer_limit_bytes")
"""Facts of a full stream that its class does not tell of."""


class _Kept:
    """A fact of the full stream with a default: reading it needs no full stream, setting it does."""

    def __init__(self, name: str, default: Any) -> None:
        self._name = name
        self._default = default

    def __get__(self, light: LightStream, _owner: type) -> Any:
        full = light.promoted
        return self._default if full is None else getattr(full, self._name)

    def __set__(self, light: LightStream, value: Any) -> None:
        setattr(light.full(), self._name, value)


class _Forwarded:
    """A method or another fact of the full stream, which is made for it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, light: LightStream, _owner: type) -> Any:
        return getattr(light.full(), self._name)

    def __set__(self, light: LightStream, value: Any) -> None:
        setattr(light.full(), self._name, value)


def forward_to_full(cls: type[LightStream]) -> None:
    """Give the class everything public of a full stream that is not its own."""
    defaults = vars(FilteredStream)
    for name in {*dir(HttpStream), *_MADE_BY_INIT}:
        if name[0] == "_" or name in vars(cls) or name in vars(LightView):
            continue
        kept = name in defaults and not callable(defaults[name]) and not isinstance(defaults[name], property)
        setattr(cls, name, _Kept(name, defaults[name]) if kept else _Forwarded(name))
