"""The driver's books with a clock of our own: what a stall costs in the open loop, and what each count means."""

import pytest

from pyvoy.bench.load.driver import Driver, Window

MS = 1000


class Server:
    """One slot, and a target that answers each request after `service_s`, but nothing while it stalls."""

    def __init__(self, window: Window, *, service_s: float = 0.001, stall: tuple[float, float] = (0, 0)) -> None:
        self.now_s = 0.0
        self.done = False
        self.service_s = service_s
        self.stall = stall
        self.driver = Driver(window, 10.0, lambda: self.now_s, self._done)
        self.request: tuple[float, float] | None = None
        self.requests: list[float] = []
        self.ready_s = 0.0

    def _done(self) -> None:
        self.done = True

    def send(self, due_s: float, now_s: float) -> None:
        self.requests.append(due_s)
        self.request = (due_s, now_s)
        self.ready_s = now_s + self.service_s
        begin_s, end_s = self.stall
        if begin_s <= self.ready_s < end_s:
            self.ready_s = end_s

    def run(self, step_s: float = 0.0005) -> Driver:
        self.driver.free(self)
        for _ in range(1_000_000):
            if self.done:
                break
            self.now_s += step_s
            if self.request is not None and self.now_s >= self.ready_s:
                request, self.request = self.request, None
                self.driver.answered(*request, 200)
                self.driver.free(self)
            self.driver.tick()
            self.driver.sweep()
        assert self.done
        return self.driver


def test_a_stall_is_charged_to_all_that_fell_due_meanwhile():
    books = Server(Window(0, 0, 10, interval_s=0.01), stall=(4.0, 5.0)).run().books
    assert books.sent == books.statuses[200] == 1000
    # A hundred requests fell due in the second without answers; they waited 1000, 990, ... ms and for one another.
    assert 50 <= books.latency.above(500 * MS) <= 70
    assert 900 * MS <= books.latency.percentile_us(99.0) <= 950 * MS
    # Counted from the sending only the one that was under way is slow: this is what omission hides.
    assert books.service.above(500 * MS) == 1
    assert books.service.percentile_us(99.0) < 5 * MS


def test_the_closed_loop_sees_one_slow_request():
    books = Server(Window(0, 0, 10), stall=(4.0, 5.0)).run().books
    assert books.latency.above(500 * MS) == 1
    assert books.service.count == 0


def test_requests_are_due_at_their_times_whatever_the_ticks():
    driver = Server(Window(1.0, 1.0, 2.0, interval_s=0.1))
    driver.run(step_s=0.03)
    assert driver.requests == pytest.approx([1.0 + n / 10 for n in range(10)])


def test_the_warm_up_does_not_count():
    server = Server(Window(0, 1.0, 2.0, interval_s=0.1))
    books = server.run().books
    assert len(server.requests) == 20
    assert books.sent == books.latency.count == books.service.count == 10


@pytest.mark.parametrize("interval_s", [0.0, 0.01])
def test_so_many_requests_and_no_more(interval_s):
    server = Server(Window(0, 0.1, limit=25, interval_s=interval_s))
    books = server.run().books
    assert (books.sent, books.statuses[200]) == (25, 25)
    assert books.last_s > 0.1


def test_the_generators_own_lateness_is_told_apart():
    clock = [0.0]
    driver = Driver(Window(0, 0, 1, interval_s=0.01), 10.0, lambda: clock[0], lambda: None)

    class Slot:
        def send(self, due_s: float, now_s: float) -> None:
            """Never answered."""

    for _ in range(100):
        driver.free(Slot())
    for clock[0] in (0.0095, 0.0105, 0.5005):  # the last tick is half a second late, slots were free all the time
        driver.tick()
    lag = driver.books.lag
    assert lag.count == 50  # the first request was sent when its slot came, at its time
    assert lag.percentile_us(1.0) == 500
    assert lag.max_us == 480_500


def test_what_finds_no_slot_in_time_is_a_time_out():
    server = Server(Window(0, 0, 1, interval_s=0.1), service_s=11.5)
    books = server.run(step_s=0.1).books
    assert books.sent == 10
    assert books.errors["timeout"] == 9
    assert books.statuses[200] == 1


def test_failures_are_counted_by_kind_and_end_the_load_too():
    done = []
    driver = Driver(Window(0, 0, limit=2), 10.0, lambda: 1.0, lambda: done.append(True))
    sent = []

    class Slot:
        def send(self, due_s: float, now_s: float) -> None:
            sent.append(due_s)

    one = Slot()
    driver.free(one)
    driver.failed(sent[0], "reset")
    assert not done
    driver.free(one)
    driver.failed(sent[1], "connect")
    driver.free(one)
    assert driver.books.errors == {"reset": 1, "connect": 1}
    assert driver.books.sent == 2
    assert done


def test_answers_behind_the_end_count_but_not_for_the_rate():
    books = Server(Window(0, 0, 1), service_s=0.3).run().books
    assert (books.statuses[200], books.in_time) == (4, 3)
