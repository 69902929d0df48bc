"""Playbooks: a conversation with a filter, written as events (`>>`) and what must leave the proxy then (`<<`).

    (play(Buffer, "max_request_bytes: 4")
        >> headers("POST", "/")      << held()
        >> data(b"hello")            << reply(413, detail="request_payload_too_large"))

`play` puts the filter, built from its YAML by the real builder, into a real chain on a real stream (see `stage.py`).
After an event that is followed by expectations, the expectations must name everything that happened, in order; an
event without expectations is not looked at.  Headers are compared by name: those that an expectation names must have
that value, None means absent; a keyword's underscores stand for dashes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyvoy.http.chain import FilterSpec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import HttpFilter
from pyvoy.observe.details import flags_text
from pyvoy.testing.configuring import Configuration, extension_of, is_registered
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.recorder import Fact
from pyvoy.testing.stage import Stage

NamedHeader = tuple[str, str]
_WITH_BODY = ("POST", "PUT", "PATCH")


class Event:
    """Something that comes from outside."""

    def __init__(self, text: str, run: Callable[[Stage], None]) -> None:
        self.text = text
        self.run = run


class Expectation:
    """What must have left the proxy; `check` takes facts off the record and answers with a complaint or ""."""

    def __init__(self, text: str, check: Callable[[Stage], str]) -> None:
        self.text = text
        self.check = check


class Play:
    """A conversation that is being held.  `stage`, `stream` and the counters are open to further assertions."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.script: list[str] = []
        self._asked = False

    @property
    def stream(self) -> Any:
        """The stream of the last request."""
        return self.stage.stream

    def counter(self, name: str) -> int:
        """A counter by its full name."""
        return self.stage.fakes.counter(name)

    def gauge(self, name: str) -> int:
        """A gauge by its full name."""
        return self.stage.fakes.gauge(name)

    def __rshift__(self, event: Event) -> Play:
        self.check_rest()
        self.script.append(f">> {event.text}")
        self.stage.record.skip()
        self._asked = False
        event.run(self.stage)
        return self

    def __lshift__(self, expectation: Expectation) -> Play:
        self.script.append(f"<< {expectation.text}")
        self._asked = True
        complaint = expectation.check(self.stage)
        assert not complaint, self._report(complaint)
        return self

    def check_rest(self) -> None:
        """Complain when more happened after the last event than its expectations name."""
        rest = self.stage.record.rest()
        if self._asked and rest:
            raise AssertionError(self._report("more happened: " + "; ".join(map(str, rest))))

    def end(self) -> None:
        """The last event's facts must all have been expected; closes the connection."""
        self.check_rest()
        self.stage.close()

    def _report(self, complaint: str) -> str:
        script = "\n".join(f"  {line}" for line in self.script)
        return f"{complaint}\nscript:\n{script}\nhappened:\n{self.stage.record.text()}"


def play(
    filters: type[HttpFilter] | Sequence[tuple[type[HttpFilter], Any]],
    config: Any = "",
    *,
    route: str | Sequence[str] = (),
    runtime: dict[str, Any] | None = None,
    fakes: FakeServices | None = None,
    listener_metadata: dict[str, Any] | None = None,
    **stage: Any,
) -> Play:
    """A play with one filter, or with several as (class, configuration) from first to last.

    A registered class takes YAML of its message; a class that a test has written takes its plan as it is.  `route`
    gives per-route YAML of a single filter, or several, least specific first; `listener_metadata` is the listener's as
    {namespace: {key: value}}.  Further arguments go to `Stage`."""
    chosen = fakes or FakeServices()
    configuration = Configuration(
        chosen.scope, chosen.arena, random=chosen.services.random, runtime=runtime, services=chosen.services
    )
    configuration.listener_metadata = listener_metadata or {}
    entries = [(filters, config)] if isinstance(filters, type) else list(filters)
    texts = ((route,) if route else ()) if isinstance(route, str) else route
    on_route = tuple(configuration.http_filter_on_route(entries[0][0], text) for text in texts)
    configuration.environment.route_plans.extend(("", plan) for plan in on_route)
    specs = [
        filter_spec(configuration, cls, text, index, () if index else on_route)
        for index, (cls, text) in enumerate(entries)
    ]
    plans = {specs[0].name: on_route} if on_route else {}
    return Play(Stage(chosen, specs, plans, **stage))


def filter_spec(
    configuration: Configuration, cls: type[HttpFilter], config: Any, index: int = 0, on_route: Sequence[Any] = ()
) -> FilterSpec:
    """The chain's entry of one filter; `on_route` are plans that routes have for it."""
    if not is_registered(cls):
        return FilterSpec(f"{cls.__name__}-{index}", cls, config)
    plan = configuration.http_filter(cls, config, f"http_filters[{index}]")
    if hasattr(plan, "bind_route"):
        for route_plan in on_route:
            plan.bind_route(route_plan)
        configuration.problems.raise_errors()
    return FilterSpec.of(extension_of(cls, "http_filter").name, cls, plan)


