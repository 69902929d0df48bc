"""Names: what a module asks Envoy's own `envoy_resolve_dns` for comes to its `envoy_on_resolve_dns`.

The answer is a buffer (the one of foreign functions, while the callback runs): the number of addresses, the time to
live of each in seconds, then each address with its port 0 and a NUL; nothing when the question failed.
Source: Envoy, wasm/context.cc; the numbers of questions begin with 2, as observed on 1.40.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from struct import pack
from typing import TYPE_CHECKING

from pyvoy.extensions.names import Answer, resolve
from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked
from pyvoy.extensions.wasm.engine.interface import HostFunction

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm
    from pyvoy.server.services import Services


_FIRST = 2
MAX_UNDER_WAY = 1024
"""How many names a plugin may wait for at a time."""


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's one function."""
    memory = vm.memory
    numbers = count(_FIRST)

    def resolve_dns(name_at: int, name_size: int, token_at: int) -> int:
        name = memory.read(name_at, name_size).decode("utf-8", "replace")
        token = next(numbers) & 0xFFFFFFFF
        memory.write_u32(token_at, token)
        if vm.current is not None:
            _ask(vm.current.root, name, token)
        return abi.OK

    return {"envoy_resolve_dns": HostFunction("iii>i", checked(resolve_dns))}


def _ask(root: RootContext, name: str, token: int) -> None:
    """Ask in the next turn of the loop; while a configuration is only tried, and with too many questions under way,
    there is no answer."""
    services = root.host.services
    if services is not None and len(root.questions) < MAX_UNDER_WAY:
        root.questions[token] = None
        services.loop.call_soon(_begin, root, services, name, token)


def _begin(root: RootContext, services: Services, name: str, token: int) -> None:
    if token in root.questions:
        root.questions[token] = services.spawn(_answer(root, services, name, token), f"wasm dns {name}")


async def _answer(root: RootContext, services: Services, name: str, token: int) -> None:
    try:
        answer = await resolve(services, name)
    finally:
        root.questions.pop(token, None)
    root.tell_names(token, b"" if answer is None else encoded(answer))


def encoded(answer: Answer) -> bytes:
    """An answer as modules read it."""
    ips = answer.ips
    texts = [f"[{ip}]:0\0" if ":" in ip else f"{ip}:0\0" for ip in ips]
    return pack(f"<I{len(ips)}I", len(ips), *[answer.ttl_s] * len(ips)) + "".join(texts).encode("ascii")
