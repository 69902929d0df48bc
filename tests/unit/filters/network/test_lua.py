"""Network filters in Lua: every event, what a script may do to its connection, and what becomes of failures."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.network.lua import LuaNetwork
from pyvoy.network.network_filter import NetworkVerdict
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.l4 import check_network_filter

CONTINUE, STOP = NetworkVerdict.CONTINUE, NetworkVerdict.STOP


class FakeConnection:
    """Writes down what a filter does to it."""

    def __init__(self, fakes: FakeServices) -> None:
        from pyvoy.network.address import Address
        from pyvoy.observe.stream_info import ConnectionInfo

        self.info = ConnectionInfo()
        self.info.remote = Address("10.0.0.1", 4000)
        self.info.local = Address("10.0.0.2", 80)
        self.services = fakes.services
        self.written: list[bytes] = []
        self.closed: tuple[Any, ...] | None = None

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self, *arguments: Any) -> None:
        self.closed = arguments

    @property
    def is_open(self) -> bool:
        return self.closed is None


class Scripted:
    """A configured filter and its connections."""

    def __init__(self, script: str, **options: Any) -> None:
        self.fakes = FakeServices()
        configuration = Configuration(self.fakes.scope, self.fakes.arena, services=self.fakes.services)
        configuration.listener_metadata = {"pyvoy.lua": options} if options else {}
        config = yaml.safe_dump({"source_code": {"inline_string": script}})
        self.plan = configuration.network_filter(LuaNetwork, config)

    def open(self) -> tuple[Any, FakeConnection]:
        return self.plan.filter_class(self.plan), FakeConnection(self.fakes)


def test_a_class_has_only_the_events_of_its_script() -> None:
    filter_, _ = Scripted("function on_data(c, data) end").open()
    assert hasattr(filter_, "on_data")
    assert not hasattr(filter_, "on_write")
    assert not hasattr(filter_, "on_new_connection")


def test_data_goes_on_as_it_is_or_changed() -> None:
    filter_, connection = Scripted(
        "function on_data(c, data, is_end) if data ~= 'same' then return data:upper() end end"
    ).open()
    assert filter_.on_data(connection, b"same", False) is CONTINUE
    assert filter_.on_data(connection, b"other", True) == b"OTHER"
    filter_, connection = Scripted("function on_write(c, data, is_end) return tostring(is_end) .. data end").open()
    assert filter_.on_write(connection, b"x", True) == b"truex"


def test_a_connection_keeps_a_table_of_its_own() -> None:
    tester = Scripted("function on_data(c, d) local s = c:state() s.n = (s.n or 0) + 1 return tostring(s.n) end")
    (one, first), (two, second) = tester.open(), tester.open()
    assert [one.on_data(first, b"", False), one.on_data(first, b"", False)] == [b"1", b"2"]
    assert two.on_data(second, b"", False) == b"1"
    one.on_close(first)
    two.on_close(second)


def test_what_a_script_knows_and_does() -> None:
    filter_, connection = Scripted("""
        function on_new_connection(c)
          c:write(c:remoteAddress() .. " " .. c:localAddress() .. " " .. c:requestedServerName())
          c:setMetadata("ns", "k", {1, "two"})
          c:logInfo("hello")
          if c:remoteAddress():find("^10%.") then c:close() end
        end""").open()
    assert filter_.on_new_connection(connection) is STOP
    assert connection.written == [b"10.0.0.1:4000 10.0.0.2:80 "]
    assert connection.info.dynamic_metadata == {"ns": {"k": [1, "two"]}}
    assert connection.closed is not None


@pytest.mark.parametrize("script", ["error('x')", "while true do end", "coroutine.yield()", "local x = c.none.field"])
def test_a_failure_leaves_the_connection_alone_or_closes_it(script: str) -> None:
    code = f"function on_data(c, data) {script} end"
    tester = Scripted(code, max_instructions=100_000)
    filter_, connection = tester.open()
    assert filter_.on_data(connection, b"x", False) is CONTINUE
    assert filter_.on_data(connection, b"x", False) is CONTINUE
    assert tester.fakes.counter("lua.errors") == 1
    filter_, connection = Scripted(code, max_instructions=100_000, failure_policy="FAIL_CLOSED").open()
    assert filter_.on_data(connection, b"x", False) is STOP
    assert connection.closed is not None


def test_a_connection_is_dead_outside_of_its_events() -> None:
    tester = Scripted("function on_data(c, d) if kept then return select(2, pcall(kept.close, kept)) end kept = c end")
    filter_, connection = tester.open()
    filter_.on_data(connection, b"", False)
    assert filter_.on_data(connection, b"", False) == b"object used outside of proper scope"


@pytest.mark.parametrize("options", [{}, {"max_instructions": 100_000}])
def test_a_write_of_the_script_passes_its_own_on_write(options: dict[str, Any]) -> None:
    tester = Scripted(
        """
        function on_data(c, d)
          c:write("bye") c:close()
          if d == "loop" then while true do end end
          return c:state().seen
        end
        function on_write(c, d) c:state().seen = "<" .. d .. ">" kept = c return c:state().seen end""",
        **options,
    )
    filter_, connection = tester.open()
    written: list[Any] = []
    connection.write = lambda data, *_: written.append(filter_.on_write(connection, data, False))  # type: ignore[method-assign]
    filter_.on_data(connection, b"quit", False)
    assert written == [b"<bye>"]
    assert connection.closed is not None
    assert tester.fakes.counter("lua.errors") == 0
    if options:
        other, connection = tester.open()
        connection.write = lambda data, *_: written.append(other.on_write(connection, data, False))  # type: ignore[method-assign]
        other.on_data(connection, b"loop", False)
        assert tester.fakes.counter("lua.errors") == 1


def test_the_module_and_on_close() -> None:
    tester = Scripted("local pyvoy = require('pyvoy') function on_close(c) pyvoy.counter('closed'):inc() end")
    filter_, connection = tester.open()
    filter_.on_close(connection)
    assert tester.fakes.counter("lua.closed") == 1


def test_a_script_that_does_not_load_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="script load error"):
        Scripted("x x")


def test_contract() -> None:
    script = "function on_new_connection(c) end function on_data(c, d, e) end function on_write(c, d, e) end"
    check_network_filter(LuaNetwork, yaml.safe_dump({"source_code": {"inline_string": script}}))
