"""The end of a plugin: not before that of its last stream, which may wait for an answer to a call."""

import pytest

from pyvoy.extensions.http_call import CallRefused
from pyvoy.http.headers import HeaderMap
from tests.unit.extensions.wasm.vms import MapContext, running


class Call:
    """A call under way."""

    cancelled = done = False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def puppet(monkeypatch):
    """A plugin in a VM that notes its callbacks."""
    with running() as made:
        made.called = []
        vm = made.vm
        vm.current = None

        def note(context, name, *arguments, absent=0):
            made.called.append(name.removeprefix("proxy_on_"))
            return 1

        monkeypatch.setattr(vm, "run_safely", note)
        yield made


def stream(puppet):
    """A stream under the plugin."""
    context = MapContext(puppet.vm, puppet.root, 0, HeaderMap())
    context.context_id = puppet.vm.add(context)
    return context


def gone(puppet, context):
    """A stream is over."""
    del puppet.vm.contexts[context.context_id]
    puppet.vm.close_if_unused()


def test_a_plugin_without_streams_ends_at_once(puppet):
    puppet.root.stop()
    assert puppet.called == ["done", "delete"]
    assert puppet.vm.contexts == {}


def test_a_plugin_ends_with_its_last_stream(puppet):
    first, second, closed = stream(puppet), stream(puppet), []
    puppet.vm.on_close = lambda: closed.append("closed")
    puppet.root.stop()
    puppet.vm.retire()
    gone(puppet, first)
    assert puppet.called == []
    gone(puppet, second)
    assert puppet.called == ["done", "delete"]
    assert closed == ["closed"]


def test_the_answer_to_a_call_reaches_a_plugin_that_is_to_end(puppet):
    told = []
    puppet.root.expect(lambda on_done: (told.append(on_done), Call())[1])
    context = stream(puppet)
    puppet.root.stop()
    puppet.vm.retire()
    (call,) = puppet.root.calls.values()
    assert not call.cancelled
    told[0](Answer())
    assert puppet.called == ["http_call_response"]
    gone(puppet, context)
    assert puppet.called == ["http_call_response", "done", "delete"]


def test_a_call_that_fails_at_once_is_given_up_and_its_number_is_gone(puppet):
    made = []

    def start(_on_done):
        call = Call()
        call.done = not made
        made.append(call)
        return call

    assert puppet.root.expect(start) is None
    assert puppet.root.expect(start) == 8
    assert [call.cancelled for call in made] == [True, False]


def test_a_call_that_is_refused_takes_no_number(puppet):
    def refuse(_on_done):
        raise CallRefused("no")

    with pytest.raises(CallRefused):
        puppet.root.expect(refuse)
    assert puppet.root.expect(lambda _: Call()) == 4


class Answer:
    """A call that has failed."""

    answered = False
