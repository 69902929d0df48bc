"""/runtime and /runtime_modify.

Source: Envoy 1.40, RuntimeHandler.
"""

from __future__ import annotations

import json
from typing import Any

from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy, json_response, message_json


def runtime(proxy: Proxy, request: Request) -> Response:
    """Every key with its value in each layer and the one that counts."""
    layers = list(proxy.bootstrap.layered_runtime.layers)
    values = layer_values(proxy.bootstrap)
    entries: dict[str, Any] = {}
    for key in sorted({key for layer in values for key in layer}):
        row = [_text(layer[key]) if key in layer else "" for layer in values]
        final = next((text for text in reversed(row) if text), "")
        entries[key] = {"final_value": final, "layer_values": row}
    return json_response({"entries": entries, "layers": [layer.name for layer in layers]})


def layer_values(bootstrap: Any) -> list[dict[str, Any]]:
    """The flattened keys of each layer."""
    return [_flatten(message_json(layer.static_layer)) for layer in bootstrap.layered_runtime.layers]


def _flatten(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        # A fraction stays one value, as in Envoy.
        if isinstance(inner, dict) and not {"numerator", "denominator"} & inner.keys():
            flat |= _flatten(inner, f"{prefix}{key}.")
        else:
            flat[prefix + key] = inner
    return flat


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dict):
        return json.dumps(
            {
                key: json.loads(_text(inner)) if isinstance(inner, float) else inner
                for key, inner in sorted(value.items())
            }
        )
    return str(value)


def runtime_modify(proxy: Proxy, request: Request) -> Response:
    """There is no admin layer to write to."""
    if not request.query:
        usage = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n"
        usage += (
            "       or send the parameters as form values\nuse an empty value to remove a previously added override"
        )
        return Response(usage + "\n", 400)
    return Response("No admin layer specified", 503)


PAGES = (
    Page("/runtime", runtime, "print runtime values"),
    Page(
        "/runtime_modify",
        runtime_modify,
        "Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty "
        "string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from "
        "disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...",
        mutates=True,
    ),
)
