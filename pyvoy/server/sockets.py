"""Listening sockets: what a listener asks for, how it is bound, and the supervisor's table of all of them.

One socket per worker and address with SO_REUSEPORT; pipes and `enable_reuse_port: false` share one.  Port 0 is
resolved once, by the first socket.  The table outlives workers: a connection in the queue of a dead worker's socket
waits for its successor.  A reload keeps the sockets whose address is unchanged.
Source: Envoy, Listener (address, additional_addresses, enable_reuse_port, tcp_backlog_size, socket_options, ...).
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyvoy.network.address import Address, from_sockname

ADMIN = "\0admin"
IP_FREEBIND, IP_TRANSPARENT, IPV6_TRANSPARENT = 15, 19, 75
PREBIND, BOUND, LISTENING = 0, 1, 2


class BindError(Exception):
    """An address cannot be listened on; the text is Envoy's."""


@dataclass(slots=True, frozen=True)
class SocketOption:
    """One `setsockopt`; `state` says when: PREBIND, BOUND or LISTENING.  `value` is a number or, as hex text, bytes."""

    level: int
    name: int
    value: int | str
    state: int


@dataclass(slots=True, frozen=True)
class ListenSpec:
    """One address of a listener, as configured.

    `index` counts the listener's addresses (0 is `address`, then `additional_addresses`); `shared` is one socket for
    all workers; `backlog` None is the system's maximum; `mode` a pipe's file mode (0 leaves it to the umask)."""

    listener: str
    index: int = 0
    ip: str = ""
    port: int = 0
    path: str = ""
    mode: int = 0
    shared: bool = False
    backlog: int | None = None
    ipv4_compat: bool = False
    freebind: bool = False
    transparent: bool = False
    fast_open_queue: int = 0
    options: tuple[SocketOption, ...] = ()

    @property
    def address(self) -> Address:
        """The configured address; its port may be 0."""
        return Address(self.ip, self.port, self.path)

    @property
    def key(self) -> str:
        """What makes two specs of different configurations the same socket."""
        if self.port or self.path:
            return self.address.text
        return f"{self.address.text}#{self.listener}#{self.index}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a control frame."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ListenSpec:
        """The inverse of `to_json`."""
        options = tuple(SocketOption(**option) for option in fields.pop("options"))
        return cls(**fields, options=options)


@dataclass(slots=True)
class Bound:
    """The sockets of one spec: one per worker, or the same object for all."""

    spec: ListenSpec
    address: Address
    sockets: list[socket.socket]

    def close(self) -> None:
        """Close them all; a pipe's file is removed."""
        for sock in set(self.sockets):
            sock.close()
        if self.spec.path and not self.spec.path.startswith("@"):
            with suppress(OSError):
                os.unlink(self.spec.path)


