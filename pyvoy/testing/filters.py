"""A stream for the unit tests of HTTP filters, in any language: no sockets, no waiting.

    def test_the_header_is_there():
        stream = FakeStream("filter.py", {"header": "x-a"})
        stream.request("GET", "/")
        assert stream.forwarded.headers["x-a"] == "1"

The filter stands in a real chain on a real stream; what is behind the chain is the test.  For conversations event by
event there are playbooks (`playbook.py`), on the same stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pyvoy.config.registry import REGISTRY, load_builtin
from pyvoy.extensions.call_stream import StreamEvents
from pyvoy.extensions.failure import FailurePolicy
from pyvoy.extensions.http_call import CallOptions, CallResult, Failure, OnDone, UnknownCluster
from pyvoy.extensions.native.filters import StreamFilter
from pyvoy.extensions.native.headers import HeaderInput, Headers, pairs
from pyvoy.http.chain import FilterSpec
from pyvoy.http.grpc_frames import frame
from pyvoy.http.headers import HeaderMap
from pyvoy.http.local_reply import percent_encode
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.grpc_peer import GrpcPeer, GrpcReply
from pyvoy.testing.stage import Stage

PYTHON = "type.googleapis.com/pyvoy.filters.http.python.v1.Python"
LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
STRING = "type.googleapis.com/google.protobuf.StringValue"
NAME = "filter"

Config = Mapping[str, Any]


@dataclass(slots=True)
class Message:
    """A request as the upstream gets it, or a response as the client does.  `ended` says that it is whole."""

    headers: Headers
    body: bytes = b""
    trailers: Headers | None = None
    ended: bool = False

    @property
    def status(self) -> int:
        """The status of a response."""
        return int(self.headers[":status"])

    @property
    def method(self) -> str:
        """The method of a request."""
        return self.headers[":method"]

    @property
    def path(self) -> str:
        """Path and query of a request."""
        return self.headers[":path"]

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()


@dataclass(slots=True)
class Call:
    """A call that the filter made to a cluster."""

    cluster: str
    headers: Headers
    body: bytes
    options: CallOptions

    @property
    def path(self) -> str:
        """Path and query."""
        return self.headers[":path"]


@dataclass(slots=True)
class Reply:
    """What a call is answered: a response, after a while, or a failure."""

    status: int = 200
    body: bytes | str = b""
    headers: HeaderInput | None = None
    after_s: float = 0.0
    failure: Failure | None = None
    trailers: HeaderInput | None = None

    @classmethod
    def grpc(cls, response: bytes = b"", status: int = 0, message: str = "") -> Reply:
        """What a gRPC call is answered: a serialized message, or a status with its text."""
        end = {"grpc-status": str(status), "grpc-message": percent_encode(message.encode()).decode()}
        return cls(body=b"" if status else frame(response), headers={"content-type": "application/grpc"}, trailers=end)

    def result(self) -> CallResult:
        """As the host API gives it."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        fields = HeaderMap([(b":status", b"%d" % self.status), *pairs(self.headers)])
        trailers = None if self.trailers is None else HeaderMap(pairs(self.trailers))
        return CallResult(fields, body, trailers, self.failure, "" if self.failure is None else self.failure.value)


Answering = Callable[[Call], Reply] | Reply


class _RunningCall:
    def __init__(self) -> None:
        self.done = False

    def cancel(self) -> None:
        self.done = True


@dataclass(slots=True)
class FakeCaller:
    """Answers the calls of filters, by cluster."""

    fakes: FakeServices
    answers: Mapping[str, Answering]
    streams: Collection[str] = ()
    grpc: Mapping[str, GrpcReply] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    peers: list[GrpcPeer] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """The kind (http, grpc) and the cluster of the calls to clusters that there are not."""

    def call(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        options: CallOptions,
        on_done: OnDone,
    ) -> _RunningCall:
        """A call begins; its time-out counts."""
        if cluster not in self.answers:
            raise self._unknown("http", cluster)
        made = Call(cluster, Headers(headers), body, options)
        self.calls.append(made)
        answer = self.answers[cluster]
        reply = answer(made) if callable(answer) else answer
        running = _RunningCall()
        limit_s = options.timeout_s
        if limit_s and reply.after_s >= limit_s:
            reply = Reply(504, b"upstream request timeout", after_s=limit_s, failure=Failure.TIMEOUT)

        def done() -> None:
            if not running.done:
                running.done = True
                on_done(reply.result())

        if reply.after_s:
            self.fakes.timers.call_later(reply.after_s, done)
        else:
            self.fakes.loop.call_soon(done)
        return running

    def stream(self, cluster: str, headers: HeaderMap, options: CallOptions, events: StreamEvents) -> GrpcPeer:
        """A stream begins; its peer does what the test says, or what was laid down for the cluster."""
        if cluster not in self.streams and cluster not in self.grpc:
            raise self._unknown("grpc", cluster)
        peer = GrpcPeer(self.fakes, cluster, headers, options, events)
        self.peers.append(peer)
        if cluster in self.grpc:
            self.fakes.loop.call_soon(lambda: peer.plays(self.grpc[cluster]))
        return peer

    def _unknown(self, kind: str, cluster: str) -> UnknownCluster:
        self.unknown.append((kind, cluster))
        return UnknownCluster(f"there is no cluster {cluster!r}")


