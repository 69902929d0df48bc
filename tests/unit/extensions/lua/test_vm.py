"""A Lua state: what is in it, what a script can leave behind, and that nothing of the host leaks in."""

from __future__ import annotations

import pytest

from pyvoy.extensions.lua.vm import MATCHER_PARTS, LuaVm, ScriptError


def new_vm() -> LuaVm:
    return LuaVm({b"log": print}, MATCHER_PARTS)


def test_a_script_sees_envoys_lua_and_nothing_of_python() -> None:
    vm = new_vm()
    vm.load(b"assert(_VERSION == 'Lua 5.1' and jit and python == nil and host == nil and core == nil)")


def test_an_error_names_the_line() -> None:
    with pytest.raises(ScriptError, match=r'\[string "local a.\.\."\]:2: boom'):
        new_vm().load(b"local a\nerror('boom')")


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
