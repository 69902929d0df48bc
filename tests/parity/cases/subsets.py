"""Subset load balancing: which hosts a route's metadata leads to, and what happens when there are none."""

from tests.parity.case import Case, get
from tests.parity.cases.health import endpoint, hosts


def _host(name: str, **metadata: str) -> str:
    """An endpoint with metadata for the balancer."""
    pairs = ", ".join(f"{key}: '{value}'" for key, value in metadata.items())
    return f"{endpoint(f'${name}_port')[:-1]}, metadata: {{filter_metadata: {{envoy.lb: {{{pairs}}}}}}}}}"


_HOSTS = hosts(_host("b", stage="prod", version="1"), _host("c", stage="dev", version="2"))
_OTHERS = "- {match: {prefix: /}, route: {cluster: $b}}\n- {match: {prefix: /}, route: {cluster: $c}}"


def _case(name: str, want: str, config: str, match: str = "", **more: object) -> Case:
    asked = f", metadata_match: {{filter_metadata: {{envoy.lb: {{{match}}}}}}}" if match else ""
    return Case(
        f"subset-{name}",
        want,
        get("/1", "/2"),
        routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up{asked}}}}}\n{_OTHERS}",
        cluster=f"{_HOSTS}\nlb_subset_config: {{{config}}}",
        **more,  # type: ignore[arg-type]
    )


_STAGE = "subset_selectors: [{keys: [stage]}]"
_BOTH = "subset_selectors: [{keys: [version, stage]}, {keys: [version]}]"

CASES: tuple[Case, ...] = (
    _case("chosen", "200 200", _STAGE, "stage: prod"),
    _case("other", "200 200", _STAGE, "stage: dev"),
    _case("two-keys", "200 200", _BOTH, "stage: dev, version: '2'"),
    _case("one-of-two-keys", "200 200", _BOTH, "version: '1'"),
    _case("no-selector", "503 503", _BOTH, "stage: prod"),
    _case("no-value", "503 503", _STAGE, "stage: test"),
    _case("nothing-asked", "503 503", _STAGE),
    _case("default-subset", "200 200", f"fallback_policy: DEFAULT_SUBSET, default_subset: {{stage: dev}}, {_STAGE}"),
    _case(
        "default-subset-for-no-value",
        "200 200",
        f"fallback_policy: DEFAULT_SUBSET, default_subset: {{stage: dev}}, {_STAGE}",
        "stage: test",
    ),
    _case(
        "default-subset-empty", "503 503", f"fallback_policy: DEFAULT_SUBSET, default_subset: {{stage: none}}, {_STAGE}"
    ),
    _case(
        "selector-fallback",
        "200 200",
        "default_subset: {stage: prod}, subset_selectors: [{keys: [stage], fallback_policy: DEFAULT_SUBSET}]",
        "stage: test",
    ),
    _case(
        "selector-no-fallback",
        "503 503",
        "fallback_policy: DEFAULT_SUBSET, default_subset: {stage: prod}, "
        "subset_selectors: [{keys: [stage], fallback_policy: NO_FALLBACK}]",
        "stage: test",
    ),
    _case(
        "selector-fewer-keys",
        "200 200",
        "subset_selectors: [{keys: [stage, version], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [stage]}, "
        "{keys: [stage]}]",
        "stage: dev, version: '9'",
    ),
    _case("other-type-of-value", "503 503", _STAGE, "stage: 1"),
)
