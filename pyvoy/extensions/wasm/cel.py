"""CEL, as far as plugins use it: an expression over the attributes of a stream, compiled once to closures.

There are literals, lists, maps, member access, indices, arithmetic, comparisons, `in`, `&&`, `||`, `?:`, functions
(size, has, startsWith, endsWith, contains, matches, int, uint, double, string, bytes, bool, dyn), macros over lists and
maps (`cel_macros.py`), timestamps and durations (`cel_times.py`), messages (`cel_messages.py`).  Types are no values.
Text is str, whatever came over the wire.
Source: the Common Expression Language specification; Envoy's foreign functions `expr_create` and `expr_evaluate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from pyvoy.extensions.wasm import cel_messages, cel_times
from pyvoy.extensions.wasm.cel_functions import FUNCTIONS, METHODS, OPERATIONS
from pyvoy.extensions.wasm.cel_macros import MACROS, MAX_NESTED, Variable, macro
from pyvoy.extensions.wasm.cel_values import (
    CelError,
    Uint,
    boolean,
    map_of,
    member,
    negated,
    plain,
    size,
)

MAX_LENGTH = 4096
MAX_DEPTH = 60
MAX_STEPS = 256
"""How many operators and selections an expression may have: each may stand on those before it."""

Attribute = Callable[[tuple[str, ...]], Callable[[Any], Any] | None]
Evaluate = Callable[[Any], Any]
"""Takes the stream.  Raises CelError."""


class CelSyntaxError(ValueError):
    """An expression that cannot be compiled."""


_TOKEN = re.compile(
    r"""\s*(?:
    (?P<number>0x[0-9a-fA-F]+u?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+(?:[eE][+-]?\d+)|\d+u?)
    |(?P<text>(?:[rR][bB]?|[bB][rR]?)?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}])
    )""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", "'": "'", '"': '"', "`": "`", "?": "?"}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))")
_CONSTANTS = {"true": True, "false": False, "null": None}
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!=", "<", "<=", ">", ">=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)


