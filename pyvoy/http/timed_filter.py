"""A filter's class with its callbacks wrapped: how traces (`traced_chain`) and histograms (`filter_timing`) time them.

The wrapped class stands in for the filter's own in a chain that is made for this; other chains never see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyvoy.http.chain import VERDICT_EVENTS, Dress, FilterSpec
from pyvoy.http.http_filter import HttpFilter

OBSERVER = "pyvoy.trace"
"""Filters whose names begin so only observe, for traces."""
_NOTICES = ("response_informational", "on_local_reply", "on_log", "on_destroy")

Method = Callable[..., Any]
Wrap = Callable[[Method, str], Method]
"""Makes the method that takes an event in place of the filter's own."""


def wrapped_spec(spec: FilterSpec, wrap: Dress) -> FilterSpec:
    """The filter with its class wrapped, and those that stand in its place on some routes likewise."""
    in_place = spec.in_place
    if in_place is None:
        return replace(spec, cls=wrap(spec.cls))
    return replace(spec, cls=wrap(spec.cls), in_place=lambda cls: wrap(in_place(cls)))


def wrapped(cls: type[HttpFilter], wrap: Wrap, **more: Any) -> type[HttpFilter]:
    """A class whose callbacks are what `wrap` makes of those of `cls`; `more` are further members.

    Each stream has an instance of its own, also of a filter without a state."""
    members: dict[str, Any] = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    for event in VERDICT_EVENTS:
        method = getattr(cls, event, None)
        if method is not None:
            members[event] = wrap(method, event)
    if cls.stateless:
        members["stateless"] = False
    members |= more
    if "__new__" in cls.__dict__:  # makes instances of another class: those are wrapped as they are called
        notices = {name: getattr(cls, name) for name in _NOTICES if hasattr(cls, name)}
        make: Any = cls.__new__
        return type(cls.__name__, (HttpFilter,), {**notices, **members, "__new__": lambda _, plan: make(cls, plan)})
    return type(cls.__name__, (cls,), members)
