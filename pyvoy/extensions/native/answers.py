"""What calls to clusters bring, with text where people want text."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from pyvoy.extensions.grpc_call import GrpcResult, GrpcStatus
from pyvoy.extensions.http_call import CallResult, Failure
from pyvoy.extensions.native.headers import Headers
from pyvoy.http.headers import HeaderMap


class CallFailed(Exception):
    """A call to a cluster brought no whole response; `failure` says which way, `result` what Envoy would answer."""

    def __init__(self, cluster: str, result: CallResult) -> None:
        self.failure: Failure = result.failure or Failure.RESET
        self.result = result
        super().__init__(f"call to {cluster}: {self.failure.value} ({result.detail})")


class Answer:
    """The response to a call."""

    __slots__ = ("body", "headers", "status", "trailers")

    def __init__(self, result: CallResult) -> None:
        self.status = result.status
        self.headers = Headers(result.headers)
        self.body = result.body
        self.trailers = None if result.trailers is None else Headers(result.trailers)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON.  Raises ValueError when it is none."""
        return json.loads(self.body)


class GrpcAnswer:
    """What came of a gRPC call; `message` is the status' text, `response` the serialized message when it is `ok`."""

    __slots__ = ("failure", "message", "metadata", "response", "status", "trailing_metadata")

    def __init__(self, result: GrpcResult) -> None:
        self.status = result.status
        self.message = result.message
        self.response = result.response
        self.metadata = Headers(result.initial_metadata)
        self.trailing_metadata = Headers(result.trailing_metadata)
        self.failure = result.failure

    @property
    def ok(self) -> bool:
        """Whether the status is OK."""
        return self.status is GrpcStatus.OK

    def binary(self, name: str) -> list[bytes]:
        """The values of metadata whose name ends in `-bin`, in front of the messages and behind them.

        Raises ValueError for a value that is no base64."""
        return binary(self.metadata, name) + binary(self.trailing_metadata, name)


class GrpcFailed(Exception):
    """A streaming gRPC call is over with another status than OK, or over when something was to be sent."""

    def __init__(self, answer: GrpcAnswer) -> None:
        self.answer = answer
        self.status: GrpcStatus = answer.status
        self.failure: Failure | None = answer.failure
        super().__init__(f"gRPC call: {answer.status.name} {answer.message}".rstrip())


def binary(metadata: Headers, name: str) -> list[bytes]:
    """The values of binary metadata; several may stand in one line, joined by commas, and the padding may be missing.

    Raises ValueError for a value that is no base64."""
    found = metadata.get(name)
    if found is None:
        return []
    parts = [part.strip() for part in found.split(",")]
    return [base64.b64decode(part + "=" * (-len(part) % 4), validate=True) for part in parts]


def metadata_fields(given: Mapping[str, str | bytes] | None) -> HeaderMap:
    """Metadata as it goes out (binary values are encoded on the way)."""
    items = {} if given is None else given
    return HeaderMap(
        [
            (name.lower().encode("latin-1"), value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, value in items.items()
        ]
    )
