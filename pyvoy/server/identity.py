"""What the proxy says it is: version texts of --version, /server_info and the stats.

Source: Envoy, VersionInfo (`revision/version/status/type/tls library`).
"""

from __future__ import annotations

import platform

from pyvoy.version import ENVOY_VERSION, VERSION


def version_text() -> str:
    """Five parts as Envoy has them: ours, the Envoy release that is followed, and the interpreter at the end."""
    return (
        f"pyvoy-{VERSION}/{ENVOY_VERSION}/Clean/RELEASE/{platform.python_implementation()}-{platform.python_version()}"
    )


def version_number() -> int:
    """The value of the gauge `server.version`, made from our version as Envoy makes it from its revision."""
    major, minor, patch = (int(part) for part in VERSION.split(".")[:3])
    return major << 16 | minor << 8 | patch
