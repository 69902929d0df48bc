"""When spans are sent."""

import logging

from pyvoy.extensions.host import Host
from pyvoy.testing.fakes import FakeServices
from pyvoy.tracing.batch import Batch
from pyvoy.tracing.span import Kind, Span


def staged(fakes: FakeServices) -> tuple[Batch, Host, list[int]]:
    host = Host(fakes.scope, fakes.arena, logging.getLogger("test"), fakes.services)
    sent: list[int] = []
    counter = fakes.scope.counter("timer_flushed")
    batch = Batch(host, lambda spans: sent.append(len(spans)), interval_s=5.0, at_least=3, timer_flushed=counter)
    return batch, host, sent


def span() -> Span:
    return Span(1, 1, 0, True, Kind.SERVER, "n", 0.0)


def test_enough_spans_are_sent_at_once():
    batch, _, sent = staged(FakeServices())
    for _ in range(4):
        batch.add(span())
    assert sent == [3]


def test_what_waits_is_sent_after_a_while():
    fakes = FakeServices()
    batch, _, sent = staged(fakes)
    batch.add(span())
    fakes.loop.advance(4.9)
    assert sent == []
    fakes.loop.advance(0.2)
    assert (sent, fakes.counter("timer_flushed")) == ([1], 1)
    fakes.loop.advance(20)
    assert (sent, fakes.counter("timer_flushed")) == ([1], 1)


def test_what_waits_is_sent_when_the_configuration_is_replaced():
    batch, host, sent = staged(FakeServices())
    batch.add(span())
    host.close()
    assert sent == [1]
    batch.add(span())
    assert sent == [1, 1]