class FakeStream:
    """One filter on a stream of its own; a further `request` begins a new one, with the same state of the filter.

    `filter_` is a class, the path of a file (Python, Lua or a Wasm module), or a typed_config with its "@type" (any
    filter, any language).  `config` goes with the first two; a module gets a mapping as JSON, a text as it is.
    `route` is the filter's configuration on the route, or (with its "@type") what stands there in its place; `calls`
    what calls to clusters are answered: {cluster: Reply or a function of the Call}, `streams` are the clusters that
    take streaming gRPC calls (see `peers`), `grpc` those that answer them by themselves: {cluster: GrpcReply},
    `runtime` the keys of a static runtime layer."""

    def __init__(
        self,
        filter_: type[StreamFilter] | str | Path | Config,
        config: Config | str | None = None,
        *,
        route: Config | None = None,
        calls: Mapping[str, Answering] | None = None,
        streams: Collection[str] = (),
        grpc: Mapping[str, GrpcReply] | None = None,
        failure_policy: str = "FAIL_CLOSED",
        fakes: FakeServices | None = None,
        runtime: dict[str, Any] | None = None,
        **stage: Any,
    ) -> None:
        load_builtin()
        if isinstance(filter_, str | Path):
            filter_ = _of_file(Path(filter_), config)
        self.fakes = fakes or FakeServices()
        self.caller = FakeCaller(self.fakes, calls or {}, streams, grpc or {})
        configuration = Configuration(
            self.fakes.scope,
            self.fakes.arena,
            random=self.fakes.services.random,
            runtime=runtime,
            clusters=("upstream", *(calls or {}), *streams, *(grpc or {})),
            services=self.fakes.services,
        )
        configuration.environment.caller = self.caller
        self._retire = configuration.environment.retire
        plans = _route_plans(configuration, filter_, route)
        fields = {} if config is None or isinstance(config, str) else config
        plan = _plan(configuration, filter_, fields, failure_policy)
        if plans:
            plan.bind_route(plans[0]) if hasattr(plan, "bind_route") else None
        configuration.problems.raise_errors()
        self.plan = plan
        spec = FilterSpec.of(NAME, _factory(filter_), plan)
        self.stage = Stage(self.fakes, (spec,), {NAME: plans} if plans else {}, **stage)

    # ---- the client ----

    def request(
        self,
        method: str = "GET",
        path: str = "/",
        headers: HeaderInput | None = None,
        body: bytes | str | Sequence[bytes] | None = None,
        *,
        trailers: HeaderInput | None = None,
        authority: str = "test",
        end: bool = True,
    ) -> FakeStream:
        """A request arrives; a list is a body in pieces.  `end=False` leaves it open (see `send`)."""
        self.stage.record.facts.clear()
        fields = HeaderMap(
            [
                (b":method", method.encode()),
                (b":path", path.encode()),
                (b":scheme", b"http"),
                (b":authority", authority.encode()),
                *pairs(headers),
            ]
        )
        pieces = _pieces(body)
        has_more = bool(pieces) or trailers is not None or not end
        self.stage.request(fields, end=not has_more)
        for index, piece in enumerate(pieces):
            self.send(piece, end=end and trailers is None and index == len(pieces) - 1)
        if trailers is not None:
            self.stage.request_trailers(HeaderMap(pairs(trailers)))
        return self

    def send(self, data: bytes, *, end: bool = False) -> None:
        """A piece of the request body arrives."""
        self.stage.request_data(data, end=end)

    def reset(self) -> None:
        """The client is gone."""
        self.stage.client_reset()

    # ---- the upstream ----

    def respond(
        self,
        status: int = 200,
        headers: HeaderInput | None = None,
        body: bytes | str | Sequence[bytes] | None = None,
        *,
        trailers: HeaderInput | None = None,
        end: bool = True,
    ) -> FakeStream:
        """The upstream answers; a list is a body in pieces."""
        pieces = _pieces(body)
        has_more = bool(pieces) or trailers is not None or not end
        self.stage.response(HeaderMap([(b":status", b"%d" % status), *pairs(headers)]), end=not has_more)
        for index, piece in enumerate(pieces):
            self.stage.response_data(piece, end=end and trailers is None and index == len(pieces) - 1)
        if trailers is not None:
            self.stage.response_trailers(HeaderMap(pairs(trailers)))
        return self

    def advance(self, seconds: float) -> FakeStream:
        """Time passes."""
        self.stage.advance(seconds)
        return self

    def retire(self) -> FakeStream:
        """The configuration is replaced."""
        for end in self._retire:
            self.fakes.loop.happen(end)
        return self

    # ---- what came of it ----

    @property
    def forwarded(self) -> Message | None:
        """The request as the upstream got it; None when it did not (yet)."""
        return self._message("forwarded")

    @property
    def response(self) -> Message | None:
        """The response as the client got it; None when it did not (yet)."""
        return self._message("sent")

    @property
    def was_reset(self) -> bool:
        """Whether the stream was cut towards the client."""
        return bool(self.stage.record.of("reset"))

    @property
    def details(self) -> str:
        """The response code details."""
        return str(self.stage.stream.info.response_code_details or "")

    @property
    def calls(self) -> list[Call]:
        """The calls that the filter has made."""
        return self.caller.calls

    @property
    def peers(self) -> list[GrpcPeer]:
        """The far ends of the streaming gRPC calls that the filter has begun."""
        return self.caller.peers

    def counter(self, name: str) -> int:
        """The sum of all counters whose name ends so (`.requests`)."""
        return sum(value for full, value in self._counters().items() if full == name or full.endswith("." + name))

    def _counters(self) -> dict[str, int]:
        from pyvoy.stats.layout import COUNTER, HEADER_BYTES, WORD_NAMES_USED, decode

        store = self.fakes.store
        entries = decode(store.file.read(HEADER_BYTES, store.header[WORD_NAMES_USED]))[0]
        return {entry.name: self.fakes.counter(entry.name) for entry in entries if entry.kind == COUNTER}

    def metadata(self, namespace: str) -> dict[str, Any]:
        """The stream's dynamic metadata."""
        return dict(self.stage.stream.info.dynamic_metadata.get(namespace, {}))

    def _message(self, kind: str) -> Message | None:
        heads = self.stage.record.of(kind)
        if not heads:
            return None
        trailers = self.stage.record.of(f"{kind}_trailers")
        data = self.stage.record.of(f"{kind}_data")
        return Message(
            Headers(HeaderMap(heads[0].headers)),
            self.stage.record.body(f"{kind}_data"),
            Headers(HeaderMap(trailers[0].headers)) if trailers else None,
            heads[0].end or bool(trailers) or any(fact.end for fact in data),
        )


