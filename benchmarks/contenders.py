"""The proxies that are measured: how each is configured for the same task, and how it is started.

Envoy and pyvoy get the same bootstrap file: full statistics, no access log, an HTTP, a TCP and a TLS listener.
"""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.bench import bootstrap as configuration
from pyvoy.bench.bootstrap import TYPES, address, cluster, http2_cluster, listener, manager
from pyvoy.bench.measure import version
from pyvoy.bench.process import Server, accepts
from tests.support.certificates import issued
from tests.support.ports import free_ports
from tests.support.proxies import envoy

Command = Callable[[Path, int], list[str]]


@dataclass(slots=True)
class Contender:
    """An installed proxy; `configure` writes its configuration, `command` serves that with so many workers."""

    name: str
    version: str
    configure: Callable[["Ports", int, Path], Path]
    command: Command
    tcp: bool = True
    bootstrapped: bool = False
    """It takes Envoy's bootstrap, and its listener speaks HTTP/2 as well."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a contender listens, and where the upstream does."""

    http: int
    tcp: int
    admin: int
    upstream: int
    tls: int


@dataclass(slots=True)
class Running:
    """A started contender."""

    contender: Contender
    server: Server
    ports: Ports
    facts: dict[str, Any] = field(default_factory=dict)


def start(contender: Contender, upstream: int, workers: int, cpus: set[int], folder: Path) -> Running:
    """Start a contender on the given cores and wait until it accepts."""
    home = folder / f"{contender.name}-{workers}"
    home.mkdir(parents=True, exist_ok=True)
    http, tcp, admin, tls = free_ports(4)
    ports = Ports(http, tcp, admin, upstream, tls)
    path = contender.configure(ports, workers, home)
    server = Server(contender.command(path, workers), home / "log", cpus=cpus)
    try:
        server.wait_ready(accepts(ports.http), 30.0)
    except BaseException:
        server.stop()
        raise
    return Running(contender, server, ports)


def installed(names: list[str], subject: list[str]) -> list[Contender]:
    """The contenders among `names` that this machine has; pyvoy first, Envoy second."""
    found = []
    oracle = envoy()
    for name in names:
        if name == "pyvoy":
            found.append(
                Contender(name, version([*subject, "--version"]), bootstrap, _serve(subject), bootstrapped=True)
            )
        elif name == "envoy" and oracle:
            command = [*oracle.command, "--disable-hot-restart", "--use-dynamic-base-id"]
            found.append(
                Contender(name, version([*oracle.command, "--version"]), bootstrap, _serve(command), bootstrapped=True)
            )
        elif name == "nginx" and shutil.which("nginx"):
            found.append(Contender(name, version(["nginx", "-v"]), _nginx, _nginx_command, tcp=False))
        elif name == "haproxy" and shutil.which("haproxy"):
            found.append(Contender(name, version(["haproxy", "-v"]), _haproxy, _haproxy_command))
    return found


def default_subject() -> list[str]:
    """pyvoy from this checkout."""
    return [sys.executable, "-m", "pyvoy"]


def _serve(command: list[str]) -> Command:
    return lambda path, workers: [*command, "-c", str(path), "--concurrency", str(workers), "-l", "error"]


def bootstrap(
    ports: Ports, workers: int, folder: Path, *, filters: Sequence[dict[str, Any]] = (), http2: bool = False
) -> Path:
    """Write the bootstrap of Envoy and pyvoy; `filters` stand before the router, `http2`: the upstream speaks it."""
    http = manager(filters)
    tcp = {"@type": TYPES + "filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": "service"}
    listeners = [
        listener("http", ports.http, "envoy.filters.network.http_connection_manager", http),
        listener("tcp", ports.tcp, "envoy.filters.network.tcp_proxy", tcp),
        _secured(listener("tls", ports.tls, "envoy.filters.network.http_connection_manager", http)),
    ]
    make = http2_cluster if http2 else cluster
    config = configuration.bootstrap(ports.admin, listeners, [make("service", address(ports.upstream))])
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(config, indent=1))
    return path


def _secured(plain: dict[str, Any]) -> dict[str, Any]:
    """The listener behind TLS with an ECDSA P-256 certificate; each handshake is a full one."""
    ours = issued("bench", ("bench.test",))
    pair = {"certificate_chain": {"inline_string": ours.cert}, "private_key": {"inline_string": ours.key}}
    context = {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {"tls_certificates": [pair]},
        "disable_stateless_session_resumption": True,
        "disable_stateful_session_resumption": True,
    }
    plain["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return plain


def _nginx(ports: Ports, workers: int, folder: Path) -> Path:
    path = folder / "nginx.conf"
    path.write_text(f"""
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes {workers};
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_max_body_size 0;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
  upstream service {{ server 127.0.0.1:{ports.upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{ports.http} reuseport backlog=4096;
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_request_buffering off; }}
  }}
}}
""")
    return path


def _nginx_command(path: Path, workers: int) -> list[str]:
    return ["nginx", "-c", str(path), "-p", str(path.parent), "-e", str(path.parent / "error.log")]


def _haproxy(ports: Ports, workers: int, folder: Path) -> Path:
    path = folder / "haproxy.cfg"
    path.write_text(f"""
global
  nbthread {workers}
  maxconn 8000
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend web
  mode http
  bind 127.0.0.1:{ports.http} backlog 4096
  default_backend service
backend service
  mode http
  http-reuse always
  server one 127.0.0.1:{ports.upstream}
listen raw
  mode tcp
  bind 127.0.0.1:{ports.tcp} backlog 4096
  server one 127.0.0.1:{ports.upstream}
""")
    return path


def _haproxy_command(path: Path, workers: int) -> list[str]:
    return ["haproxy", "-db", "-f", str(path)]
