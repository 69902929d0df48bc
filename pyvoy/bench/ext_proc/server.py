"""The gRPC server that Envoy's ext_proc asks: `python -m pyvoy.bench.ext_proc.server FORM SOCKET`.

On grpcio's asyncio server, one stream for each request, as most people write it.
Source: envoy/service/ext_proc/v3/external_processor.proto.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from pyvoy.bench.ext_proc.processor import Answer, Change, Processor, load

_EVENTS = {
    "request_headers": "on_request_headers",
    "response_headers": "on_response_headers",
    "response_body": "on_response_body",
}


async def serve(cls: type[Processor], socket: str) -> None:
    """Serve until the process is ended."""
    import grpc
    from envoy.service.ext_proc.v3 import external_processor_pb2 as messages
    from envoy.service.ext_proc.v3 import external_processor_pb2_grpc as services

    class Servicer(services.ExternalProcessorServicer):  # type: ignore[misc] # generated code has no types
        """One processor for each stream."""

        async def Process(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            processor = cls()
            async for request in requests:
                kind = request.WhichOneof("request")
                part = getattr(request, kind)
                given = part.body if kind.endswith("body") else texts(part.headers)
                outcome = getattr(processor, _EVENTS[kind])(given)
                yield response(messages, kind, await outcome if inspect.isawaitable(outcome) else outcome)

    server = grpc.aio.server()
    services.add_ExternalProcessorServicer_to_server(Servicer(), server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    await server.wait_for_termination()


def texts(headers: Any) -> dict[str, str]:
    """Headers by name; Envoy sends values as bytes."""
    return {item.key: item.raw_value.decode("latin-1") or item.value for item in headers.headers}


def response(messages: Any, kind: str, outcome: Change | Answer | None) -> Any:
    """What Envoy is told."""
    found = messages.ProcessingResponse()
    if isinstance(outcome, Answer):
        found.immediate_response.status.code = outcome.status
        found.immediate_response.body = outcome.body.encode()
        _set(found.immediate_response.headers, outcome.headers, "OVERWRITE_IF_EXISTS_OR_ADD")
        return found
    common = getattr(found, kind).response
    common.SetInParent()
    if outcome is None:
        return found
    _set(common.header_mutation, outcome.set, "OVERWRITE_IF_EXISTS_OR_ADD")
    _set(common.header_mutation, outcome.add, "APPEND_IF_EXISTS_OR_ADD")
    common.header_mutation.remove_headers.extend(outcome.remove)
    common.clear_route_cache = outcome.clear_route_cache
    if outcome.body is not None:
        common.body_mutation.body = outcome.body
    return found


def _set(mutation: Any, headers: Any, action: str) -> None:
    for name, value in headers.items():
        option = mutation.set_headers.add()
        option.header.key = name
        option.header.raw_value = value.encode("latin-1")
        option.append_action = option.HeaderAppendAction.Value(action)


if __name__ == "__main__":
    asyncio.run(serve(load(Path(sys.argv[1])), sys.argv[2]))
