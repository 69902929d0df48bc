"""bandwidth_limit: bodies that fit into the bucket, and those that wait."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, request, response

_POST = request("/", method="POST", body=b"0123456789")
_BIG = response("200 OK", body=b"x" * 30_000)
_PER_ROUTE = "- {match: {prefix: /}, route: {cluster: $up}, per_filter: {bandwidth_limit: {stat_prefix: $id, enable_mode: REQUEST, limit_kbps: 100}}}"


def _case(name: str, want: str, mode: str, config: str = "", up: bytes | None = None, kbps: int = 100, **rest: object) -> Case:
    upstream = {} if up is None else {"up": answers(up)}
    return Case(f"bw-{name}", want, (ask(_POST),), filters=f"- bandwidth_limit: {{stat_prefix: $id, enable_mode: {mode}, limit_kbps: {kbps}{config}}}", upstream=upstream, **rest)  # type: ignore[arg-type]


CASES: tuple[Case, ...] = (
    _case("request", "200", "REQUEST", all_stats=True),
    _case("response", "200", "RESPONSE"),
    _case("both", "200", "REQUEST_AND_RESPONSE"),
    _case("off", "200", "DISABLED"),
    _case("runtime-off", "200", "REQUEST", ", runtime_enabled: {default_value: false, runtime_key: k}"),
    _case("slow", "200", "RESPONSE", up=_BIG, kbps=20),
    _case("route", "200", "DISABLED", routes=_PER_ROUTE),
)
