"""JSON as Envoy's transcoder reads it: piece by piece, more lenient than RFC 8259, with its error texts.  Pure.

Lenient: quotes may be single, names bare, the last comma of an object or array is let through, any character may be
escaped, control characters are let through in strings.
Source: observed on Envoy 1.40 (protobuf's streaming JSON parser).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from pyvoy.filters.http.grpc_json_transcoder.json_values import MAX_DEPTH, Tree
from pyvoy.filters.http.grpc_json_transcoder.scalars import narrowed

_CONTEXT: Final = 20
"""How many octets an error shows before and behind its place."""

_LONGEST_TOKEN: Final = 1 << 16
"""Octets of a number or bare name; strings may be longer."""

_DIGITS64: Final = 20
"""No number of 64 bits has more digits."""

_SPACE = re.compile(rb"[ \t\n\v\f\r]*")
_BARE = re.compile(rb"[A-Za-z_$][A-Za-z0-9_$]*")
_NUMBER = re.compile(rb"[0-9.eE+x-]*")
_PLAIN = re.compile(rb"[^\\\"']*")
_ESCAPES: Final = {98: b"\b", 102: b"\f", 110: b"\n", 114: b"\r", 116: b"\t", 118: b"\v"}
_KEYWORDS: Final = (("true", True), ("false", False), ("null", None))

# What is expected next.
_VALUE, _OBJECT_MID, _ENTRY, _ENTRY_MID, _ARRAY_VALUE, _ARRAY_MID = range(6)
# Tokens that are no single octet.
_STRING, _DIGITS, _TRUE, _FALSE, _NULL, _KEY, _UNKNOWN = "string", "number", "true", "false", "null", "key", "unknown"
Token = str | bytes


class JsonError(ValueError):
    """The text is no JSON; the message is what the client is told."""


class _MoreNeeded(Exception):
    """The piece ends inside of a token."""


class JsonReader:
    """Reads one text that comes in pieces into a tree."""

    __slots__ = ("_at", "_depth", "_expected", "_finishing", "_key", "_left", "_quote", "_text", "_tree", "_written")

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._expected = [_VALUE]
        self._left = b""
        self._text = b""
        self._at = 0
        self._finishing = False
        self._quote = 0
        """The octet that ends the string which the last piece has left open."""
        self._written = bytearray()
        """What is known of that string."""
        self._key = ""
        self._depth = 0

    def feed(self, piece: bytes) -> None:
        """The next piece.  Raises JsonError."""
        text = self._left + piece if self._left else piece
        size = _utf8_size(text)
        self._left = b""
        if size:
            self._text, self._at, self._finishing = text[:size], 0, False
            self._run()
            self._skip_space()
            if self._at < size and not self._expected:
                raise self._failure("Parsing terminated before end of input.")
            self._left = self._text[self._at :]
        self._left += text[size:]
        if len(self._left) > _LONGEST_TOKEN:  # each piece would look at all of it again
            raise self._failure("Unexpected token.")

    def finish(self) -> None:
        """There is no more.  Raises JsonError if something is missing."""
        if not self._expected and not self._left:
            return
        self._text, self._at, self._finishing = self._left, 0, True
        if _utf8_size(self._text) < len(self._text):
            raise self._failure("Encountered non UTF-8 code points.")
        self._run()
        self._skip_space()
        if self._at < len(self._text):
            raise self._failure("Parsing terminated before end of input.")

    def _run(self) -> None:
        expected = self._expected
        while expected:
            state = expected[-1]
            token = _STRING if self._quote else self._token()
            expected.pop()
            held = len(expected)
            try:
                _STEPS[state](self, token)
            except _MoreNeeded:
                del expected[held:]
                expected.append(state)
                return

    # ---- tokens ----

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _token(self) -> Token:
        self._skip_space()
        octet = self._text[self._at : self._at + 1]
        if not octet:
            return _UNKNOWN
        if octet in b"\"'":
            return _STRING
        if octet in b"-0123456789":
            return _DIGITS
        for word, _ in _KEYWORDS:
            if self._text.startswith(word.encode(), self._at):
                return word
        if octet in b"{}[]:,":
            return octet
        return _KEY if _BARE.match(octet) else _UNKNOWN

    def _failure(self, message: str) -> JsonError:
        start = max(self._at - _CONTEXT, 0)
        segment = self._text[start : self._at + _CONTEXT].decode("utf-8", "surrogateescape")
        return JsonError(f"{message}\n{segment}\n{' ' * (self._at - start)}^")

    def _unknown(self, message: str) -> JsonError:
        """Nothing that fits: more may come, or this is the error."""
        if not self._finishing:
            raise _MoreNeeded
        if self._at >= len(self._text):
            message = f"Unexpected end of string. {message}"
        return self._failure(message)

    # ---- what may stand where ----

    def _value(self, token: Token) -> None:
        if token == b"{":
            self._begin(is_object=True)
            self._expected.append(_ENTRY)
        elif token == b"[":
            self._begin(is_object=False)
            self._expected.append(_ARRAY_VALUE)
        elif token == _STRING:
            self._give(self._string())
        elif token == _DIGITS:
            self._give(self._number())
        elif token in (_TRUE, _FALSE, _NULL):
            self._at += len(token)
            self._give(dict(_KEYWORDS)[str(token)])
        elif token == _UNKNOWN:
            raise self._unknown("Expected a value.")
        elif not self._finishing and len(self._text) - self._at < 5:
            raise _MoreNeeded
        else:
            raise self._failure("Unexpected token.")

    def _begin(self, *, is_object: bool) -> None:
        self._at += 1
        self._tree.begin(self._key, is_object)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            place = f"for key '{self._key}'" if is_object else "in array"
            raise JsonError(f"Message too deep. Max recursion depth reached {place}")
        self._key = ""

    def _give(self, value: Any) -> None:
        self._tree.value(self._key, value)
        self._key = ""

    def _entry(self, token: Token) -> None:
        message = "Expected an object key or }."
        if token == b"}":
            self._close()
            return
        if token == _UNKNOWN:
            raise self._unknown(message)
        if token == _STRING:
            self._key = self._string()
        elif token in (_KEY, _TRUE, _FALSE, _NULL):
            found = _BARE.match(self._text, self._at)
            assert found is not None
            if found.end() == len(self._text) and not self._finishing:
                raise _MoreNeeded
            self._at = found.end()
            self._key = found[0].decode()
            if self._key in (_TRUE, _FALSE, _NULL):
                raise self._failure(message)
        else:
            raise self._failure(message)
        self._expected += (_OBJECT_MID, _ENTRY_MID)

    def _entry_mid(self, token: Token) -> None:
        self._mark(token, "Expected : between key:value pair.", {b":": _VALUE})

    def _object_mid(self, token: Token) -> None:
        self._mark(token, "Expected , or } after key:value pair.", {b",": _ENTRY, b"}": None})

    def _array_value(self, token: Token) -> None:
        if token == _UNKNOWN:
            raise self._unknown("Expected a value or ] within an array.")
        if token == b"]":
            self._close()
            return
        self._expected.append(_ARRAY_MID)
        self._value(token)

    def _array_mid(self, token: Token) -> None:
        self._mark(token, "Expected , or ] after array value.", {b",": _ARRAY_VALUE, b"]": None})

    def _mark(self, token: Token, message: str, following: dict[bytes, int | None]) -> None:
        if token == _UNKNOWN:
            raise self._unknown(message)
        if token not in following:
            raise self._failure(message)
        state = following[token]
        if state is None:
            self._close()
        else:
            self._at += 1
            self._expected.append(state)

    def _close(self) -> None:
        self._depth -= 1
        self._tree.end()
        self._at += 1

    # ---- scalars ----

    def _number(self) -> int | float:
        found = _NUMBER.match(self._text, self._at)
        assert found is not None
        if found.end() == len(self._text) and not self._finishing:
            raise _MoreNeeded
        number = found[0].decode()
        digits = number.removeprefix("-")
        if "." in number or "e" in number or "E" in number:
            value = self._floating(number)
        elif len(digits) >= 2 and digits[0] == "0":
            raise self._failure("Octal/hex numbers are not valid JSON values.")
        elif digits.isdigit() and len(digits) <= _DIGITS64:
            value = narrowed(int(number))
        else:
            value = self._floating(number)
        self._at = found.end()
        return value

    def _floating(self, number: str) -> float:
        try:
            value = float(number)
        except ValueError:
            raise self._failure("Unable to parse number.") from None
        if math.isinf(value):
            raise self._failure("Number exceeds the range of double.")
        return value

    def _string(self) -> str:
        if not self._quote:
            self._quote = self._text[self._at]
            self._at += 1
        text, written = self._text, self._written
        while True:
            found = _PLAIN.match(text, self._at)
            assert found is not None
            written += found[0]
            self._at = found.end()
            if self._at >= len(text):
                break
            octet = text[self._at]
            if octet == self._quote:
                self._at += 1
                self._quote = 0
                self._written = bytearray()
                return written.decode()
            if octet != 0x5C:
                written.append(octet)
                self._at += 1
                continue
            if self._at + 1 >= len(text):
                break
            self._escape(text[self._at + 1])
        if not self._finishing:
            raise _MoreNeeded
        raise self._failure("Closing quote expected in string.")

    def _escape(self, octet: int) -> None:
        if octet == 0x75:
            self._unicode_escape()
            return
        # the octets of a longer character follow by themselves
        self._written += _ESCAPES.get(octet) or bytes((octet,))
        self._at += 2

    def _unicode_escape(self) -> None:
        code = self._code_unit(self._at, "Illegal hex string.")
        if 0xD800 <= code <= 0xDBFF:
            low_at = self._at + 6
            if len(self._text) >= low_at + 6 and self._text[low_at : low_at + 2] != b"\\u":
                raise self._failure("Missing low surrogate.")
            low = self._code_unit(low_at, "Missing low surrogate.")
            if not 0xDC00 <= low <= 0xDFFF:
                raise self._failure("Invalid low surrogate.")
            code = ((code & 0x3FF) << 10 | low & 0x3FF) + 0x10000
            self._at = low_at
        if 0xD800 <= code <= 0xDFFF:
            raise self._failure("Invalid unicode code point.")
        self._written += chr(code).encode()
        self._at += 6

    def _code_unit(self, at: int, missing: str) -> int:
        digits = self._text[at + 2 : at + 6]
        if len(digits) < 4:
            if not self._finishing:
                raise _MoreNeeded
            raise self._failure(missing)
        if not all(octet in b"0123456789abcdefABCDEF" for octet in digits):
            raise self._failure("Invalid escape sequence.")
        return int(digits, 16)


_STEPS: Final[dict[int, Callable[[JsonReader, Token], None]]] = {
    _VALUE: JsonReader._value,
    _OBJECT_MID: JsonReader._object_mid,
    _ENTRY: JsonReader._entry,
    _ENTRY_MID: JsonReader._entry_mid,
    _ARRAY_VALUE: JsonReader._array_value,
    _ARRAY_MID: JsonReader._array_mid,
}


def _utf8_size(text: bytes) -> int:
    """How much of the text is UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(text)
