"""Trying a configuration in a process that is thrown away."""

import os
import select
import sys

import pytest

from pyvoy.server.application import Checked, CheckFailed
from pyvoy.server.options import Options
from pyvoy.server.reload import Check
from pyvoy.server.sockets import ListenSpec


class Application:
    def __init__(self, outcome):
        self.outcome = outcome

    def check(self, options):
        return self.outcome()


def good():
    return Checked(b"blob", [ListenSpec("a", port=1)], ["a warning"], loaded=object())


def bad():
    raise CheckFailed(["one", "two"])


def imports():
    import wave  # any module that nobody has loaded yet

    assert wave
    return good()


def crash():
    os._exit(9)


def outcome_of(outcome) -> Checked:
    check = Check.start(Application(outcome), Options(), [])
    try:
        readable = select.poll()  # select() takes no descriptor above 1023; a run of the suite may have as many
        readable.register(check.channel, select.POLLIN)
        readable.poll(5000)
        found = check.outcome()
        assert found is not None
        return found
    finally:
        check.stop()
        os.waitpid(check.pid, 0)


def test_a_good_one_comes_back_as_bytes_sockets_and_warnings():
    assert outcome_of(good) == Checked(b"blob", [ListenSpec("a", port=1)], ["a warning"])


@pytest.mark.parametrize(
    ("outcome", "lines"), [(bad, ["one", "two"]), (crash, ["the check of the configuration ended without a result"])]
)
def test_a_bad_one_comes_back_with_its_lines(outcome, lines):
    with pytest.raises(CheckFailed) as failed:
        outcome_of(outcome)
    assert failed.value.lines == lines


def test_nothing_of_the_check_is_left_in_this_process():
    before = set(sys.modules)
    outcome_of(imports)
    assert set(sys.modules) == before
