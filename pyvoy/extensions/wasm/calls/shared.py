"""Data and queues that all VMs with the same vm_id share, in all workers.

Source: Proxy-Wasm specification; Envoy: a compare-and-swap number is not looked at while there is no value, and an
unknown queue of another VM is NOT_FOUND.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.engine.interface import HostFunction

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host, SharedQueue
    from pyvoy.extensions.wasm.vm import Vm

QUEUES = "wasm-queues"
"""The namespace in which the numbers of queues are kept, so that they are the same in every worker."""
_NEXT = b"next"


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    return _data(vm) | _queues(vm)


def _data(vm: Vm) -> dict[str, HostFunction]:
    from pyvoy.server.local_store import StoreFull

    memory = vm.memory
    give = giver(vm)
    own = vm.settings.vm_id

    def get_data(key: int, key_size: int, at: int, size_at: int, cas_at: int) -> int:
        name = memory.read(key, key_size)
        assert vm.current is not None
        found = vm.current.root.host.shared_data(f"wasm:{own}").get(name)
        if found is None:
            return abi.NOT_FOUND
        status = give(found[0], at, size_at)
        memory.write_u32(cas_at, found[1])
        return status

    def set_data(key: int, key_size: int, value: int, value_size: int, cas: int) -> int:
        name, data = memory.read(key, key_size), memory.read(value, value_size)
        assert vm.current is not None
        shared = vm.current.root.host.shared_data(f"wasm:{own}")
        try:
            if shared.set(name, data, cas):
                return abi.OK
            if shared.get(name) is None:
                shared.set(name, data)
                return abi.OK
        except StoreFull:
            return abi.INTERNAL_FAILURE
        return abi.CAS_MISMATCH

    return {
        "proxy_get_shared_data": HostFunction("iiiii>i", checked(get_data)),
        "proxy_set_shared_data": HostFunction("iiiii>i", checked(set_data)),
    }


class _Queues:
    """The queues of all VMs by number; names and numbers are kept where all workers see them."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._known: dict[int, SharedQueue] = {}

    def _host(self) -> Host:
        assert self._vm.current is not None
        return self._vm.current.root.host

    def number(self, vm_id: str, name: str, *, make: bool) -> int | None:
        """The number of a queue, None if there is none; `make` gives it one."""
        from pyvoy.server.local_store import ABSENT

        table = self._host().shared_data(QUEUES)
        key = f"{vm_id}\0{name}".encode("latin-1")
        found = table.get(key)
        if found is None and make:
            number = int(table.update(_NEXT, lambda old: b"%d" % (int(old or b"0") + 1)))
            table.set(b"#%d" % number, key)
            table.set(key, b"%d" % number, ABSENT)  # another worker may have been quicker: its number counts
            found = table.get(key)
        return None if found is None else int(found[0])

    def queue(self, number: int) -> SharedQueue | None:
        """The queue of a number, None if nobody has it."""
        queue = self._known.get(number)
        if queue is None:
            host = self._host()
            found = host.shared_data(QUEUES).get(b"#%d" % number)
            if found is not None:
                vm_id, _, name = found[0].decode("latin-1").partition("\0")
                queue = self._known[number] = host.shared_queue(f"wasm:{vm_id}", name)
        return queue


def _queues(vm: Vm) -> dict[str, HostFunction]:
    from pyvoy.server.local_store import StoreFull

    memory = vm.memory
    give = giver(vm)
    own = vm.settings.vm_id.encode().decode("latin-1")  # names are bytes, each a character here
    queues = _Queues(vm)

    def register(name_at: int, size: int, id_at: int) -> int:
        name = memory.read(name_at, size).decode("latin-1")
        memory.write_u32(id_at, 0)
        number = queues.number(own, name, make=True)
        queue = None if number is None else queues.queue(number)
        if number is None or queue is None or vm.current is None:
            return abi.INTERNAL_FAILURE
        vm.current.root.watch_queue(number, queue.watch)
        memory.write_u32(id_at, number)
        return abi.OK

    def resolve(vm_at: int, vm_size: int, name_at: int, size: int, id_at: int) -> int:
        vm_id = memory.read(vm_at, vm_size).decode("latin-1") or own
        name = memory.read(name_at, size).decode("latin-1")
        number = queues.number(vm_id, name, make=False)
        if number is None:
            return abi.NOT_FOUND
        memory.write_u32(id_at, number)
        return abi.OK

    def enqueue(number: int, value: int, size: int) -> int:
        data = memory.read(value, size)
        queue = queues.queue(number)
        if queue is None:
            return abi.NOT_FOUND
        try:
            queue.push(data)
        except StoreFull:
            return abi.INTERNAL_FAILURE
        return abi.OK

    def dequeue(number: int, at: int, size_at: int) -> int:
        queue = queues.queue(number)
        if queue is None:
            return abi.NOT_FOUND
        item = queue.pop()
        return abi.EMPTY if item is None else give(item, at, size_at)

    return {
        "proxy_register_shared_queue": HostFunction("iii>i", checked(register)),
        "proxy_resolve_shared_queue": HostFunction("iiiii>i", checked(resolve)),
        "proxy_enqueue_shared_queue": HostFunction("iii>i", checked(enqueue)),
        "proxy_dequeue_shared_queue": HostFunction("iii>i", checked(dequeue)),
    }
