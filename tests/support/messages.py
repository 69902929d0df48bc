"""HTTP/1 messages read back from recorded bytes: strict about nothing, for comparisons only.

Not a codec: it works on what a proxy really sent, and keeps what it cannot explain as `rest`.
"""

from dataclasses import dataclass, field

Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Message:
    """One message; `framing` is none, length, chunked or close; `complete` tells whether its end was seen."""

    start: bytes
    headers: Headers
    framing: str
    body: bytes = b""
    trailers: Headers = field(default_factory=list)
    complete: bool = True

    @property
    def status(self) -> int:
        """The status code of a response, 0 when the line has none."""
        word = self.start.split(b" ")[1:2]
        return int(word[0]) if word and word[0].isdigit() else 0

    @property
    def interim(self) -> bool:
        """A 1xx response other than 101."""
        return 100 <= self.status < 200 and self.status != 101

    def value(self, name: bytes) -> bytes | None:
        """First value of a header, by lower-case name."""
        return next((v for n, v in self.headers if n.lower() == name), None)


def requests(data: bytes) -> tuple[list[Message], bytes]:
    """Requests in `data`, and the bytes that are no request (a tunnel after an upgrade, a cut head)."""
    if data.startswith(b"PRI * HTTP/2"):
        from tests.support import h2wire

        return h2wire.requests(data)
    found: list[Message] = []
    while data:
        head = _head(data)
        if head is None:
            break
        start, headers, size = head
        found.append(message := Message(start, headers, "none"))
        data = _body(message, data[size:])
        if start.startswith(b"CONNECT ") or message.value(b"upgrade"):
            break
    return found, data


def responses(data: bytes, methods: list[bytes], ended: bool) -> tuple[list[Message], bytes]:
    """Responses in `data` to requests with `methods` (in order; GET when it runs out), and what remains."""
    found: list[Message] = []
    turn = 0
    while data:
        head = _head(data)
        if head is None:
            break
        start, headers, size = head
        message = Message(start, headers, "none")
        found.append(message)
        data = data[size:]
        if message.interim:
            continue
        method = methods[turn] if turn < len(methods) else b"GET"
        turn += 1
        if message.status == 101 or (method == b"CONNECT" and message.status // 100 == 2):
            break
        if method == b"HEAD" or message.status in (204, 304):
            continue
        data = _body(message, data, until_close=True, ended=ended)
    return found, data


def methods_of(data: bytes) -> list[bytes]:
    """Methods of the requests that a client is about to send."""
    return [message.start.split(b" ")[0] for message in requests(data)[0]]


def _head(data: bytes) -> tuple[bytes, Headers, int] | None:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    while lines and not lines[0]:
        lines.pop(0)
    if not lines:
        return None
    return lines[0], _fields(lines[1:]), end + 4


def _fields(lines: list[bytes]) -> Headers:
    pairs = (line.partition(b":") for line in lines)
    return [(name, value.strip(b" \t")) for name, _, value in pairs]


def _body(message: Message, data: bytes, until_close: bool = False, ended: bool = False) -> bytes:
    coding = message.value(b"transfer-encoding")
    length = message.value(b"content-length")
    if coding is not None and b"chunked" in coding.lower():
        message.framing = "chunked"
        return _chunked(message, data)
    if length is not None and length.isdigit():
        message.framing = "length"
        size = int(length)
        message.body = data[:size]
        message.complete = len(message.body) == size
        return data[size:]
    if until_close:
        message.framing = "close"
        message.body, message.complete = data, ended
        return b""
    return data


def _chunked(message: Message, data: bytes) -> bytes:
    body = bytearray()
    position = 0
    message.complete = False
    while (end := data.find(b"\r\n", position)) >= 0:
        word = data[position:end].split(b";")[0].strip()
        try:
            size = int(word, 16)
        except ValueError:
            break
        position = end + 2
        if size == 0:
            stop = data.find(b"\r\n\r\n", end)
            if stop >= 0:
                message.trailers = _fields([line for line in data[position:stop].split(b"\r\n") if line])
                position, message.complete = stop + 4, True
            break
        body += data[position : position + size]
        position += size + 2
    message.body = bytes(body)
    return data[position:] if message.complete else b""
