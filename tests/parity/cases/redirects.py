"""Internal redirects: which are followed, what the new request looks like, what is logged and counted."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, request, response
from tests.support.steps import Answers, Step, Wait

_VHOSTS = """
- name: $id-a
  domains: [a.test]
  routes:
  - {match: {prefix: /}, name: first, route: {cluster: $up, internal_redirect_policy: {%s}}}
- name: $id-b
  domains: [b.test]
  routes:
  - {match: {prefix: /}, name: second, route: {cluster: $b}}
"""


def to(location: str, status: str = "302 Found", *lines: str, body: bytes = b"") -> bytes:
    """A redirect of the upstream."""
    return response(status, f"location: {location}", "x-copy: me", *lines, body=body)


def _case(
    name: str,
    want: str,
    *given: bytes | tuple[Step, ...],
    policy: str = "",
    send: tuple[tuple[Step, ...], ...] = (ask(request("/old?q=1")),),
    **more: object,
) -> Case:
    given = given or (to("http://b.test/new?x=1"),)
    more = {"vhosts": _VHOSTS % policy, **more}
    return Case(f"follow-{name}", want, send, **{"upstream": {"up": answers(*given)}, **more})  # type: ignore[arg-type]


_POST = request("/old", method="POST", body=b"hello")
_CHUNKED = request("/old", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
_PREDICATE = (
    "max_internal_redirects: 5, predicates: [{name: p, typed_config: {'@type': "
    "type.googleapis.com/envoy.extensions.internal_redirect.%s}}]"
)

CASES: tuple[Case, ...] = (
    _case("followed", "200"),
    _case("followed-with-body", "200", to("http://b.test/new", body=b"moved")),
    _case("fragment", "200", to("http://b.test/new?x=1#part")),
    _case("no-path", "200", to("http://b.test")),
    _case("port", "404", to("http://c.test:81/new"), send=(ask(request("/old", host="c.test")),)),
    _case("relative", "302", to("/new")),
    _case("no-location", "302", response("302 Found")),
    _case("bad-location", "302", to("http://")),
    _case("other-scheme", "302", to("https://b.test/new")),
    _case("other-scheme-allowed", "200", to("https://b.test/new"), policy="allow_cross_scheme_redirect: true"),
    _case("other-code", "301", to("http://b.test/new", "301 Moved Permanently")),
    _case("listed-code", "200", to("http://b.test/new", "307 Temporary Redirect"), policy="redirect_response_codes: [307]"),
    _case("unlisted-code", "302", policy="redirect_response_codes: [307]"),
    _case("no-route", "302", to("http://c.test/new")),
    _case("too-many", "302", to("http://a.test/loop")),
    _case(
        "three-hops",
        "302",
        to("http://a.test/loop", "302 Found", "connection: close"),
        policy="max_internal_redirects: 3",
    ),
    _case("none-allowed", "302", policy="max_internal_redirects: 0"),
    _case("copied-headers", "200", policy="response_headers_to_copy: [x-copy, x-absent]"),
    _case("post", "200", send=(ask(_POST),)),
    _case("post-chunked", "200", send=(ask(_CHUNKED),)),
    _case("303", "200", to("http://b.test/new", "303 See Other"), policy="redirect_response_codes: [303]", send=(ask(_POST),)),
    _case(
        "303-chunked",
        "200",
        to("http://b.test/new", "303 See Other"),
        policy="redirect_response_codes: [303]",
        send=(ask(_CHUNKED),),
    ),
    _case(
        "request-not-whole",
        "302",
        send=((_POST[:-2], Answers(1), Wait(0.1)),),
        settle_s=0.3,
        upstream={"up": answers(to("http://b.test/new"), early=True)},
    ),
    _case("keep-alive", "200 200", send=(ask(request("/1"), request("/2")),), policy="max_internal_redirects: 1"),
    _case("listed-route", "200", policy=_PREDICATE % "allow_listed_routes.v3.AllowListedRoutesConfig, allowed_route_names: [second]"),
    _case("unlisted-route", "302", policy=_PREDICATE % "allow_listed_routes.v3.AllowListedRoutesConfig, allowed_route_names: [x]"),
    _case("previous-route", "302", to("http://a.test/loop"), policy=_PREDICATE % "previous_routes.v3.PreviousRoutesConfig"),
    _case(
        "safe-scheme",
        "302",
        to("https://b.test/new"),
        policy="allow_cross_scheme_redirect: true, " + _PREDICATE % "safe_cross_scheme.v3.SafeCrossSchemeConfig",
    ),
    _case("filters-run-again", "200", filters="- header_mutation: {mutations: {request_mutations: [{append: {header: {key: x-seen, value: again}}}]}}"),
    _case("retried-before", "200", response("503 X"), to("http://b.test/new"), vhosts=_VHOSTS.replace("cluster: $up,", "cluster: $up, retry_policy: {retry_on: 5xx},") % ""),
)
