"""Network filters in Python: bytes of both directions, coroutines, failures."""

import json
import textwrap

import pytest
import yaml

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.network.python import PythonNetworkFilter
from pyvoy.network.network_filter import CloseType, NetworkFilter
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.l4 import FilteredConnection, check_network_filter
from pyvoy.testing.recorder import Record

IMPORTS = "import asyncio\nfrom pyvoy.api import *\n"


class Behind(NetworkFilter):
    """The last filter: keeps what reaches it and answers when told."""

    terminal = True
    handles_half_close = True

    def __init__(self, plan):
        self.scene = plan
        plan.behind = self

    def on_new_connection(self, connection):
        self.scene.opened = True

    def on_data(self, connection, data, end):
        self.scene.got += data
        self.scene.ended = self.scene.ended or end


class Scene:
    """A connection with the filter of this code in front of `Behind`."""

    def __init__(self, code, *, last=Behind, twice=False, **fields):
        self.got = b""
        self.ended = self.opened = False
        self.fakes = FakeServices()
        text = message(code, **fields)
        configuration = Configuration(self.fakes.scope, self.fakes.arena, services=self.fakes.services)
        plan = configuration.network_filter(PythonNetworkFilter, text)
        makers = [(plan.filter_class, plan)] * (2 if twice else 1)
        if not plan.filter_class.terminal:
            makers.append((last, self))
        self.connection = FilteredConnection(self.fakes.services, Record())
        self.fakes.loop.happen(self.connection.start, makers)

    def sends(self, data, *, end=False):
        self.fakes.loop.happen(lambda: self.connection.receive(data, end=end))
        return self

    def answers(self, data):
        if self.connection.is_open:
            self.fakes.loop.happen(self.connection.write, data)

    def wait(self, seconds):
        self.fakes.loop.advance(seconds)

    def lose(self):
        self.fakes.loop.happen(self.connection.lose)

    @property
    def errors(self):
        return self.fakes.counter("network.python.F.errors")


def message(code, **fields):
    return yaml.safe_dump({"code": {"inline_string": IMPORTS + textwrap.dedent(code)}, **fields})


def test_both_directions_are_seen_and_changed():
    scene = Scene("""
        class F(NetworkFilter):
            def on_new_connection(self, connection):
                self.n = 0
                self.counter("connections").inc()
            def on_downstream_data(self, connection, data, end):
                self.n += len(data)
                return data.upper()
            def on_upstream_data(self, connection, data, end):
                return data.replace(b"secret", b"******")
            def on_close(self, connection):
                self.counter("bytes").inc(self.n)
    """)
    scene.sends(b"abc").sends(b"de").sends(b"", end=True)
    assert (scene.got, scene.ended) == (b"ABCDE", True)
    scene.answers(b"a secret")
    assert scene.connection.written == b"a ******"
    scene.lose()
    assert scene.fakes.counter("network.python.F.bytes") == 5
    assert scene.fakes.counter("network.python.F.connections") == 1


def test_bytes_are_kept_and_sent_later():
    scene = Scene("""
        class F(NetworkFilter):
            def __init__(self):
                self.kept = b""
            def on_downstream_data(self, connection, data, end):
                self.kept += data
                if b"\\n" not in self.kept:
                    return b""
                line, _, self.kept = self.kept.partition(b"\\n")
                self.send_downstream(connection, b"got " + line)
                self.send_upstream(connection, b"<")
                return line + b">"
    """)
    scene.sends(b"ab")
    assert scene.got == b""
    scene.sends(b"c\nd")
    assert scene.got == b"<abc>"
    assert scene.connection.written == b"got abc"


def test_a_connection_is_refused():
    scene = Scene("""
        class F(NetworkFilter):
            def on_new_connection(self, connection):
                if connection.info.remote.ip == "127.0.0.1":
                    connection.close(CloseType.ABORT, "not you")
    """)
    assert scene.connection.closed is CloseType.ABORT
    assert scene.connection.info.termination_details == "not you"
    assert not scene.opened


def test_a_terminal_filter_answers_itself():
    scene = Scene("""
        class F(NetworkFilter):
            terminal = True
            def on_downstream_data(self, connection, data, end):
                connection.write(data[::-1])
    """)
    scene.sends(b"abc")
    assert scene.connection.written == b"cba"


