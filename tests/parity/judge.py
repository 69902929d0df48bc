"""Whether a case is right: what its author says of Envoy holds, and pyvoy does the same or is listed as different."""

from tests.parity.case import Case
from tests.parity.compare import compare, statuses, table
from tests.parity.differences import KNOWN
from tests.parity.twice import Seen
from tests.support.proxies import subject


def objection(case: Case, seen: Seen) -> str:
    """What is wrong with a case; empty when nothing is."""
    assert seen.theirs is not None
    theirs, ours = seen.theirs[case.id], seen.ours[case.id]
    if theirs.refused:
        return f"Envoy refuses the case: {theirs.refused}"
    if statuses(theirs) != case.want:
        return f"the case is not what its author thought: {statuses(theirs)!r} instead of {case.want!r}"
    diffs = compare(case, seen.ports[case.id], theirs, ours)
    known = [] if subject().name == "envoy" else KNOWN
    unexplained = [diff for diff in diffs if not any(entry.covers(case.id, diff.part) for entry in known)]
    if unexplained:
        return f"{case.id} differs:\n{table(unexplained)}"
    gone = [entry for entry in known if entry.case == case.id and not any(entry.covers(case.id, d.part) for d in diffs)]
    return f"listed as a difference, but there is none any more: {gone}" if gone else ""
