"""Header to metadata: copy header and cookie values into dynamic metadata, for access logs, RBAC and load balancing.

Values longer than 8 KiB and values that are not of the wanted type are left out.
Source: Envoy, HTTP filter "Header-To-Metadata" (values and refusals observed on Envoy 1.40).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.metadata import plain_number
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
NAME = "envoy.filters.http.header_to_metadata"

supports(TYPE, "request_rules response_rules", tuning="stat_prefix")
supports(f"{TYPE}.Rule", "header cookie on_header_present on_header_missing remove")
supports(f"{TYPE}.KeyValuePair", "metadata_namespace key value regex_value_rewrite type encode")

MAX_VALUE_BYTES = 8 * 1024

Convert = Callable[[bytes], "str | float | None"]


@dataclass(slots=True, frozen=True, eq=False)
class Target:
    """Where a value goes: `value` is fixed, or "" for what was found, as `convert` makes it (None: left out)."""

    namespace: str
    key: str
    value: bytes
    convert: Convert


@dataclass(slots=True, frozen=True, eq=False)
class Rule:
    """What is done about one header or cookie."""

    header: bytes
    cookie: bytes
    present: Target | None
    missing: Target | None
    remove: bool


@dataclass(slots=True, frozen=True, eq=False)
class HeaderToMetadataPlan:
    """The rules of both directions."""

    request: tuple[Rule, ...]
    response: tuple[Rule, ...]


@http_filter(name=NAME, type_url=TYPE, route_type_url=TYPE, posture="robust_to_untrusted_downstream_and_upstream")
class HeaderToMetadata(HttpFilter):
    """One per stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> HeaderToMetadataPlan:
        """The plan of a Config message."""
        return HeaderToMetadataPlan(
            _rules(message.request_rules, context, "request_rules"),
            _rules(message.response_rules, context, "response_rules"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> HeaderToMetadataPlan:
        """The same message on a route: it takes the place of the filter's own."""
        return HeaderToMetadata.build(message, context)

    def __init__(self, plan: HeaderToMetadataPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """The request's rules."""
        self._plan = stream.route_plan(self) or self._plan
        _apply(self._plan.request, stream, headers)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """The response's rules."""
        _apply(self._plan.response, stream, headers)
        return CONTINUE


def _apply(rules: Sequence[Rule], stream: Stream, headers: HeaderMap) -> None:
    for rule in rules:
        value = cookie_value(headers, rule.cookie) if rule.cookie else headers.joined(rule.header)
        target = rule.missing if value is None else rule.present
        if target is not None:
            _write(target, value or b"", stream)
        if rule.remove and value is not None:
            headers.remove(rule.header)


def _write(target: Target, found: bytes, stream: Stream) -> None:
    value = target.value or found
    if not value or len(value) > MAX_VALUE_BYTES:
        return
    converted = target.convert(value)
    if converted is not None:
        stream.info.dynamic_metadata.setdefault(target.namespace, {})[target.key] = converted


def cookie_value(headers: HeaderMap, name: bytes) -> bytes | None:
    """The value of the first cookie of that name, without its quotes; None when there is none or it is empty."""
    for line in headers.get_all(b"cookie"):
        for pair in line.split(b";"):
            key, _, value = pair.partition(b"=")
            if key.strip() == name:
                value = value.strip()
                if len(value) > 1 and value[:1] == value[-1:] == b'"':
                    value = value[1:-1]
                return value or None
    return None


# ---- load ----


def _rules(messages: Sequence[Any], context: Context, field: str) -> tuple[Rule, ...]:
    return tuple(_rule(message, context.at(field, index)) for index, message in enumerate(messages))


def _rule(message: Any, context: Context) -> Rule:
    present, missing = message.HasField("on_header_present"), message.HasField("on_header_missing")
    if message.header and message.cookie:
        context.error("", "Cannot specify both header and cookie in the same rule")
    elif not message.header and not message.cookie:
        context.error("", "One of Cookie or Header option needs to be specified")
    elif not present and not missing:
        kind, name = ("header", message.header) if message.header else ("cookie", message.cookie)
        text = f"rule for {kind} '{name}' has neither `on_header_present` nor `on_header_missing` set"
        context.error("", text)
    if message.cookie and message.remove:
        context.error("remove", "Cannot specify remove for cookie")
    if missing and not message.on_header_missing.value:
        context.error("on_header_missing.value", "Cannot specify on_header_missing rule with an empty value")
    return Rule(
        message.header.lower().encode(),
        message.cookie.encode(),
        _target(message.on_header_present, context.at("on_header_present")) if present else None,
        _target(message.on_header_missing, context.at("on_header_missing")) if missing else None,
        message.remove,
    )


def _target(message: Any, context: Context) -> Target:
    return Target(message.metadata_namespace or NAME, message.key, message.value.encode(), _convert(message, context))


def _convert(message: Any, context: Context) -> Convert:
    """Rewrite, then decode, then type: whatever of it is configured."""
    rewrite: Callable[[bytes], bytes] = bytes
    if message.HasField("regex_value_rewrite"):
        from pyvoy.config.compile.regex_rewrite import regex_rewrite

        if message.value:
            context.error("regex_value_rewrite", "Cannot specify both value and regex_value_rewrite")
        rewrite = regex_rewrite(message.regex_value_rewrite, context.at("regex_value_rewrite"))
    if message.type not in (0, 1):
        context.error("type", "PROTOBUF_VALUE is not supported by pyvoy")
    typed = _number if message.type == 1 else _text
    encoded = message.encode == 1

    def convert(value: bytes) -> str | float | None:
        changed: bytes | None = rewrite(value)
        if encoded and changed is not None:
            changed = _decoded(changed)
        return typed(changed) if changed else None

    return convert


def _decoded(value: bytes) -> bytes | None:
    try:
        return b64decode(value, validate=True)
    except binascii.Error:
        return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _number(value: bytes) -> float | None:
    try:
        return plain_number(float(value))
    except ValueError:
        return None


_: type[HttpFilter] = HeaderToMetadata