def wasm_config(path: Path, root_id: str = "", configuration: str = "") -> dict[str, Any]:
    """The typed_config of a module."""
    vm = {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(path)}}}
    config: dict[str, Any] = {"name": path.name.partition(".")[0], "root_id": root_id, "vm_config": vm}
    if configuration:
        config["configuration"] = {"@type": STRING, "value": configuration}
    return {"@type": WASM, "config": config}


def root_id_of(path: Path) -> str:
    """Of a module that `pyvoy wasm build` has made the name of its folder; one from elsewhere has no root_id."""
    is_built = path.name.startswith("filter.") and path.name.count(".") == 2
    return path.absolute().parent.name if is_built else ""


def _of_file(path: Path, config: Config | str | None) -> str | Path | Config:
    """What stands in a bootstrap for a file that is no Python."""
    if path.suffix == ".lua":
        return {"@type": LUA, "default_source_code": {"filename": str(path)}}
    if path.suffix == ".wasm":
        text = config if isinstance(config, str) else json.dumps(config) if config else ""
        return wasm_config(path, root_id_of(path), text)
    if isinstance(config, str):
        raise TypeError(f"{path} has a configuration with fields: give a mapping, not a text")
    return path


def _pieces(body: bytes | str | Sequence[bytes] | None) -> list[bytes]:
    if body is None or body in (b"", ""):
        return []
    if isinstance(body, str):
        return [body.encode()]
    return [body] if isinstance(body, bytes) else list(body)


def _factory(filter_: Any) -> Any:
    """The registered class for what was given."""
    type_url = filter_["@type"] if isinstance(filter_, Mapping) else PYTHON
    found = REGISTRY.lookup("http_filter", type_url)
    if found is None:
        raise LookupError(f"there is no HTTP filter of type {type_url!r}")
    return found.factory


def _plan(configuration: Configuration, filter_: Any, config: Config, failure_policy: str) -> Any:
    path = "http_filters[0]"
    if isinstance(filter_, type):
        from pyvoy.extensions.native import http

        context = configuration.context(path, configuration.http_scope)
        plan = http.plan_of_class(filter_, config, FailurePolicy[failure_policy.removeprefix("FAIL_")], context)
        configuration.problems.raise_errors()
        return plan
    if isinstance(filter_, Mapping):
        message = {key: value for key, value in filter_.items() if key != "@type"}
    else:
        message = {"code": {"filename": str(filter_)}, "config": dict(config), "failure_policy": failure_policy}
    return configuration.http_filter(_factory(filter_), yaml.safe_dump(message), path)


def _route_plans(configuration: Configuration, filter_: Any, route: Config | None) -> tuple[Any, ...]:
    if route is None:
        return ()
    message = dict(route) if isinstance(filter_, Mapping) or "@type" in route else {"config": dict(route)}
    plan = configuration.http_filter_on_route(_factory(filter_), yaml.safe_dump(message))
    configuration.environment.route_plans.append((NAME, plan))
    return (plan,)
