"""What Envoy needs for a form that runs in a gRPC server: the filter's entry, and the server's command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyvoy.bench.ext_proc.processor import events, load

EXT_PROC_CLUSTER = "ext_proc"
MESSAGE_TIMEOUT = "0.5s"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor"


def entry(file: Path, count: int) -> list[dict[str, Any]]:
    """So many ext_proc filters; Envoy sends only the events that the form has."""
    wanted = events(load(file))
    mode = {
        "request_header_mode": "SEND" if "on_request_headers" in wanted else "SKIP",
        "response_header_mode": "SEND" if "on_response_headers" in wanted else "SKIP",
        "request_body_mode": "NONE",
        "response_body_mode": "BUFFERED" if "on_response_body" in wanted else "NONE",
        "request_trailer_mode": "SKIP",
        "response_trailer_mode": "SKIP",
    }
    config = {
        "@type": _TYPE,
        "grpc_service": {"envoy_grpc": {"cluster_name": EXT_PROC_CLUSTER}},
        "processing_mode": mode,
        "message_timeout": MESSAGE_TIMEOUT,
    }
    return [{"name": f"ext_proc-{number}", "typed_config": config} for number in range(count)]


def server_command(file: Path, socket: Path) -> list[str]:
    """The command that serves a form on a Unix socket."""
    return [sys.executable, "-m", "pyvoy.bench.ext_proc.server", str(file), str(socket)]
