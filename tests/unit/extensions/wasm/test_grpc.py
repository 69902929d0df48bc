"""gRPC of modules without a proxy: the life of a callout, and what a module may do in its callbacks."""

from __future__ import annotations

import logging

import pytest
from envoy.config.core.v3.grpc_service_pb2 import GrpcService

from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import Failure
from pyvoy.extensions.wasm import abi, grpc_service
from pyvoy.extensions.wasm.engine.compiler import Compiler
from pyvoy.extensions.wasm.root import RootContext
from pyvoy.extensions.wasm.settings import PluginSettings, VmSettings
from pyvoy.extensions.wasm.vm import Vm
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeCaller
from tests.support.guest import TRAP, At, Guest, P, Raw, Saved, call, log, note, save, show_log
from tests.unit.extensions.wasm.vms import running

NONE = Raw(0, 0)
CALL = (call("grpc_call", "up", "my.Service", "Do", NONE, "hi", 0, At(256), label="call"), save())
STREAM = (call("grpc_stream", "up", "my.Service", "Do", NONE, At(256), label="stream"), save())
SEND = call("grpc_send", Saved(), "more", 0, label="send")
CLOSE = call("grpc_close", Saved(), label="close")
CANCEL = call("grpc_cancel", Saved(), label="cancel")


class Scene:
    """A module whose tick callback has begun something; `lines` is what it logged, `peers` the far ends."""

    def __init__(self, caplog, *begin, clusters=("up",), **callbacks):
        caplog.set_level(logging.INFO, "pyvoy.wasm")
        self._caplog = caplog
        self.fakes = FakeServices()
        for name in clusters:
            self.fakes.clusters.add(name)
        guest = Guest().on("tick", *begin, show_log())
        for name in ("initial_metadata", "", "trailing_metadata"):
            callback = f"receive_{name}".rstrip("_")
            guest.on(f"grpc_{callback}", note(callback, P(1)), *callbacks.get(callback, ()), show_log())
        guest.on("grpc_close", note("close", P(1), "/", P(2)), *callbacks.get("close", ()), show_log())
        self.compiler = Compiler(None)
        code = guest.build()
        self.vm = Vm(self.compiler.compile(code), VmSettings("vm", "", code))
        host = Host(self.fakes.scope, self.fakes.arena, logging.getLogger("pyvoy.wasm"), self.fakes.services)
        host.caller = self.caller = FakeCaller(self.fakes, {}, clusters)
        self.root = RootContext(self.vm, PluginSettings("p", "", self.vm.settings, b""), host, lambda parts: None)
        self.root.start()
        self.tick()

    def tick(self):
        self.fakes.loop.happen(self.vm.run_safely, self.root, "proxy_on_tick", self.root.context_id)

    @property
    def lines(self):
        texts = [record.getMessage() for record in self._caplog.records]
        return [text.partition(": ")[2].strip() for text in texts if text.startswith("wasm log")]

    @property
    def peers(self):
        return self.caller.peers


@pytest.fixture
def scene(caplog):
    made = []

    def make(*begin, **more):
        made.append(Scene(caplog, *begin, **more))
        return made[-1]

    yield make
    for one in made:
        one.compiler.ticker.stop()


def test_a_call_tells_of_its_message_alone(scene):
    one = scene(*CALL)
    (peer,) = one.peers
    assert (peer.messages, peer.ended, peer.metadata[":authority"]) == ([b"hi"], True, "up")
    peer.answers().sends(b"yes").finishes()
    assert one.lines == ["call=0", "receive5"]
    assert not one.root.calls


def test_a_stream_is_known_until_the_module_has_closed_it_too(scene):
    one = scene(*STREAM, SEND)
    (peer,) = one.peers
    assert (peer.messages, peer.ended) == ([b"more"], False)
    peer.sends(b"a").finishes()
    assert one.lines == [
        "stream=0 send=0",
        "receive_initial_metadata6",
        "receive6",
        "receive_trailing_metadata6",
        "close6/0",
    ]
    assert list(one.root.calls) == [6]
    one.tick()
    assert list(one.root.calls) == [6, 10]


@pytest.mark.parametrize("when", ["receive_initial_metadata", "receive", "receive_trailing_metadata", "close"])
@pytest.mark.parametrize("what", [CANCEL, CLOSE, SEND])
def test_what_a_module_does_in_a_callback(scene, when, what):
    one = scene(*STREAM, SEND, **{when: (what,)})
    (peer,) = one.peers
    peer.answers().sends(b"a")
    if not peer.done:
        peer.finishes()
    name = "cancel" if what is CANCEL else "close" if what is CLOSE else "send"
    assert any(line.endswith(f"{name}=0") for line in one.lines[1:])
    ended = any(line.startswith("close6/0") for line in one.lines)
    assert ended is not (what is CANCEL and when != "close")
    assert bool(one.root.calls) is (what is SEND)
    assert peer.cancelled is (what is CANCEL and when in ("receive_initial_metadata", "receive"))


