"""Known differences between pyvoy and Envoy, each with its reason.

A listing holds for a case (or for every case: "*") and for parts of the comparison (patterns of fnmatch, see
tests/parity/compare.py).  A listing that no longer differs fails, so that this table stays true.
"""

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant: why it is there."""

    case: str
    part: str
    reason: str

    def covers(self, case: str, part: str) -> bool:
        """Whether this listing explains a difference."""
        return fnmatch(case, self.case) and fnmatch(part, self.part)


KNOWN: tuple[Known, ...] = ()
