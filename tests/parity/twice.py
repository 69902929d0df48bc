"""Look twice before saying that two proxies differ: a real difference shows again, a busy machine's does not.

All cases run at the same time; those that are not right then run once more, a few at a time and through proxies of
their own.  What was looked at twice is said at the end of the run.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity.bootstrap import Ports
from tests.parity.case import Case
from tests.parity.run import QUIETLY, Observation, allocated, observe
from tests.support.process import StartError
from tests.support.proxies import Proxy

MANY = 100
"""When more cases than this are wrong, it is not the machine."""

TRIES = 3
"""How often the whole is begun before a proxy that does not start is an error."""

Views = dict[str, Observation]


@dataclass(slots=True)
class Seen:
    """What both did with every case; `theirs` is None without the real Envoy."""

    ours: Views
    theirs: Views | None
    ports: dict[str, Ports]
    twice: list[str] = field(default_factory=list)


def observe_both(
    oracle: Proxy | None, subject: Proxy, cases: list[Case], folder: Path, wrong: Callable[[Case, Seen], bool]
) -> Seen:
    """Run the cases through both; `wrong` tells which are worth a second look.

    A proxy that does not start, or an upstream that cannot listen, has met somebody else's port: then with others."""
    for attempt in range(TRIES):
        try:
            return _observe(oracle, subject, cases, folder / str(attempt), wrong)
        except (StartError, OSError):
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _observe(
    oracle: Proxy | None, subject: Proxy, cases: list[Case], folder: Path, wrong: Callable[[Case, Seen], bool]
) -> Seen:
    with allocated(cases) as ports:
        theirs = observe(oracle, cases, ports, folder / "oracle") if oracle else None
        seen = Seen(observe(subject, cases, ports, folder / "subject"), theirs, ports)
        doubtful = [case for case in cases if wrong(case, seen)]
        if doubtful and len(doubtful) <= MANY:
            seen.twice = [case.id for case in doubtful]
            if oracle and seen.theirs is not None:
                seen.theirs |= observe(oracle, doubtful, ports, folder / "oracle-again", QUIETLY)
            seen.ours |= observe(subject, doubtful, ports, folder / "subject-again", QUIETLY)
        return seen


def report(name: str, cases: Iterable[str]) -> str:
    """The line for the end of the run; empty when nothing was looked at twice."""
    found = sorted(cases)
    return f"{name}: looked at twice, the second time in quiet: {', '.join(found)}" if found else ""