WAITS = """
    class F(NetworkFilter):
        async def on_new_connection(self, connection):
            await asyncio.sleep(1)
        async def on_downstream_data(self, connection, data, end):
            if data == b"slow":
                await asyncio.sleep(1)
            return data + b"."
"""


def test_a_filter_that_waits_holds_the_connection_and_keeps_the_order():
    scene = Scene(WAITS)
    scene.sends(b"first")
    assert (scene.opened, scene.got) == (False, b"")
    scene.wait(1)
    assert (scene.opened, scene.got) == (True, b"first.")
    scene.sends(b"slow").sends(b"quick").sends(b"", end=True)
    assert scene.got == b"first."
    scene.wait(1)
    assert scene.got == b"first.slow.quick.."
    assert scene.ended
    assert not scene.connection.read_disabled


def test_a_filter_that_waits_reads_no_more_than_the_buffer_limit():
    scene = Scene(WAITS)
    scene.connection.buffer_limit_bytes = 10
    scene.sends(b"x" * 11)
    assert scene.connection.read_disabled == 1
    scene.wait(1)
    assert scene.connection.read_disabled == 0
    assert scene.got == b"x" * 11 + b"."


def test_the_client_vanishes_while_the_filter_waits():
    scene = Scene("""
        class F(NetworkFilter):
            async def on_new_connection(self, connection):
                try:
                    await asyncio.sleep(1)
                finally:
                    self.counter("left").inc()
    """)
    scene.lose()
    scene.wait(2)
    assert scene.fakes.counter("network.python.F.left") == 1
    assert scene.errors == 0
    assert not scene.fakes.services.tasks


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("hook", ["on_new_connection(self, connection)", "on_downstream_data(self, connection, d, e)"])
@pytest.mark.parametrize("what", ["raise ValueError", "raise SystemExit", "await asyncio.sleep(1); 1 / 0"])
def test_a_failure_closes_the_connection(kind, hook, what):
    if kind == "def" and "await" in what:
        return
    code = f"""
        class F(NetworkFilter):
            {kind} {hook}:
                {what}
    """
    scene = Scene(code)
    scene.sends(b"abc")
    scene.wait(1)
    assert scene.connection.closed is CloseType.NO_FLUSH
    assert scene.connection.info.termination_details == "extension_failed{F}"
    assert (scene.errors, scene.got) == (1, b"")
    scene = Scene(code, failure_policy="FAIL_OPEN")
    scene.sends(b"abc")
    scene.wait(1)
    scene.sends(b"def")
    assert scene.connection.is_open
    assert (scene.errors, scene.got) == (1, b"abcdef")
    scene.lose()


def test_a_failure_of_the_other_events():
    scene = Scene("""
        class F(NetworkFilter):
            def on_upstream_data(self, connection, data, end):
                return "text"
            def on_close(self, connection):
                raise ValueError
            def on_log(self, connection):
                raise ValueError
    """)
    scene.answers(b"abc")
    assert scene.connection.closed is CloseType.NO_FLUSH
    assert scene.connection.written == b""
    scene.lose()
    assert scene.errors == 2


def test_an_instance_that_cannot_be_made():
    scene = Scene("""
        class F(NetworkFilter):
            def __init__(self):
                raise ValueError
            def on_downstream_data(self, connection, data, end):
                return b"seen"
    """)
    assert scene.connection.closed is CloseType.NO_FLUSH
    assert scene.errors == 1


def test_fail_reload_starts_anew():
    fields = {"failure_policy": "FAIL_RELOAD"}
    scene = Scene(
        """
        class F(NetworkFilter):
            n = 0
            def on_downstream_data(self, connection, data, end):
                F.n += 1
                if data == b"fail":
                    raise ValueError
                return b"%d" % F.n
    """,
        **fields,
    )
    scene.sends(b"a").sends(b"a").sends(b"fail")
    assert scene.got == b"12"
    assert scene.fakes.counter("network.python.F.reloads") == 1


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("class F(NetworkFilter): pass", "F defines no event"),
        (
            "class F(NetworkFilter):\n  def on_downstream_data(self, data): pass",
            "F.on_downstream_data is called with 3 arguments: (connection, data, end)",
        ),
        ("class F(NetworkFilter):\n  def on_new_conection(self, c): pass", 'did you mean "on_new_connection"?'),
        ("class F(NetworkFilter):\n  async def on_close(self, *a): pass", "cannot be async"),
        ("class F(Filter):\n  def on_request(self, r): pass", "there is no filter"),
    ],
)
def test_what_is_wrong_is_said_at_load(code, text):
    with pytest.raises(ConfigErrors) as caught:
        Scene(code)
    assert text in str(caught.value)


