"""One request through a Wasm module, with no proxy: what the module did to it, said, counted and called.

The module stands on the stage of the filter tests, in the host that runs it in the proxy.  `pyvoy wasm run` prints what
comes of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.wasm.abi import CALLBACKS
from pyvoy.extensions.wasm.calls.metrics import PREFIX
from pyvoy.extensions.wasm.calls.properties import encode
from pyvoy.observe.filter_trace import changes
from pyvoy.server.logs import TRACE
from pyvoy.stats.layout import COUNTER, GAUGE, HEADER_BYTES, WORD_NAMES_USED, decode
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeStream, Message, Reply, root_id_of, wasm_config

Pairs = list[tuple[str, str]]
Json = dict[str, Any]

_LOGGER = "pyvoy.wasm"
_FAILED, _FRAME = "wasm VM failed ", "  at "


@dataclass(slots=True)
class Trial:
    """What is asked of a module.  A body is a list of pieces; `answers` are what calls to clusters get.

    Without a root_id a module that `pyvoy wasm build` has made gets the one of its project."""

    module: Path
    configuration: str = ""
    root_id: str | None = None
    vm_id: str = ""
    vm_configuration: str = ""
    method: str = "GET"
    path: str = "/"
    authority: str = "localhost"
    headers: Pairs = field(default_factory=list)
    body: list[bytes] = field(default_factory=list)
    status: int = 200
    response_headers: Pairs = field(default_factory=list)
    response_body: list[bytes] = field(default_factory=list)
    properties: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Reply] = field(default_factory=dict)
    seconds: float = 0.0
    strict: bool = True
    calls: bool = False


@dataclass(slots=True)
class Failure:
    """Why a VM failed: the cause, the functions that it was in, the innermost first."""

    cause: str
    backtrace: list[str]


@dataclass(slots=True)
class Outcome:
    """What came of it.  `request` is what the upstream got, `response` what the client got; None when it did not.

    `refused` is why the module did not start."""

    refused: str = ""
    request: Json | None = None
    request_before: Json | None = None
    response: Json | None = None
    response_before: Json | None = None
    local_reply: bool = False
    details: str = ""
    was_reset: bool = False
    failure: Failure | None = None
    logs: list[tuple[str, str]] = field(default_factory=list)
    metrics: dict[str, int | str] = field(default_factory=dict)
    callbacks: list[str] = field(default_factory=list)
    http_calls: list[Json] = field(default_factory=list)
    host_calls: list[str] = field(default_factory=list)

    @property
    def request_changes(self) -> list[str]:
        """What the module has made of the request, as a diff."""
        return changes(self.request_before, self.request)

    @property
    def response_changes(self) -> list[str]:
        """What it has made of the upstream's response; of its own there is nothing to compare with."""
        return [] if self.local_reply else changes(self.response_before, self.response)

    @property
    def waits(self) -> bool:
        """The module holds the request or the response."""
        return not self.refused and self.response is None and not self.was_reset


def run(trial: Trial) -> Outcome:
    """Load the module, send it the request, answer it."""
    outcome = Outcome()
    fakes = FakeServices()
    with _listening(outcome):
        try:
            stream = _stream(trial, fakes)
        except ConfigErrors as error:
            outcome.refused = "; ".join(problem.what for problem in error.problems if problem.is_error)
            return outcome
        _preset(stream, trial.properties)
        stream.request(trial.method, trial.path, trial.headers, trial.body, authority=trial.authority)
        _let_time_pass(stream, trial.seconds)
        if stream.forwarded is not None and stream.response is None and not stream.was_reset:
            stream.respond(trial.status, trial.response_headers, trial.response_body)
            _let_time_pass(stream, trial.seconds)
        _note(trial, stream, outcome)
    outcome.metrics = _metrics(fakes)
    return outcome


def _stream(trial: Trial, fakes: FakeServices) -> FakeStream:
    root_id = root_id_of(trial.module) if trial.root_id is None else trial.root_id
    config = wasm_config(trial.module, root_id, trial.configuration)
    vm = config["config"]["vm_config"]
    vm["vm_id"] = trial.vm_id
    if trial.vm_configuration:
        vm["configuration"] = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": trial.vm_configuration,
        }
    keys = {"pyvoy.wasm.trace_calls": trial.calls, "pyvoy.wasm.strict_phases": trial.strict}
    return FakeStream(config, calls=trial.answers, fakes=fakes, runtime=keys)


