"""Python network (L4) filters: what users write, and how it becomes the class that the connection runs.

A coroutine is run at once; if it waits, what comes meanwhile in its direction is worked off behind it, in order: see
`work.py`.  The two directions do not wait for each other.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.failure import FailurePolicy, Failures
from pyvoy.extensions.native.class_check import what_is_wrong
from pyvoy.extensions.native.extension import Extension
from pyvoy.extensions.native.load import LoadError
from pyvoy.extensions.native.plan import PythonPlan, build_plan
from pyvoy.extensions.native.work import ReadWork, Work, WriteWork
from pyvoy.http.eager import Rest, begin
from pyvoy.network import network_filter
from pyvoy.network.network_filter import Connection, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.native.grpc_stream import GrpcStream

Handler = Callable[..., Any]

CONTINUE, STOP, TAKEN = NetworkVerdict.CONTINUE, NetworkVerdict.STOP, NetworkVerdict.TAKEN

_HOOKS = {
    "on_new_connection": "on_new_connection",
    "on_downstream_data": "on_data",
    "on_upstream_data": "on_write",
    "on_close": "on_close",
    "on_log": "on_log",
}
_ARGUMENTS = {
    "on_new_connection": "connection",
    "on_downstream_data": "connection, data, end",
    "on_upstream_data": "connection, data, end",
    "on_close": "connection",
    "on_log": "connection",
}
_MAY_WAIT = ("on_new_connection", "on_downstream_data", "on_upstream_data")


class NetworkFilter(Extension, network_filter.NetworkFilter):
    """A network filter in Python.  One instance per connection, made without arguments.

    Methods, all optional; `connection` is the interface `pyvoy.network.network_filter.Connection`:

    on_new_connection(connection)               before any data
    on_downstream_data(connection, data, end)   bytes from the client; `end` is its half-close
    on_upstream_data(connection, data, end)     bytes to the client
    on_close(connection)                        once, when the connection is gone
    on_log(connection)                          last

    The first three may be `async def`.  A data method answers nothing to hand the data on, or the bytes to hand on
    instead (b"" for none); what it keeps it sends later by `send_upstream` and `send_downstream`.  `connection.close()`
    ends the connection.  A class with `terminal = True` is the last filter and answers by `connection.write`.
    """

    work: ReadWork
    write_work: WriteWork
    bypassed: bool = False
    """The filter has failed on this connection and is left out from then on (failure_policy FAIL_OPEN)."""

    def __init__(self) -> None:
        """Filters may keep what they need for one connection."""

    def _bind(self, call: GrpcStream) -> None:
        self.work.tie(call)

    def send_upstream(self, connection: Connection, data: bytes) -> None:
        """Hand bytes to the filters behind this one."""
        runner = connection.runner  # type: ignore[attr-defined]  # the connection's own room
        if runner is not None:
            runner.inject(self, data, end=False)

    def send_downstream(self, connection: Connection, data: bytes) -> None:
        """Send bytes to the client, past this filter."""
        runner = connection.runner  # type: ignore[attr-defined]
        if runner is not None:
            runner.inject_write(self, data)


class NetworkPlan:
    """What the connection makes filters from."""

    __slots__ = ("filter_class", "python")

    def __init__(self, python: PythonPlan) -> None:
        self.python = python
        self.filter_class: type = python.cls
        if python.failures.policy is FailurePolicy.RELOAD:
            self.filter_class = _current(python)


def build(message: Any, context: Context) -> NetworkPlan | None:
    """The plan of a pyvoy.filters.network.python.v1.Python message; None after a problem."""
    plan = build_plan(message, context, NetworkFilter, compile_network_filter, context.root_scope.scope("network"))
    return None if plan is None else NetworkPlan(plan)


def compile_network_filter(plan: PythonPlan) -> type:
    """The class that the connection runs.  Raises LoadError."""
    cls = plan.user_class
    mistake = what_is_wrong(cls, _ARGUMENTS, ("on_load",))
    if mistake:
        raise LoadError(mistake)
    names: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "host": plan.host,
        "place": plan.place,
        "config": plan.config,
        "failures": plan.failures,
        "__init__": _maker(cls),
    }
    hooks = {hook: getattr(cls, hook) for hook in _HOOKS if hasattr(cls, hook)}
    if not hooks:
        raise LoadError(f"{cls.__name__} defines no event ({', '.join(_HOOKS)})")
    waits = [hook for hook, method in hooks.items() if inspect.iscoroutinefunction(method)]
    wrong = [hook for hook in waits if hook not in _MAY_WAIT]
    if wrong:
        raise LoadError(f"{cls.__name__}.{wrong[0]} cannot be async: nobody would wait for it")
    for hook, method in hooks.items():
        names[_HOOKS[hook]] = _guarded(hook, method, plan.failures, waits=bool(waits))
    broken = cls.__init__ is not NetworkFilter.__init__  # type: ignore[misc]
    if waits or broken:
        names["on_new_connection"] = _first(names.get("on_new_connection"), plan.failures)
    names["on_close"] = _last(names.get("on_close"))
    return type(cls.__name__, (cls,), names)


def _maker(cls: type) -> Handler:
    """`__init__` as the connection calls it."""
    user_init: Any = cls.__init__  # type: ignore[misc]

    def init(self: Any, plan: Any) -> None:
        self.broken = None
        self.work = ReadWork()
        self.write_work = WriteWork()
        try:
            user_init(self)
        except BaseException as error:  # the wall of the extension: told to the connection at its first event
            self.broken = error

    return init


def _first(handler: Handler | None, failures: Failures) -> Handler:
    def on_new_connection(self: Any, connection: Any) -> NetworkVerdict:
        if self.broken is not None:
            self.bypassed = failures.end_connection(connection, self.broken)
            return CONTINUE
        return CONTINUE if handler is None else handler(self, connection)

    return on_new_connection


def _last(handler: Handler | None) -> Handler:
    def on_close(self: Any, connection: Any) -> None:
        self.work.stop()
        self.write_work.stop()
        if handler is not None:
            handler(self, connection)

    return on_close


def _guarded(hook: str, method: Handler, failures: Failures, *, waits: bool) -> Handler:
    if hook in ("on_close", "on_log"):
        return _noticed(method, failures)
    if hook == "on_new_connection":
        return _opening(method, failures)
    if hook == "on_downstream_data" and waits:
        return _waiting(hook, method, failures, _work)
    if hook == "on_upstream_data" and inspect.iscoroutinefunction(method):
        return _waiting(hook, method, failures, _write_work)
    return _data(hook, method, failures)


def _noticed(method: Handler, failures: Failures) -> Handler:
    def notice(self: Any, connection: Any) -> None:
        try:
            method(self, connection)
        except BaseException as error:  # the wall of the extension
            failures.note(error)

    return notice


def _opening(method: Handler, failures: Failures) -> Handler:
    waits = inspect.iscoroutinefunction(method)

    def on_new_connection(self: Any, connection: Any) -> NetworkVerdict:
        if self.bypassed:
            return CONTINUE
        try:
            outcome = method(self, connection)
            if waits:
                outcome = begin(outcome, connection.services.loop)
                if type(outcome) is Rest:
                    self.work.begin(connection, _opened(self, connection, outcome, failures))
                    return STOP
            return outcome if type(outcome) is NetworkVerdict else CONTINUE
        except BaseException as error:  # the wall of the extension
            self.bypassed = failures.end_connection(connection, error)
            return CONTINUE

    return on_new_connection


async def _opened(self: Any, connection: Any, rest: Rest, failures: Failures) -> None:
    """The rest of an `on_new_connection` that waits; then the filters behind hear of the connection."""
    await _walled(self, connection, rest.finish(), failures)
    if connection.is_open:
        connection.continue_reading(self)


def _data(hook: str, method: Handler, failures: Failures) -> Handler:
    def data(self: Any, connection: Any, piece: bytes, end: bool) -> Any:
        if self.bypassed:
            return CONTINUE
        try:
            return _answer(hook, method(self, connection, piece, end))
        except BaseException as error:  # the wall of the extension
            self.bypassed = failures.end_connection(connection, error)
            return CONTINUE if self.bypassed else TAKEN

    return data


_work: Callable[[Any], Work] = attrgetter("work")
_write_work: Callable[[Any], Work] = attrgetter("write_work")


def _waiting(hook: str, method: Handler, failures: Failures, work_of: Callable[[Any], Work]) -> Handler:
    """Data of one direction for a class with coroutines: in order, one piece at a time."""
    waits = inspect.iscoroutinefunction(method)

    async def work_off(self: Any, connection: Any, piece: bytes, end: bool, rest: Rest | None) -> None:
        async def run() -> Any:
            answer = method(self, connection, piece, end) if rest is None else rest.finish()
            return await answer if waits or rest is not None else answer

        answer = None if self.bypassed else await _walled(self, connection, run(), failures)
        if answer is not TAKEN:
            work_of(self).hand_on(self, connection, piece if answer is None else answer, end=end)

    def data(self: Any, connection: Any, piece: bytes, end: bool) -> Any:
        work = work_of(self)
        if work.running:
            work.add(len(piece), lambda: work_off(self, connection, piece, end, None))
            return TAKEN
        if self.bypassed:
            return CONTINUE
        try:
            outcome = method(self, connection, piece, end)
            if waits:
                outcome = begin(outcome, connection.services.loop)
                if type(outcome) is Rest:
                    work.begin(connection, work_off(self, connection, piece, end, outcome), len(piece))
                    return TAKEN
            return _answer(hook, outcome)
        except BaseException as error:  # the wall of the extension
            self.bypassed = failures.end_connection(connection, error)
            return CONTINUE if self.bypassed else TAKEN

    return data


async def _walled(self: Any, connection: Any, coroutine: Coroutine[Any, Any, Any], failures: Failures) -> Any:
    """The answer of a coroutine; TAKEN when it has failed and the connection ends."""
    try:
        return await coroutine
    except GeneratorExit:
        raise
    except asyncio.CancelledError as error:
        if connection.runner is None or self.work.stopped:
            raise
        self.bypassed = failures.end_connection(connection, error)
    except BaseException as error:  # the wall of the extension
        self.bypassed = failures.end_connection(connection, error)
    if self.bypassed:
        return None
    self.work.drop()
    self.write_work.drop()
    return TAKEN


def _answer(hook: str, answer: Any) -> Any:
    if answer is None:
        return CONTINUE
    if type(answer) is NetworkVerdict or type(answer) is bytes:
        return answer
    raise TypeError(f"{hook} must answer bytes or nothing, not {answer!r}")


def _current(python: PythonPlan) -> type:
    """A class whose instances are of whatever class is current (FAIL_RELOAD)."""

    def make(_: type, plan: Any) -> Any:
        return python.cls(plan)

    cls: Any = python.cls
    return type(cls.__name__, (NetworkFilter,), {"__new__": make, "terminal": cls.terminal})
