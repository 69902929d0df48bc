"""A configured plugin in one worker: its root context, and what becomes of it when its VM fails.

Source: Envoy's PluginConfig and failure policy; a new VM is made by the next stream, once the back-off is over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm.root import RootContext
from pyvoy.extensions.wasm.settings import FailurePolicy

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.wasm.runtime import WasmRuntime
    from pyvoy.extensions.wasm.settings import PluginSettings
    from pyvoy.extensions.wasm.vm import Vm

log = logging.getLogger("pyvoy.wasm")

FAIL_STREAM = "wasm_fail_stream"
"""Response code details of a stream that a failed VM ends."""
UNAVAILABLE = 14
"""The gRPC status of such a stream."""


class PluginRefused(Exception):
    """A plugin that does not start; the text says why."""


class Plugin:
    """One plugin.  `vm` is None when it did not start and its streams do without it (fail open)."""

    def __init__(
        self,
        settings: PluginSettings,
        runtime: WasmRuntime,
        host: Host,
        attribute: Callable[[tuple[str, ...]], Any],
    ) -> None:
        self.settings = settings
        self.policy = settings.policy
        self.fails_open = settings.policy is FailurePolicy.OPEN
        self.vm: Vm | None = None
        self.root: RootContext
        self._runtime = runtime
        self._host = host
        self._attribute = attribute
        self._stopped = False
        self._reload_due_s = 0.0
        if self.policy is FailurePolicy.RELOAD:
            scope = runtime.scope.scope(f"wasm.{settings.name}")
            self._success = scope.counter("vm_reload_success")
            self._failure = scope.counter("vm_reload_failure")
            self._backoff = scope.counter("vm_reload_backoff")

    def start(self) -> None:
        """Get the VM and start the plugin in it.  Raises PluginRefused."""
        vm = self._runtime.vm_of(self.settings.vm)
        root = vm.roots.get(self.settings.key)
        if root is None:
            root = RootContext(vm, self.settings, self._host, self._attribute)
            try:
                refusal = root.start()
            except Exception as error:  # the wall of the extension: `Vm.fail` has logged it
                raise PluginRefused(f"the VM failed while it started: {error}") from None
            if refusal:
                root.release()
                raise PluginRefused(refusal)
            vm.roots[self.settings.key] = root
        before, self.vm = self.vm, vm
        self.root = root
        if before is not None and before is not vm and before.failed:
            before.abandon()
        vm.started()
        self._reload_due_s = self._runtime.reload_due_s(self.settings.reload_backoff_s)

    def start_late(self, code: bytes) -> None:
        """The code has come: start now; without success the plugin stays without a VM."""
        settings = self.settings
        self.settings = replace(settings, vm=replace(settings.vm, code=code))
        try:
            self.start()
        except PluginRefused as error:
            log.error("wasm plugin %s does not start: %s", settings.log_prefix, error)

    def ready(self) -> Vm | None:
        """The VM for a new stream; None when there is none that works."""
        vm = self.vm
        if vm is not None and not vm.failed and not vm.retired:
            return vm
        if self._stopped:
            return self._revive()
        if vm is None:
            return None
        if self.policy is not FailurePolicy.RELOAD:
            return None
        if self._runtime.clock() < self._reload_due_s:
            self._backoff.inc()
            return None
        try:
            self.start()
        except PluginRefused as error:
            self._failure.inc()
            self._reload_due_s = self._runtime.reload_due_s(self.settings.reload_backoff_s)
            log.error("wasm plugin %s cannot be loaded again: %s", self.settings.log_prefix, error)
            return None
        self._success.inc()
        return self.vm

    def _revive(self) -> Vm | None:
        """A connection of the configuration before has a new stream, and its VM is gone with that configuration."""
        self._stopped = False
        try:
            self.start()
        except PluginRefused as error:
            log.error("wasm plugin %s cannot be started again: %s", self.settings.log_prefix, error)
            self.vm = None
        return self.vm

    def stop(self) -> None:
        """The configuration is replaced."""
        vm = self.vm
        if vm is None:
            return
        self._stopped = True
        if vm.roots.get(self.settings.key) is self.root:
            del vm.roots[self.settings.key]
            self.root.stop()
