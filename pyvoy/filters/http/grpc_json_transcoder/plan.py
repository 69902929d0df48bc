"""What the filter knows of its configuration at run time, and which call a request means."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyvoy.filters.http.grpc_json_transcoder.binding import (
    Binding,
    BindingError,
    FieldPath,
    query_parameters,
    resolve,
)

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter
    from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
    from pyvoy.filters.http.grpc_json_transcoder.path_matcher import PathMatcher
    from pyvoy.filters.http.grpc_json_transcoder.path_template import Variable
    from pyvoy.filters.http.grpc_json_transcoder.response_translation import Delimiting
    from pyvoy.filters.http.grpc_json_transcoder.schema import MessageType
    from pyvoy.stats.counters import Gauge

NOT_FOUND = "NOT_FOUND"
INVALID_ARGUMENT = "INVALID_ARGUMENT"


@dataclass(slots=True, frozen=True, eq=False)
class Method:
    """A gRPC method.  `path` is its `:path`.  The body paths lead to the field that is a google.api.HttpBody, if the
    request or response is one (`raw_request`, `raw_response`)."""

    path: bytes
    request: MessageType
    response: MessageType
    client_streaming: bool
    server_streaming: bool
    raw_request: bool
    raw_request_path: FieldPath
    raw_response: bool
    raw_response_path: FieldPath


@dataclass(slots=True, frozen=True, eq=False)
class Rule:
    """One binding of a method to HTTP: where the body belongs, and the fields of the template's variables (or what is
    wrong with one, for the client)."""

    method: Method
    body: tuple[str, ...]
    variables: dict[Variable, FieldPath | BindingError]


@dataclass(slots=True, frozen=True)
class Call:
    """What a request means."""

    method: Method
    body: tuple[str, ...]
    bindings: list[Binding]
    unknown: dict[str, list[str]] = field(default_factory=dict)
    """Query parameters that are no fields, where they are captured."""


@dataclass(slots=True, frozen=True)
class Refusal:
    """Why a request means no call; `code` is NOT_FOUND or INVALID_ARGUMENT."""

    code: str
    text: str


@dataclass(slots=True, frozen=True)
class Gauges:
    """Octets that are held back in translation."""

    request: Gauge
    response: Gauge


@dataclass(slots=True, frozen=True)
class TranscoderPlan:
    """One configuration of the filter; one without services (`matcher` None) leaves everything alone.

    Limits are None where the stream's buffer limit holds."""

    matcher: PathMatcher[Rule] | None
    writer: MessageWriter | None = None
    printer: JsonPrinter | None = None
    status_type: MessageType | None = None
    """google.rpc.Status, if errors without a body get it for one."""
    delimiting: Delimiting | None = None
    keep_route: bool = False
    ignored: frozenset[str] = frozenset()
    plus: bool = False
    ignore_unknown: bool = False
    capture_unknown: bool = False
    reject_unknown_method: bool = False
    reject_unknown_query: bool = False
    reject_collisions: bool = False
    request_limit_bytes: int | None = None
    response_limit_bytes: int | None = None
    gauges: Gauges | None = None

    def find(self, http_method: bytes, target: bytes) -> Call | Refusal:
        """The call that a request means."""
        path, _, query = target.decode("utf-8", "surrogateescape").partition("?")
        assert self.matcher is not None
        found = self.matcher.find(http_method.decode("latin-1"), path)
        if found is None:
            return Refusal(NOT_FOUND, f"Could not resolve {path} to a method.")
        rule = found.method
        call = Call(rule.method, rule.body, [])
        try:
            for variable, value in found.values:
                self._bind(call, rule.variables[variable], variable.path, value)
            if query:
                for name, value in query_parameters(query, self.ignored, plus=self.plus):
                    self._bind(call, None, tuple(name.split(".")), value)
        except BindingError as error:
            return Refusal(INVALID_ARGUMENT, str(error))
        return call

    def _bind(self, call: Call, fields: FieldPath | BindingError | None, names: tuple[str, ...], value: str) -> None:
        """Add a binding to the call.  Raises BindingError."""
        method = call.method
        try:
            if fields is None:
                fields = resolve(method.request, names)
            elif isinstance(fields, BindingError):
                raise fields
        except BindingError:
            if self.capture_unknown:
                call.unknown.setdefault(".".join(names), []).append(value)
            elif not self.ignore_unknown:
                raise
            return
        inside = method.raw_request and fields[: len(method.raw_request_path)] == method.raw_request_path
        if not inside:
            call.bindings.append((fields, value))
