"""Envoy's command line flags as data: those that mean something here and those that are accepted for compatibility.

Source: `envoy --help` of 1.40.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from pyvoy.server.logs import LEVELS, LogError, level_number, parse_components
from pyvoy.server.options import Options

ACCEPTED_WITH_VALUE = {
    "--base-id": "",
    "--base-id-path": "",
    "--disable-extensions": "",
    "--local-address-ip-version": "",
    "--parent-shutdown-time-s": "",
    "--restart-epoch": "",
    "--socket-mode": "",
    "--socket-path": "",
}
"""Flags with a value that change nothing: pyvoy has no hot restart and no extension to disable at start."""

ACCEPTED = (
    "--allow-unknown-fields",
    "--allow-unknown-static-fields",
    "--cpuset-threads",
    "--disable-hot-restart",
    "--enable-core-dump",
    "--enable-fine-grain-logging",
    "--enable-mutex-tracing",
    "--ignore-unknown-dynamic-fields",
    "--log-format-escaped",
    "--log-stacktrace-single-entry",
    "--reject-unknown-dynamic-fields",
    "--skip-deprecated-logs",
    "--skip-hot-restart-on-no-parent",
    "--skip-hot-restart-parent-stats",
    "--use-dynamic-base-id",
)
"""Flags without a value that are accepted and change nothing."""


class FlagError(Exception):
    """A flag's value cannot be used; the text is Envoy's."""


def add_configuration(parser: argparse.ArgumentParser) -> None:
    """The flags that say what to load."""
    group = parser.add_argument_group("configuration")
    group.add_argument("-c", "--config-path", metavar="FILE", default="", help="bootstrap, YAML or JSON")
    group.add_argument("--config-yaml", metavar="TEXT", default="", help="bootstrap as text, merged over the file")
    group.add_argument("--service-node", metavar="ID", default="", help="node id, where the bootstrap has none")
    group.add_argument("--service-cluster", metavar="NAME", default="", help="node cluster, likewise")
    group.add_argument("--service-zone", metavar="NAME", default="", help="node zone, likewise")


def add_running(parser: argparse.ArgumentParser) -> None:
    """The flags that say how to run."""
    group = parser.add_argument_group("running")
    group.add_argument("--concurrency", metavar="N", type=int, help="worker processes (default: the cores)")
    group.add_argument("--drain-time-s", metavar="S", type=float, help="what SIGTERM leaves to requests (default: 5)")
    group.add_argument(
        "--drain-strategy", metavar="HOW", default="gradual", help="/drain_listeners: gradual (default) or immediate"
    )
    group.add_argument("--admin-address-path", metavar="FILE", default="", help="write the admin's address there")
    group.add_argument("--stats-tag", metavar="TAG:VALUE", action="append", default=[], help="a tag for all stats")
    group.add_argument("--file-flush-interval-msec", metavar="MS", type=int, default=10000, help="access log flush")
    group.add_argument("--file-flush-min-size-kb", metavar="KB", type=int, default=64, help="access log buffer")


def add_logging(parser: argparse.ArgumentParser) -> None:
    """The flags of the application log."""
    group = parser.add_argument_group("logging")
    levels = " ".join(name for name in LEVELS if name != "warn")
    group.add_argument("-l", "--log-level", metavar="LEVEL", default="info", help=levels)
    group.add_argument("--component-log-level", metavar="LIST", default="", help="such as upstream:debug,http:trace")
    group.add_argument("--log-path", metavar="FILE", default="", help="instead of standard error; SIGUSR1 reopens it")
    group.add_argument("--log-format", metavar="PATTERN", default="", help="spdlog pattern")


def add_accepted(parser: argparse.ArgumentParser) -> None:
    """The flags that are accepted and change nothing; they are not shown one by one."""
    for flag in ACCEPTED_WITH_VALUE:
        parser.add_argument(flag, dest="accepted", action=_Accept, help=argparse.SUPPRESS)
    for flag in ACCEPTED:
        parser.add_argument(flag, dest="accepted", action=_Accept, nargs=0, help=argparse.SUPPRESS)


class _Accept(argparse.Action):
    """Remembers that the flag was given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[object] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.accepted = [*(getattr(namespace, "accepted", None) or []), option_string]


def options_from(args: argparse.Namespace) -> Options:
    """The options of a parsed command line.  Raises FlagError."""
    try:
        level_number(args.log_level)
        parse_components(args.component_log_level)
    except LogError as error:
        raise FlagError(str(error)) from None
    if args.drain_strategy not in ("gradual", "immediate"):
        raise FlagError(f"error: unknown drain-strategy '{args.drain_strategy}'")
    return Options(
        config_path=args.config_path,
        config_yaml=args.config_yaml,
        concurrency=_concurrency(args.concurrency),
        log_level=args.log_level,
        component_log_level=args.component_log_level,
        log_format=args.log_format,
        log_path=args.log_path,
        service_node=args.service_node,
        service_cluster=args.service_cluster,
        service_zone=args.service_zone,
        admin_address_path=args.admin_address_path,
        drain_time_s=5.0 if args.drain_time_s is None else args.drain_time_s,
        drain_immediately=args.drain_strategy == "immediate",
        file_flush_interval_s=args.file_flush_interval_msec / 1000,
        file_flush_min_size_kb=args.file_flush_min_size_kb,
        stats_tags=tuple(_tag(text) for text in args.stats_tag),
        dev=getattr(args, "dev", False),
        trace=getattr(args, "dev", False) or getattr(args, "trace", False),
        accepted=tuple(args.accepted or ()),
    )


def _concurrency(given: int | None) -> int:
    """As many workers as asked for, at least one; by default one for each core that this process may use."""
    if given is None:
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, given)


def _tag(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.isalnum() or not value or "." in value:
        raise FlagError(f"error: misformatted stats-tag '{text}'")
    return name, value
