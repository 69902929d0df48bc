"""What a page is, and what a page may see of the proxy."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyvoy.server.admin_http import JSON, Request, Response
from pyvoy.server.options import Options
from pyvoy.stats.text import Buckets, default_buckets

if TYPE_CHECKING:
    from pyvoy.config.runtime import Runtime
    from pyvoy.stats.merge import Snapshot
    from pyvoy.stats.tags import TagExtractor
    from pyvoy.upstream.cluster_manager import ClusterManager


@dataclass(slots=True, frozen=True)
class Page:
    """One endpoint.  `mutates` demands POST; `parameters` are (name, help) pairs for /help."""

    path: str
    answer: Callable[[Proxy, Request], Response]
    help: str
    mutates: bool = False
    parameters: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Worker:
    """What main knows of a worker."""

    index: int
    pid: int
    restarts: int
    ready: bool


@dataclass(slots=True)
class Proxy:
    """The state of the proxy as main sees it.  Owner: main; pages read it and act through its callables.

    `send(kind, fields)` is a frame to the supervisor, `to_workers(kind, fields)` one to all workers;
    `close_listeners(names, delay_s)` stops accepting.  `snapshot()` is
    the statistics of all processes as they are now.  `addresses` are the real ones of each listener.
    """

    options: Options
    bootstrap: Any
    clusters: ClusterManager
    runtime: Runtime
    tags: TagExtractor
    snapshot: Callable[[], Snapshot]
    reset_counters: Callable[[], None]
    send: Callable[[str, dict[str, Any]], None]
    to_workers: Callable[[str, dict[str, Any]], None]
    close_listeners: Callable[[list[str], float], None]
    started_wall_s: float
    buckets: Buckets = default_buckets
    addresses: Mapping[str, list[str]] = field(default_factory=dict)
    admin_address: str = ""
    workers: list[Worker] = field(default_factory=list)
    supervisor_pid: int = 0
    version: int = 1
    updated_wall_s: float = 0.0
    live: bool = False
    draining: bool = False
    health_failed: bool = False
    last_reload_error: list[str] = field(default_factory=list)
    pages: Mapping[str, Page] = field(default_factory=dict)
    filter_timing: tuple[int, int] | None = None
    """The fraction of requests whose filters are timed, as asked for here; None: as the configuration says."""
    traces: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=50))
    """The last traces of requests, oldest first (see `pyvoy.observe.filter_trace`)."""

    @property
    def state(self) -> str:
        """Envoy's server state by name."""
        if self.draining or self.health_failed:
            return "DRAINING"
        return "LIVE" if self.live else "INITIALIZING"

    def admin_allows(self, path: str) -> bool:
        """Whether `admin.allow_paths` lets a path through."""
        matchers = self.bootstrap.admin.allow_paths if self.bootstrap.HasField("admin") else ()
        return not matchers or any(_matches(matcher, path) for matcher in matchers)


def _matches(matcher: Any, path: str) -> bool:
    """A StringMatcher on the cold path, where compiling it once would buy nothing."""
    kind = matcher.WhichOneof("match_pattern")
    pattern: Any = getattr(matcher, kind) if kind else ""
    if kind == "safe_regex":
        import re2

        return re2.fullmatch(pattern.regex, path) is not None
    if matcher.ignore_case:
        pattern, path = pattern.lower(), path.lower()
    tests: dict[str | None, Callable[[], bool]] = {
        "exact": lambda: path == pattern,
        "prefix": lambda: path.startswith(pattern),
        "suffix": lambda: path.endswith(pattern),
        "contains": lambda: pattern in path,
    }
    return kind in tests and tests[kind]()


def help_text(pages: Iterable[Page]) -> str:
    """The list of all pages with their parameters."""
    lines = ["admin commands are:"]
    for page in sorted(pages, key=lambda page: page.path):
        lines.append(f"  {page.path}{' (POST)' if page.mutates else ''}: {page.help}")
        lines.extend(f"      {name}: {text}" for name, text in page.parameters)
    return "\n".join(lines) + "\n"


def json_response(value: Any) -> Response:
    """A JSON document indented as Envoy's are."""
    import json

    return Response(json.dumps(value, indent=1, separators=(",", ": ")) + "\n", content_type=JSON)


def message_response(message: Any) -> Response:
    """A protobuf message in its JSON form with snake_case names."""
    return json_response(message_json(message))


def message_json(message: Any) -> Any:
    """A protobuf message as plain values with snake_case names."""
    from google.protobuf import json_format

    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def name_filter(request: Request, parameter: str) -> Callable[[str], bool]:
    """Whether a name passes the regular expression in a parameter (anywhere in the name).  Raises ValueError."""
    pattern = request.query.get(parameter, "")
    if not pattern:
        return lambda name: True
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern, options).search
    except re2.error as error:
        raise ValueError(f"Invalid regex: {error}") from None
    return lambda name: search(name) is not None
