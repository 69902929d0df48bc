"""HeaderMutationRules: which headers a server may change.

Source: Envoy's mutation rules Checker (order of the rules and what is never allowed observed on Envoy 1.40).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.config.common.mutation_rules.v3.HeaderMutationRules"

supports(
    TYPE,
    "allow_all_routing allow_envoy disallow_system disallow_all allow_expression disallow_expression disallow_is_error",
)

_ROUTING = frozenset((b"host", b":authority", b":method", b":scheme"))
_SCHEMES = (b"http", b"https")
_BAD_AUTHORITY = re.compile(rb"[^!$%&'()*+,\-./0-9:;=@A-Z\[\]_a-z~]")
_LOWEST_STATUS = 200


class Operation(Enum):
    """What is to be done with a header."""

    SET = "set"
    APPEND = "append"
    REMOVE = "remove"


class Allowed(Enum):
    """OK: do it.  IGNORED: leave it.  FAILED: an error."""

    OK = "ok"
    IGNORED = "ignored"
    FAILED = "failed"


@dataclass(slots=True, frozen=True, eq=False)
class MutationRules:
    """The rules of one message."""

    routing: bool
    envoy: bool
    no_system: bool
    nothing: bool
    allows: Callable[[bytes], bool] | None
    refuses: Callable[[bytes], bool] | None
    refused: Allowed
    """What becomes of what is not allowed."""

    def check(self, operation: Operation, name: bytes, value: bytes = b"") -> Allowed:
        """Whether a header, its name in lower case, may be changed so."""
        if self._allows(operation, name) and (operation is Operation.REMOVE or _sound(name, value)):
            return Allowed.OK
        return self.refused

    def _allows(self, operation: Operation, name: bytes) -> bool:
        system = name[:1] == b":"
        if operation is Operation.REMOVE and (system or name == b"host"):
            return False
        if operation is Operation.APPEND and (system or name == b"host"):
            return False
        if self.refuses is not None and self.refuses(name):
            return False
        if self.allows is not None and self.allows(name):
            return True
        if self.nothing or (system and self.no_system):
            return False
        return (self.routing or name not in _ROUTING) and (self.envoy or not name.startswith(b"x-envoy"))


def _sound(name: bytes, value: bytes) -> bool:
    """Whether a header that steers the message has a value that it can have."""
    if name in (b"host", b":authority"):
        return _BAD_AUTHORITY.search(value) is None
    if name == b":scheme":
        return value.lower() in _SCHEMES
    if name == b":status":
        return value.isdigit() and int(value) >= _LOWEST_STATUS
    return True


def mutation_rules(message: Any, context: Context) -> MutationRules:
    """The rules of a HeaderMutationRules message; `context` stands at it."""

    def flag(name: str) -> bool:
        return bool(context.wrapped(message, name, False))

    def expression(name: str) -> Callable[[bytes], bool] | None:
        return context.regex(message, name) if message.HasField(name) else None

    return MutationRules(
        flag("allow_all_routing"),
        flag("allow_envoy"),
        flag("disallow_system"),
        flag("disallow_all"),
        expression("allow_expression"),
        expression("disallow_expression"),
        Allowed.FAILED if flag("disallow_is_error") else Allowed.IGNORED,
    )
