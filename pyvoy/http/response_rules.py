"""What the connection manager writes into every response head, in Envoy's order.  Pure.

date, server, hop-by-hop headers out, request id, via; before it the filters, behind it `connection: close`.
Source: Envoy's ConnectionManagerImpl::ActiveStream::encodeHeaders and ConnectionManagerUtility::mutateResponseHeaders,
checked on the running 1.40 (headers that a response's Connection nominates are kept).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pyvoy.http.headers import HeaderMap
from pyvoy.http.hop_by_hop import RESPONSE_NAMES, clean_response, is_upgrade


class ServerHeader(Enum):
    """server_header_transformation."""

    OVERWRITE = 0
    APPEND_IF_ABSENT = 1
    PASS_THROUGH = 2


@dataclass(slots=True, frozen=True)
class ResponseRulesPlan:
    """The connection manager's options that concern response headers; the defaults are Envoy's."""

    server_name: bytes = b"envoy"
    server_header: ServerHeader = ServerHeader.OVERWRITE
    via: bytes = b""
    always_set_request_id: bool = False


class WithRequest(Protocol):
    """What the rules read of a stream."""

    @property
    def request_headers(self) -> HeaderMap:
        """The request's headers as they went upstream."""


def has_status(headers: HeaderMap) -> bool:
    """Whether a response head still has its status, which a filter may have removed or spoilt (Envoy:
    checkRequiredResponseHeaders)."""
    return headers.map.get(b":status", b"").isdigit()


ResponseRules = Callable[[HeaderMap, WithRequest], None]


def compile_response_rules(plan: ResponseRulesPlan, date: Callable[[], bytes]) -> ResponseRules:
    """One function for this plan; `date` gives the current Date value (the caller keeps it for a second)."""
    name = plan.server_name
    overwrite = plan.server_header is ServerHeader.OVERWRITE
    append = plan.server_header is ServerHeader.APPEND_IF_ABSENT
    via = plan.via
    always_id = plan.always_set_request_id

    def rules(headers: HeaderMap, stream: WithRequest) -> None:
        values = headers.map
        put = values.__setitem__ if headers.pairs is None else headers.set
        if b"date" not in values:
            put(b"date", date())
        if overwrite or (append and b"server" not in values):
            put(b"server", name)
        request = stream.request_headers
        if not RESPONSE_NAMES.isdisjoint(values):
            clean_response(headers, b"upgrade" in request.map and is_upgrade(request))
        if always_id or b"x-envoy-force-trace" in request.map:
            request_id = request.map.get(b"x-request-id")
            if request_id:
                headers.set(b"x-request-id", request_id)
        if via:
            headers.append_value(b"via", via, b", ")

    return rules
