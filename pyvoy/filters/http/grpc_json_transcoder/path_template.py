"""The path templates of google.api.http, parsed.  Pure.

    Template = "/" Segments [ ":" LITERAL ]      Segment  = "*" | "**" | LITERAL | Variable
    Segments = Segment { "/" Segment }           Variable = "{" IDENT { "." IDENT } [ "=" Segments ] "}"

Only literals may follow a `**`.  Source: google/api/http.proto; what Envoy 1.40 takes and refuses.
"""

from __future__ import annotations

from dataclasses import dataclass

ONE = "*"
REST = "**"


class TemplateError(ValueError):
    """The text is no path template; the message says what is wrong."""


@dataclass(slots=True, frozen=True)
class Variable:
    """A field that is bound to segments `start` up to `stop` (exclusive); a negative `stop` counts from the end of the
    path, -1 being its end, because a `**` lies in between."""

    path: tuple[str, ...]
    start: int
    stop: int


@dataclass(slots=True, frozen=True)
class Template:
    """Segments (`*`, `**` or literal), the custom verb ("" for none), variables."""

    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]


def parse(text: str) -> Template:
    """Raises TemplateError."""
    parser = _Parser(text)
    parser.expect("/")
    parser.segments_list()
    verb = ""
    if parser.peek() == ":":
        parser.at += 1
        verb = parser.literal()
    if parser.at < len(text):
        raise TemplateError(f"'{text[parser.at]}' is not expected at position {parser.at}")
    segments = tuple(parser.segments)
    if REST in segments and any(each in (ONE, REST) for each in segments[segments.index(REST) + 1 :]):
        raise TemplateError("only literal segments may follow '**'")
    return Template(segments, verb, tuple(_placed(each, segments) for each in parser.variables))


def _placed(variable: Variable, segments: tuple[str, ...]) -> Variable:
    """With its end counted from the end of the path, if a `**` lies in it."""
    if REST not in segments[variable.start : variable.stop]:
        return variable
    return Variable(variable.path, variable.start, variable.stop - len(segments) - 1)


class _Parser:
    __slots__ = ("at", "inside", "segments", "text", "variables")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.inside = False
        self.segments: list[str] = []
        self.variables: list[Variable] = []

    def peek(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.at : self.at + 1]

    def expect(self, char: str) -> None:
        """Go over this character."""
        if self.peek() != char:
            raise TemplateError(f"'{char}' is expected at position {self.at}")
        self.at += 1

    def segments_list(self) -> None:
        """Segments with slashes in between."""
        self._segment()
        while self.peek() == "/":
            self.at += 1
            self._segment()

    def _segment(self) -> None:
        if self.text.startswith(REST, self.at):
            self.at += 2
            self.segments.append(REST)
        elif self.peek() == ONE:
            self.at += 1
            self.segments.append(ONE)
        elif self.peek() == "{":
            self._variable()
        else:
            self.segments.append(self.literal())

    def _variable(self) -> None:
        if self.inside:
            raise TemplateError(f"a variable inside of a variable at position {self.at}")
        self.at += 1
        self.inside = True
        start = len(self.segments)
        path = [self._until(".=}")]
        while self.peek() == ".":
            self.at += 1
            path.append(self._until(".=}"))
        if self.peek() == "=":
            self.at += 1
            self.segments_list()
        else:
            self.segments.append(ONE)
        self.inside = False
        self.expect("}")
        self.variables.append(Variable(tuple(path), start, len(self.segments)))

    def literal(self) -> str:
        """Text up to the next slash, colon or brace."""
        return self._until("/:}")

    def _until(self, marks: str) -> str:
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in marks:
            self.at += 1
        if self.at == start:
            raise TemplateError(f"a name is missing at position {start}")
        return self.text[start : self.at]
