"""What a filter that misbehaves does to other requests: one request asks for the fault, a crowd for nothing special.

Two workers.  The crowd's connections are kept open and go round without haste; what each of them waits, and whether it
is answered, is written down from the fault on until everybody is served again, or the time is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

from pyvoy.bench.driver import LoadError
from pyvoy.bench.faults import Setting
from pyvoy.bench.measure import pss_bytes
from pyvoy.bench.peers import Contender, Place, Running, start
from pyvoy.bench.results import Incident

CROWD = 16
PAUSE_S = 0.02
LIMITS_S = {"crash": 2.0, "exit": 2.0, "loop": 6.5, "hog": 4.0}
"""After this a proxy that does not serve everybody counts as not recovered; pyvoy's watchdog acts after 5 seconds."""
SLOW_S = 0.25
_SETTLED_S = 0.3
_UNDISTURBED_S = 10.0
_ORDINARY = b"GET /details/1 HTTP/1.1\r\nhost: others\r\n\r\n"
_FAULTY = b"GET /details/1 HTTP/1.1\r\nhost: culprit\r\nx-fault: %b\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """What the crowd has seen; `answers` are (begun, seconds, whether it was a 200)."""

    answers: list[tuple[float, float, bool]] = field(default_factory=list)
    waiting: dict[int, float] = field(default_factory=dict)
    """When each request that is under way was sent, by client."""
    lost: list[float] = field(default_factory=list)
    """How long those that wait at the end have waited, when it did not end well."""

    def settled(self, since_s: float) -> bool:
        """Every client has had good answers only for a while, and none waits for long."""
        now_s = time.monotonic()
        if now_s - since_s < _SETTLED_S or any(now_s - sent_s > SLOW_S for sent_s in self.waiting.values()):
            return False
        recent = [good for begun_s, _, good in self.answers if begun_s >= now_s - _SETTLED_S]
        return len(recent) >= CROWD and all(recent)


@dataclass(frozen=True, slots=True)
class Before:
    """The proxy just before the fault."""

    workers: set[int]
    memory: int


def run(setting: Setting, contender: Contender, fault: str, place: Place) -> Incident:
    """One experiment.  Raises StartError when the proxy does not start, LoadError when it never serves."""
    limit_s = LIMITS_S[fault]
    running = start(contender, place)
    try:
        tally, began_s, outcome, recovered, before = asyncio.run(_watch(running, fault, limit_s))
        fate, held = _fate(running, before.workers), _memory(running) - before.memory
    finally:
        running.stop(0.5)
    after = [(took_s, good) for begun_s, took_s, good in tally.answers if begun_s + took_s >= began_s]
    longest_s = max([took_s for took_s, _ in after] + tally.lost, default=0.0)
    return Incident(
        contender.peer.name,
        setting.mechanism,
        setting.guarded,
        fault,
        outcome,
        others=len(after) + len(tally.lost),
        failed=sum(1 for _, good in after if not good) + len(tally.lost),
        slow=sum(1 for took_s, good in after if good and took_s > SLOW_S),
        longest_ms=min(longest_s, limit_s) * 1000,
        process=fate,
        held_mib=held / 2**20,
        recovered=recovered,
    )


async def _watch(running: Running, fault: str, limit_s: float) -> tuple[Tally, float, str, bool, Before]:
    tally, port = Tally(), running.port
    crowd = [asyncio.create_task(_client(port, number, tally)) for number in range(CROWD)]
    try:
        start_s = time.monotonic()
        while not tally.settled(start_s):
            if time.monotonic() - start_s > _UNDISTURBED_S:
                raise LoadError("the proxy does not serve, even before anything has happened to it")
            await asyncio.sleep(PAUSE_S)
        before = Before(set(running.workers), _memory(running))
        began_s = time.monotonic()
        outcome = await _misbehave(port, fault, limit_s)
        ended_s = time.monotonic()
        recovered = False
        while not recovered and time.monotonic() - began_s < limit_s + 2 * _SETTLED_S:
            await asyncio.sleep(PAUSE_S)
            recovered = tally.settled(ended_s)
        tally.lost = [time.monotonic() - sent_s for sent_s in tally.waiting.values()] if not recovered else []
        return tally, began_s, outcome, recovered, before
    finally:
        for each in crowd:
            each.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)


async def _misbehave(port: int, fault: str, limit_s: float) -> str:
    """Send the request with the fault; what its client saw."""
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(_FAULTY % fault.encode())
                return str(await _answer(reader))
            finally:
                writer.close()
    except TimeoutError:
        return f"no answer in {limit_s:g} s"
    except (OSError, EOFError, ValueError):
        return "connection closed"


async def _client(port: int, number: int, tally: Tally) -> None:
    """One of the others: asks, waits for the answer however long it takes, pauses, asks again."""
    writer: asyncio.StreamWriter | None = None
    reader = None
    try:
        while True:
            tally.waiting[number] = begun_s = time.monotonic()
            good = False
            try:
                if writer is None or reader is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(_ORDINARY)
                good = await _answer(reader) == 200
            except (OSError, EOFError, ValueError):
                if writer is not None:
                    writer.close()
                writer = None
            del tally.waiting[number]
            tally.answers.append((begun_s, time.monotonic() - begun_s, good))
            await asyncio.sleep(PAUSE_S)
    finally:
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> int:
    """The status of the next answer; raises OSError, EOFError or ValueError when there is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length:")[2].split(b"\r\n")[0]
    if length:
        await reader.readexactly(int(length))
    return int(head.split()[1])


def _memory(running: Running) -> int:
    return sum(pss_bytes(pid) for pid in running.pids)


def _fate(running: Running, workers: set[int]) -> str:
    """What became of the processes."""
    if running.helper_pid and not running.helper_alive:
        return "the gRPC server is gone"
    if not running.alive:
        return "the proxy is gone"
    return "unharmed" if set(running.workers) == workers else "a worker was replaced"
