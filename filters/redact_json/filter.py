"""redact_json: fields of JSON responses that nobody outside must see."""

import json
from dataclasses import dataclass, field
from typing import Any

from pyvoy.api import Filter, UpstreamResponse

HIDDEN = "***"


@dataclass
class Config:
    """`fields` are hidden wherever they stand, whatever they hold."""

    fields: frozenset[str] = field(default_factory=lambda: frozenset(("password", "token", "ssn")))


class RedactJson(Filter):
    """Buffers JSON responses up to the connection's buffer limit; other responses flow past."""

    config: Config

    async def on_response(self, response: UpstreamResponse) -> None:
        kind = (response.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json" or "content-encoding" in response.headers:
            return
        try:
            data = await response.json()
        except ValueError:
            return
        if self._hide(data):
            self.counter("redacted").inc()
            response.set_body(json.dumps(data, separators=(",", ":")))

    def _hide(self, data: Any) -> bool:
        """Hide the fields below; whether there were any."""
        found = False
        if isinstance(data, dict):
            for key, value in data.items():
                if key in self.config.fields:
                    data[key] = HIDDEN
                    found = True
                else:
                    found = self._hide(value) or found
        elif isinstance(data, list):
            for item in data:
                found = self._hide(item) or found
        return found