@pytest.mark.parametrize("when", ["receive", "close"])
@pytest.mark.parametrize("what", [CANCEL, CLOSE])
def test_a_call_that_is_given_up_in_its_own_callback(scene, when, what):
    one = scene(*CALL, **{when: (what, what)})
    one.peers[0].finishes(5) if when == "close" else one.peers[0].sends(b"x").finishes()
    assert one.lines[-1].endswith("=0 cancel=1" if what is CANCEL else "=0 close=1")
    assert not one.root.calls


def test_a_new_callout_in_the_callback_of_one(scene):
    one = scene(*CALL, receive=CALL)
    one.peers[0].sends(b"x").finishes()
    assert len(one.peers) == 2
    assert list(one.root.calls) == [9]
    one.peers[1].sends(b"x").finishes()
    assert one.lines == ["call=0", "receive5 call=0", "receive9 call=0"]


@pytest.mark.parametrize("when", ["receive_initial_metadata", "receive", "receive_trailing_metadata", "close"])
def test_a_trap_in_a_callback_ends_the_vm_and_all_its_callouts(scene, when):
    one = scene(*STREAM, *CALL, *STREAM, **{when: (TRAP,)})
    first, second, third = one.peers
    first.sends(b"x").finishes()
    assert one.vm.failed
    assert not one.root.calls
    assert second.cancelled
    assert third.cancelled
    assert first.done
    before = list(one.lines)
    second.sends(b"x").finishes()
    third.fails()
    assert one.lines == before


def test_a_trap_elsewhere_ends_open_callouts(scene):
    one = scene(*STREAM, "(if (i32.eq (global.get $saved0) (i32.const 10)) (then unreachable))")
    one.tick()
    assert one.vm.failed
    assert [peer.cancelled for peer in one.peers] == [True, True]


def test_the_end_of_the_plugin_ends_its_callouts(scene):
    one = scene(*STREAM, *CALL)
    one.root.stop()
    assert [peer.cancelled for peer in one.peers] == [True, True]
    one.peers[0].sends(b"late")
    assert one.lines == ["stream=0 call=0"]


def test_what_happens_inside_a_host_call_is_told_behind_the_callback(scene):
    one = scene(*STREAM, receive=(SEND, note("on")))
    (peer,) = one.peers
    peer.send_data = lambda data, end: peer._fail(Failure.INCOMPLETE)
    peer.sends(b"x")
    assert one.lines[-3:] == ["receive6 send=0 on", "receive_trailing_metadata6", "close6/13"]


def test_a_callout_in_the_callback_that_begins_it_is_told_later(scene):
    one = scene(*STREAM, SEND, log("still here"))
    assert one.lines == ["still here", "stream=0 send=0"]


# ---- what is refused ----


def test_where_there_is_no_loop_a_call_is_an_internal_failure():
    with running() as puppet:
        puppet.root.host.services = None
        puppet.root.host.caller = None
        puppet.root.host.clusters = {"up"}
        for service in (b"up", _service("up")):
            assert puppet.do("grpc_call", service, b"S", b"M", b"", b"x", 0, 64) == abi.INTERNAL_FAILURE
            assert puppet.do("grpc_stream", service, b"S", b"M", b"", 64) == abi.INTERNAL_FAILURE


def _service(cluster: str) -> bytes:
    message = GrpcService()
    message.envoy_grpc.cluster_name = cluster
    return message.SerializeToString()


@pytest.mark.parametrize("names", [(b"a b", b"M"), (b"S", b"a\r\nb"), (b"", b"M"), (b"S", b"")])
def test_names_that_make_no_path(names):
    with running() as puppet:
        puppet.fakes.clusters.add("up")
        puppet.root.host.caller = FakeCaller(puppet.fakes, {}, ("up",))
        assert puppet.do("grpc_stream", b"up", *names, b"", 64) == abi.BAD_ARGUMENT


@pytest.mark.parametrize("pairs", [[(b"x", b"a\nb")], [(b":path", b"/")]])
def test_metadata_that_makes_no_head(pairs):
    from pyvoy.extensions.wasm.pairs import serialize

    with running() as puppet:
        puppet.fakes.clusters.add("up")
        puppet.root.host.caller = FakeCaller(puppet.fakes, {}, ("up",))
        status = puppet.do("grpc_stream", b"up", b"S", b"M", serialize(pairs), 64)
        assert status == (abi.BAD_ARGUMENT if pairs[0][0] == b":path" else abi.OK)


def test_services():
    message = GrpcService()
    message.envoy_grpc.cluster_name = "c"
    message.envoy_grpc.authority = "a"
    message.initial_metadata.add(key="X-A", value="1")
    target = grpc_service.parse(message.SerializeToString())
    assert (target.cluster, target.authority, target.metadata) == ("c", "a", ((b"x-a", b"1"),))
    google = GrpcService()
    google.google_grpc.target_uri = "dns:///x"
    assert not grpc_service.parse(google.SerializeToString()).cluster
    with pytest.raises(grpc_service.NoService):
        grpc_service.parse(b"wasm")
