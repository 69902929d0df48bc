"""The service that a module wants to call over gRPC: the name of a cluster, or a serialized GrpcService that names one.

Source: Envoy's Wasm Context (grpcCall, grpcStream) and the message envoy.config.core.v3.GrpcService.
"""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[bytes, bytes]


class NoService(ValueError):
    """The bytes are no GrpcService."""


@dataclass(slots=True, frozen=True)
class GrpcTarget:
    """Where a call goes.  `cluster` is empty for a service that is reached without a cluster (google_grpc)."""

    cluster: str
    authority: str = ""
    metadata: tuple[Pair, ...] = ()


def parse(data: bytes) -> GrpcTarget:
    """What a GrpcService says.  Raises NoService.

    Its time-out and retry policy do not count for calls of modules: in Envoy the call's own time-out does."""
    from envoy.config.core.v3.grpc_service_pb2 import GrpcService
    from google.protobuf.message import DecodeError

    message = GrpcService()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise NoService("not a GrpcService") from None
    metadata = tuple(
        (field.key.lower().encode(), field.raw_value or field.value.encode()) for field in message.initial_metadata
    )
    return GrpcTarget(message.envoy_grpc.cluster_name, message.envoy_grpc.authority, metadata)
