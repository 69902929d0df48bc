"""The client of the demo: one request, and the answer as it came over the wire."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import BinaryIO

HOST = "127.0.0.1"


@dataclass(slots=True)
class Answer:
    """A response as it came over the wire."""

    head: str
    body: bytes

    @property
    def status(self) -> str:
        """Status and reason."""
        return self.head.partition("\r\n")[0].partition(" ")[2]

    def header(self, name: str) -> str:
        """The value of a header, "" if there is none."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


def get(port: int, path: str) -> Answer:
    """One GET request on a connection of its own.  Raises OSError."""
    with socket.create_connection((HOST, port), 5) as sock, sock.makefile("rb") as stream:
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: details\r\nconnection: close\r\n\r\n".encode())
        return read_response(stream)


def read_response(stream: BinaryIO) -> Answer:
    """The next response of a connection, whose body has a content-length.  Raises OSError when it ends early."""
    lines = []
    while (line := stream.readline()) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    answer = Answer("\r\n".join(lines), b"")
    answer.body = stream.read(int(answer.header("content-length") or 0))
    if not lines:
        raise ConnectionError("the connection ended without an answer")
    return answer
