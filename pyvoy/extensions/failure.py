"""What becomes of a stream whose extension has failed, once for Python, Lua and WebAssembly.

Fail closed answers 500 (or cuts what has begun), fail open goes on without the extension, reload fails closed and has
the extension loaded anew for the next stream.  Every failure is counted; the log gets each distinct one once.
Source of the policies: Envoy's Wasm `failure_policy`.
"""

from __future__ import annotations

import enum
import logging
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pyvoy.network.network_filter import CloseType

if TYPE_CHECKING:
    from pyvoy.stats.store import Scope

_DISTINCT = 256
"""How many distinct errors are remembered; after that the memory starts anew, and each is logged once more."""
_PACKAGE = str(Path(__file__).parents[1])
_RELOAD_GAP_S = 1.0
"""The least time between two reloads (Envoy's Wasm `reload_config.backoff`)."""


class FailurePolicy(enum.Enum):
    """The numbers are those of the configuration."""

    CLOSED = 0
    OPEN = 1
    RELOAD = 2


class Failures:
    """The failures of one configured extension in one worker.

    Counters below its scope: `errors`, `failed_open`, `reloads`, `reload_failures`.  `development` puts the traceback
    into the reply."""

    def __init__(
        self,
        name: str,
        policy: FailurePolicy,
        scope: Scope,
        logger: logging.Logger,
        *,
        development: bool = False,
        reload: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reload` loads the code anew; it is called between streams' events and may raise."""
        self.name = name
        self.policy = policy
        self.development = development
        self.reload = reload
        self._logger = logger
        self._clock = clock
        self._seen: set[tuple[Any, ...]] = set()
        self._reloaded_s = float("-inf")
        self._details = f"extension_failed{{{name}}}".replace(" ", "_")
        self.errors = scope.counter("errors")
        self._failed_open = scope.counter("failed_open")
        self._reloads = scope.counter("reloads")
        self._reload_failures = scope.counter("reload_failures")

    def note(self, error: BaseException) -> None:
        """Count a failure; log it with its traceback if it is the first of its kind."""
        self.errors.inc()
        key = _identity(error)
        if key in self._seen:
            self._logger.debug("%s failed again: %r", self.name, error)
            return
        if len(self._seen) >= _DISTINCT:
            self._seen.clear()
        self._seen.add(key)
        self._logger.error(
            "%s failed (further ones like this are only counted)", self.name, exc_info=(type(error), error, _own(error))
        )

    def end_connection(self, connection: Any, error: BaseException) -> bool:
        """The same for a network filter: True when the connection goes on, else it is closed."""
        self.note(error)
        if self.policy is FailurePolicy.OPEN:
            self._failed_open.inc()
            return True
        connection.close(CloseType.NO_FLUSH, self._details)
        if self.policy is FailurePolicy.RELOAD:
            self._reload()
        return False

    def end_stream(self, stream: Any, error: BaseException) -> bool:
        """Note a failure in a callback of a stream and do what the policy says; True when the stream goes on."""
        self.note(error)
        if self.policy is FailurePolicy.OPEN:
            self._failed_open.inc()
            return True
        body = b""
        if self.development:
            lines = traceback.format_exception(type(error), error, _own(error))
            body = "".join(lines).encode("utf-8", "backslashreplace")
        stream.send_local_reply(500, body, details=self._details)
        if self.policy is FailurePolicy.RELOAD:
            self._reload()
        return False

    def _reload(self) -> None:
        now_s = self._clock()
        if self.reload is None or now_s - self._reloaded_s < _RELOAD_GAP_S:
            return
        self._reloaded_s = now_s
        try:
            self.reload()
        except BaseException as error:  # the wall of the extension: what is there stays
            self._reload_failures.inc()
            self._logger.error("%s cannot be loaded anew", self.name, exc_info=error)
        else:
            self._reloads.inc()


def _own(error: BaseException) -> TracebackType | None:
    """The traceback from where it has left this package, so that it begins in the extension."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        trace = trace.tb_next
    return trace or error.__traceback__


def _identity(error: BaseException) -> tuple[Any, ...]:
    """What makes two errors the same: their type and the line that raised them."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error), str(error)
    return type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno
