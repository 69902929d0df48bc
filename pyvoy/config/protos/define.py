"""Our own message types, from a description in protobuf's text form.

So there is no compiler and no generated code that is bound to one version of the library.  A module that calls `define`
looks like a generated one to `message_types`.
"""

from __future__ import annotations

from typing import Any


def define(description: str, namespace: dict[str, Any]) -> None:
    """Put the file, its messages and enums (google.protobuf.FileDescriptorProto in text form) into a module's names."""
    from google.protobuf import descriptor_pb2, descriptor_pool, text_format
    from google.protobuf.internal import builder

    file = text_format.Parse(description, descriptor_pb2.FileDescriptorProto())
    found = descriptor_pool.Default().AddSerializedFile(file.SerializeToString())
    namespace["DESCRIPTOR"] = found
    builder.BuildMessageAndEnumDescriptors(found, namespace)
    builder.BuildTopDescriptorsAndMessages(found, namespace["__name__"], namespace)
