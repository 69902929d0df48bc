"""/server_info, /ready, /memory, /hot_restart_version, /healthcheck/*, /quitquitquit, /reopen_logs: the process itself.

Source: Envoy 1.40, ServerInfoHandler, ServerCmdHandler.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pyvoy.config.registry import REGISTRY
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.identity import version_text
from pyvoy.server.logs import DEFAULT_FORMAT
from pyvoy.server.pages.page import Page, Proxy, json_response, message_json
from pyvoy.version import ENVOY_VERSION, VERSION


def ready(proxy: Proxy, request: Request) -> Response:
    """LIVE with 200, any other state with 503."""
    return Response(f"{proxy.state}\n", 200 if proxy.state == "LIVE" else 503)


def server_info(proxy: Proxy, request: Request) -> Response:
    """Version, state, uptime, command line and node."""
    uptime = f"{int(time.time() - proxy.started_wall_s)}s"
    return json_response(
        {
            "version": version_text(),
            "state": proxy.state,
            "uptime_current_epoch": uptime,
            "uptime_all_epochs": uptime,
            "hot_restart_version": "disabled",
            "command_line_options": command_line_options(proxy),
            "node": node(proxy),
        }
    )


def command_line_options(proxy: Proxy) -> dict[str, Any]:
    """The options under the names of envoy.admin.v3.CommandLineOptions."""
    options = proxy.options
    accepted = set(options.accepted)
    return {
        "base_id": "0",
        "concurrency": options.concurrency,
        "config_path": options.config_path,
        "config_yaml": options.config_yaml,
        "allow_unknown_static_fields": "--allow-unknown-static-fields" in accepted,
        "admin_address_path": options.admin_address_path,
        "local_address_ip_version": "v4",
        "log_level": options.log_level,
        "component_log_level": options.component_log_level,
        "log_format": options.log_format or DEFAULT_FORMAT,
        "log_path": options.log_path,
        "service_cluster": options.service_cluster,
        "service_node": options.service_node,
        "service_zone": options.service_zone,
        "file_flush_interval": f"{options.file_flush_interval_s:g}s",
        "drain_time": f"{options.drain_time_s:g}s",
        "parent_shutdown_time": "900s",
        "mode": "Serve",
        "disable_hot_restart": True,
        "restart_epoch": 0,
        "reject_unknown_dynamic_fields": "--reject-unknown-dynamic-fields" in accepted,
        "ignore_unknown_dynamic_fields": "--ignore-unknown-dynamic-fields" in accepted,
        "drain_strategy": "Immediate" if options.drain_immediately else "Gradual",
        "stats_tag": [f"{name}:{value}" for name, value in options.stats_tags],
        "file_flush_min_size": options.file_flush_min_size_kb,
    }


def node(proxy: Proxy) -> dict[str, Any]:
    """The bootstrap's node with what the proxy adds to it."""
    described: dict[str, Any] = message_json(proxy.bootstrap.node)
    described["user_agent_name"] = "envoy"
    major, minor, patch = (int(part) for part in ENVOY_VERSION.split("."))
    described["user_agent_build_version"] = {
        "version": {"major_number": major, "minor_number": minor, "patch": patch},
        "metadata": {"build.type": "RELEASE", "pyvoy.version": VERSION},
    }
    described["extensions"] = [
        {
            "name": item.name,
            "category": "envoy." + CATEGORIES.get(item.category, item.category),
            "type_descriptor": "",
            "disabled": False,
            "type_urls": [item.type_url, *item.route_type_urls],
        }
        for item in REGISTRY.extensions()
    ]
    return described


CATEGORIES = {
    "http_filter": "filters.http",
    "network_filter": "filters.network",
    "listener_filter": "filters.listener",
    "access_logger": "access_loggers",
}
"""Envoy's names of the registry's categories."""


def memory(proxy: Proxy, request: Request) -> Response:
    """Resident memory of all processes; there is no allocator of our own to ask for more."""
    pids = [proxy.supervisor_pid, *(worker.pid for worker in proxy.workers)]
    physical = resident_bytes() + sum(resident_bytes(pid) for pid in pids if pid)
    return json_response(
        {
            "allocated": str(physical),
            "heap_size": str(physical),
            "pageheap_unmapped": "0",
            "pageheap_free": "0",
            "total_thread_cache": "0",
            "total_physical_bytes": str(physical),
        }
    )


def resident_bytes(pid: int | str = "self") -> int:
    """What a process holds in memory that it does not share: summing resident sets would count shared pages twice."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def hot_restart_version(proxy: Proxy, request: Request) -> Response:
    """There is none: sockets outlive workers and a reload needs no second process."""
    return Response("disabled")


def healthcheck_fail(proxy: Proxy, request: Request) -> Response:
    """Answer health checks with failure and make clients leave."""
    proxy.health_failed = True
    proxy.to_workers("health", {"failed": True})
    return Response("OK\n")


def healthcheck_ok(proxy: Proxy, request: Request) -> Response:
    """Take /healthcheck/fail back."""
    proxy.health_failed = False
    proxy.to_workers("health", {"failed": False})
    return Response("OK\n")


def quit_now(proxy: Proxy, request: Request) -> Response:
    """Stop the proxy as SIGTERM does."""
    proxy.send("quit", {})
    return Response("OK\n")


def reopen_logs(proxy: Proxy, request: Request) -> Response:
    """Open application and access logs again, as SIGUSR1 does."""
    proxy.send("reopen_logs", {})
    return Response("OK\n")


def certs(proxy: Proxy, request: Request) -> Response:
    """Certificates of all TLS contexts; what reads them is loaded when somebody asks."""
    from pyvoy.server.pages.certs import certificates

    return certificates(proxy)


def init_dump(proxy: Proxy, request: Request) -> Response:
    """What the proxy waits for before it is live: nothing but its workers."""
    return json_response({})


def unsupported(proxy: Proxy, request: Request) -> Response:
    """Profilers of Envoy's allocator and threads."""
    return Response("this build does not support it; py-spy can look at the processes from outside\n", 501)


PAGES = (
    Page("/ready", ready, "print server state, return 200 if LIVE, otherwise return 503"),
    Page("/server_info", server_info, "print server version/status information"),
    Page("/memory", memory, "print current allocation/heap usage"),
    Page("/hot_restart_version", hot_restart_version, "print the hot restart compatibility version"),
    Page("/healthcheck/fail", healthcheck_fail, "cause the server to fail health checks", mutates=True),
    Page("/healthcheck/ok", healthcheck_ok, "cause the server to pass health checks", mutates=True),
    Page("/quitquitquit", quit_now, "exit the server", mutates=True),
    Page("/reopen_logs", reopen_logs, "reopen access logs", mutates=True),
    Page("/certs", certs, "print certs on machine"),
    Page("/init_dump", init_dump, "dump current Envoy init manager information (experimental)"),
    Page("/contention", unsupported, "dump current Envoy mutex contention stats (if enabled)"),
    Page("/cpuprofiler", unsupported, "enable/disable the CPU profiler", mutates=True),
    Page("/heapprofiler", unsupported, "enable/disable the heap profiler", mutates=True),
)
