"""Query parameters of a request path: parsing as Envoy does it (no decoding), and the route condition on them.

Source of behaviour: Envoy's QueryParamsMulti::parseQueryString and ConfigUtility::QueryParameterMatcher.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

QueryRow = tuple[bytes, Callable[[bytes], bool] | None, bool | None]
"""Name, test of the first value, wanted presence; at most one of the latter two."""


def query_parameters(path: bytes) -> dict[bytes, bytes]:
    """The first value of each parameter behind the first "?", undecoded."""
    start = path.find(b"?")
    found: dict[bytes, bytes] = {}
    if start >= 0:
        for item in path[start + 1 :].split(b"&"):
            name, _, value = item.partition(b"=")
            found.setdefault(name, value)
    return found


def first_value(path: bytes, name: bytes) -> bytes | None:
    """The first value of one parameter, None when it is absent."""
    return query_parameters(path).get(name)


def query_condition(rows: Sequence[QueryRow]) -> Callable[[Any, dict[bytes, bytes]], bool]:
    """A route condition: every row must hold."""
    wanted = tuple(rows)

    def check(_stream: Any, values: dict[bytes, bytes]) -> bool:
        parameters = query_parameters(values.get(b":path", b""))
        for name, test, present in wanted:
            value = parameters.get(name)
            if present is not None:
                if (value is not None) != present:
                    return False
            elif value is None or (test is not None and not test(value)):
                return False
        return True

    return check
