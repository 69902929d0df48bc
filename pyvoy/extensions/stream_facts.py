"""What extensions write about a stream, with the checks that the language adapters share.

Reading is `attributes.py`'s.  What can be set: dynamic metadata, filter state, the host that the router must take.
Source: Envoy's StreamInfo (metadata merges by key), Proxy-Wasm `set_property`, Lua's `setUpstreamOverrideHost`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any


class NotSettable(Exception):
    """There is no such attribute, or it can only be read."""


def set_metadata(stream: Any, namespace: str, key: str, value: Any) -> None:
    """Put a value (None, bool, number, str, list, dict) into the stream's dynamic metadata."""
    stream.info.dynamic_metadata.setdefault(namespace, {})[key] = value


def metadata(stream: Any, namespace: str) -> Mapping[str, Any]:
    """The stream's dynamic metadata of a namespace; empty when there is none."""
    found: Mapping[str, Any] = stream.info.dynamic_metadata.get(namespace, {})
    return found


def route_metadata(stream: Any, namespace: str) -> Mapping[str, Any]:
    """The metadata of the stream's route; empty when there is none."""
    route = stream.route
    found: Mapping[str, Any] = {} if route is None or not route.metadata else route.metadata.get(namespace, {})
    return found


def filter_state(stream: Any, name: str) -> Any:
    """A named object of the stream, else of its connection; None when there is none."""
    found = stream.info.filter_state.get(name)
    return stream.connection.filter_state.get(name) if found is None else found


def set_filter_state(stream: Any, name: str, value: Any) -> None:
    """Put a named object into the stream's filter state."""
    stream.info.filter_state[name] = value


def set_attribute(stream: Any, path: Sequence[str], value: Any) -> None:
    """Set `metadata.<namespace>.<key>` or `filter_state.<name>`.  Raises NotSettable for everything else."""
    if len(path) == 3 and path[0] == "metadata":
        set_metadata(stream, path[1], path[2], value)
    elif len(path) >= 2 and path[0] == "filter_state":
        set_filter_state(stream, ".".join(path[1:]), value)
    else:
        raise NotSettable(f"{'.'.join(path)!r} cannot be set")


def override_upstream_host(stream: Any, address: str, *, strict: bool = False) -> None:
    """Have the router take this host (`10.0.0.1:80`, `[::1]:80`, or an address without a port).

    When the cluster does not have it, `strict` ends in 503 and the default in the balancer's choice.
    Raises ValueError for what is no IP address."""
    ip, port = address, ""
    if address.startswith("["):
        ip, _, port = address[1:].partition("]")
        port = port.removeprefix(":")
    elif address.count(":") == 1:
        ip, _, port = address.partition(":")
    try:
        ipaddress.ip_address(ip)
        if port and not 0 <= int(port) <= 65535:
            raise ValueError
    except ValueError:
        raise ValueError("host is not a valid IP address") from None
    stream.upstream_override_host = (address, strict)
