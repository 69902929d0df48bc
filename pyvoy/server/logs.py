"""The application log in Envoy's format: `[2026-11-23 12:00:00.123][pid][level][logger] text`.

Loggers are called `pyvoy.<component>`; the part after the dot is the component of --component-log-level and of the
admin's /logging.  Access logs are something else (observe/access_log).
Source: Envoy, --log-level, --component-log-level, --log-format (spdlog patterns), /logging.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable

TRACE = 5
OFF = logging.CRITICAL + 10
LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": OFF,
}
NAMES = {number: name for name, number in LEVELS.items() if name != "warn"}
COMPONENTS = (
    "admin", "client", "config", "connection", "dns", "file", "filter", "forward_proxy", "grpc", "health_checker",
    "http", "http2", "jwt", "lua", "main", "misc", "pool", "python", "rbac", "redis", "router", "runtime", "stats",
    "tracing", "upstream", "wasm",
)  # fmt: skip
DEFAULT_FORMAT = "[%Y-%m-%d %T.%e][%P][%l][%n] %v"
ROOT = "pyvoy"
FILTER_MODULE = "pyvoy_filter_"
"""Begins the name of a Python filter's module, which ends in a number: `logging.getLogger(__name__)` there."""


class LogError(ValueError):
    """A level, component or file that cannot be used; the text says which and why."""


def level_number(name: str) -> int:
    """The number of one of Envoy's level names.  Raises LogError."""
    try:
        return LEVELS[name.lower()]
    except KeyError:
        raise LogError(f"error: invalid log level specified '{name}'") from None


def parse_components(text: str) -> dict[str, int]:
    """`upstream:debug,config:trace` as {component: level}.  Raises LogError."""
    levels = {}
    for part in filter(None, text.split(",")):
        component, colon, level = part.partition(":")
        if not colon:
            raise LogError(f"error: component log level not correctly specified '{part}'")
        if component not in COMPONENTS:
            raise LogError(f"error: invalid component specified '{component}'")
        levels[component] = level_number(level)
    return levels


Piece = Callable[[logging.LogRecord, time.struct_time], str]

_PIECES: dict[str, Piece] = {
    "v": lambda record, when: record.getMessage(),
    "_": lambda record, when: record.getMessage().replace("\n", "\\n"),
    "j": lambda record, when: json_text(record.getMessage()),
    "n": lambda record, when: component_of(record.name),
    "l": lambda record, when: NAMES.get(record.levelno, record.levelname.lower()),
    "L": lambda record, when: NAMES.get(record.levelno, "?")[0].upper(),
    "P": lambda record, when: str(record.process),
    "t": lambda record, when: str(record.process),
    "g": lambda record, when: record.pathname,
    "s": lambda record, when: record.filename,
    "#": lambda record, when: str(record.lineno),
    "!": lambda record, when: record.funcName or "",
    "@": lambda record, when: f"{record.pathname}:{record.lineno}",
    "e": lambda record, when: f"{int(record.created * 1e3) % 1000:03d}",
    "f": lambda record, when: f"{int(record.created * 1e6) % 1000000:06d}",
    "F": lambda record, when: f"{int(record.created * 1e9) % 1000000000:09d}",
    "E": lambda record, when: str(int(record.created)),
    "T": lambda record, when: f"{when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d}",
    "D": lambda record, when: time.strftime("%m/%d/%y", when),
    "%": lambda record, when: "%",
    "^": lambda record, when: "",
    "$": lambda record, when: "",
}
_TIME_PIECES = "aAbBcCdHIjmMprRSxXyYzZh"


def component_of(name: str) -> str:
    """The component of a logger name."""
    if name.startswith(FILTER_MODULE):
        return name.removeprefix(FILTER_MODULE).rpartition("_")[0]
    return name.removeprefix(ROOT + ".")


def json_text(text: str) -> str:
    """Text as the inside of a JSON string."""
    import json

    return json.dumps(text)[1:-1]


class Formatter(logging.Formatter):
    """A compiled spdlog pattern; unknown letters stay as they are."""

    def __init__(self, pattern: str = DEFAULT_FORMAT) -> None:
        super().__init__()
        self._pieces = compile_pattern(pattern)

    def format(self, record: logging.LogRecord) -> str:
        """One record as text, with the traceback below it."""
        when = time.localtime(record.created)
        text = "".join([piece if isinstance(piece, str) else piece(record, when) for piece in self._pieces])
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def compile_pattern(pattern: str) -> list[str | Piece]:
    """The pieces of a pattern: literal text and functions of a record."""
    pieces: list[str | Piece] = []
    index = 0
    while index < len(pattern):
        letter = pattern[index + 1 : index + 2] if pattern[index] == "%" else ""
        if not letter:
            pieces.append(pattern[index])
        elif letter in _PIECES:
            pieces.append(_PIECES[letter])
        elif letter in _TIME_PIECES:
            pieces.append(_time_piece("%" + letter))
        else:
            pieces.append("%" + letter)
        index += 2 if letter else 1
    return pieces


def _time_piece(code: str) -> Piece:
    return lambda record, when: time.strftime(code, when)


class Output(logging.Handler):
    """Writes lines to standard error or to a file that can be opened again; a full disk loses lines, never traffic."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self.path = path
        self._fd = 2
        self.reopen()

    def reopen(self) -> None:
        """Open the file again (log rotation).  Raises LogError; the old file stays in use then."""
        if not self.path:
            return
        try:
            fresh = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise LogError(f"Failed to open log-file '{self.path}': {os.strerror(error.errno or 0)}") from error
        if self._fd != 2:
            os.close(self._fd)
        self._fd = fresh

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            os.write(self._fd, (self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            return


def setup(level: str = "info", components: str = "", pattern: str = "", path: str = "") -> None:
    """Send what pyvoy, filters and libraries log to one output.  Raises LogError."""
    logging.addLevelName(TRACE, "trace")
    root_level = level_number(level)
    component_levels = parse_components(components)
    output = Output(path)
    output.setFormatter(Formatter(pattern or DEFAULT_FORMAT))
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [output]
    logger.propagate = False
    others = logging.getLogger()
    others.handlers[:] = [*(handler for handler in others.handlers if not isinstance(handler, Output)), output]
    set_all(root_level)
    for component, number in component_levels.items():
        set_component(component, number)
    # What asyncio has to say (a callback that raised) belongs into the same log.
    foreign = logging.getLogger("asyncio")
    foreign.handlers[:] = [output]
    foreign.propagate = False
    foreign.setLevel(max(root_level, logging.WARNING))
    sys.stderr.flush()


def set_all(number: int) -> None:
    """One level for all components."""
    logging.getLogger().setLevel(number)
    logging.getLogger(ROOT).setLevel(number)
    for component in COMPONENTS:
        logging.getLogger(f"{ROOT}.{component}").setLevel(number)


def set_component(component: str, number: int) -> None:
    """The level of one component."""
    logging.getLogger(f"{ROOT}.{component}").setLevel(number)


def current_levels() -> dict[str, str]:
    """Level names by component."""
    levels = {}
    for component in COMPONENTS:
        number = logging.getLogger(f"{ROOT}.{component}").getEffectiveLevel()
        levels[component] = NAMES.get(number, str(number))
    return levels


def reopen() -> None:
    """Open the log file again."""
    for handler in logging.getLogger(ROOT).handlers:
        if isinstance(handler, Output):
            handler.reopen()
