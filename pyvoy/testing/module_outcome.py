"""What is asked of a Wasm module that runs with no proxy, and what came of it: the request and the report.

Source of the words: `pyvoy wasm run`, which reads the one from its command line and prints the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.extensions.wasm.calls.metrics import PREFIX
from pyvoy.extensions.wasm.calls.properties import encode
from pyvoy.observe.filter_trace import changes
from pyvoy.server.logs import TRACE
from pyvoy.stats.layout import COUNTER, GAUGE, HEADER_BYTES, WORD_NAMES_USED, decode
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeCaller, Reply, root_id_of, wasm_config
from pyvoy.testing.grpc_peer import GrpcReply

Pairs = list[tuple[str, str]]
Json = dict[str, Any]

OF_HTTP = ("proxy_on_request_", "proxy_on_response_")
OF_CONNECTIONS = ("proxy_on_new_connection", "proxy_on_downstream_", "proxy_on_upstream_")
"""How the callbacks begin that are of use for a request, and for a connection."""

_LOGGER = "pyvoy.wasm"
_FAILED, _FRAME = "wasm VM failed ", "  at "


@dataclass(slots=True)
class Trial:
    """What is asked of a module: a request, or with `connection` a connection.

    A body is a list of pieces, and so are the bytes of a connection; `answers` are what HTTP calls to clusters get,
    `grpc` what gRPC calls and streams get.  `close` is who ends the connection first: client, upstream, or "" for
    nobody.  Without a root_id a module that `pyvoy wasm build` has made gets the one of its project."""

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
    grpc: Mapping[str, GrpcReply] = field(default_factory=dict)
    connection: bool = False
    data: list[bytes] = field(default_factory=list)
    upstream_data: list[bytes] = field(default_factory=list)
    close: str = "client"
    seconds: float = 0.0
    strict: bool = True
    calls: bool = False


@dataclass(slots=True)
class Failure:
    """Why a VM failed: the cause, the functions that it was in, the innermost first."""

    cause: str
    backtrace: list[str]


@dataclass(slots=True)
class Session:
    """What a connection carried.

    `sent` is what the client sent and `forwarded` what the upstream got of it, `answered` what the upstream sent and
    `received` what the client got; `held` names the directions in which the module keeps bytes back (downstream is the
    client's), and `closed` says that the module has closed the connection."""

    sent: bytes = b""
    forwarded: bytes = b""
    answered: bytes = b""
    received: bytes = b""
    held: list[str] = field(default_factory=list)
    closed: bool = False


@dataclass(slots=True)
class Outcome:
    """What came of it.  `request` is what the upstream got, `response` what the client got; None when it did not.

    `refused` is why the module did not start; `unknown_clusters` are the kind (http, grpc) and the cluster of calls
    that were refused because there is no such cluster; `session` is there for a connection, in place of request and
    response."""

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
    grpc_calls: list[Json] = field(default_factory=list)
    unknown_clusters: list[tuple[str, str]] = field(default_factory=list)
    session: Session | None = None
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
    def has_callbacks(self) -> bool:
        """Whether the module has a callback for what it was shown."""
        wanted = OF_HTTP if self.session is None else OF_CONNECTIONS
        return any(name.startswith(wanted) for name in self.callbacks)

    @property
    def is_for_both(self) -> bool:
        """The module has callbacks for requests and for connections, as every one that the Rust SDK makes."""
        return all(any(name.startswith(kind) for name in self.callbacks) for kind in (OF_HTTP, OF_CONNECTIONS))

    @property
    def waits(self) -> bool:
        """The module holds the request or the response, or bytes of a connection."""
        if self.session is not None:
            return bool(self.session.held) and not self.session.closed
        return not self.refused and self.response is None and not self.was_reset


def plugin_config(trial: Trial) -> dict[str, Any]:
    """The typed_config of the module as an HTTP filter."""
    root_id = root_id_of(trial.module) if trial.root_id is None else trial.root_id
    config = wasm_config(trial.module, root_id, trial.configuration)
    vm = config["config"]["vm_config"]
    vm["vm_id"] = trial.vm_id
    if trial.vm_configuration:
        vm["configuration"] = {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": trial.vm_configuration,
        }
    return config


def runtime_of(trial: Trial) -> dict[str, Any]:
    """The runtime keys that it runs under."""
    return {"pyvoy.wasm.trace_calls": trial.calls, "pyvoy.wasm.strict_phases": trial.strict}


def preset(plugin: Any, properties: Mapping[str, Any]) -> None:
    """Properties that the module is to see in place of what the stage has."""
    attributes = plugin.root.attributes
    for path, value in properties.items():
        data = encode(value)
        key = path.replace(".", "\0").encode()
        for each in (key, key + b"\0"):  # the C++ SDK ends a path with NUL
            attributes[each] = lambda _context, data=data: data


def note_calls(caller: FakeCaller, outcome: Outcome) -> None:
    """The calls to clusters that were made, and those to clusters that there are not, each once."""
    outcome.unknown_clusters = list(dict.fromkeys(caller.unknown))
    for call in caller.calls:
        found = picture(pairs(call.headers.raw.items()), call.body)
        outcome.http_calls.append({"cluster": call.cluster, "timeout_s": call.options.timeout_s, **found})
    for peer in caller.peers:
        outcome.grpc_calls.append(
            {
                "cluster": peer.cluster,
                "path": peer.path,
                "metadata": pairs(peer.metadata.raw.items()),
                "messages": [message.decode("utf-8", "backslashreplace") for message in peer.messages],
                "ended": peer.ended,
                "cancelled": peer.cancelled,
            }
        )


def picture(headers: Sequence[tuple[str, str]], body: bytes, trailers: Pairs | None = None) -> Json:
    """As `pyvoy.observe.filter_trace.changes` compares it; names are lower-case, as in the module."""
    return {
        "headers": [(name.lower(), value) for name, value in headers],
        "body_bytes": len(body),
        "body": body.decode("utf-8", "backslashreplace"),
        "trailers": trailers,
    }


def pairs(items: Any) -> Pairs:
    """Headers as text."""
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in items]


def metrics_of(fakes: FakeServices) -> dict[str, int | str]:
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
def listening(outcome: Outcome) -> Iterator[None]:
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
            piece, logs = str(record.args[1]), self._outcome.logs
            if hasattr(record, "goes_on") and logs:
                logs[-1] = (logs[-1][0], logs[-1][1] + piece)
            else:
                logs.append((_level(record), piece))
        elif text.startswith(_FAILED):
            first, *lines = text.removeprefix(_FAILED).split("\n")
            frames = [line.removeprefix(_FRAME) for line in lines if line.startswith(_FRAME)]
            self._outcome.failure = Failure(first.partition(": ")[2], frames)
        else:
            self._outcome.logs.append((_level(record), text))


def _level(record: logging.LogRecord) -> str:
    """The level's name; the one of trace is known to logging in a proxy only."""
    return "trace" if record.levelno == TRACE else record.levelname.lower()