CONTRACT = {
    "plain": """
class F(NetworkFilter):
    def on_new_connection(self, connection): pass
    def on_downstream_data(self, connection, data, end): return data.upper()
    def on_upstream_data(self, connection, data, end): pass
    def on_close(self, connection): pass
""",
    "waiting": """
class F(NetworkFilter):
    async def on_new_connection(self, connection): await asyncio.sleep(0)
    async def on_downstream_data(self, connection, data, end): await asyncio.sleep(0)
""",
    "failing": """
class F(NetworkFilter):
    async def on_new_connection(self, connection): await asyncio.sleep(0); 1 / 0
""",
}


@pytest.mark.parametrize("code", CONTRACT.values(), ids=CONTRACT)
def test_contract(code):
    check_network_filter(PythonNetworkFilter, message(code))


def test_the_message_is_as_in_a_bootstrap():
    text = json.dumps({"code": {"inline_string": "x"}, "class": "F", "stat_prefix": "p", "config": {"a": 1}})
    fakes = FakeServices()
    with pytest.raises(ConfigErrors, match="NameError"):
        Configuration(fakes.scope, fakes.arena).network_filter(PythonNetworkFilter, text)


# ---- coroutines on the way to the client ----

SLOW = """
    class F(NetworkFilter):
        async def on_upstream_data(self, connection, data, end):
            await asyncio.sleep(1)
            return b"<" + data + (b"!" if end else b"") + b">"
"""


def test_data_to_the_client_stays_in_order():
    scene = Scene(SLOW)
    for piece in (b"a", b"b", b"c"):
        scene.answers(piece)
    assert scene.connection.written == b""
    scene.wait(1)
    assert scene.connection.written == b"<a>"
    scene.answers(b"d")
    scene.wait(3)
    assert scene.connection.written == b"<a><b><c><d>"


def test_one_that_does_not_wait_costs_no_turn():
    scene = Scene("""
        class F(NetworkFilter):
            async def on_upstream_data(self, connection, data, end):
                if data == b"slow":
                    await asyncio.sleep(1)
                return data.upper()
    """)
    scene.connection.write(b"fast")
    assert scene.connection.written == b"FAST"
    scene.answers(b"slow")
    scene.answers(b"fast")
    assert scene.connection.written == b"FAST"
    scene.wait(1)
    assert scene.connection.written == b"FASTSLOWFAST"


def test_a_half_close_comes_behind_the_data():
    scene = Scene(SLOW)
    scene.answers(b"a")
    scene.fakes.loop.happen(scene.connection.write_end)
    scene.wait(1.5)
    assert scene.connection.written == b"<a>"
    assert "write_end" not in str(scene.connection.record.facts)
    scene.wait(1)
    assert scene.connection.written == b"<a><!>"
    assert "write_end" in str(scene.connection.record.facts)


@pytest.mark.parametrize("kind", [CloseType.FLUSH, CloseType.FLUSH_AND_DELAY])
def test_an_orderly_close_comes_behind_the_data(kind):
    scene = Scene(SLOW)
    scene.answers(b"a")
    scene.answers(b"b")
    scene.fakes.loop.happen(scene.connection.close, kind)
    scene.answers(b"late")
    assert (scene.connection.closed, scene.connection.is_open) == (None, False)
    scene.wait(2)
    assert (scene.connection.written, scene.connection.closed) == (b"<a><b>", kind)


@pytest.mark.parametrize("kind", [CloseType.NO_FLUSH, CloseType.ABORT])
def test_any_other_close_does_not_wait(kind):
    scene = Scene(SLOW)
    scene.answers(b"a")
    scene.fakes.loop.happen(scene.connection.close, CloseType.FLUSH)
    scene.fakes.loop.happen(scene.connection.close, kind)
    assert scene.connection.closed is kind


