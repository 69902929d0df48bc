"""From a loaded bootstrap to plans: all of it, or every reason why not."""

import asyncio

import pytest

from pyvoy.config.load import load
from pyvoy.config.problems import ConfigErrors
from pyvoy.server.arena import local_arena
from pyvoy.server.plans import ServerPlan, build, build_in_slices, try_build
from pyvoy.stats.store import memory_store
from tests.unit.server.admin_proxy import BOOTSTRAP


def test_everything_is_built():
    plan = build(load(config_yaml=BOOTSTRAP), memory_store().root, local_arena())
    assert [cluster.name for cluster in plan.clusters] == ["details", "empty"]
    assert [listener.name for listener in plan.listeners] == ["ingress", "egress"]


def test_slices_give_the_same_plans_and_let_others_run(monkeypatch):
    monkeypatch.setattr("pyvoy.server.plans.SLICE_S", 0.0)
    turns = []

    async def build_beside() -> ServerPlan:
        async def other() -> None:
            while True:
                turns.append(1)
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        plan = await build_in_slices(load(config_yaml=BOOTSTRAP), memory_store().root, local_arena())
        task.cancel()
        return plan

    plan = asyncio.run(build_beside())
    assert [cluster.name for cluster in plan.clusters] == ["details", "empty"]
    assert [listener.name for listener in plan.listeners] == ["ingress", "egress"]
    assert len(turns) >= 3


def test_errors_of_the_builders_are_raised_together():
    text = BOOTSTRAP.replace("cluster: details}", "cluster: nowhere}").replace("name: egress", "name: ingress")
    with pytest.raises(ConfigErrors) as failed:
        try_build(load(config_yaml=text))
    said = str(failed.value)
    assert "nowhere" in said
    assert "another listener named 'ingress'" in said


def test_a_bootstrap_of_nothing_has_no_plans():
    plan = build(load(config_yaml="node: {id: x}"), memory_store().root, local_arena())
    assert (plan.clusters, plan.listeners) == ([], [])
