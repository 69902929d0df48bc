"""What a configured Lua filter is, and what a route says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.http.http_filter import HttpFilter

if TYPE_CHECKING:
    from pyvoy.extensions.failure import Failures
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.lua.options import LuaOptions
    from pyvoy.extensions.lua.script import LuaScript
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.tally import Tally

NO_CONTEXT: Mapping[str, Any] = {}


class ScriptFailure(Exception):
    """A script has raised; the traceback is Lua's."""

    def __init__(self, text: str, traceback: str) -> None:
        super().__init__(f"{text}\n{traceback}" if traceback else text)


@dataclass(slots=True, eq=False)
class LuaPlan:
    """One configured filter: its default script, those with names, and where it counts.

    `tally` counts executions too, and is None where no stream comes; `failures` is None where a failure leaves the
    stream alone, as in Envoy.  `filter_class` has just the events that the scripts need; `scripts` are those that a
    failure loads anew, those of routes included."""

    default: LuaScript | None
    named: Mapping[str, LuaScript]
    clear_route_cache: bool
    host: Host
    executions: Counter
    errors: Counter
    options: LuaOptions
    failures: Failures | None
    tally: Tally | None = None
    filter_class: type[HttpFilter] = HttpFilter
    scripts: list[LuaScript] = field(default_factory=list)

    def bind_route(self, plan: LuaRoutePlan) -> None:
        """A route has a configuration for this filter."""
        if plan.script is not None:
            self.scripts.append(plan.script)


@dataclass(slots=True, frozen=True, eq=False)
class LuaRoutePlan:
    """What a route says: no script, one by name, one of its own; and the context that scripts can read."""

    disabled: bool
    name: str
    script: LuaScript | None
    context: Mapping[str, Any]
