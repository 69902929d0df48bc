"""Listener messages of a bootstrap -> the sockets that the supervisor must bind.

Reads what concerns the socket itself; whether the fields are sensible is checked by `pyvoy.config`.
Source: Envoy, envoy.config.listener.v3.Listener, core.v3.Address and core.v3.SocketOption.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvoy.server.sockets import ADMIN, ListenSpec, SocketOption

_TCP = 0


def of_bootstrap(bootstrap: Any) -> list[ListenSpec]:
    """Every address to bind: the listeners' and the admin's."""
    specs = [spec for listener in bootstrap.static_resources.listeners for spec in of_listener(listener)]
    if bootstrap.HasField("admin") and bootstrap.admin.HasField("address"):
        admin = bootstrap.admin
        specs.append(_spec(admin.address, ADMIN, 0, {"shared": True, "options": _options(admin.socket_options)}))
    return specs


def of_listener(listener: Any) -> Iterator[ListenSpec]:
    """The addresses of one listener; none when it does not bind (bind_to_port: false)."""
    if listener.HasField("bind_to_port") and not listener.bind_to_port.value:
        return
    name = listener_name(listener)
    facts: dict[str, Any] = {
        "shared": listener.HasField("enable_reuse_port") and not listener.enable_reuse_port.value,
        "backlog": listener.tcp_backlog_size.value if listener.HasField("tcp_backlog_size") else None,
        "freebind": listener.freebind.value,
        "transparent": listener.transparent.value,
        "fast_open_queue": listener.tcp_fast_open_queue_length.value,
        "options": _options(listener.socket_options),
    }
    yield _spec(listener.address, name, 0, facts)
    for index, additional in enumerate(listener.additional_addresses, 1):
        options = facts["options"]
        if additional.HasField("socket_options"):
            options = _options(additional.socket_options.socket_options)
        yield _spec(additional.address, name, index, facts | {"options": options})


def listener_name(listener: Any) -> str:
    """The listener's name; one without is called by its address (Envoy's made-up UUID would match no reload)."""
    return listener.name or _spec(listener.address, "", 0, {}).address.text


def _spec(address: Any, listener: str, index: int, facts: dict[str, Any]) -> ListenSpec:
    if address.HasField("pipe"):
        path = address.pipe.path
        if path.startswith("\0"):
            path = "@" + path[1:]
        return ListenSpec(listener, index, path=path, mode=address.pipe.mode, **facts)
    sock = address.socket_address
    return ListenSpec(listener, index, ip=sock.address, port=sock.port_value, ipv4_compat=sock.ipv4_compat, **facts)


def _options(options: Any) -> tuple[SocketOption, ...]:
    found = []
    for option in options:
        value = option.int_value if option.WhichOneof("value") == "int_value" else option.buf_value.hex()
        found.append(SocketOption(option.level, option.name, value, option.state))
    return tuple(found)