def compile_expression(text: str, attribute: Attribute) -> Evaluate:
    """The expression as a function of a stream.  Raises CelSyntaxError."""
    if len(text) > MAX_LENGTH:
        raise CelSyntaxError("the expression is too long")
    parser = _Parser(_tokens(text), attribute)
    found = parser.expression()
    parser.end()
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CelSyntaxError(f"unexpected {text[at:].lstrip()[:1]!r}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)]))
        at = match.end()
    return [*found, ("end", "")]


class _Parser:
    """Recursive descent; each method gives a closure."""

    def __init__(self, tokens: list[tuple[str, str]], attribute: Attribute) -> None:
        self._tokens = tokens
        self._attribute = attribute
        self._at = 0
        self._depth = 0
        self._steps = 0
        self._variables: list[tuple[str, Variable]] = []
        """Those of the macros around this place, the innermost last."""

    def _peek(self) -> str:
        kind, text = self._tokens[self._at]
        return "" if kind in ("text", "end") else text

    def _take(self, text: str) -> bool:
        if self._peek() != text:
            return False
        self._at += 1
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise CelSyntaxError(f"{text!r} is missing")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise CelSyntaxError("the expression is too long")

    def end(self) -> None:
        """Nothing may follow."""
        if self._tokens[self._at][0] != "end":
            raise CelSyntaxError(f"unexpected {self._tokens[self._at][1]!r}")

    def expression(self) -> Evaluate:
        """A condition with its two values, or what stands above it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise CelSyntaxError("the expression is nested too deeply")
        condition = self._binary(0)
        if self._take("?"):
            yes = self._binary(0)
            self._need(":")
            no = self.expression()
            first = condition
            condition = lambda stream: yes(stream) if boolean(first(stream)) else no(stream)  # noqa: E731
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Evaluate:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in _LEVELS[level]:
            sign = self._peek()
            self._at += 1
            self._step()
            left = _operation(sign, left, self._binary(level + 1))
        return left

    def _unary(self) -> Evaluate:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise CelSyntaxError("the expression is nested too deeply")
        if self._signs("!"):
            inner = self._unary()
            found: Evaluate = lambda stream: not boolean(inner(stream))  # noqa: E731
        elif self._signs("-"):
            inner = self._unary()
            found = lambda stream: negated(inner(stream))  # noqa: E731
        else:
            found = self._member()
        self._depth -= 1
        return found

    def _signs(self, sign: str) -> bool:
        """Take all that follow each other: whether one is left, for two are none, whatever stands behind them."""
        count = 0
        while self._take(sign):
            count += 1
        return count % 2 == 1

    def _member(self) -> Evaluate:
        """A primary with what is selected from it; names that follow each other are one attribute."""
        found, path = self._start()
        while True:
            self._step()
            if self._take("."):
                kind, name = self._tokens[self._at]
                if kind != "name":
                    raise CelSyntaxError("a name is missing behind '.'")
                self._at += 1
                if self._take("("):
                    found, path = self._call(name, found), None
                    continue
            elif self._take("["):
                index = self.expression()
                self._need("]")
                constant = _constant(index)
                if path is None or constant is None:
                    found, path = _indexed(found, index), None
                    continue
                name = constant
            else:
                return found
            if path is not None:
                path = [*path, name]
                found = self._path(path)
            else:
                found = _Selection(found, name)

    def _start(self) -> tuple[Evaluate, list[str] | None]:
        """What something may be selected from, and its path if it is an attribute."""
        kind, text = self._tokens[self._at]
        if kind != "name":
            return self._primary(), None
        if (variable := self._variable(text)) is not None:
            self._at += 1
            return variable, None
        if type_name := self._type_name():
            return self._message(type_name), None
        if text in _CONSTANTS or self._tokens[self._at + 1][1] == "(":
            return self._primary(), None
        self._at += 1
        return self._path([text]), [text]

    def _type_name(self) -> str:
        """Take names with dots between them that '{' follows; else nothing."""
        tokens, at = self._tokens, self._at
        while tokens[at][0] == "name" and tokens[at + 1] == ("sign", ".") and tokens[at + 2][0] == "name":
            at += 2
        if tokens[at + 1] != ("sign", "{"):
            return ""
        name = ".".join(text for kind, text in tokens[self._at : at + 1] if kind == "name")
        self._at = at + 1
        return name

    def _message(self, name: str) -> Evaluate:
        """A message of a type, with its fields."""
        self._need("{")
        entries: list[tuple[str, Evaluate]] = []
        while not self._take("}"):
            if entries:
                self._need(",")
            if self._take("}") or (self._take(",") and not entries and self._take("}")):
                break
            kind, field = self._tokens[self._at]
            if kind != "name":
                raise CelSyntaxError(f"a field of {name} is missing")
            self._at += 1
            self._need(":")
            entries.append((field, self.expression()))
        try:
            return cel_messages.maker(name, entries)
        except LookupError:
            raise CelSyntaxError(f"there is no message {name} with these fields") from None

    def _variable(self, name: str) -> Variable | None:
        return next((variable for known, variable in reversed(self._variables) if known == name), None)

    def _call(self, name: str, target: Evaluate) -> Evaluate:
        """A method or a macro of a value; the bracket is open."""
        if not any(name == known for known, _ in MACROS):
            return _method(name, target, self._list(")"))
        kind, item = self._tokens[self._at]
        if kind != "name" or len(self._variables) == MAX_NESTED:
            raise CelSyntaxError(f"{name} wants a variable, and does not stand in so many macros")
        self._at += 1
        variable = Variable()
        self._variables.append((item, variable))
        self._need(",")
        inner = self._list(")")
        self._variables.pop()
        found = macro(name, target, variable, inner)
        if found is None:
            raise CelSyntaxError(f"there is no {name} of {len(inner) + 1} values")
        return found

    def _path(self, path: Sequence[str]) -> Evaluate:
        get = self._attribute(tuple(path))
        name = ".".join(path)
        time = cel_times.TIMES.get(name)

        def read(stream: Any) -> Any:
            value = get(stream) if get is not None else None
            if value is None:
                raise CelError(f"there is no {name}", missing=True)
            return plain(value) if time is None else time(value)

        return read

    def _primary(self) -> Evaluate:
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "number":
            return _literal(_parse_number(text))
        if kind == "text":
            return _literal(_unquote(text))
        if kind == "name" and text in _CONSTANTS:
            return _literal(_CONSTANTS[text])
        if kind == "name":
            self._need("(")
            return _function(text, self._list(")"))
        if text == "(":
            found = self.expression()
            self._need(")")
            return found
        if text == "[":
            items = self._list("]")
            return lambda stream: [item(stream) for item in items]
        if text == "{":
            return self._map()
        raise CelSyntaxError(f"unexpected {text!r}" if text else "the expression ends too early")

    def _list(self, closing: str) -> list[Evaluate]:
        found: list[Evaluate] = []
        while not self._take(closing):
            if found:
                self._need(",")
            found.append(self.expression())
        return found

    def _map(self) -> Evaluate:
        entries: list[tuple[Evaluate, Evaluate]] = []
        while not self._take("}"):
            if entries:
                self._need(",")
            key = self.expression()
            self._need(":")
            entries.append((key, self.expression()))
        return lambda stream: map_of((key(stream), value(stream)) for key, value in entries)


# ---- literals ----


class _Literal:
    """A value that is the same for every stream."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, stream: Any) -> Any:
        return self.value


def _literal(value: Any) -> Evaluate:
    return _Literal(value)


def _constant(found: Evaluate) -> str | None:
    return found.value if isinstance(found, _Literal) and isinstance(found.value, str) else None


def _parse_number(text: str) -> int | float:
    if text.endswith("u"):
        return Uint(int(text[:-1], 0) if text.startswith("0x") else int(text[:-1]))
    if text.startswith("0x"):
        return int(text, 16)
    if any(char in text for char in ".eE"):
        return float(text)
    return int(text)


def _unquote(text: str) -> str:
    prefix = text[: len(text) - len(text.lstrip("rRbB"))]
    text = text[len(prefix) :]
    if "r" in prefix.lower():
        return text[1:-1]

    def one(found: re.Match[str]) -> str:
        if found[1] or found[2]:
            return chr(int(found[1] or found[2], 16))
        if found[3] not in _ESCAPES:
            raise CelSyntaxError(f"unknown escape \\{found[3]}")
        return _ESCAPES[found[3]]

    return _ESCAPE.sub(one, text[1:-1])


# ---- operations ----


def _operation(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign in ("&&", "||"):
        return _logic(left, right, decisive=sign == "||")
    do = OPERATIONS[sign]
    return lambda stream: do(left(stream), right(stream))


def _logic(left: Evaluate, right: Evaluate, *, decisive: bool) -> Evaluate:
    """Either side decides alone, also when the other has no value."""

    def run(stream: Any) -> bool:
        try:
            if boolean(left(stream)) is decisive:
                return decisive
        except CelError:
            if boolean(right(stream)) is decisive:
                return decisive
            raise
        return boolean(right(stream))

    return run


class _Selection:
    """What lies under a name in a value; a message has fields, which an index does not reach."""

    __slots__ = ("found", "name")

    def __init__(self, found: Evaluate, name: str) -> None:
        self.found = found
        self.name = name

    def __call__(self, stream: Any) -> Any:
        value = self.found(stream)
        return cel_messages.field_of(value, self.name) if cel_messages.is_message(value) else member(value, self.name)

    def is_set(self, stream: Any) -> bool:
        """Whether it is there: a field of a message may be there without a value."""
        value = self.found(stream)
        if cel_messages.is_message(value):
            return cel_messages.has_field(value, self.name)
        member(value, self.name)
        return True


def _indexed(found: Evaluate, index: Evaluate) -> Evaluate:
    return lambda stream: member(found(stream), index(stream))


def _function(name: str, arguments: list[Evaluate]) -> Evaluate:
    if name == "has" and len(arguments) == 1:
        return _has(arguments[0])
    if name == "matches" and len(arguments) == 2:
        return _method(name, arguments[0], arguments[1:])
    do = FUNCTIONS.get(name)
    if do is None or len(arguments) != 1:
        raise CelSyntaxError(f"there is no function {name} of {len(arguments)} values")
    argument = arguments[0]
    return lambda stream: do(argument(stream))


def _has(argument: Evaluate) -> Evaluate:
    def run(stream: Any) -> bool:
        try:
            if isinstance(argument, _Selection):
                return argument.is_set(stream)
            argument(stream)
        except CelError as error:
            if error.missing:
                return False
            raise
        return True

    return run


def _method(name: str, target: Evaluate, arguments: list[Evaluate]) -> Evaluate:
    if name == "size" and not arguments:
        return lambda stream: size(target(stream))
    if name in cel_times.PARTS and not arguments:
        return lambda stream: cel_times.part(name, target(stream))
    do = METHODS.get(name)
    if do is None or len(arguments) != 1:
        raise CelSyntaxError(f"there is no method {name} of {len(arguments)} values")
    argument = arguments[0]

    def run(stream: Any) -> bool:
        text, part = target(stream), argument(stream)
        if not isinstance(text, str) or not isinstance(part, str):
            raise CelError(f"{name} wants text")
        return do(text, part)

    return run
