"""Values across the language border: what metadata becomes in Lua, and the other way round."""

from __future__ import annotations

from typing import Any

import lupa.luajit21 as lupa
import pytest

from pyvoy.extensions.lua.values import ValueKindError, from_lua, to_lua


@pytest.fixture
def runtime() -> Any:
    return lupa.LuaRuntime(encoding=None, register_eval=False)


VALUES = [
    None,
    True,
    1,
    2.5,
    "text",
    "ümlaut",
    [1, "two", False],
    {"a": {"b": [1, {"c": "d"}]}},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_there_and_back(runtime: Any, value: Any) -> None:
    assert from_lua(to_lua(runtime, value)) == value


def test_a_hole_in_a_list_is_none(runtime: Any) -> None:
    assert from_lua(runtime.eval("{[1] = 'a', [3] = 'c'}")) == ["a", None, "c"]


REFUSED = {
    "{[10] = 1, z = 1}": "unexpected type number in table key (only string keys are supported)",
    "{[1.5] = 1}": "unexpected type number in table key (only string keys are supported)",
    "{[-1] = 1}": "unexpected type number in table key (only string keys are supported)",
    "{[true] = 1}": "unexpected type boolean in table key (only string keys are supported)",
    "{[print] = 1}": "unexpected type function in table key (only string keys are supported)",
    "{a = print}": "unexpected type 'function' in dynamicMetadata",
    "{[1e9] = 1}": "table key 1000000000 is too large for a list",
}


@pytest.mark.parametrize(("code", "text"), REFUSED.items())
def test_what_metadata_cannot_hold(runtime: Any, code: str, text: str) -> None:
    with pytest.raises(ValueKindError) as caught:
        from_lua(runtime.eval(code))
    assert str(caught.value) == text
