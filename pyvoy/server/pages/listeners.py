"""/listeners and /drain_listeners.

Source: Envoy 1.40, ListenersHandler.
"""

from __future__ import annotations

from typing import Any

from pyvoy.network.address import Address
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.listen_specs import listener_name
from pyvoy.server.pages.clusters import address_json
from pyvoy.server.pages.page import Page, Proxy, json_response

_INBOUND = 1


def listeners(proxy: Proxy, request: Request) -> Response:
    """Every listener with its real addresses; JSON with `format=json`."""
    if request.query.get("format") == "json":
        return json_response({"listener_statuses": [_json(name, texts) for name, texts in proxy.addresses.items()]})
    return Response("".join(f"{name}::{text}\n" for name, texts in proxy.addresses.items() for text in texts))


def _json(name: str, texts: list[str]) -> dict[str, Any]:
    addresses = [address_json(parse_address(text)) for text in texts]
    status: dict[str, Any] = {"name": name, "local_address": addresses[0]}
    if len(addresses) > 1:
        status["additional_local_addresses"] = addresses[1:]
    return status


def parse_address(text: str) -> Address:
    """The address that was printed as `text`."""
    ip, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or "/" in text or text.startswith("@"):
        return Address("", 0, text)
    return Address(ip.strip("[]"), int(port))


def drain_listeners(proxy: Proxy, request: Request) -> Response:
    """Stop accepting and let connections end; the process stays."""
    query = request.query
    graceful, skip_exit = "graceful" in query, "skip_exit" in query
    time_s = proxy.options.drain_time_s
    names = _names(proxy, inbound_only="inboundonly" in query)
    if graceful or skip_exit:
        proxy.to_workers("drain", {"time_s": time_s, "immediate": proxy.options.drain_immediately})
    if not skip_exit:
        proxy.close_listeners(names, time_s if graceful else 0.0)
    return Response("OK\n")


def _names(proxy: Proxy, *, inbound_only: bool) -> list[str]:
    listeners = proxy.bootstrap.static_resources.listeners
    return [listener_name(one) for one in listeners if not inbound_only or one.traffic_direction == _INBOUND]


PAGES = (
    Page(
        "/listeners",
        listeners,
        "print listener info",
        parameters=(("format", "File format to use; One of (text, json)"),),
    ),
    Page(
        "/drain_listeners",
        drain_listeners,
        "drain listeners",
        mutates=True,
        parameters=(
            (
                "graceful",
                "When draining listeners, enter a graceful drain period prior to closing listeners. "
                "This behaviour and duration is configurable via server options or CLI",
            ),
            (
                "skip_exit",
                "When draining listeners, drain the connections but never stop the listeners. "
                "The graceful parameter has no effect when this is set",
            ),
            (
                "inboundonly",
                "Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener "
                "is used to determine whether a listener is inbound or outbound.",
            ),
        ),
    ),
)