# ---- events of the client ----


def headers(method: str = "GET", path: str = "/", *pairs: NamedHeader, end: bool | None = None, **more: Any) -> Event:
    """A request head; by default POST, PUT and PATCH have a body to come and all others end here."""
    ended = method not in _WITH_BODY if end is None else end
    first = ((":method", method), (":path", path), (":scheme", "http"), (":authority", more.pop("authority", "test")))
    fields = _pairs((*first, *pairs), more)
    return Event(f"headers({method} {path}{' end' if ended else ''})", lambda stage: stage.request(fields(), end=ended))


def connect() -> Event:
    """The client opens a new connection for what follows."""
    return Event("connect()", Stage.connect)


def data(body: bytes, *, end: bool = False) -> Event:
    """A piece of the request body."""
    return Event(f"data({body[:40]!r}{' end' if end else ''})", lambda stage: stage.request_data(body, end=end))


def trailers(*pairs: NamedHeader, **more: Any) -> Event:
    """The request trailers."""
    fields = _pairs(pairs, more)
    return Event("trailers()", lambda stage: stage.request_trailers(fields()))


def reset() -> Event:
    """The client gives the stream up."""
    return Event("reset()", Stage.client_reset)


def high_watermark() -> Event:
    """The client reads too slowly."""
    return Event("high_watermark()", lambda stage: stage.watermark(high=True))


def low_watermark() -> Event:
    """The client has caught up."""
    return Event("low_watermark()", lambda stage: stage.watermark(high=False))


# ---- events of the upstream, and time ----


def informational(status: int = 103, *pairs: NamedHeader, **more: Any) -> Event:
    """The upstream sends a 1xx response."""
    fields = _pairs(((":status", str(status)), *pairs), more)
    return Event(f"informational({status})", lambda stage: stage.informational(fields()))


def response(status: int = 200, *pairs: NamedHeader, end: bool = False, **more: Any) -> Event:
    """The upstream sends its response head."""
    fields = _pairs(((":status", str(status)), *pairs), more)
    return Event(f"response({status}{' end' if end else ''})", lambda stage: stage.response(fields(), end=end))


def whole_response(status: int = 200, body: bytes = b"", *pairs: NamedHeader, **more: Any) -> Event:
    """The upstream's response arrives in one piece: head, body and end."""
    fields = _pairs(((":status", str(status)), *pairs), more)
    return Event(f"whole_response({status})", lambda stage: stage.whole_response(fields(), body))


def response_data(body: bytes, *, end: bool = False) -> Event:
    """The upstream sends a piece of the body."""
    text = f"response_data({body[:40]!r}{' end' if end else ''})"
    return Event(text, lambda stage: stage.response_data(body, end=end))


def response_trailers(*pairs: NamedHeader, **more: Any) -> Event:
    """The upstream sends trailers."""
    fields = _pairs(pairs, more)
    return Event("response_trailers()", lambda stage: stage.response_trailers(fields()))


def upstream_reset() -> Event:
    """The upstream ends the stream early."""
    return Event("upstream_reset()", Stage.upstream_reset)


def after(seconds: float) -> Event:
    """Time passes."""
    return Event(f"after({seconds})", lambda stage: stage.advance(seconds))


def act(does: Callable[[Any], Any], text: str = "act()") -> Event:
    """Anything else: called with the stream; what it leads to is an event's outcome like any other."""

    def run(stage: Stage) -> None:
        stage.fakes.loop.happen(does, stage.stream)

    return Event(text, run)


# ---- expectations ----


def held() -> Expectation:
    """Nothing leaves the proxy."""

    def check(stage: Stage) -> str:
        rest = stage.record.rest()
        return f"not held: {rest[0]}" if rest else ""

    return Expectation("held()", check)


def forwarded(
    path: str | None = None, *pairs: tuple[str, str | None], end: bool | None = None, **more: Any
) -> Expectation:
    """The request head reaches the upstream."""
    wanted = _wanted(pairs, more)
    if path is not None:
        wanted.append((":path", path))
    return _fact("forwarded", wanted, end=end)


def forwarded_data(body: bytes | None = None, *, end: bool | None = None) -> Expectation:
    """A piece of the request body reaches the upstream."""
    return _fact("forwarded_data", (), body, end)


def forwarded_trailers(*pairs: tuple[str, str | None], **more: Any) -> Expectation:
    """The request trailers reach the upstream."""
    return _fact("forwarded_trailers", _wanted(pairs, more))


