"""CEL, as far as plugins use it: an expression over the attributes of a stream, compiled once to closures.

There are literals, lists, maps, member access, indices, arithmetic, comparisons, `in`, `&&`, `||`, `?:`, and functions:
size, has, startsWith, endsWith, contains, matches, int, uint, double, string, bool.  Macros over lists (all, exists,
map, filter) and messages are not there.  Text is str, whatever came over the wire.
Source: the Common Expression Language specification; Envoy's foreign functions `expr_create` and `expr_evaluate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyvoy.http.headers import HeaderMap

MAX_LENGTH = 4096
MAX_DEPTH = 60
MAX_STEPS = 256
"""How many operators and selections an expression may have: each may stand on those before it."""

Attribute = Callable[[tuple[str, ...]], Callable[[Any], Any] | None]
Evaluate = Callable[[Any], Any]
"""Takes the stream.  Raises CelError."""


class CelSyntaxError(ValueError):
    """An expression that cannot be compiled."""


class CelError(Exception):
    """An expression that has no value for this stream; `missing` where something is just not there."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        self.missing = missing
        super().__init__(text)


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
            condition = lambda stream: yes(stream) if _bool(first(stream)) else no(stream)  # noqa: E731
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
        if self._take("!"):
            inner = self._unary()
            found: Evaluate = lambda stream: not _bool(inner(stream))  # noqa: E731
        elif self._take("-"):
            inner = self._unary()
            found = lambda stream: _number(-_operand(inner(stream)))  # noqa: E731
        else:
            found = self._member()
        self._depth -= 1
        return found

    def _member(self) -> Evaluate:
        """A primary with what is selected from it; names that follow each other are one attribute."""
        kind, text = self._tokens[self._at]
        path: list[str] | None = None
        if kind == "name" and text not in _CONSTANTS and self._tokens[self._at + 1][1] != "(":
            self._at += 1
            path = [text]
            found = self._path(path)
        else:
            found = self._primary()
        while True:
            self._step()
            if self._take("."):
                kind, name = self._tokens[self._at]
                if kind != "name":
                    raise CelSyntaxError("a name is missing behind '.'")
                self._at += 1
                if self._take("("):
                    found = _method(name, found, self._list(")"))
                    path = None
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
                found = _indexed(found, _literal(name))

    def _path(self, path: Sequence[str]) -> Evaluate:
        get = self._attribute(tuple(path))
        name = ".".join(path)

        def read(stream: Any) -> Any:
            value = get(stream) if get is not None else None
            if value is None:
                raise CelError(f"there is no {name}", missing=True)
            return _plain(value)

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
        return lambda stream: {key(stream): value(stream) for key, value in entries}


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
    if text.startswith("0x"):
        return int(text.rstrip("u"), 16)
    if any(char in text for char in ".eE"):
        return float(text)
    return int(text.rstrip("u"))


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


# ---- values ----


