"""A filter that misbehaves when a request asks for it (x-fault): what that does to others is measured."""

import os

from pyvoy.api import HeaderMap, Stream, StreamFilter

STEP_BYTES, STEPS = 16 << 20, 32
held: list[bytearray] = []


class Fault(StreamFilter):
    """An uncaught exception, an end of the process, a loop without end, half a gigabyte that is kept."""

    def on_request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> None:
        fault = headers.get(b"x-fault")
        if fault == b"crash":
            raise RuntimeError("a mistake")
        if fault == b"exit":
            os._exit(3)
        while fault == b"loop":
            pass
        if fault == b"hog":
            for _ in range(STEPS):
                held.append(bytearray(b"x") * STEP_BYTES)