def sent(
    status: int | None = None, *pairs: tuple[str, str | None], end: bool | None = None, **more: Any
) -> Expectation:
    """A response head goes to the client."""
    wanted = _wanted(pairs, more)
    if status is not None:
        wanted.append((":status", str(status)))
    return _fact("sent", wanted, end=end)


def sent_data(body: bytes | None = None, *, end: bool | None = None) -> Expectation:
    """A piece of the response body goes to the client."""
    return _fact("sent_data", (), body, end)


def sent_trailers(*pairs: tuple[str, str | None], **more: Any) -> Expectation:
    """Response trailers go to the client."""
    return _fact("sent_trailers", _wanted(pairs, more))


def sent_informational(status: int = 103, *pairs: tuple[str, str | None], **more: Any) -> Expectation:
    """A 1xx response goes to the client."""
    return _fact("informational", [*_wanted(pairs, more), (":status", str(status))])


def cut() -> Expectation:
    """The stream towards the client is reset."""
    return _fact("reset")


def upstream_cut() -> Expectation:
    """The request to the upstream is given up."""
    return _fact("upstream_reset")


def paused() -> Expectation:
    """Reading from the client stops."""
    return _fact("paused")


def resumed() -> Expectation:
    """Reading from the client goes on."""
    return _fact("resumed")


def upstream_paused() -> Expectation:
    """Reading from the upstream stops."""
    return _fact("upstream_paused")


def upstream_resumed() -> Expectation:
    """Reading from the upstream goes on."""
    return _fact("upstream_resumed")


def reply(
    status: int,
    body: bytes | None = None,
    *pairs: tuple[str, str | None],
    detail: str | None = None,
    flags: str | None = None,
    **more: Any,
) -> Expectation:
    """The proxy itself answers: a whole response, with these response code details and flags (short names)."""
    wanted = [*_wanted(pairs, more), (":status", str(status))]

    def check(stage: Stage) -> str:
        fact = stage.record.take()
        complaint = _compare(fact, "sent", wanted, None, None)
        if complaint or fact is None:
            return complaint
        got = b""
        if not fact.end:
            rest = stage.record.take()
            complaint = _compare(rest, "sent_data", (), body, True)
            if complaint or rest is None:
                return complaint
            got = rest.data
        if body is not None and got != body:
            return f"the body is {got!r}, not {body!r}"
        info = stage.stream.info
        if detail is not None and info.response_code_details != detail:
            return f"details are {info.response_code_details!r}, not {detail!r}"
        if flags is not None and flags_text(info.response_flags) != flags:
            return f"flags are {flags_text(info.response_flags)}, not {flags}"
        return "" if stage.stream.local_replied else "the upstream answered, not the proxy"

    return Expectation(f"reply({status})", check)


# ---- comparing ----


def _fact(
    kind: str, wanted: Sequence[tuple[str, str | None]] = (), body: bytes | None = None, end: bool | None = None
) -> Expectation:
    text = ", ".join(f"{name}={value}" for name, value in wanted)
    if body is not None:
        text += repr(body[:40])
    return Expectation(f"{kind}({text})", lambda stage: _compare(stage.record.take(), kind, wanted, body, end))


def _compare(
    fact: Fact | None, kind: str, wanted: Sequence[tuple[str, str | None]], body: bytes | None, end: bool | None
) -> str:
    """A complaint about the first difference, "" when there is none."""
    if fact is None:
        return f"{kind} did not happen"
    if fact.kind != kind:
        return f"{fact.kind} happened, not {kind}"
    for name, value in wanted:
        got = [item for key, item in fact.headers if key == name.lower().encode()]
        if value is None:
            if got:
                return f"{name} is there: {got}"
        elif got != [value.encode()]:
            return f"{name} is {got}, not {value!r}"
    if body is not None and fact.data != body:
        return f"the data is {fact.data!r}, not {body!r}"
    if end is not None and fact.end != end:
        return "ended here" if fact.end else "did not end here"
    return ""


def _wanted(pairs: Sequence[tuple[str, str | None]], more: dict[str, Any]) -> list[tuple[str, str | None]]:
    named = [(name.replace("_", "-"), None if value is None else str(value)) for name, value in more.items()]
    return [*pairs, *named]


def _pairs(pairs: Sequence[NamedHeader], more: dict[str, Any]) -> Callable[[], HeaderMap]:
    """A maker of header maps; keywords with the value None make no header."""
    fields = [(name, value) for name, value in _wanted(pairs, more) if value is not None]
    encoded = [(name.lower().encode(), value.encode()) for name, value in fields]
    return lambda: HeaderMap(encoded)
