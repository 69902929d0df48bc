"""The contract of an HTTP filter as a check: it survives every conversation and leaves nothing behind.

`check_http_filter` holds many conversations with a filter between two fakes: heads only, bodies in one, many and
one-byte pieces, empty pieces, trailers, early answers; and disturbs them at every event by a reset from either side, a
local reply inside and outside of callbacks, watermarks, and silence.  Demanded each time: the stream ends, at the
latest by its time-out; the order of HTTP is kept at both edges; no call follows on_destroy, which comes once; nothing
raised; gauges are back, and no task, timer or paused reading is left.  How a body is cut into pieces changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pyvoy.http.chain import FilterSpec
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict
from pyvoy.testing import playbook
from pyvoy.testing.configuring import Configuration, is_registered
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.lifecycle import Ledger, guarded
from pyvoy.testing.playbook import Event
from pyvoy.testing.recorder import Record
from pyvoy.testing.stage import Stage

_BODY = b"The quick brown fox jumps over the lazy dog"
_SILENCE_S = 3600.0

Disturb = Callable[[Stage, "Interlopers"], None]


@dataclass(slots=True, frozen=True)
class Conversation:
    """A named script."""

    name: str
    events: tuple[Event, ...]


def check_http_filter(
    cls: type[HttpFilter],
    config: Any = "",
    *,
    route: str = "",
    request_headers: dict[str, str] | None = None,
    response_headers: dict[str, str] | None = None,
    same_in_pieces: bool = True,
    kept_gauges: tuple[str, ...] = (),
) -> None:
    """Hold every conversation with the filter; raises AssertionError with the conversation that went wrong.

    `config` and `route` are YAML of the registered class, or the plan of a class that is not registered.  The further
    headers bring the filter to do its work (an Origin for CORS).  `same_in_pieces=False` excuses filters whose work
    depends on how the body arrives, `kept_gauges` those that keep the last value of what they measure."""
    tester = _Tester(cls, config, route, kept_gauges)
    requests = _requests(request_headers or {})
    responses = _responses(response_headers or {})
    outcomes: dict[str, set[tuple[Any, ...]]] = {"request": set(), "response": set()}
    for kind, conversation in _plain(requests, responses):
        outcome = tester.hold(conversation)
        if "pieces" in conversation.name:
            outcomes[kind].add(outcome)
    if same_in_pieces:
        for kind, found in outcomes.items():
            assert len(found) <= 1, f"{cls.__name__}: the {kind} depends on how its body is cut: {found}"
    for conversation in _disturbed_scripts(requests, responses):
        for name, disturb in _DISTURBANCES.items():
            for at in range(len(conversation.events)):
                tester.hold(conversation, at, name, disturb)


# ---- the conversations ----


def _bodies(data: Callable[..., Event], trailers: Callable[..., Event]) -> dict[str, tuple[Event, ...]]:
    """What may follow a head, by name."""
    half = len(_BODY) // 2
    pieces = [_BODY[at : at + 9] for at in range(0, len(_BODY), 9)]
    return {
        "one of pieces": (data(_BODY, end=True),),
        "two pieces": (data(_BODY[:half]), data(_BODY[half:], end=True)),
        "many pieces": (*(data(piece) for piece in pieces), data(b"", end=True)),
        "one-byte pieces": tuple(data(_BODY[at : at + 1], end=at == len(_BODY) - 1) for at in range(len(_BODY))),
        "empty pieces": (data(b""), data(_BODY), data(b""), data(b"", end=True)),
        "empty body": (data(b"", end=True),),
        "trailers": (data(_BODY[:half]), data(_BODY[half:]), trailers(x_trailer="1")),
        "only trailers": (trailers(x_trailer="1"),),
    }


def _requests(more: dict[str, str]) -> dict[str, tuple[Event, ...]]:
    head = playbook.headers("POST", "/contract?a=1", *more.items())
    shapes = {name: (head, *rest) for name, rest in _bodies(playbook.data, playbook.trailers).items()}
    return {"head only": (playbook.headers("GET", "/contract?a=1", *more.items()),), **shapes}


def _responses(more: dict[str, str]) -> dict[str, tuple[Event, ...]]:
    head = playbook.response(200, *more.items(), content_type="text/plain")
    shapes = {name: (head, *rest) for name, rest in _bodies(playbook.response_data, playbook.response_trailers).items()}
    return {
        "head only": (playbook.response(204, *more.items(), end=True),),
        "whole at once pieces": (playbook.whole_response(200, _BODY, *more.items(), content_type="text/plain"),),
        **shapes,
    }


def _plain(
    requests: dict[str, tuple[Event, ...]], responses: dict[str, tuple[Event, ...]]
) -> Iterator[tuple[str, Conversation]]:
    for name, events in requests.items():
        yield "request", Conversation(f"request, {name}", (*events, *responses["two pieces"]))
    for name, events in responses.items():
        yield "response", Conversation(f"response, {name}", (*requests["head only"], *events))
    whole = requests["trailers"]
    yield "", Conversation("1xx before", (*whole, playbook.informational(103), *responses["trailers"]))
    yield "", Conversation("early answer", (whole[0], *responses["two pieces"], *whole[1:]))
    yield (
        "",
        Conversation(
            "answer in between", (*whole[:2], responses["two pieces"][0], *whole[2:], *responses["two pieces"][1:])
        ),
    )


def _disturbed_scripts(
    requests: dict[str, tuple[Event, ...]], responses: dict[str, tuple[Event, ...]]
) -> Iterator[Conversation]:
    yield Conversation("heads only", (*requests["head only"], *responses["head only"]))
    yield Conversation("bodies and trailers", (*requests["trailers"], *responses["trailers"]))
    yield Conversation("bodies", (*requests["two pieces"], *responses["two pieces"]))


# ---- the disturbances; each happens behind (or within) one event ----


class Interloper(HttpFilter):
    """A neighbour in the chain that answers the request from inside its next callback once it is told to."""

    __slots__ = ("_plan",)

    def __init__(self, plan: dict[str, bool]) -> None:
        self._plan = plan

    def _event(self, stream: Any, *_: Any) -> Verdict:
        if self._plan["fire"]:
            self._plan["fire"] = False
            stream.send_local_reply(418, b"interrupted", details="interloper")
        return CONTINUE

    request_headers = request_data = request_trailers = _event
    response_headers = response_data = response_trailers = _event


class Interlopers:
    """The neighbours before and behind the filter."""

    def __init__(self) -> None:
        self.before = {"fire": False}
        self.behind = {"fire": False}


def _answer(stage: Stage, _: Interlopers) -> None:
    stage.stream.send_local_reply(418, b"interrupted", details="interloper")


def _slow_for_a_while(stage: Stage, _: Interlopers) -> None:
    stage.watermark(high=True)
    stage.watermark(high=False)


_DISTURBANCES: dict[str, Disturb] = {
    "client reset": lambda stage, _: stage.client_reset(),
    "upstream reset": lambda stage, _: stage.upstream_reset(),
    "local reply": _answer,
    "local reply of the filter before": lambda _, them: them.before.update(fire=True),
    "local reply of the filter behind": lambda _, them: them.behind.update(fire=True),
    "reset from here": lambda stage, _: stage.stream.reset("interloper"),
    "slow client": lambda stage, _: stage.watermark(high=True),
    "slow client that catches up": _slow_for_a_while,
    "silence": lambda stage, _: stage.advance(_SILENCE_S),
    "short silence": lambda stage, _: stage.advance(1.0),
}


# ---- holding one ----


class _Tester:
    """Holds conversations with one filter; each on a stage of its own, whose plan is built anew."""

    def __init__(self, cls: type[HttpFilter], config: Any, route: str, kept_gauges: tuple[str, ...] = ()) -> None:
        self._cls = cls
        self._config = config
        self._route = route
        self._kept_gauges = kept_gauges

    def hold(
        self, conversation: Conversation, at: int = -1, disturbance: str = "", disturb: Disturb | None = None
    ) -> tuple[Any, ...]:
        """Hold it, disturbed at event `at`; returns what left the proxy."""
        interlopers = Interlopers()
        ledger = Ledger()
        stage = self._stage(ledger, interlopers)
        before = stage.fakes.gauges()
        text = f"{self._cls.__name__}: {conversation.name}"
        text += f", {disturbance} at event {at} ({conversation.events[at].text})" if disturbance else ""
        try:
            self._run(stage, conversation.events, at, interlopers, disturb)
            self._check_end(stage, ledger, before)
        except AssertionError as error:
            raise AssertionError(f"{text}: {error}\nhappened:\n{stage.record.text()}") from error
        return _outcome(stage.record)

    def _stage(self, ledger: Ledger, interlopers: Interlopers) -> Stage:
        fakes = FakeServices()
        cls = self._cls
        configuration = Configuration(fakes.scope, fakes.arena, random=fakes.services.random, services=fakes.services)
        known = is_registered(cls)
        route = (configuration.http_filter_on_route(cls, self._route),) if self._route else ()
        configuration.environment.route_plans.extend(("tested", plan) for plan in route)
        plan = configuration.http_filter(cls, self._config) if known else self._config
        cls = getattr(plan, "filter_class", cls)
        specs = (
            FilterSpec("before", Interloper, interlopers.before),
            FilterSpec("tested", guarded(cls, ledger), plan),
            FilterSpec("behind", Interloper, interlopers.behind),
        )
        return Stage(fakes, specs, {"tested": route} if route else {})

    @staticmethod
    def _run(stage: Stage, events: Sequence[Event], at: int, interlopers: Interlopers, disturb: Disturb | None) -> None:
        for index, event in enumerate(events):
            within = disturb is not None and index == at
            if within and disturb is not None:
                stage.fakes.loop.happen(disturb, stage, interlopers) if index else _before_head(disturb, interlopers)
            event.run(stage)
            if within and disturb is not None and not index and not any(interlopers.before.values()):
                stage.fakes.loop.happen(disturb, stage, interlopers)

    def _check_end(self, stage: Stage, ledger: Ledger, before: dict[str, int]) -> None:
        fakes = stage.fakes
        if not stage.stream.finished:
            stage.advance(_SILENCE_S)
        assert stage.stream.finished, "the stream never ends"
        assert not stage.connection.read_disabled, "reading from the client stays paused"
        stage.close()
        complaint = ledger.check(self._cls.stateless)
        assert not complaint, complaint
        assert not fakes.counter("pyvoy.filter_failures"), "the filter raised an exception"
        assert not fakes.loop.failures, f"a task failed: {fakes.loop.failures}"
        assert not fakes.services.tasks, f"tasks are left: {fakes.services.tasks}"
        assert not fakes.timers.pending, "timers are left"
        assert fakes.loop.next_due_s() is None, "something still waits on the loop"
        after = {name: value for name, value in fakes.gauges().items() if name not in self._kept_gauges}
        changed = {name: value for name, value in after.items() if value != before.get(name, 0)}
        assert not changed, f"gauges are not back: {changed}"
        for fact in stage.record.facts:
            for name, _ in fact.headers:
                assert name == name.lower(), f"the header name {name!r} is not in lower case"


def _before_head(disturb: Disturb, interlopers: Interlopers) -> None:
    """Before the first event there is no stream: only the neighbours can be told."""
    if disturb in (
        _DISTURBANCES["local reply of the filter before"],
        _DISTURBANCES["local reply of the filter behind"],
    ):
        disturb(None, interlopers)  # type: ignore[arg-type]  # these two look at the neighbours only


def _outcome(record: Record) -> tuple[Any, ...]:
    """What left the proxy, without how bodies were cut."""
    heads = tuple((fact.kind, fact.headers) for fact in record.facts if fact.headers)
    return (heads, record.body("forwarded_data"), record.body("sent_data"))


__all__ = ["check_http_filter"]
