"""What the command line decides, as the processes see it: plain values, made once by `pyvoy.cli`.

Source: Envoy's command line; the defaults that differ say why.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Options:
    """One run.  `config_path` and `config_yaml` may both be given: the second is merged over the first.

    `dev`: changed files are reloaded, and what goes wrong in extensions is told to clients.  `trace`: requests that ask
    for it are traced through the filters.
    `drain_time_s` is how long requests in flight may take after SIGTERM: 5 s instead of Envoy's 600, because a sidecar
    that lingers holds up its pod.  `accepted` are flags that were given and mean nothing here."""

    config_path: str = ""
    config_yaml: str = ""
    concurrency: int = 1
    log_level: str = "info"
    component_log_level: str = ""
    log_format: str = ""
    log_path: str = ""
    service_node: str = ""
    service_cluster: str = ""
    service_zone: str = ""
    admin_address_path: str = ""
    drain_time_s: float = 5.0
    drain_immediately: bool = False
    file_flush_interval_s: float = 10.0
    file_flush_min_size_kb: int = 64
    stats_tags: tuple[tuple[str, str], ...] = ()
    restart_epoch: int = 0
    base_id: int = 0
    reject_unknown_dynamic_fields: bool = False
    ignore_unknown_dynamic_fields: bool = False
    allow_unknown_static_fields: bool = False
    skip_deprecated_logs: bool = False
    disabled_extensions: tuple[str, ...] = ()
    local_address_ip_version: str = "v4"
    dev: bool = False
    trace: bool = False
    accepted: tuple[str, ...] = field(default=())
