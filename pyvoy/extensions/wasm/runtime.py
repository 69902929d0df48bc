"""The VMs of one configuration in one worker, and the engine that outlives configurations.

Plugins whose VM configuration and code are the same share a VM, as in Envoy.  Unlike there, a new configuration gets
new VMs; the old ones end with their last stream.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm.engine.compiler import Compiler, cache_folder
from pyvoy.extensions.wasm.engine.interface import LinkError, Module
from pyvoy.extensions.wasm.plugin import Plugin, PluginRefused
from pyvoy.extensions.wasm.remote import CodeStore
from pyvoy.extensions.wasm.vm import Vm, VmRefused

if TYPE_CHECKING:
    from random import Random

    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.wasm.settings import PluginSettings, VmSettings
    from pyvoy.stats.store import Scope

_KEY = "wasm"
NULL_RUNTIME = "envoy.wasm.runtime.null"
DEFAULT_RUNTIME = "envoy.wasm.runtime.v8"


class WasmRuntime:
    """Owner of the VMs.  `compile` makes a Module of a VM's code."""

    def __init__(
        self,
        compile_module: Callable[[VmSettings], Module],
        scope: Scope,
        random: Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scope = scope
        self.clock = clock
        self._compile = compile_module
        self._random = random
        self.code = CodeStore(scope)
        self._vms: dict[str, Vm] = {}
        self._plugins: list[Plugin] = []

    @classmethod
    def of(cls, context: Context) -> WasmRuntime:
        """The runtime of the configuration that is being built."""
        env = context.env
        found = env.shared.get(_KEY)
        if found is None:
            compiler = _compiler(context)
            found = env.shared[_KEY] = cls(lambda settings: _module(compiler, settings), env.root_scope, env.random)
            env.retire.append(found.stop if env.services is not None else found.discard)
        runtime: WasmRuntime = found
        return runtime

    def vm_of(self, settings: VmSettings) -> Vm:
        """The VM with these settings; made, or made anew when it has failed.  Raises PluginRefused."""
        vm = self._vms.get(settings.key)
        if vm is not None and not vm.failed:
            return vm
        try:
            vm = Vm(self._compile(settings), settings)
            vm.start()
        except (ValueError, LinkError, VmRefused) as error:  # InvalidModuleError, NullModuleError
            raise PluginRefused(str(error)) from None
        except Exception as error:  # the wall of the extension: a trap while it starts
            raise PluginRefused(f"the VM failed while it started: {error}") from None
        name = settings.runtime or DEFAULT_RUNTIME
        self.scope.counter(f"wasm.{name}.created").inc()
        active = self.scope.gauge(f"wasm.{name}.active")
        active.inc()
        vm.on_close = active.dec
        self._vms[settings.key] = vm
        return vm

    def plugin(self, settings: PluginSettings, host: Host, attribute: Callable[[tuple[str, ...]], Any]) -> Plugin:
        """A plugin that has not been started."""
        plugin = Plugin(settings, self, host, attribute)
        self._plugins.append(plugin)
        return plugin

    def reload_due_s(self, backoff_s: float) -> float:
        """When a VM that is loaded now may be loaded again: the back-off and up to half of it more."""
        return self.clock() + backoff_s * (1 + self._random.random() / 2)

    def stop(self) -> None:
        """The configuration is replaced: plugins end; a VM is freed when its last stream has gone."""
        for plugin in self._plugins:
            plugin.stop()
        for vm in self._vms.values():
            vm.retire()
        self._plugins.clear()
        self._vms.clear()

    def discard(self) -> None:
        """The configuration was only tried: nothing is told to the modules, as with Envoy's canary."""
        for vm in self._vms.values():
            vm.close()
        self._plugins.clear()
        self._vms.clear()


def _compiler(context: Context) -> Compiler:
    """The engine: one for the life of a worker, or for the trial of a configuration."""
    env = context.env
    if env.services is None:
        compiler = Compiler(cache_folder(os.environ))
        env.retire.append(compiler.ticker.stop)
        return compiler
    found = env.services.shared.get(_KEY)
    if found is None:
        found = env.services.shared[_KEY] = Compiler(cache_folder(os.environ))
    kept: Compiler = found
    return kept


def _module(compiler: Compiler, settings: VmSettings) -> Module:
    if settings.runtime == NULL_RUNTIME:
        from pyvoy.extensions.wasm.null import NullModule

        return NullModule.named(settings.code.decode("utf-8", "replace"))
    return compiler.compile(settings.code)
