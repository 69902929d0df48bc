"""What a processor's answer does to headers and bodies.

Source: Envoy's ext_proc MutationUtils (the texts are those that Envoy 1.40 logs).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.filters.common.mutation_rules import Allowed, MutationRules, Operation
from pyvoy.http.headers import HeaderMap, is_valid_header

if TYPE_CHECKING:
    from pyvoy.stats.counters import Counter

MOST_HEADERS = 100
"""Envoy: the default of max_headers_count."""
LARGEST_HEADERS_BYTES = 60 * 1024
"""Envoy: the default of max_request_headers_kb."""

TOO_MANY = "header_mutation_operation_count_exceeds_limit"
TOO_LARGE = "header_mutation_result_exceeds_limit"
BAD_REMOVAL = "header_mutation_remove_contains_invalid_character"
BAD_HEADER = "header_mutation_set_contains_invalid_character"
REMOVAL_FAILED = "header_mutation_remove_headers_failed"
CHANGE_FAILED = "header_mutation_set_headers_failed"


class HeaderChanges:
    """Carries out HeaderMutation messages under the rules of one configuration."""

    __slots__ = ("_rejected", "_rules")

    def __init__(self, rules: MutationRules, rejected: Counter) -> None:
        self._rules = rules
        self._rejected = rejected

    def apply(self, mutation: Any, headers: HeaderMap, *, replacing: bool = False, fixed_length: bool = False) -> str:
        """Change headers; what is wrong with the message, or "".

        `replacing`: the method may change too; `fixed_length`: content-length is not the server's to set."""
        fault = self._remove(mutation, headers) or self._set(mutation, headers, replacing, fixed_length)
        if not fault and (len(headers) > MOST_HEADERS or headers.byte_size() > LARGEST_HEADERS_BYTES):
            fault = TOO_LARGE
            self._rejected.inc()
        return fault

    def _remove(self, mutation: Any, headers: HeaderMap) -> str:
        if len(mutation.remove_headers) > MOST_HEADERS or len(mutation.set_headers) > MOST_HEADERS:
            self._rejected.inc()
            return TOO_MANY
        for text in mutation.remove_headers:
            name = text.lower().encode()
            if not is_valid_header(name, b""):
                self._rejected.inc()
                return BAD_REMOVAL
            allowed = self._check(Operation.REMOVE, name, b"")
            if allowed is Allowed.FAILED:
                return REMOVAL_FAILED
            if allowed is Allowed.OK:
                headers.remove(name)
        return ""

    def _set(self, mutation: Any, headers: HeaderMap, replacing: bool, fixed_length: bool) -> str:
        for option in mutation.set_headers:
            if not option.HasField("header"):
                continue
            name, value = option.header.key.lower().encode(), bytes(option.header.raw_value)
            if fixed_length and name == b"content-length":
                continue
            if not is_valid_header(name, value):
                self._rejected.inc()
                return BAD_HEADER
            adds = option.append.value  # Envoy 1.40 does not look at append_action here
            operation = Operation.APPEND if adds and name in headers.map else Operation.SET
            allowed = Allowed.OK
            if not (replacing and name == b":method"):
                allowed = self._check(operation, name, value)
            if allowed is Allowed.FAILED:
                return CHANGE_FAILED
            if allowed is Allowed.OK:
                _write(headers, name, value, adds=adds)
        return ""

    def _check(self, operation: Operation, name: bytes, value: bytes) -> Allowed:
        allowed = self._rules.check(operation, name, value)
        if allowed is not Allowed.OK:
            self._rejected.inc()
        return allowed


def _write(headers: HeaderMap, name: bytes, value: bytes, *, adds: bool) -> None:
    if name == b"host":
        name = b":authority"
    if adds:
        headers.add(name, value)
        return
    if name[:1] != b":":
        headers.remove(name)
    headers.set(name, value)


def changed_body(mutation: Any, body: bytes) -> bytes:
    """The body after a BodyMutation."""
    kind = mutation.WhichOneof("mutation")
    if kind == "body":
        return bytes(mutation.body)
    return b"" if kind == "clear_body" and mutation.clear_body else body


def forwarded(
    headers: HeaderMap, message: Any, allowed: Callable[[bytes], bool] | None, refused: Callable[[bytes], bool] | None
) -> None:
    """Write what may be told of headers into a HeaderMap message, their values as raw bytes."""
    for name, value in headers.items():
        if (refused is None or not refused(name)) and (allowed is None or allowed(name)):
            message.headers.add(key=name.decode("latin-1"), raw_value=value)