def _plain(value: Any) -> Any:
    """An attribute's value as CEL has it."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError("a condition is no bool")
    return value


def _operand(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CelError("no number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        raise CelError("the number is too large")
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "map" if isinstance(value, Mapping | HeaderMap) else type(value).__name__


# ---- operations ----


def _operation(sign: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if sign in ("&&", "||"):
        return _logic(left, right, decisive=sign == "||")
    do = _OPERATIONS[sign]
    return lambda stream: do(left(stream), right(stream))


def _logic(left: Evaluate, right: Evaluate, *, decisive: bool) -> Evaluate:
    """Either side decides alone, also when the other has no value."""

    def run(stream: Any) -> bool:
        try:
            if _bool(left(stream)) is decisive:
                return decisive
        except CelError:
            if _bool(right(stream)) is decisive:
                return decisive
            raise
        return _bool(right(stream))

    return run


def _add(left: Any, right: Any) -> Any:
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    return _number(_operand(left) + _operand(right))


def _divide(left: Any, right: Any) -> Any:
    _operand(left)
    if not _operand(right):
        raise CelError("division by zero")
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _remainder(left: Any, right: Any) -> Any:
    if not isinstance(left, int) or not isinstance(right, int):
        raise CelError("no whole number")
    return left - right * _divide(left, right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        if _kind(left) != _kind(right) or _kind(left) not in ("number", "str", "bool"):
            raise CelError("values that have no order")
        return compare(left, right)

    return run


def _is_in(item: Any, place: Any) -> bool:
    if isinstance(place, HeaderMap):
        return isinstance(item, str) and item.lower().encode() in place.map
    if isinstance(place, list | tuple):
        return any(_equal(_plain(each), item) for each in place)
    if isinstance(place, Mapping):
        return item in place
    raise CelError("nothing can be in it")


def _equal(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and bool(left == right)


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _is_in,
    "+": _add,
    "-": lambda left, right: _number(_operand(left) - _operand(right)),
    "*": lambda left, right: _number(_operand(left) * _operand(right)),
    "/": _divide,
    "%": _remainder,
}


def _indexed(found: Evaluate, index: Evaluate) -> Evaluate:
    def run(stream: Any) -> Any:
        value, key = found(stream), index(stream)
        if isinstance(value, HeaderMap):
            item = value.joined(key.lower().encode()) if isinstance(key, str) else None
        elif isinstance(value, Mapping):
            item = value.get(key)
        elif isinstance(value, list | tuple) and isinstance(key, int) and not isinstance(key, bool):
            item = value[key] if 0 <= key < len(value) else None
        else:
            raise CelError("it has no members")
        if item is None:
            raise CelError(f"there is no {key}", missing=True)
        return _plain(item)

    return run


# ---- functions ----


def _size(value: Any) -> int:
    if isinstance(value, HeaderMap):
        return len(list(value.items()))
    if isinstance(value, str | list | tuple | Mapping):
        return len(value)
    raise CelError("it has no size")


def _converted(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        try:
            return _number(convert(value))
        except (ValueError, TypeError, OverflowError):
            raise CelError(f"{value!r} cannot be converted") from None

    return run


def _to_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | str):
        return str(value)
    raise CelError("it has no text")


def _to_bool(value: Any) -> bool:
    found = {"true": True, "false": False, True: True, False: False}.get(value)
    if found is None or (not isinstance(value, str | bool)):
        raise CelError(f"{value!r} is no bool")
    return found


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "size": _size,
    "int": _converted(int),
    "uint": _converted(int),
    "double": _converted(float),
    "string": _to_text,
    "bool": _to_bool,
}


def _matches(text: str, pattern: str) -> bool:
    import re2

    try:
        return re2.search(pattern, text) is not None
    except re2.error:
        raise CelError(f"{pattern!r} is no regular expression") from None


_METHODS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "matches": _matches,
}


def _function(name: str, arguments: list[Evaluate]) -> Evaluate:
    if name == "has" and len(arguments) == 1:
        return _has(arguments[0])
    if name == "matches" and len(arguments) == 2:
        return _method(name, arguments[0], arguments[1:])
    do = _FUNCTIONS.get(name)
    if do is None or len(arguments) != 1:
        raise CelSyntaxError(f"there is no function {name} of {len(arguments)} values")
    argument = arguments[0]
    return lambda stream: do(argument(stream))


def _has(argument: Evaluate) -> Evaluate:
    def run(stream: Any) -> bool:
        try:
            argument(stream)
        except CelError as error:
            if error.missing:
                return False
            raise
        return True

    return run


def _method(name: str, target: Evaluate, arguments: list[Evaluate]) -> Evaluate:
    if name == "size" and not arguments:
        return lambda stream: _size(target(stream))
    do = _METHODS.get(name)
    if do is None or len(arguments) != 1:
        raise CelSyntaxError(f"there is no method {name} of {len(arguments)} values")
    argument = arguments[0]

    def run(stream: Any) -> bool:
        text, part = target(stream), argument(stream)
        if not isinstance(text, str) or not isinstance(part, str):
            raise CelError(f"{name} wants text")
        return do(text, part)

    return run
