"""Problems of a configuration: where, which field, what is wrong, what was probably meant.

Everything that loads or builds reports here and goes on; `Problems.raise_errors` ends the load once, with all of them.
Places are 1-based lines and columns of the text the user wrote; a message that came without text has no place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

_STEP = re.compile(r"([^.\[\]]+)|\[(?:(\d+)|\"([^\"]*)\")\]")


@dataclass(slots=True, frozen=True)
class Source:
    """One text that was read: its name for messages and its lines for excerpts."""

    name: str
    lines: tuple[str, ...] = field(default=(), repr=False)


@dataclass(slots=True, frozen=True)
class Place:
    """A position in a source; line and column count from 1."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"


class Where:
    """The places of a message's fields: a tree with the shape of the message (field names, list indexes, map keys).

    `broken` says that something here was reported already, so that what follows from it is not.
    Owned by the loader while it fills it and only read afterwards."""

    __slots__ = ("broken", "children", "place")

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self.broken = False
        self.children: dict[str | int, Where] = {}

    def child(self, key: str | int) -> Where:
        """The node below; a node with this one's place when the text does not mention it."""
        found = self.children.get(key)
        return found if found is not None else Where(self.place)

    def follow(self, path: str) -> Where:
        """The node at a relative path such as `token_bucket.max_tokens` or `clusters[2].name`."""
        node = self
        for key in path_steps(path):
            node = node.child(key)
        return node


NOWHERE = Where()


@dataclass(slots=True, frozen=True)
class ConfigProblem:
    """One problem.  `path` is the full field path, `nearest` the valid name that was probably meant."""

    what: str
    path: str = ""
    place: Place | None = None
    nearest: str = ""
    is_error: bool = True

    def __str__(self) -> str:
        """One line: `file:line:column: error: path: what; did you mean "x"?`"""
        where = f"{self.place}: " if self.place else ""
        path = f"{self.path}: " if self.path else ""
        hint = f'; did you mean "{self.nearest}"?' if self.nearest else ""
        return f"{where}{'error' if self.is_error else 'warning'}: {path}{self.what}{hint}"


class ConfigErrors(Exception):
    """The configuration cannot be used.  `problems` holds all errors and warnings, in the order of the text."""

    def __init__(self, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(render(self.problems))


class Problems:
    """Collects problems of one load.  One owner: the load; builders add through their Context."""

    __slots__ = ("_all", "_seen")

    def __init__(self) -> None:
        self._all: list[ConfigProblem] = []
        self._seen: set[tuple[str, str, bool]] = set()

    def error(self, where: Where, path: str, what: str, nearest: str = "") -> None:
        self.add(ConfigProblem(what, path, where.place, nearest))

    def warning(self, where: Where, path: str, what: str, nearest: str = "") -> None:
        self.add(ConfigProblem(what, path, where.place, nearest, is_error=False))

    def add(self, problem: ConfigProblem) -> None:
        """Add a problem as it is; one that was told already is not told again."""
        key = (problem.path, problem.what, problem.is_error)
        if key not in self._seen:
            self._seen.add(key)
            self._all.append(problem)

    def has_error_at(self, path: str) -> bool:
        """Whether an error was reported for exactly this field."""
        return any(problem.path == path and problem.is_error for problem in self._all)

    def has_error_below(self, path: str) -> bool:
        """Whether an error was reported for this field or for one within."""
        return any(problem.path.startswith(path) and problem.is_error for problem in self._all)

    def has_error_around(self, path: str) -> bool:
        """Whether an error was reported for this field, for one within or for one that holds it."""
        return any(
            (problem.path.startswith(path) or path.startswith(problem.path)) and problem.is_error
            for problem in self._all
        )

    def __iter__(self) -> Iterator[ConfigProblem]:
        return iter(in_text_order(self._all))

    def __len__(self) -> int:
        return len(self._all)

    @property
    def has_errors(self) -> bool:
        return any(problem.is_error for problem in self._all)

    @property
    def warnings(self) -> tuple[ConfigProblem, ...]:
        return tuple(problem for problem in self if not problem.is_error)

    def raise_errors(self) -> None:
        """Raise ConfigErrors with everything collected if one of them is an error."""
        if self.has_errors:
            raise ConfigErrors(tuple(self))


class Reporter(Protocol):
    """What a check needs of its place: builders pass their Context, the loader a Spot."""

    def error(self, field: str, text: str, nearest: str = "") -> None: ...

    def at(self, field: str, index: int | str | None = None) -> Reporter: ...


class Spot:
    """A place to report from, before there is anything to build with."""

    __slots__ = ("_path", "_problems", "_where")

    def __init__(self, problems: Problems, where: Where, path: str = "") -> None:
        self._problems = problems
        self._where = where
        self._path = path

    def error(self, field: str, text: str, nearest: str = "") -> None:
        """Report an error at a field (dotted relative path, "" for the message itself)."""
        self._problems.error(self._where.follow(field), join_path(self._path, field), text, nearest)

    def at(self, field: str, index: int | str | None = None) -> Spot:
        """The place of a sub-message."""
        step = indexed(field, index)
        return Spot(self._problems, self._where.follow(step), join_path(self._path, step))


def in_text_order(problems: Iterable[ConfigProblem]) -> list[ConfigProblem]:
    """Sorted by place; those without one come first."""

    def key(problem: ConfigProblem) -> tuple[str, int, int]:
        place = problem.place
        return (place.source.name, place.line, place.column) if place else ("", 0, 0)

    return sorted(problems, key=key)


def nearest_name(name: str, valid: Iterable[str], cutoff: float = 0.6) -> str:
    """The valid name that is most like `name`, or "" when none is near (`cutoff` is difflib's, 0 to 1)."""
    candidates = list(valid)
    found = difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
    if found:
        return found[0]
    lowered = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=cutoff)
    return lowered[found[0]] if found else ""


