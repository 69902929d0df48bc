"""A proxy without a proxy: the process roles around a data plane that echoes, for tests of the roles themselves.

Configuration: JSON {"listeners": {name: [port, ...]}, "greeting": text, "crash": bool?}.
Each connection gets the greeting, then its bytes back; `pid` asks for the worker's pid, `stall` stalls the loop.
"""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path

from pyvoy.server import logs
from pyvoy.server.application import Checked, CheckFailed, ChildContext
from pyvoy.server.child_loop import ChildLoop
from pyvoy.server.control import Message
from pyvoy.server.options import Options
from pyvoy.server.sockets import ListenSpec
from pyvoy.server.supervisor import Supervisor
from pyvoy.server.worker import Worker


class EchoPlane:
    def __init__(self, context: ChildContext, child: ChildLoop) -> None:
        self.loop = child.loop
        self.servers: dict[str, asyncio.Server] = {}
        self.connections: set[Echo] = set()
        self.greeting = b""
        self.draining = False

    async def apply(self, checked: Checked, sockets: dict[str, list[socket.socket]]) -> None:
        config = json.loads(checked.blob)
        if config.get("crash"):
            os._exit(3)
        self.greeting = config["greeting"].encode()
        for name, socks in sockets.items():
            if name not in self.servers:
                self.servers[name] = await self.loop.create_server(lambda: Echo(self), sock=socks[0])
        for name in [name for name in self.servers if name not in sockets]:
            self.servers.pop(name).close()

    async def stop_accepting(self) -> None:
        for server in self.servers.values():
            server.close()

    def drain(self) -> None:
        self.draining = True
        for connection in list(self.connections):
            connection.close_if_idle()

    def active_connections(self) -> int:
        return len(self.connections)

    def close_all(self) -> None:
        for connection in list(self.connections):
            connection.transport.abort()

    def on_message(self, message: Message) -> None:
        pass

    def on_stall(self, late_s: float, *, mega: bool) -> None:
        pass

    async def close(self) -> None:
        pass


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, plane: EchoPlane) -> None:
        self.plane = plane
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.plane.connections.add(self)
        self.transport.write(self.plane.greeting)

    def connection_lost(self, exc: Exception | None) -> None:
        self.plane.connections.discard(self)

    def close_if_idle(self) -> None:
        if not self.busy:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if data == b"pid":
            self.transport.write(str(os.getpid()).encode())
        elif data == b"stall":
            time.sleep(60)
        elif data.startswith(b"later "):
            self.busy = True
            self.plane.loop.call_later(float(data.split()[1]), self.answer, data)
        else:
            self.transport.write(data)

    def answer(self, data: bytes) -> None:
        self.transport.write(data)
        self.busy = False
        if self.plane.draining:
            self.transport.close()


class EchoApplication:
    def preload(self) -> None:
        pass

    def load(self, options: Options) -> Checked:
        return self.check(options)

    def check(self, options: Options) -> Checked:
        text = Path(options.config_path).read_text()
        try:
            config = json.loads(text)
        except ValueError as error:
            raise CheckFailed([f"{options.config_path}: {error}"]) from None
        specs = []
        for name, places in config["listeners"].items():
            for index, where in enumerate(places):
                if isinstance(where, int):
                    specs.append(ListenSpec(name, index, ip="127.0.0.1", port=where))
                else:
                    specs.append(ListenSpec(name, index, path=where))
        return Checked(text.encode(), specs)

    def main(self, context: ChildContext) -> int:
        child = ChildLoop(context, lambda late: None)
        child.handlers["exit"] = lambda message: child.exit(0)
        for kind in ("state", "applied", "reload_failed"):
            child.handlers[kind] = lambda message: print("main:", message.kind, json.dumps(message.fields), flush=True)
        return child.run(child.ready)

    def worker(self, context: ChildContext) -> int:
        return Worker(context, EchoPlane).run()


if __name__ == "__main__":
    logs.setup("info")
    path, workers, drain_s = sys.argv[1:]
    sys.exit(Supervisor(EchoApplication(), Options(path, concurrency=int(workers), drain_time_s=float(drain_s))).run())
