"""GrpcService messages: which server a filter asks, and the headers that such servers send as protobuf.

Only `envoy_grpc` is there; `google_grpc`, a second gRPC stack, is reported at load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import supports
from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.extensions.http_call import CallOptions, CallRefused
from pyvoy.http.headers import HeaderMap, Pair

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host

supports("envoy.config.core.v3.GrpcService", "envoy_grpc timeout initial_metadata")
supports("envoy.config.core.v3.GrpcService.EnvoyGrpc", "cluster_name authority", tuning="skip_envoy_headers")
supports("envoy.config.core.v3.HeaderValue", "key value")

_V3 = 2


@dataclass(slots=True, frozen=True, eq=False)
class GrpcServer:
    """A server that unary calls go to; `timeout_s` 0 is none."""

    host: Host
    cluster: str
    authority: str
    metadata: tuple[Pair, ...]
    timeout_s: float

    async def call(self, service: str, method: str, request: Any, response_type: Any) -> Any:
        """The response to a message; None when there is none."""
        from google.protobuf.message import DecodeError

        try:
            result = await self.host.fetch_grpc(
                self.cluster,
                service,
                method,
                request.SerializeToString(),
                metadata=HeaderMap(self.metadata),
                authority=self.authority,
                options=CallOptions(timeout_s=self.timeout_s),
            )
            if result.status is not GrpcStatus.OK:
                return None
            return response_type.FromString(result.response)
        except (CallRefused, DecodeError):
            return None


def grpc_server(message: Any, context: Context, timeout_s: float) -> GrpcServer:
    """The server of a GrpcService; `context` stands at it."""
    from pyvoy.extensions.host import Host

    grpc = message.envoy_grpc
    context.at("envoy_grpc").unknown_cluster("cluster_name", grpc.cluster_name)
    metadata = tuple((each.key.lower().encode(), each.value.encode()) for each in message.initial_metadata)
    host = Host.of(context, context.scope, "filter")
    return GrpcServer(host, grpc.cluster_name, grpc.authority, metadata, timeout_s)


def check_version(message: Any, context: Context) -> None:
    """Report any `transport_api_version` but V3."""
    if message.transport_api_version != _V3:
        context.error("transport_api_version", "has to be V3")


def header_value(header: Any) -> bytes:
    """The value of a HeaderValue, whichever way it is sent."""
    return bytes(header.raw_value) or str(header.value).encode()
