"""The book shop's types for tests of this folder."""

from __future__ import annotations

from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool

from pyvoy.filters.http.grpc_json_transcoder.schema import Schema
from tests.support.shop import SET


@cache
def schema() -> Schema:
    """All types of the shop."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(SET).file:
        pool.Add(file)
    return Schema(pool)
