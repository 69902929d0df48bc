"""Python HTTP filters: the plan of the filter and of what a route says of it.

A route either configures the filter or has one with code of its own in its place.
Source of the behaviour per route: as Envoy's filters, the most specific configuration wins and replaces the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.extensions.failure import FailurePolicy
from pyvoy.extensions.native.compile import ClassError, compile_filter
from pyvoy.extensions.native.configuring import build_config, from_mapping
from pyvoy.extensions.native.dispatch import dispatching
from pyvoy.extensions.native.filters import StreamFilter
from pyvoy.extensions.native.load import LoadError
from pyvoy.extensions.native.plan import Compile, PythonPlan, build_plan, complete, struct_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyvoy.config.context import Context
    from pyvoy.http.chain import Dress
    from pyvoy.http.http_filter import HttpFilter


class HttpPlan:
    """What the chain makes filters from: `filter_class`, and the plan behind it; the listener's or a route's own.

    `in_place` says that there are routes with a filter of their own in the place of this one."""

    __slots__ = ("filter_class", "in_place", "python")

    def __init__(self, python: PythonPlan) -> None:
        self.python = python
        self.in_place: Dress | None = None
        policy = python.failures.policy
        self.filter_class: type[HttpFilter] = python.cls
        if policy is FailurePolicy.RELOAD:
            self.filter_class = dispatching(python.cls, lambda: python.cls)

    def bind_route(self, route: RoutePlan | HttpPlan) -> None:
        """Check a route's configuration against what this filter wants; a filter of the route's own wants nothing."""
        if type(route) is HttpPlan:
            self.in_place = _as_it_is
            return
        assert type(route) is RoutePlan
        wanted = self.python.config_class
        route.configs[wanted] = build_config(wanted, route.values, route.context)


def _as_it_is(cls: type[HttpFilter]) -> type[HttpFilter]:
    return cls


class RoutePlan:
    """What a route says about a Python filter; checked when the filter of that name is known."""

    __slots__ = ("configs", "context", "values")

    def __init__(self, values: Mapping[str, Any], context: Context) -> None:
        self.values = values
        self.context = context
        self.configs: dict[type | None, Any] = {}

    def config_for(self, wanted: type | None) -> Any:
        """The configuration as a filter's dataclass; made when it is first asked for by a class that was loaded anew.

        Raises ValueError when the new class wants something else."""
        if wanted not in self.configs:
            problems: list[str] = []
            config = self.values
            if wanted is not None:
                config = from_mapping(wanted, self.values, "config", lambda path, text, _: problems.append(text))
            if problems:
                raise ValueError(f"a route's configuration does not fit any more: {'; '.join(problems)}")
            self.configs[wanted] = config
        return self.configs[wanted]


def build(message: Any, context: Context) -> HttpPlan | None:
    """The plan of a pyvoy.filters.http.python.v1.Python message; None after a problem."""
    return _build(message, context, _compiler(routes=_has_routes(context)))


def build_on_route(message: Any, context: Context) -> HttpPlan | None:
    """The plan of the same message on a route; None after a problem."""
    return _build(message, context, _compiler(routes=False))


def _build(message: Any, context: Context, compile_: Compile) -> HttpPlan | None:
    plan = build_plan(message, context, StreamFilter, compile_, context.scope)
    return None if plan is None else HttpPlan(plan)


def plan_of_class(cls: type, config: Mapping[str, Any], policy: FailurePolicy, context: Context) -> HttpPlan | None:
    """The plan of a class that is there already (tests); None after a problem."""
    plan = PythonPlan(lambda: cls, _compiler(routes=_has_routes(context)))
    return HttpPlan(plan) if complete(plan, config, policy, "", context, context.scope) else None


def _has_routes(context: Context) -> bool:
    return any(isinstance(plan, RoutePlan) for _, plan in context.env.route_plans)


def _compiler(*, routes: bool) -> Compile:
    """`routes`: some route has a configuration for the filter."""

    def compile_(plan: PythonPlan) -> type:
        try:
            return compile_filter(
                plan.user_class,
                host=plan.host,
                place=plan.place,
                config=plan.config,
                config_class=plan.config_class,
                failures=plan.failures,
                routes=routes,
                bypass=plan.failures.policy is FailurePolicy.OPEN,
            )
        except ClassError as error:
            raise LoadError(str(error)) from error

    return compile_


def build_route(message: Any, context: Context) -> RoutePlan:
    """The plan of a PythonPerRoute message."""
    return RoutePlan(struct_values(message, "config"), context)
