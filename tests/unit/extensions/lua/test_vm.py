"""A Lua state: what is in it, what a script can leave behind, and that nothing of the host leaks in."""

from __future__ import annotations

import pytest

from pyvoy.extensions.lua.options import LuaOptions
from pyvoy.extensions.lua.vm import MATCHER_PARTS, LuaVm, ScriptError


def new_vm() -> LuaVm:
    return LuaVm({b"log": print}, MATCHER_PARTS)


def test_a_script_sees_envoys_lua_and_nothing_of_python() -> None:
    vm = new_vm()
    vm.load(b"assert(_VERSION == 'Lua 5.1' and jit and python == nil and host == nil and core == nil)")
    vm.load(b"assert(not pcall(require, 'python'))")


def test_an_error_names_the_line() -> None:
    with pytest.raises(ScriptError, match=r'\[string "local a.\.\."\]:2: boom'):
        new_vm().load(b"local a\nerror('boom')")


@pytest.mark.parametrize("limit", [0, 100_000])
def test_a_script_that_waits_while_it_is_loaded_cannot_be_loaded(limit: int) -> None:
    vm = LuaVm({b"log": print}, MATCHER_PARTS, LuaOptions(max_instructions=limit))
    with pytest.raises(ScriptError, match="attempt to yield "):
        vm.load(b"coroutine.yield()")


def test_the_limit_of_instructions_holds_while_a_script_is_loaded() -> None:
    vm = LuaVm({b"log": print}, MATCHER_PARTS, LuaOptions(max_instructions=100_000))
    with pytest.raises(ScriptError, match="exceeded its limit of 100000 instructions"):
        vm.load(b"while true do end")


def test_hooks_are_looked_up_by_name() -> None:
    vm = new_vm()
    vm.load(b"function one() end two = 2")
    assert vm.hook_of(b"one") is not None
    assert vm.hook_of(b"two") is None
    assert vm.hook_of(b"three") is None


def test_states_share_nothing() -> None:
    first, second = new_vm(), new_vm()
    first.load(b"shared = 1")
    second.load(b"assert(shared == nil)")