def _preset(stream: FakeStream, properties: Mapping[str, Any]) -> None:
    """Properties that the module is to see in place of what the stage has."""
    attributes = stream.plan.plugin.root.attributes
    for path, value in properties.items():
        data = encode(value)
        key = path.replace(".", "\0").encode()
        for each in (key, key + b"\0"):  # the C++ SDK ends a path with NUL
            attributes[each] = lambda _context, data=data: data


def _let_time_pass(stream: FakeStream, seconds: float) -> None:
    if seconds:
        stream.advance(seconds)


def _note(trial: Trial, stream: FakeStream, outcome: Outcome) -> None:
    pseudo = [(":method", trial.method), (":path", trial.path), (":scheme", "http"), (":authority", trial.authority)]
    outcome.callbacks = [name for name in CALLBACKS if stream.plan.plugin.vm.has(name)]
    outcome.request_before = _picture([*pseudo, *trial.headers], b"".join(trial.body))
    outcome.request = _message(stream.forwarded)
    outcome.response_before = _picture(
        [(":status", str(trial.status)), *trial.response_headers], b"".join(trial.response_body)
    )
    outcome.response = _message(stream.response)
    outcome.local_reply = bool(stream.stage.stream.local_replied)
    outcome.details = stream.details
    outcome.was_reset = stream.was_reset
    for call in stream.calls:
        picture = _picture(_pairs(call.headers.raw.items()), call.body)
        outcome.http_calls.append({"cluster": call.cluster, "timeout_s": call.options.timeout_s, **picture})


def _message(message: Message | None) -> Json | None:
    if message is None:
        return None
    trailers = None if message.trailers is None else _pairs(message.trailers.raw.items())
    return _picture(_pairs(message.headers.raw.items()), message.body, trailers)


def _picture(headers: Sequence[tuple[str, str]], body: bytes, trailers: Pairs | None = None) -> Json:
    """As `pyvoy.observe.filter_trace.changes` compares it; names are lower-case, as in the module."""
    return {
        "headers": [(name.lower(), value) for name, value in headers],
        "body_bytes": len(body),
        "body": body.decode("utf-8", "backslashreplace"),
        "trailers": trailers,
    }


def _pairs(items: Any) -> Pairs:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in items]


def _metrics(fakes: FakeServices) -> dict[str, int | str]:
    """What the module has defined, with its values."""
    store = fakes.store
    entries = decode(store.file.read(HEADER_BYTES, store.header[WORD_NAMES_USED]))[0]
    found: dict[str, int | str] = {}
    for entry in entries:
        if entry.name.startswith(PREFIX):
            name = entry.name.removeprefix(PREFIX)
            reader = {COUNTER: fakes.counter, GAUGE: fakes.gauge}.get(entry.kind)
            found[name] = "histogram" if reader is None else reader(entry.name)
    return found


@contextmanager
def _listening(outcome: Outcome) -> Iterator[None]:
    """What the host logs meanwhile, sorted into the outcome and kept from everywhere else."""
    logger = logging.getLogger(_LOGGER)
    before = logger.level, logger.propagate, logger.handlers
    logger.handlers, logger.propagate = [_Sorter(outcome)], False
    logger.setLevel(TRACE)
    try:
        yield
    finally:
        logger.handlers = before[2]
        logger.propagate = before[1]
        logger.setLevel(before[0])


class _Sorter(logging.Handler):
    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def emit(self, record: logging.LogRecord) -> None:
        """A host call, a line of the module, the end of its VM, or another word of the host."""
        text = record.getMessage()
        if str(record.msg).startswith("wasm call "):
            self._outcome.host_calls.append(str(record.args[1]) if isinstance(record.args, tuple) else text)
        elif str(record.msg).startswith("wasm log") and isinstance(record.args, tuple):
            self._outcome.logs.append((record.levelname.lower(), str(record.args[1])))
        elif text.startswith(_FAILED):
            first, *lines = text.removeprefix(_FAILED).split("\n")
            frames = [line.removeprefix(_FRAME) for line in lines if line.startswith(_FRAME)]
            self._outcome.failure = Failure(first.partition(": ")[2], frames)
        else:
            self._outcome.logs.append((record.levelname.lower(), text))
