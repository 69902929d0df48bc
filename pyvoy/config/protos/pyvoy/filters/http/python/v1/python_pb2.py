"""An HTTP filter written in Python.

message Python: `code`; `class`, which may be left out when the code has one filter; `config`, which the class' dataclass
describes; `failure_policy`; `stat_prefix`, by default the class' name.  On a route it stands in the place of the
listener's filter.
message PythonPerRoute: `config` in place of the filter's own, for the requests of a route.
"""

import google.protobuf.struct_pb2

import pyvoy.config.protos.pyvoy.extensions.python.v1.python_pb2  # noqa: F401  # a dependency of the file below
from pyvoy.config.protos.define import define

define(
    """
    name: "pyvoy/filters/http/python/v1/python.proto"
    package: "pyvoy.filters.http.python.v1"
    syntax: "proto3"
    dependency: "google/protobuf/struct.proto"
    dependency: "pyvoy/extensions/python/v1/python.proto"
    message_type {
      name: "Python"
      field {
        name: "code" number: 1 type: TYPE_MESSAGE type_name: ".pyvoy.extensions.python.v1.Code" label: LABEL_OPTIONAL
      }
      field { name: "class" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL }
      field {
        name: "config" number: 3 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL
      }
      field {
        name: "failure_policy" number: 4 type: TYPE_ENUM type_name: ".pyvoy.extensions.python.v1.FailurePolicy"
        label: LABEL_OPTIONAL
      }
      field { name: "stat_prefix" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL }
    }
    message_type {
      name: "PythonPerRoute"
      field {
        name: "config" number: 1 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL
      }
    }
    """,
    globals(),
)
