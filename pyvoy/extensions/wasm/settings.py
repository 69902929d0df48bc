"""The configuration of a VM and of a plugin in it, as plain data: what two of them share is decided by it.

Source: Envoy's VmConfig and PluginConfig; the limits and the lenient mode are pyvoy's own (runtime keys).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class FailurePolicy(Enum):
    """What a stream gets when the VM has failed: a 503, no plugin, or a new VM once the back-off is over."""

    CLOSED = "FAIL_CLOSED"
    OPEN = "FAIL_OPEN"
    RELOAD = "FAIL_RELOAD"


@dataclass(slots=True, frozen=True)
class Limits:
    """Bounds of one VM.

    `call_s` is the time of one callback, `start_s` that of each step of the start (some plugins compile rules there),
    `memory_bytes` the cap of its memory (Envoy's is the default; Envoy has no time limits)."""

    call_s: float = 1.0
    start_s: float = 60.0
    memory_bytes: int = 1 << 30


@dataclass(slots=True, frozen=True)
class VmSettings:
    """One VM.  `capabilities` are the functions it may call and export, empty for all.

    `strict` follows Envoy's rules about when headers can be read; without it they can be read throughout a stream.
    `trace` writes each host call to the log, and the last ones with a trap; `trace_streams` into the trace of the
    stream, if it has one."""

    vm_id: str
    runtime: str
    code: bytes
    configuration: bytes = b""
    environment: tuple[tuple[str, str], ...] = ()
    capabilities: frozenset[str] = frozenset()
    strict: bool = True
    trace: bool = False
    trace_streams: bool = False
    limits: Limits = field(default_factory=Limits)

    @property
    def key(self) -> str:
        """Plugins with the same key share a VM in each worker."""
        parts = (
            self.vm_id.encode(),
            self.runtime.encode(),
            hashlib.sha256(self.code).digest(),
            self.configuration,
            repr(self.environment).encode(),
            repr(sorted(self.capabilities)).encode(),
        )
        return hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts)).hexdigest()


@dataclass(slots=True, frozen=True)
class PluginSettings:
    """One plugin: a root context of a VM."""

    name: str
    root_id: str
    vm: VmSettings
    configuration: bytes = b""
    policy: FailurePolicy = FailurePolicy.CLOSED
    reload_backoff_s: float = 1.0
    headers_stop_iteration: bool = False
    place: Mapping[str, Any] = field(default_factory=dict)
    """What tells two plugins with the same configuration apart: direction and metadata of their listener."""

    @property
    def key(self) -> str:
        """Plugins with the same key share a root context."""
        parts = (self.name, self.root_id, self.configuration, self.headers_stop_iteration, sorted(self.place.items()))
        return repr(parts)

    @property
    def log_prefix(self) -> str:
        """`<plugin name> <root id> <VM id>`, empty parts left out (Envoy's log line)."""
        return " ".join(part for part in (self.name, self.root_id, self.vm.vm_id) if part)
