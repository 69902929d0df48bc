"""What Python filters of all kinds have in common: where the code is and what happens when it fails.

message Code: exactly one of `module` (a dotted name that can be imported), `filename`, `inline_string`.
enum FailurePolicy: FAIL_CLOSED (the default) answers 500 or closes the connection, FAIL_OPEN goes on without the
filter, FAIL_RELOAD fails closed and loads the code anew for the next stream.
"""

from pyvoy.config.protos.define import define

define(
    """
    name: "pyvoy/extensions/python/v1/python.proto"
    package: "pyvoy.extensions.python.v1"
    syntax: "proto3"
    message_type {
      name: "Code"
      field { name: "module" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
      field { name: "filename" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
      field { name: "inline_string" number: 3 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0 }
      oneof_decl { name: "specifier" }
    }
    enum_type {
      name: "FailurePolicy"
      value { name: "FAIL_CLOSED" number: 0 }
      value { name: "FAIL_OPEN" number: 1 }
      value { name: "FAIL_RELOAD" number: 2 }
    }
    """,
    globals(),
)
