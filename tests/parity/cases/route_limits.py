"""Local rate limits by the descriptors of routes and virtual hosts."""

from tests.parity.case import Case, get

_ALL = "default_value: {numerator: 100, denominator: HUNDRED}"
_FILTER = (
    "- local_ratelimit: {stat_prefix: $id, filter_enabled: {" + _ALL + "}, filter_enforced: {" + _ALL + "}, "
    "token_bucket: {max_tokens: 100, tokens_per_fill: 100, fill_interval: 600s}, "
    "descriptors: [{entries: [{key: client, value: a}], token_bucket: {max_tokens: 1, tokens_per_fill: 1, "
    "fill_interval: 600s}}]%s}"
)


def _limits(value: str, more: str = "") -> str:
    action = f"{{generic_key: {{descriptor_key: client, descriptor_value: {value}}}}}"
    return f"rate_limits: [{{actions: [{action}]{more}}}]"


def _case(name: str, want: str, route: str, host: str = "", options: str = "") -> Case:
    return Case(
        f"route-limit-{name}",
        want,
        get("/1", "/2"),
        routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up{route and ', ' + route}}}}}",
        vhost=host,
        filters=_FILTER % options,
    )


CASES: tuple[Case, ...] = (
    _case("of-the-route", "200 429", _limits("a")),
    _case("other-value", "200 200", _limits("b")),
    _case("none", "200 200", ""),
    _case("other-stage", "200 200", _limits("a", ", stage: 2")),
    _case("this-stage", "200 429", _limits("a", ", stage: 2"), options=", stage: 2"),
    _case("of-the-host", "200 429", "", _limits("a")),
    _case("route-overrides", "200 200", _limits("b"), _limits("a")),
    _case("host-included", "200 429", _limits("b"), _limits("a"), ", vh_rate_limits: INCLUDE"),
    _case("host-ignored", "200 200", "", _limits("a"), ", vh_rate_limits: IGNORE"),
    _case("route-includes-host", "200 429", _limits("b") + ", include_vh_rate_limits: true", _limits("a")),
)
