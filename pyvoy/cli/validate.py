"""Checking a bootstrap and printing what is wrong with it, or what could be in one."""

from __future__ import annotations

import sys

from pyvoy.cli.run import set_up_logs
from pyvoy.server.options import Options


def check(options: Options) -> int:
    """Print every problem; 0 when the configuration can be served.  The last line is Envoy's."""
    from pyvoy.server.application import CheckFailed
    from pyvoy.server.proxy import ProxyApplication

    if not set_up_logs(options):
        return 1
    try:
        checked = ProxyApplication().check(options)
    except CheckFailed as error:
        for line in error.lines:
            print(line, file=sys.stderr)
        print(f"error initializing configuration '{options.config_path}'", file=sys.stderr)
        return 1
    for warning in checked.warnings:
        print(warning, file=sys.stderr)
    print(f"configuration '{options.config_path}' OK")
    return 0


def print_support() -> int:
    """Print the table of supported configuration, generated from the code."""
    from pyvoy.config import coverage, registry

    registry.load_builtin()
    print(coverage.table(registry.REGISTRY))
    return 0