def render(problems: Sequence[ConfigProblem], *, excerpts: bool = True) -> str:
    """Text for a person: each problem with its line of the source and a caret, then the count."""
    blocks = [_block(problem, excerpts) for problem in problems]
    errors = sum(1 for problem in problems if problem.is_error)
    warnings = len(problems) - errors
    counts = [f"{n} {word}{'s' if n != 1 else ''}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    if len(problems) > 1:
        blocks.append(", ".join(counts))
    return "\n".join(blocks)


def _block(problem: ConfigProblem, excerpts: bool) -> str:
    place = problem.place
    kind = "error" if problem.is_error else "warning"
    head = f"{place}: {kind}: {problem.what}" if place else f"{kind}: {problem.what}"
    if problem.nearest:
        head += f'; did you mean "{problem.nearest}"?'
    lines = [head]
    if problem.path:
        lines.append(f"    in {problem.path}")
    if excerpts and place and 0 < place.line <= len(place.source.lines):
        number = str(place.line)
        text = place.source.lines[place.line - 1][:160]
        lines.append(f"    {number} | {text}")
        lines.append(f"    {' ' * len(number)} | {' ' * min(place.column - 1, 160)}^")
    return "\n".join(lines)


def path_steps(path: str) -> Iterator[str | int]:
    """The steps of a relative path: field names, list indexes (`[2]`) and map keys (`["x"]`)."""
    for match in _STEP.finditer(path):
        name, index, key = match.groups()
        if name is not None:
            yield name
        elif index is not None:
            yield int(index)
        else:
            yield key


def indexed(field: str, index: int | str | None) -> str:
    """The step to an entry of a list (`field[2]`) or a map (`field["key"]`)."""
    if isinstance(index, int):
        return f"{field}[{index}]"
    return field if index is None else f'{field}["{index}"]'


def join_path(base: str, step: str | int) -> str:
    """The path one step further down; a relative path of several steps may follow a base as it is."""
    if isinstance(step, int):
        return f"{base}[{step}]"
    if not step:
        return base
    return f"{base}.{step}" if base and not step.startswith("[") else f"{base}{step}"
