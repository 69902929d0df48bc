"""A processor that misbehaves when a request asks for it (x-fault): what that does to others is measured."""

import os
from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Processor

STEP_BYTES, STEPS = 16 << 20, 32


class Fault(Processor):
    """An uncaught exception, an end of the server, a loop without end, half a gigabyte that is kept."""

    held: list[bytearray] = []

    def on_request_headers(self, headers: Mapping[str, str]) -> None:
        fault = headers.get("x-fault")
        if fault == "crash":
            raise RuntimeError("a mistake")
        if fault == "exit":
            os._exit(3)
        while fault == "loop":
            pass
        if fault == "hog":
            for _ in range(STEPS):
                self.held.append(bytearray(b"x") * STEP_BYTES)
