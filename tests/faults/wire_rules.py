"""The rules for what a proxy may send to an upstream: bytes that every reader understands the same way."""

import re

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.1")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]?[^\x00-\x08\x0a-\x1f\x7f]*")
_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


def faults_of(data: bytes) -> tuple[int, list[str]]:
    """How many request heads are in `data`, and everything in it that two readers could take differently."""
    count = 0
    found: list[str] = []
    while data and not found:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            found += _lines(data)
            break
        count += 1
        lines = data[:end].split(b"\r\n")
        found += _head(lines)
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines[1:])]
        data, wrong = _body(dict(fields), data[end + 4 :])
        found += wrong
    return count, found


def _lines(data: bytes) -> list[str]:
    return ["bare CR or LF"] if re.search(rb"\r(?!\n)|(?<!\r)\n", data.removesuffix(b"\r")) else []


def _head(lines: list[bytes]) -> list[str]:
    found = [] if _LINE.fullmatch(lines[0]) else [f"request line {lines[0][:80]!r}"]
    found += [f"field {line[:80]!r}" for line in lines[1:] if not _FIELD.fullmatch(line)]
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    for name in (b"host", b"content-length", b"transfer-encoding"):
        if names.count(name) > 1:
            found.append(f"{name!r} more than once")
    if b"host" not in names:
        found.append("no host")
    if b"content-length" in names and b"transfer-encoding" in names:
        found.append("two framings")
    return found


def _body(fields: dict[bytes, bytes], data: bytes) -> tuple[bytes, list[str]]:
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        return _chunks(data) if coding == b"chunked" else (b"", [f"transfer-encoding {coding!r}"])
    length = fields.get(b"content-length", b"0")
    return (data[int(length) :], []) if length.isdigit() else (b"", [f"content-length {length!r}"])


def _chunks(data: bytes) -> tuple[bytes, list[str]]:
    while (end := data.find(b"\r\n")) >= 0:
        if not _SIZE.fullmatch(data[:end]):
            return b"", [f"chunk size {data[:40]!r}"]
        size = int(data[:end], 16)
        rest = data[end + 2 :]
        if size == 0:
            stop = 0 if rest.startswith(b"\r\n") else rest.find(b"\r\n\r\n") + 2
            return rest[stop + 2 :], []
        if len(rest) >= size + 2 and rest[size : size + 2] != b"\r\n":
            return b"", ["chunk without its end"]
        data = rest[size + 2 :]
    return b"", []
