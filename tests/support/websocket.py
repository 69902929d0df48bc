"""WebSocket frames as bytes, an echo server by the public `websockets`, and a client that writes down what it gets."""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from tests.support.tunnels import Tunnel

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
GOODBYE_S = 10.0


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """One frame of a client's, right or wrong."""
    size = len(payload)
    first = opcode | rsv << 4 | (0x80 if fin else 0)
    flag = 0x80 if masked else 0
    if size < 126:
        head = struct.pack(">BB", first, flag | size)
    elif size < 1 << 16:
        head = struct.pack(">BBH", first, flag | 126, size)
    else:
        head = struct.pack(">BBQ", first, flag | 127, size)
    return head + (MASK + _mask(payload) if masked else payload)


def _mask(payload: bytes) -> bytes:
    size = len(payload)
    pattern = int.from_bytes((MASK * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(payload, "big") ^ pattern).to_bytes(size, "big")


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


def pieces(opcode: int, payload: bytes, size: int, rsv: int = 0) -> list[bytes]:
    """A message in frames of so many bytes."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    last = len(parts) - 1
    return [
        frame(opcode if not n else CONT, part, fin=n == last, rsv=rsv if not n else 0) for n, part in enumerate(parts)
    ]


@dataclass
class Heard:
    """What one end has got: its frames or messages in short, and that it is over."""

    lines: list[str] = field(default_factory=list)

    def note(self, what: str, payload: bytes) -> None:
        """One more."""
        digest = hashlib.blake2b(payload, digest_size=4).hexdigest() if len(payload) > 16 else repr(payload)
        self.lines.append(f"{what} {len(payload)} {digest}")


def deflate() -> PerMessageDeflate:
    """The extension with its defaults, for either end."""
    return PerMessageDeflate(False, False, 15, 15)


class Echo:
    """The server's end: sends messages back, answers pings and closes, refuses what is wrong."""

    def __init__(self, tunnel: Tunnel, heard: Heard, *, compressed: bool) -> None:
        self._tunnel = tunnel
        self._heard = heard
        self._protocol = Protocol(Side.SERVER, max_size=None)
        if compressed:
            self._protocol.extensions = [deflate()]
        self._opcode = Opcode.TEXT
        self._parts: list[bytes] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def run(self) -> None:
        """Until either side has ended."""
        protocol = self._protocol
        buffer = bytearray()
        ending = False
        while not ending:
            data = await self._tunnel.read()
            buffer += data
            # Frame by frame, so that what becomes of them does not depend on how many come in one read.
            steps = [*_whole(buffer), *([] if data else [bytes(buffer), b""])]
            for step in steps:
                ending = await self._step(step) or ending
        code = protocol.close_code if protocol.close_rcvd or protocol.close_sent else "lost"
        self._heard.lines.append(f"over {code}")
        await self._tunnel.end()

    async def _step(self, data: bytes) -> bool:
        """Work off some bytes, or the end; True when this is the end."""
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        elif not protocol.eof_sent:
            protocol.receive_eof()
        for one in protocol.events_received():
            self._take(one)
        ending = False
        for sent in protocol.data_to_send():
            ending = ending or not sent
            await self._tunnel.write(sent)
        return ending

    def _take(self, one: object) -> None:
        opcode, payload, fin = one.opcode, bytes(one.data), one.fin  # type: ignore[attr-defined]
        if opcode in (Opcode.PING, Opcode.PONG):
            self._heard.note(opcode.name, payload)
        elif opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._take_part(opcode, payload, fin)

    def _take_part(self, opcode: Opcode, payload: bytes, fin: bool) -> None:
        protocol = self._protocol
        if opcode is not Opcode.CONT:
            self._opcode = opcode
            self._parts = []
            self._decoder.reset()
        if self._opcode is Opcode.TEXT:
            try:
                self._decoder.decode(payload, fin)
            except UnicodeDecodeError:
                protocol.fail(1007)
                return
        self._parts.append(payload)
        if fin and not protocol.close_sent:
            whole = b"".join(self._parts)
            self._heard.note(self._opcode.name, whole)
            (protocol.send_text if self._opcode is Opcode.TEXT else protocol.send_binary)(whole)


def _whole(buffer: bytearray) -> Iterator[bytes]:
    """Whole frames at the front of a buffer, which they leave."""
    while len(buffer) >= 2:
        size, start = buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return
            size = int.from_bytes(buffer[2:start], "big")
        stop = start + size + (4 if buffer[1] & 0x80 else 0)
        if len(buffer) < stop:
            return
        found = bytes(buffer[:stop])
        del buffer[:stop]
        yield found


def _payload(whole: bytes) -> bytes:
    """What an unmasked frame carries."""
    size = whole[1] & 0x7F
    return whole[2 if size < 126 else 4 if size == 126 else 10 :]


async def converse(
    tunnel: Tunnel, sends: Sequence[bytes], *, answers: int, chop: int = 0, goodbye: bytes = b"", slow_s: float = 0.0
) -> list[str]:
    """Send everything, read so many frames, then say goodbye and read to the end; what was got.

    `chop`: bytes a write, 0 for each piece in one.  `slow_s`: wait before reading at all."""
    heard = Heard()

    async def speak() -> None:
        for one in [b"".join(sends)] if chop else sends:
            size = chop or max(len(one), 1)
            for at in range(0, len(one), size):
                await tunnel.write(one[at : at + size])

    speaking = asyncio.get_running_loop().create_task(speak())
    buffer = bytearray()
    left = answers
    try:
        await asyncio.sleep(slow_s)
        if not left and goodbye:
            await speaking
            await tunnel.write(goodbye)
        while data := await asyncio.wait_for(tunnel.read(), GOODBYE_S):
            buffer += data
            for one in _whole(buffer):
                heard.note(f"{one[0]:#x}", _payload(one))
                left -= 1
                if not left and goodbye:
                    await speaking
                    await tunnel.write(goodbye)
    finally:
        speaking.cancel()
    await tunnel.end()
    return heard.lines
