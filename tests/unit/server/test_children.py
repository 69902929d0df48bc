"""Children: when the dead come back, and what is said of them."""

import os
import signal

import pytest

from pyvoy.server.children import describe_status, fork, restart_delay_s


@pytest.mark.parametrize(
    ("lived_s", "quick_deaths", "delay_s"),
    [(60.0, 9, 0.0), (0.1, 0, 0.0), (0.1, 1, 0.1), (0.1, 2, 0.2), (0.1, 3, 0.4), (0.1, 9, 10.0), (0.1, 10**6, 10.0)],
)
def test_the_first_death_costs_nothing_and_a_crash_loop_ever_more(lived_s, quick_deaths, delay_s):
    assert restart_delay_s(lived_s, quick_deaths) == delay_s


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "exited with status 0"),
        (3 << 8, "exited with status 3"),
        (9, "was killed by SIGKILL"),
        (63, "was killed by signal 63"),
    ],
)
def test_a_status_in_words(status, text):
    assert describe_status(status) == text


def _fails() -> int:
    raise RuntimeError("unexpected")


def _exits() -> int:
    raise SystemExit(5)


def _ignores_signals() -> int:
    return int(
        all(signal.getsignal(number) is signal.SIG_IGN for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    )


@pytest.mark.parametrize(("body", "status"), [(lambda: 7, 7), (_fails, 70), (_exits, 5), (_ignores_signals, 1)])
def test_a_child_ends_with_the_status_of_its_body(body, status):
    _, wait_status = os.waitpid(fork(body, "test", []), 0)
    assert os.WEXITSTATUS(wait_status) == status
