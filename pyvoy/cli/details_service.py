"""The "details" service of the well-known bookinfo sample, as a small upstream for demos and trials.

`python -m pyvoy.cli.details_service PORT`: GET /details/N answers the record of book N, GET /health says that it is
well, anything else 404.  The `location` header names its own address, which no client should see.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def record(number: int) -> bytes:
    """The record of one book."""
    book = {
        "id": number,
        "author": "William Shakespeare",
        "year": 1595,
        "type": "paperback",
        "pages": 200,
        "publisher": "PublisherA",
        "language": "English",
        "ISBN-10": "1234567890",
        "ISBN-13": "123-1234567890",
    }
    return json.dumps(book, separators=(",", ":")).encode()


def answer(path: str) -> tuple[int, bytes]:
    """Status and body for a path."""
    head, _, number = path.partition("?")[0].rpartition("/")
    if head == "/details" and number.isascii() and number.isdigit():
        return 200, record(int(number))
    if path == "/health":
        return 200, b'{"status":"Details is healthy"}'
    return 404, b'{"error":"please provide numeric product id"}'


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # head and body leave in one piece, or the second waits for the acknowledgement of the first

    def do_GET(self) -> None:
        status, body = answer(self.path)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("location", f"http://127.0.0.1:{self.connection.getsockname()[1]}{self.path}")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """The `server` header."""
        return "details"

    def log_message(self, *args: object) -> None:
        """The demo prints what matters."""


def main(argv: list[str]) -> int:
    """Serve until killed."""
    server = ThreadingHTTPServer(("127.0.0.1", int(argv[1])), Handler)
    server.daemon_threads = True
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
