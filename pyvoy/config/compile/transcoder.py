"""grpc_json_transcoder's configuration: descriptors, methods and HTTP rules as the filter's plan.

Source: Envoy's field reference; google/api/http.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from google.api import annotations_pb2, http_pb2
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from pyvoy.config.problems import nearest_name
from pyvoy.filters.http.grpc_json_transcoder.binding import BindingError, FieldPath, resolve
from pyvoy.filters.http.grpc_json_transcoder.json_printer import JsonPrinter, PrintOptions
from pyvoy.filters.http.grpc_json_transcoder.message_writer import MessageWriter
from pyvoy.filters.http.grpc_json_transcoder.path_matcher import PathMatcher, Unescape
from pyvoy.filters.http.grpc_json_transcoder.path_template import TemplateError, Variable, parse
from pyvoy.filters.http.grpc_json_transcoder.plan import Method, Rule, TranscoderPlan
from pyvoy.filters.http.grpc_json_transcoder.response_translation import Delimiting
from pyvoy.filters.http.grpc_json_transcoder.schema import MessageType, Schema

if TYPE_CHECKING:
    from pyvoy.config.context import Context

HTTP_BODY: Final = "google.api.HttpBody"
_SHARED: Final = "grpc_json_transcoder"
_PATTERNS: Final = {"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "patch": "PATCH"}


def plan(message: Any, context: Context) -> TranscoderPlan:
    """The plan of a GrpcJsonTranscoder message, of a filter or of a route."""
    off = TranscoderPlan(None)
    if not message.services:
        return off
    descriptors = _descriptors(message, context)
    if descriptors is None:
        return off
    schema = descriptors.schema
    matcher: PathMatcher[Rule] = PathMatcher(
        Unescape(message.url_unescape_spec), any_verb=message.match_unregistered_custom_verb
    )
    _register_services(message, context, descriptors, matcher)
    checks = message.request_validation_options
    return TranscoderPlan(
        matcher,
        writer=MessageWriter(schema, message.case_insensitive_enum_parsing),
        printer=JsonPrinter(schema, _print_options(message.print_options)),
        status_type=schema.message("google.rpc.Status") if message.convert_grpc_status else None,
        delimiting=_delimiting(message.print_options),
        keep_route=message.match_incoming_request_route,
        ignored=frozenset(message.ignored_query_parameters),
        plus=message.query_param_unescape_plus,
        ignore_unknown=message.ignore_unknown_query_parameters,
        capture_unknown=message.capture_unknown_query_parameters,
        reject_unknown_method=checks.reject_unknown_method,
        reject_unknown_query=checks.reject_unknown_query_parameters,
        reject_collisions=checks.reject_binding_body_field_collisions,
        request_limit_bytes=_limit(message, "max_request_body_size", context),
        response_limit_bytes=_limit(message, "max_response_body_size", context),
    )


def _limit(message: Any, field: str, context: Context) -> int | None:
    return int(context.require(message, field, at_least=1)) if message.HasField(field) else None


def _print_options(options: Any) -> PrintOptions:
    return PrintOptions(
        whitespace=options.add_whitespace,
        primitives=options.always_print_primitive_fields,
        enums_as_ints=options.always_print_enums_as_ints,
        proto_names=options.preserve_proto_field_names,
    )


def _delimiting(options: Any) -> Delimiting:
    if options.stream_sse_style_delimited:
        return Delimiting.EVENTS
    return Delimiting.LINES if options.stream_newline_delimited else Delimiting.ARRAY


# ---- descriptors ----


@dataclass(slots=True, frozen=True)
class _Descriptors:
    """A descriptor set: its types, and its services by their full names."""

    schema: Schema
    services: dict[str, Any]


def _descriptors(message: Any, context: Context) -> _Descriptors | None:
    """The descriptors of a configuration; None after a problem.  A set that several name is made once a load."""
    data = _data(message, context)
    if data is None:
        return None
    made: dict[tuple[bytes, bool], _Descriptors] = context.env.shared.setdefault(_SHARED, {})
    key = (data, message.convert_grpc_status)
    if key not in made:
        source = message.WhichOneof("descriptor_set")
        try:
            files = descriptor_pb2.FileDescriptorSet.FromString(data)
        except DecodeError:
            context.error(source, "is no serialized FileDescriptorSet (protoc --descriptor_set_out)")
            return None
        if message.convert_grpc_status:
            _add_built_in(files)
        try:
            schema = Schema(_pool(files))
        except TypeError as error:
            context.error(source, str(error))
            return None
        services = {f"{file.package}.{each.name}".lstrip("."): each for file in files.file for each in file.service}
        made[key] = _Descriptors(schema, services)
    return made[key]


def _data(message: Any, context: Context) -> bytes | None:
    """The serialized descriptor set; None after a problem."""
    if message.WhichOneof("descriptor_set") != "proto_descriptor":
        return bytes(message.proto_descriptor_bin)
    path = Path(message.proto_descriptor)
    context.env.files.add(str(path))
    try:
        return path.read_bytes()
    except OSError as error:
        context.error("proto_descriptor", f"cannot read '{path}': {error.strerror}")
        return None


def _add_built_in(files: Any) -> None:
    """google.rpc.Status and what it stands on, if the set has not got them."""
    for module in (any_pb2, status_pb2):
        if module.DESCRIPTOR.name not in {file.name for file in files.file}:
            module.DESCRIPTOR.CopyToProto(files.file.add())


def _pool(files: Any) -> Any:
    """A pool of these files alone.  Raises TypeError for one that cannot be built."""
    pool = descriptor_pool.DescriptorPool()
    known: set[str] = set()
    for file in files.file:
        missing = [name for name in file.dependency if name not in known]
        try:
            if missing:
                raise TypeError(f"imports '{missing[0]}', which does not come before it (protoc --include_imports)")
            pool.Add(file)
        except TypeError as error:
            raise TypeError(f"'{file.name}' cannot be built: {error}") from None
        known.add(file.name)
    return pool


# ---- methods and rules ----


def _register_services(message: Any, context: Context, descriptors: _Descriptors, matcher: PathMatcher[Rule]) -> None:
    services, schema = descriptors.services, descriptors.schema
    for place, name in enumerate(message.services):
        service = services.get(name)
        if service is None:
            text = f"could not find service '{name}' in the proto descriptor"
            context.error(f"services[{place}]", text, nearest_name(name, services))
            continue
        for method in service.method:
            rule = _http_rule(method, name, message.auto_mapping)
            try:
                _register(matcher, _method(method, name, rule, schema), rule)
            except (BindingError, TemplateError) as error:
                context.error(f"services[{place}]", f"cannot register '{name}.{method.name}': {error}")


def _http_rule(method: Any, service: str, auto_mapping: bool) -> Any:
    """The method's google.api.http option; empty without one, unless all methods are mapped."""
    if method.options.HasExtension(annotations_pb2.http):
        return method.options.Extensions[annotations_pb2.http]
    if auto_mapping:
        return http_pb2.HttpRule(post=f"/{service}/{method.name}", body="*")
    return http_pb2.HttpRule()


