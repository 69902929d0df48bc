"""Per-filter configuration at four levels: what a filter sees, and which filters are off."""

from __future__ import annotations

import pytest

from pyvoy.config import extensions
from pyvoy.config.context import Built, Chained
from pyvoy.config.extensions import RouteConfig
from tests.unit.config.compile.tables import stream, table

STRING = "type.googleapis.com/google.protobuf.StringValue"


def config(**values: str) -> str:
    """A typed_per_filter_config; the value is the plan, "none" disables the filter."""
    entries = ", ".join(f"{name}: {{'@type': {STRING}, value: {value}}}" for name, value in values.items())
    return f"typed_per_filter_config: {{{entries}}}"


@pytest.fixture(autouse=True)
def _plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands in for the filters: the plan is the text of the configuration."""

    def build(_context, _category, configs, _field):
        found = {}
        for name, message in configs.items():
            text = message.value[2:].decode()
            found[name] = RouteConfig(None, True) if text == "none" else RouteConfig(Built(None, text), None)  # type: ignore[arg-type]
        return found

    monkeypatch.setattr(extensions, "build_route_map", build)


CHAIN = {"f": Chained((), disabled=False), "g": Chained((), disabled=True), "h": Chained((), disabled=True)}


def chosen(path: bytes):
    text = f"""
name: r
{config(f="table", g="none", h="table")}
virtual_hosts:
- name: v
  domains: ['*']
  {config(f="host")}
  routes:
  - {{match: {{path: /plain}}, route: {{cluster: a}}}}
  - {{match: {{path: /own}}, route: {{cluster: a}}, {config(f="route", g="route", h="none")}}}
  - match: {{path: /weighted}}
    route: {{weighted_clusters: {{clusters: [{{name: a, weight: 1, {config(f="cluster", h="cluster")}}}]}}}}
    {config(h="none", unknown="none")}
"""
    found, reports = table(text, chain=CHAIN)
    assert reports == []
    return found.find(stream(path))


def test_plans_are_given_least_specific_first():
    assert chosen(b"/plain").filter_plans == {"f": ("table", "host"), "h": ("table",)}
    assert chosen(b"/own").filter_plans["f"] == ("table", "host", "route")
    assert chosen(b"/weighted").filter_plans["f"] == ("table", "host", "cluster")


def test_the_most_specific_level_decides_whether_a_filter_is_off():
    plain, own, weighted = (chosen(path) for path in (b"/plain", b"/own", b"/weighted"))
    assert (plain.disabled_filters, plain.enabled_filters) == ({"g"}, {"h"})
    assert (own.disabled_filters, own.enabled_filters) == ({"h"}, {"g"})
    assert (weighted.disabled_filters, weighted.enabled_filters) == ({"g"}, {"h"})


def test_a_filter_that_is_on_anyhow_needs_no_route_to_turn_it_on():
    assert "f" not in chosen(b"/plain").enabled_filters
    assert "unknown" not in chosen(b"/weighted").disabled_filters
