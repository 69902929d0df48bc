"""redact_json beside Envoy: fields of JSON responses that nobody outside must see."""

import json
from collections.abc import Mapping
from typing import Any

from pyvoy.bench.ext_proc.processor import Change, Processor

HIDDEN = "***"
FIELDS = frozenset(("password", "token", "ssn"))


class RedactJson(Processor):
    """Envoy buffers every response: what is JSON is known here, when its headers have come."""

    def __init__(self) -> None:
        self._json = False

    def on_response_headers(self, headers: Mapping[str, str]) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        self._json = kind == "application/json" and "content-encoding" not in headers

    def on_response_body(self, body: bytes) -> Change | None:
        try:
            data = json.loads(body) if self._json else None
        except ValueError:
            return None
        if not hide(data):
            return None
        text = json.dumps(data, separators=(",", ":")).encode()
        return Change(body=text, set={"content-length": str(len(text))})


def hide(data: Any) -> bool:
    """Hide the fields below; whether there were any."""
    found = False
    if isinstance(data, dict):
        for key, value in data.items():
            if key in FIELDS:
                data[key] = HIDDEN
                found = True
            else:
                found = hide(value) or found
    elif isinstance(data, list):
        for item in data:
            found = hide(item) or found
    return found