def test_both_directions_do_not_wait_for_each_other():
    scene = Scene("""
        class F(NetworkFilter):
            async def on_upstream_data(self, connection, data, end):
                await asyncio.sleep(5)

            async def on_downstream_data(self, connection, data, end):
                await asyncio.sleep(1)
    """)
    scene.answers(b"to client")
    scene.sends(b"to upstream")
    scene.wait(1)
    assert (scene.got, scene.connection.written) == (b"to upstream", b"")
    scene.wait(4)
    assert scene.connection.written == b"to client"


def test_what_waits_pauses_the_filter_that_writes():
    marks = []

    class Marked(Behind):
        def on_high_watermark(self, connection):
            marks.append("high")

        def on_low_watermark(self, connection):
            marks.append("low")

    scene = Scene(SLOW, last=Marked)
    scene.connection.buffer_limit_bytes = 10
    scene.answers(b"1234")
    scene.answers(b"5678")
    assert marks == []
    scene.answers(b"90")
    assert marks == ["high"]
    scene.fakes.loop.happen(scene.connection.runner.on_watermark, True)
    scene.wait(3)
    assert marks == ["high"], "the transport is still full"
    scene.fakes.loop.happen(scene.connection.runner.on_watermark, False)
    assert marks == ["high", "low"]


def test_a_client_that_leaves_ends_the_coroutine():
    scene = Scene("""
        class F(NetworkFilter):
            async def on_upstream_data(self, connection, data, end):
                try:
                    await asyncio.sleep(9)
                finally:
                    self.counter("left").inc()
    """)
    scene.answers(b"a")
    scene.answers(b"b")
    scene.lose()
    scene.wait(0)
    assert scene.fakes.counter("network.python.F.left") == 1
    assert scene.errors == 0
    assert not scene.fakes.services.tasks


@pytest.mark.parametrize(("policy", "written"), [("FAIL_CLOSED", b"<a>"), ("FAIL_OPEN", b"<a>bc")])
def test_a_failure_on_the_way_to_the_client(policy, written):
    scene = Scene(
        """
        class F(NetworkFilter):
            async def on_upstream_data(self, connection, data, end):
                await asyncio.sleep(1)
                if data == b"b":
                    raise ValueError("no")
                return b"<" + data + b">"
        """,
        failure_policy=policy,
    )
    for piece in (b"a", b"b", b"c"):
        scene.answers(piece)
    scene.fakes.loop.happen(scene.connection.close, CloseType.FLUSH)
    scene.wait(5)
    assert scene.connection.written == written
    assert scene.connection.closed is (CloseType.NO_FLUSH if policy == "FAIL_CLOSED" else CloseType.FLUSH)
    assert scene.errors == 1


def test_two_filters_that_wait_hand_on_in_order():
    scene = Scene(SLOW, twice=True)
    scene.answers(b"a")
    scene.answers(b"b")
    scene.fakes.loop.happen(scene.connection.write_end)
    scene.wait(10)
    assert scene.connection.written == b"<<a>><<b>><<!>!>"


def test_a_grpc_call_ends_with_the_connection():
    from pyvoy.testing.filters import FakeCaller

    scene = Scene("""
        class F(NetworkFilter):
            async def on_downstream_data(self, connection, data, end):
                self.chat = self.grpc_stream("chat", "my.Chat", "Talk")
                await self.chat.send(data)
    """)
    caller = FakeCaller(scene.fakes, {}, ["chat"])
    scene.connection.runner.filters[0].host.caller = caller
    scene.sends(b"hello")
    (peer,) = caller.peers
    assert (peer.messages, peer.cancelled) == ([b"hello"], False)
    scene.lose()
    assert peer.cancelled


def test_the_contract_of_a_filter_that_waits_both_ways():
    code = """
        class F(NetworkFilter):
            async def on_downstream_data(self, connection, data, end):
                await asyncio.sleep(0.1)
            async def on_upstream_data(self, connection, data, end):
                await asyncio.sleep(0.1)
    """
    check_network_filter(PythonNetworkFilter, message(code))
