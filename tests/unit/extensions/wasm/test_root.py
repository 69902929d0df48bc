"""The end of a plugin, as far as its root context sees it: a stand-in for the VM notes the callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from pyvoy.extensions.http_call import CallResult
from pyvoy.extensions.wasm.root import RootContext
from pyvoy.http.headers import HeaderMap


class Notes:
    """What a root context asks of its VM."""

    def __init__(self) -> None:
        self.failed = self.retired = False
        self.contexts: dict[int, Any] = {}
        self.called: list[str] = []
        self.then: Callable[[], object] = lambda: None
        """What the module does in a callback with an answer."""
        self._ids = 0

    def run_safely(self, context: object, name: str, *arguments: int, absent: int = 0) -> int:
        self.called.append(name.removeprefix("proxy_on_"))
        if name == "proxy_on_http_call_response":
            self.then()
        return 1

    def next_call(self, kind: int) -> int:
        self._ids += 1
        return self._ids


class Running:
    """A call under way."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def with_call() -> tuple[Notes, RootContext, Callable[[], Callable[[], None]], list[Running]]:
    """A root context, and a function that begins a call and gives another one that answers it."""
    vm, running = Notes(), []
    root = RootContext(cast("Any", vm), cast("Any", None), cast("Any", None), cast("Any", None))
    root.context_id = 1

    def begin() -> Callable[[], None]:
        told: list[Callable[[CallResult], None]] = []
        running.append(Running())

        def start(on_done: Callable[[CallResult], None]) -> Any:
            told.append(on_done)
            return running[-1]

        root.expect(start)
        return lambda: told[0](CallResult(HeaderMap(), answered=False))

    return vm, root, begin, running


def test_a_plugin_without_calls_ends_at_once() -> None:
    vm, root, _, _ = with_call()
    root.stop()
    assert vm.called == ["done", "delete"]


def test_a_plugin_ends_with_the_last_answer_that_a_stream_waits_for() -> None:
    vm, root, begin, running = with_call()
    first, second = begin(), begin()
    root.stop()
    assert vm.called == ["done"]
    first()
    assert vm.called == ["done", "http_call_response"]
    second()
    assert vm.called == ["done", "http_call_response", "http_call_response", "delete"]
    assert not any(each.cancelled for each in running)


def test_a_call_that_follows_an_answer_is_waited_for_too() -> None:
    vm, root, begin, _ = with_call()
    answers: list[Callable[[], None]] = []
    first = begin()
    vm.then = lambda: answers.append(begin())
    root.stop()
    first()
    vm.then = lambda: None
    assert vm.called == ["done", "http_call_response"]
    answers[0]()
    assert vm.called[-1] == "delete"
