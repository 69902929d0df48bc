"""Answers that need no upstream: redirects and direct responses, as `(stream) -> (status, body, headers)`.

Source of behaviour: Envoy's Http::Utility::newUri and processRequestHost, and the router's handling of
DirectResponseEntry (a 201 or 3xx without a redirect also gets a location: the request's own URI).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.routing.rewrite import TextRewrite
from pyvoy.observe import details

ResponseRules = Callable[[Any, HeaderMap], None]
Answer = tuple[int, bytes, list[Pair]]
Answerer = Callable[..., Answer]
"""`(stream, keep_original=True)`: redirects that rewrite the path write it, and x-envoy-original-path."""


@dataclass(slots=True, frozen=True)
class RedirectPlan:
    """A compiled RedirectAction.  Empty bytes mean "as in the request"; `port` has its colon."""

    status: int = 301
    scheme: bytes = b""
    host: bytes = b""
    port: bytes = b""
    path: bytes = b""
    rewrite: TextRewrite | None = None
    strip_query: bool = False


def redirect(plan: RedirectPlan) -> Answerer:
    """A redirect to the URI that the plan makes of the request's."""
    rewrite = plan.rewrite

    def answer(stream: Any, keep_original: bool = True) -> Answer:
        headers = stream.request_headers
        if rewrite is not None:
            path = headers.map.get(b":path", b"")
            new = rewrite(path)
            if new:
                if keep_original:
                    headers.set(b"x-envoy-original-path", path)
                headers.set(b":path", new)
        return plan.status, b"", _location(plan, headers)

    return answer


def direct_response(status: int, body: Callable[[Any], bytes], headers: tuple[Pair, ...] = ()) -> Answerer:
    """A fixed status and a body that may be computed."""
    with_location = status == 201 or 300 <= status <= 399
    plan = RedirectPlan(status)

    def answer(stream: Any, keep_original: bool = True) -> Answer:
        location = _location(plan, stream.request_headers) if with_location else []
        return status, body(stream), [*location, *headers]

    return answer


def with_rules(answer: Answerer, rules: ResponseRules) -> Answerer:
    """The answer with the route's response header rules done, so that nobody else has to."""

    def finalized(stream: Any, keep_original: bool = True) -> Answer:
        status, body, pairs = answer(stream, keep_original)
        return status, body, reply_headers(rules, stream, status, details.DIRECT_RESPONSE, pairs)

    return finalized


def reply_headers(
    rules: ResponseRules | None, stream: Any, status: int, detail: str, pairs: Sequence[Pair] = ()
) -> list[Pair]:
    """The headers of a reply that the router makes for a route (`rules` is its `reply_rules`).

    Envoy 1.40 does the route's response rules on each of them: no cluster, no host, resets, time-outs, overflow.  The
    operators see the status line, flags and details of the reply, but no response code yet; x-envoy-overloaded and
    x-envoy-attempt-count come behind the rules and are untouched by them (measured)."""
    if rules is None:
        return list(pairs)
    headers = HeaderMap([(b":status", b"%d" % status), *pairs])
    stream.info.response_code_details = detail
    stream.response_headers = headers
    rules(stream, headers)
    return [pair for pair in headers.items() if pair[0] != b":status"]


def tls_redirect(stream: Any, keep_original: bool = True) -> Answer:
    """`require_tls`: 301 to the same URI with https."""
    values = stream.request_headers.map
    return 301, b"", [(b"location", b"https://" + values.get(b":authority", b"") + values.get(b":path", b""))]


def new_uri(plan: RedirectPlan, headers: HeaderMap) -> bytes:
    """The URI a client is sent to."""
    values = headers.map
    scheme = plan.scheme or values.get(b":scheme", b"")
    host = plan.host or _request_host(values, scheme, plan.port)
    path = values.get(b":path", b"")
    fixed_query = b"?" in plan.path
    if plan.path:
        at = path.find(b"?")
        path = plan.path if fixed_query or at < 0 else plan.path + path[at:]
    if plan.strip_query and not fixed_query:
        path = path.partition(b"?")[0]
    return b"".join((scheme, b"://", host, plan.port, path))


def _location(plan: RedirectPlan, headers: HeaderMap) -> list[Pair]:
    return [(b"location", new_uri(plan, headers))] if b":path" in headers.map else []


def _request_host(values: dict[bytes, bytes], scheme: bytes, port: bytes) -> bytes:
    """The request's host, without its port when another one is given or it was the default of the old scheme."""
    host = values.get(b":authority", b"")
    if host.startswith(b"["):
        colon = host.rfind(b"]:")
        colon += colon >= 0
    else:
        colon = host.rfind(b":")
    if colon < 0:
        return host
    old_port = host[colon:]
    old_scheme = values.get(b"x-forwarded-proto", b"")
    default = (old_scheme == b"https" and old_port == b":443") or (old_scheme == b"http" and old_port == b":80")
    return host[:colon] if port or (scheme != old_scheme and default) else host
