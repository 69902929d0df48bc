"""The upstream of every measurement: nginx, else our own server, on the cores of the load.

Every path answers the JSON of a book; some answer so many bytes, an account with secrets, or what an auth service says.
"""

import shutil
import sys
from pathlib import Path

from pyvoy.bench.process import Server, accepts

BOOK = (
    b'{"id":1,"author":"William Shakespeare","year":1595,"type":"paperback","pages":200,'
    b'"publisher":"PublisherA","language":"English","ISBN-10":"1234567890","ISBN-13":"123-1234567890"}'
)
SIZES = {b"/4k": 4 * 1024, b"/64k": 64 * 1024, b"/10m": 10 * 1024 * 1024}
ACCOUNT_PATH = b"/account"
ACCOUNT = (
    b'{"id":1,"user":"ada","password":"secret","orders":[{"n":1,"token":"abcdef"},{"n":2,"token":"123456"}],'
    b'"address":{"street":"King Street 12","city":"London"},"ssn":"000-00-0000"}'
)
CHECK_PATH = b"/check"
"""Where filters ask about a token: known, and whose it is."""
USER = b"ada"


def start_upstream(folder: Path, port: int, cpus: set[int]) -> Server:
    """A server that answers every path.  Raises StartError."""
    folder.mkdir(parents=True, exist_ok=True)
    return _started(_nginx(port, folder) if shutil.which("nginx") else _own(port), folder, port, cpus)


def start_http2_upstream(folder: Path, port: int, cpus: set[int]) -> Server | None:
    """The same over HTTP/2 without TLS; None where there is no nginx.  Raises StartError."""
    if not shutil.which("nginx"):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return _started(_nginx(port, folder, " http2"), folder, port, cpus)


def start_body_upstream(folder: Path, port: int, cpus: set[int]) -> Server:
    """A server that reads the whole body of a request before it answers.  Raises StartError."""
    folder.mkdir(parents=True, exist_ok=True)
    return _started(_own(port), folder, port, cpus)


def _started(command: list[str], folder: Path, port: int, cpus: set[int]) -> Server:
    server = Server(command, folder / "log", cpus=cpus)
    try:
        server.wait_ready(accepts(port))
    except BaseException:
        server.stop()
        raise
    return server


def _own(port: int) -> list[str]:
    return [sys.executable, "-m", "pyvoy.bench.upstream_server", str(port)]


def _nginx(port: int, folder: Path, protocol: str = "") -> list[str]:
    for name, size in SIZES.items():
        (folder / name[1:].decode()).write_bytes(b"x" * size)
    path = folder / "upstream.conf"
    path.write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_max_body_size 0;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000; keepalive_timeout 1h; sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096{protocol};
    root {folder};
    default_type application/json;
    location / {{ return 200 '{BOOK.decode()}'; }}
    location = {ACCOUNT_PATH.decode()} {{ return 200 '{ACCOUNT.decode()}'; }}
    location = {CHECK_PATH.decode()} {{ add_header x-user {USER.decode()}; return 200 '{{}}'; }}
    {" ".join(f"location = {name.decode()} {{ }}" for name in SIZES)}
  }}
}}
""")
    return ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "error.log")]
