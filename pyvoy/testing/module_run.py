"""One request through a Wasm module, with no proxy: what the module did to it, said, counted and called.

The module stands on the stage of the filter tests, in the host that runs it in the proxy.  `pyvoy wasm run` prints what
comes of it.  Connections are `connection_run.py`'s.
"""

from __future__ import annotations

from pathlib import Path

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.wasm.abi import CALLBACKS
from pyvoy.testing.connection_run import run_connection
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeStream, Message, Reply
from pyvoy.testing.grpc_peer import GrpcReply
from pyvoy.testing.module_outcome import (
    OF_CONNECTIONS,
    OF_HTTP,
    Json,
    Outcome,
    Trial,
    listening,
    metrics_of,
    note_calls,
    pairs,
    picture,
    plugin_config,
    preset,
    runtime_of,
)

__all__ = ["GrpcReply", "Reply", "Trial", "is_for_connections", "run"]


def is_for_connections(module: Path) -> bool:
    """Whether a module has callbacks for connections, and none for requests and responses."""
    from pyvoy.extensions.wasm.engine.compiler import InvalidModuleError
    from pyvoy.extensions.wasm.inspect import inspect

    try:
        callbacks = inspect(module.read_bytes()).callbacks
    except InvalidModuleError:
        return False  # the run says what is wrong with it
    return any(name.startswith(OF_CONNECTIONS) for name in callbacks) and not any(
        name.startswith(OF_HTTP) for name in callbacks
    )


def run(trial: Trial) -> Outcome:
    """Load the module, send it the request, answer it; or have it see a connection."""
    outcome = Outcome()
    fakes = FakeServices()
    with listening(outcome):
        try:
            if trial.connection:
                run_connection(trial, outcome, fakes)
            else:
                _run_request(trial, outcome, fakes)
        except ConfigErrors as error:
            outcome.refused = "; ".join(problem.what for problem in error.problems if problem.is_error)
            return outcome
    outcome.metrics = metrics_of(fakes)
    return outcome


def _run_request(trial: Trial, outcome: Outcome, fakes: FakeServices) -> None:
    stream = FakeStream(
        plugin_config(trial), calls=trial.answers, grpc=trial.grpc, fakes=fakes, runtime=runtime_of(trial)
    )
    preset(stream.plan.plugin, trial.properties)
    stream.request(trial.method, trial.path, trial.headers, trial.body, authority=trial.authority)
    _let_time_pass(stream, trial.seconds)
    if stream.forwarded is not None and stream.response is None and not stream.was_reset:
        stream.respond(trial.status, trial.response_headers, trial.response_body)
        _let_time_pass(stream, trial.seconds)
    _note(trial, stream, outcome)


def _let_time_pass(stream: FakeStream, seconds: float) -> None:
    if seconds:
        stream.advance(seconds)


def _note(trial: Trial, stream: FakeStream, outcome: Outcome) -> None:
    pseudo = [(":method", trial.method), (":path", trial.path), (":scheme", "http"), (":authority", trial.authority)]
    outcome.callbacks = [name for name in CALLBACKS if stream.plan.plugin.vm.has(name)]
    outcome.request_before = picture([*pseudo, *trial.headers], b"".join(trial.body))
    outcome.request = _message(stream.forwarded)
    outcome.response_before = picture(
        [(":status", str(trial.status)), *trial.response_headers], b"".join(trial.response_body)
    )
    outcome.response = _message(stream.response)
    outcome.local_reply = bool(stream.stage.stream.local_replied)
    outcome.details = stream.details
    outcome.was_reset = stream.was_reset
    note_calls(stream.caller, outcome)


def _message(message: Message | None) -> Json | None:
    if message is None:
        return None
    trailers = None if message.trailers is None else pairs(message.trailers.raw.items())
    return picture(pairs(message.headers.raw.items()), message.body, trailers)