def _method(method: Any, service: str, rule: Any, schema: Schema) -> Method:
    """Raises BindingError for a body field that is none."""
    request = schema.message(method.input_type.removeprefix("."))
    response = schema.message(method.output_type.removeprefix("."))
    request_path = _body_path(request, rule.body)
    response_path = _body_path(response, rule.response_body)
    raw_response = _leads_to_http_body(response, response_path)
    if response_path and not raw_response:
        raise BindingError(f"response_body '{rule.response_body}' is no google.api.HttpBody: that is not supported")
    return Method(
        f"/{service}/{method.name}".encode(),
        request,
        response,
        method.client_streaming,
        method.server_streaming,
        _leads_to_http_body(request, request_path),
        request_path,
        raw_response,
        response_path,
    )


def _body_path(message: MessageType, text: str) -> FieldPath:
    return () if text == "*" else resolve(message, [name for name in text.split(".") if name])


def _leads_to_http_body(message: MessageType, path: FieldPath) -> bool:
    end = path[-1].message if path else message
    return end is not None and end.full_name == HTTP_BODY


def _register(matcher: PathMatcher[Rule], method: Method, rule: Any) -> None:
    """Raises TemplateError."""
    for http_method, path, body in _bindings(rule):
        template = parse(path)
        fields = {variable: _variable(method.request, variable) for variable in template.variables}
        prefix = () if body == "*" else tuple(name for name in body.split(".") if name)
        matcher.add(http_method, template, Rule(method, prefix, fields))


def _bindings(rule: Any) -> Iterator[tuple[str, str, str]]:
    """(HTTP method, template, body) of a rule and its additional bindings."""
    pattern = rule.WhichOneof("pattern")
    if pattern == "custom":
        yield rule.custom.kind, rule.custom.path, rule.body
    elif pattern is not None:
        yield _PATTERNS[pattern], getattr(rule, pattern), rule.body
    for more in rule.additional_bindings:
        yield from _bindings(more)


def _variable(message: MessageType, variable: Variable) -> FieldPath | BindingError:
    """The fields of a variable; an error is the request's, as the rest of the service works."""
    try:
        return resolve(message, variable.path)
    except BindingError as error:
        return error
