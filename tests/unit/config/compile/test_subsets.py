"""LbSubsetConfig: what is read, and what does not fit."""

import pytest

from pyvoy.upstream.balancing.subset import Fallback, SelectorPlan, SubsetPlan
from tests.unit.config.compile.cluster_reading import compiled, plan


def test_no_selectors_no_subsets():
    assert plan().subsets is None
    assert plan("lb_subset_config: {fallback_policy: ANY_ENDPOINT}").subsets is None


def test_fields():
    found = plan(
        "lb_subset_config: {fallback_policy: DEFAULT_SUBSET, default_subset: {stage: prod}, panic_mode_any: true, "
        "subset_selectors: [{keys: [version, stage], fallback_policy: KEYS_SUBSET, fallback_keys_subset: [stage]}]}"
    ).subsets
    selector = SelectorPlan(("stage", "version"), Fallback.KEYS_SUBSET, frozenset(("stage",)))
    assert found == SubsetPlan(Fallback.DEFAULT_SUBSET, {"stage": "prod"}, (selector,), True)


@pytest.mark.parametrize("keys", ["[]", "[a]", "[b]"])
def test_fallback_keys_must_be_fewer(keys):
    text = f"subset_selectors: [{{keys: [a], fallback_policy: KEYS_SUBSET, fallback_keys_subset: {keys}}}]"
    assert compiled(f"lb_subset_config: {{{text}}}")[1]
