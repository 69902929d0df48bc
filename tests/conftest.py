"""For all tests: what a run must not pile up."""

import gc
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ports import give_back_ports

MOST_DESCRIPTORS = 150
"""How many open descriptors a run may end with; `select` takes none above 1023, and a leak in a test adds up."""


@pytest.fixture(scope="module", autouse=True)
def _ports_are_given_back() -> Iterator[None]:
    """The ports of a module's servers are others' again when the last of them has ended."""
    yield
    give_back_ports()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that has left too many descriptors open has failed; the message says what they are."""
    gc.collect()
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            targets.append(os.readlink(entry))
        except OSError:  # the descriptor of this look itself
            continue
    if len(targets) > MOST_DESCRIPTORS:
        kinds = Counter(target.split(":")[0] for target in targets).most_common(5)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.write_line(
            f"\n{len(targets)} descriptors are still open, {MOST_DESCRIPTORS} may be: {kinds}", red=True
        )
