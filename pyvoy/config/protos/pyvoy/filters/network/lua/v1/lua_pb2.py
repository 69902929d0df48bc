"""A network (L4) filter written in Lua.

message Lua: `source_code`, the script; `stat_prefix`.
"""

import envoy.config.core.v3.base_pb2  # noqa: F401  # a dependency of the file below

from pyvoy.config.protos.define import define

define(
    """
    name: "pyvoy/filters/network/lua/v1/lua.proto"
    package: "pyvoy.filters.network.lua.v1"
    syntax: "proto3"
    dependency: "envoy/config/core/v3/base.proto"
    message_type {
      name: "Lua"
      field {
        name: "source_code" number: 1 type: TYPE_MESSAGE type_name: ".envoy.config.core.v3.DataSource"
        label: LABEL_OPTIONAL
      }
      field { name: "stat_prefix" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
    }
    """,
    globals(),
)
