"""What load to put on what: one frozen plan, checked once, the same for every engine.  No I/O."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
MAX_STREAMS = 1024
ENGINES = ("auto", "embedded", "wrk", "h2load")


class LoadError(Exception):
    """The load cannot be put on, or told nothing; the text says why."""


class PlanError(LoadError):
    """An argument makes no sense; the text names it as the command line does."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the requests go."""

    secure: bool
    host: str
    port: int
    path: str
    authority: str


@dataclass(frozen=True)
class LoadPlan:
    """One load.

    `rate` (requests a second over all connections, 0: as fast as answers come) makes the loop open: requests become due
    by the clock, and latency counts from that moment.  It runs for `duration_s` or, when `requests` is above 0, until
    so many were sent; `warm_up_s` of the same load goes before and is not counted.  `timeout_s` bounds each request.
    `streams` are requests at once on each connection (HTTP/2 only).  `threads` are those of wrk and h2load, processes
    of the embedded engine.  `close`: each request has a connection of its own.  `unique_paths`: a number follows the
    path of each request.  `clients`: the header x-client of each request is the next of so many names.
    `latencies`: False lets h2load do without its log of every request.  `cpus`: the only ones
    the generator may use, empty for all.  Certificates are not verified, whichever the engine."""

    url: str
    connections: int = 32
    streams: int = 1
    threads: int = 1
    rate: float = 0.0
    duration_s: float = 10.0
    requests: int = 0
    warm_up_s: float = 0.0
    timeout_s: float = 10.0
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    http2: bool = False
    close: bool = False
    unique_paths: bool = False
    clients: int = 0
    engine: str = "auto"
    latencies: bool = True
    cpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check everything.  Raises PlanError."""
        _ = self.target
        for name in ("rate", "duration_s", "warm_up_s", "timeout_s"):
            _demand(isfinite(getattr(self, name)), f"--{name.removesuffix('_s').replace('_', '-')} must be a number")
        for name in ("connections", "streams", "threads"):
            _demand(getattr(self, name) >= 1, f"--{name} must be at least 1")
        _demand(self.threads <= self.connections, "--threads must not be above --connections")
        _demand(self.rate >= 0, "--rate must be above 0")
        _demand(self.clients >= 0, "--clients must not be below 0")
        _demand(self.requests >= 0, "--requests must be at least 1")
        _demand(bool(self.requests) or self.duration_s > 0, "--duration must be above 0")
        _demand(self.warm_up_s >= 0, "--warm-up must not be below 0")
        _demand(self.timeout_s > 0, "--timeout must be above 0")
        _demand(self.engine in ENGINES, f"--engine must be one of {', '.join(ENGINES)}")
        _demand(_TOKEN.fullmatch(self.method) is not None, f"--method: {self.method!r} is no method")
        _demand(self.method != "CONNECT", "--method: CONNECT makes a tunnel, there is no answer to time")
        for name, value in self.headers:
            _demand(_TOKEN.fullmatch(name) is not None, f"--header: {name!r} is no name of a header")
            _demand(
                _VALUE.search(value) is None and value.isascii(),
                f"--header: the value of {name!r} has bytes none may have",
            )
        self._check_protocol()

    def _check_protocol(self) -> None:
        _demand(self.http2 or self.streams == 1, "--streams needs --http2")
        _demand(self.streams <= MAX_STREAMS, f"--streams must not be above {MAX_STREAMS}")
        _demand(not (self.http2 and self.close), "--close is for HTTP/1.1")
        _demand(not (self.clients and (self.http2 or self.unique_paths)), "--clients is for HTTP/1.1 and one path")

    @cached_property
    def target(self) -> Target:
        """Where the requests go.  Raises PlanError."""
        return parse_target(self.url)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for another process."""
        return {**asdict(self), "body": self.body.hex()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> LoadPlan:
        """The plan that `as_dict` was made of."""
        headers = tuple((name, value) for name, value in values["headers"])
        read = {"headers": headers, "body": bytes.fromhex(values["body"]), "cpus": tuple(values["cpus"])}
        return LoadPlan(**{**values, **read})


def parse_target(url: str) -> Target:
    """The parts of an http or https URL.  Raises PlanError."""
    _demand(
        _CONTROL.search(url) is None and url.isascii(), f"{url!r} is no URL: it has blanks or characters none may have"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise PlanError(f"{url!r} is no URL: {error}") from None
    _demand(parts.scheme in ("http", "https"), f"{url!r} is no URL to load: it must begin with http:// or https://")
    _demand(bool(parts.hostname), f"{url!r} names no host")
    assert parts.hostname
    secure = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(secure, parts.hostname, port or (443 if secure else 80), path, parts.netloc.rpartition("@")[2])


def parse_duration_s(text: str) -> float:
    """`10`, `1.5s`, `500ms`, `2m`, `1h` in seconds.  Raises PlanError."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise PlanError(f"{text!r} is no duration: write 10s, 500ms, 2m or 1h")
    return float(found[1]) * _UNITS_S[found[2]]


def _demand(true: bool, text: str) -> None:
    if not true:
        raise PlanError(text)
