"""One connection through a Wasm module, with no proxy: what the module let pass both ways, changed, held and closed.

The client sends its pieces, then the upstream its own; then one of them ends its side and the other follows.
"""

from __future__ import annotations

import json
from typing import Any

from pyvoy.config.registry import REGISTRY, load_builtin
from pyvoy.extensions.wasm.abi import CALLBACKS
from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeCaller
from pyvoy.testing.l4 import FilteredConnection
from pyvoy.testing.module_outcome import (
    Outcome,
    Session,
    Trial,
    note_calls,
    plugin_config,
    preset,
    runtime_of,
)
from pyvoy.testing.recorder import Record

FILTER = "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm"


class _Upstream(NetworkFilter):
    """The filter behind the module: what reaches it reaches the upstream."""

    terminal = True
    handles_half_close = True

    def __init__(self, session: Session) -> None:
        self._session = session

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        """Keep the bytes."""
        self._session.forwarded += data
        return NetworkVerdict.CONTINUE


class _Wire(FilteredConnection):
    """A connection that is lost when its client goes."""

    @property
    def closed_locally(self) -> bool:
        """Only what a filter has asked for."""
        return self._closing


def run_connection(trial: Trial, outcome: Outcome, fakes: FakeServices) -> None:
    """Load the module and show it the connection.  Raises ConfigErrors."""
    load_builtin()
    caller = FakeCaller(fakes, trial.answers, grpc=trial.grpc)
    names = ("upstream", *trial.answers, *trial.grpc)
    made = Configuration(fakes.scope, fakes.arena, runtime=runtime_of(trial), clusters=names, services=fakes.services)
    made.environment.caller = caller
    found = REGISTRY.lookup("network_filter", FILTER)
    assert found is not None
    plan = made.network_filter(found.factory, json.dumps({"config": plugin_config(trial)["config"]}))
    preset(plan.plugin, trial.properties)
    session = outcome.session = Session()
    connection = _Wire(fakes.services, Record())
    fakes.loop.happen(connection.start, [(plan.filter_class, plan), (_Upstream, session)])
    _converse(trial, session, connection, fakes)
    outcome.callbacks = [name for name in CALLBACKS if plan.plugin.vm.has(name)]
    note_calls(caller, outcome)


def _converse(trial: Trial, session: Session, connection: _Wire, fakes: FakeServices) -> None:
    context: Any = connection.runner.filters[0]
    loop = fakes.loop
    for piece in trial.data:
        session.sent += piece
        loop.happen(lambda piece=piece: connection.receive(piece))
    _let_time_pass(trial, fakes)
    for piece in trial.upstream_data:
        if connection.is_open:
            session.answered += piece
            loop.happen(lambda piece=piece: connection.write(piece))
    _let_time_pass(trial, fakes)
    if trial.close and connection.is_open:
        _end(trial.close, connection, fakes)
        _let_time_pass(trial, fakes)
    session.closed = not connection.is_open
    session.held = [] if session.closed else list(context.holds)
    session.received = bytes(connection.written)
    if trial.close:
        runner = connection.runner
        loop.happen(connection.lose)
        loop.happen(runner.log)


def _end(first: str, connection: _Wire, fakes: FakeServices) -> None:
    """Both sides end, one behind the other."""
    ends = [lambda: connection.receive(b"", end=True), connection.write_end]
    for end in ends if first == "client" else reversed(ends):
        fakes.loop.happen(end)


def _let_time_pass(trial: Trial, fakes: FakeServices) -> None:
    if trial.seconds:
        fakes.loop.advance(trial.seconds)