class SocketTable:
    """All listening sockets of the proxy.  Owner: the supervisor; children drop what is not theirs."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._bound: dict[str, Bound] = {}

    def bind(self, specs: Iterable[ListenSpec]) -> SocketTable:
        """A table for new specs that takes over the sockets of unchanged addresses and binds the others.

        Nothing of this table changes.  Raises BindError, having closed what it bound."""
        table = SocketTable(self.workers)
        fresh: list[Bound] = []
        try:
            for spec in specs:
                old = self._bound.get(spec.key)
                if old is not None and old.spec.shared == spec.shared:
                    bound = Bound(spec, old.address, old.sockets)
                else:
                    bound = bind_all(spec, 1 if spec.listener == ADMIN else self.workers)
                    fresh.append(bound)
                if spec.key in table._bound:
                    raise BindError(f"error adding listener: '{spec.listener}' has duplicate address '{spec.address}'")
                table._bound[spec.key] = bound
        except BindError:
            for bound in fresh:
                bound.close()
            raise
        return table

    def close_except(self, successor: SocketTable | None) -> None:
        """Close what the successor has not taken over."""
        kept = {id(sock) for bound in successor._bound.values() for sock in bound.sockets} if successor else set()
        for bound in self._bound.values():
            if id(bound.sockets[0]) not in kept:
                bound.close()

    def drop(self, listeners: set[str]) -> None:
        """Close and forget the sockets of some listeners."""
        for key in [key for key, bound in self._bound.items() if bound.spec.listener in listeners]:
            self._bound.pop(key).close()

    def keys(self) -> set[str]:
        """The keys of all sockets."""
        return set(self._bound)

    def of_worker(self, index: int) -> dict[str, socket.socket]:
        """One worker's sockets by key."""
        return {key: bound.sockets[index] for key, bound in self._bound.items() if bound.spec.listener != ADMIN}

    def new_sockets(self, index: int, known: set[str]) -> list[tuple[str, socket.socket]]:
        """One worker's sockets whose key is not known yet."""
        return [(key, sock) for key, sock in self.of_worker(index).items() if key not in known]

    def keys_by_listener(self) -> dict[str, list[str]]:
        """The keys of each listener in the order of its addresses."""
        return self._by_listener(lambda bound: bound.spec.key)

    def admin(self) -> Bound | None:
        """The admin's socket."""
        return next((bound for bound in self._bound.values() if bound.spec.listener == ADMIN), None)

    def addresses(self) -> dict[str, list[str]]:
        """The real addresses of each listener, in order."""
        return self._by_listener(lambda bound: bound.address.text)

    def _by_listener(self, what: Callable[[Bound], str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for bound in sorted(self._bound.values(), key=lambda bound: bound.spec.index):
            if bound.spec.listener != ADMIN:
                found.setdefault(bound.spec.listener, []).append(what(bound))
        return found

    def keep_only(self, index: int | None) -> None:
        """In a child: close every socket but this worker's, or but the admin's when there is no index."""
        mine = {id(sock) for sock in self.of_worker(index).values()} if index is not None else set()
        admin = self.admin()
        if admin is not None and index is None:
            mine.add(id(admin.sockets[0]))
        for bound in self._bound.values():
            for sock in set(bound.sockets):
                if id(sock) not in mine:
                    sock.close()


def bind_all(spec: ListenSpec, workers: int) -> Bound:
    """Bind one socket per worker (or one for all) and listen.  Raises BindError."""
    first = _bind_one(spec)
    address = from_sockname(first.getsockname()) if not spec.path else spec.address
    sockets = [first]
    if spec.shared or spec.path:
        return Bound(spec, address, sockets * workers)
    resolved = replace(spec, port=address.port)
    try:
        while len(sockets) < workers:
            sockets.append(_bind_one(resolved))
    except BindError:
        for sock in sockets:
            sock.close()
        raise
    return Bound(spec, address, sockets)


def _bind_one(spec: ListenSpec) -> socket.socket:
    address = spec.address
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _set_options(sock, spec)
        _apply(sock, spec, PREBIND)
        if spec.path:
            _bind_pipe(sock, spec)
        else:
            sock.bind((spec.ip, spec.port))
        _apply(sock, spec, BOUND)
        sock.listen(socket.SOMAXCONN if spec.backlog is None else spec.backlog)
        _apply(sock, spec, LISTENING)
    except OSError as error:
        sock.close()
        raise BindError(f"cannot bind '{address.text}': {os.strerror(error.errno or 0)}") from error
    return sock


def _set_options(sock: socket.socket, spec: ListenSpec) -> None:
    if spec.path:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if not spec.shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if spec.ipv4_compat else 1)
    if spec.freebind:
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    if spec.transparent:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    if spec.fast_open_queue:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, spec.fast_open_queue)


def _apply(sock: socket.socket, spec: ListenSpec, state: int) -> None:
    for option in spec.options:
        if option.state == state:
            value = bytes.fromhex(option.value) if isinstance(option.value, str) else option.value
            sock.setsockopt(option.level, option.name, value)


def _bind_pipe(sock: socket.socket, spec: ListenSpec) -> None:
    if spec.path.startswith("@"):
        sock.bind("\0" + spec.path[1:])
        return
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(spec.path).st_mode):
            os.unlink(spec.path)
    sock.bind(spec.path)
    if spec.mode:
        os.chmod(spec.path, spec.mode)
