"""What pyvoy can do for Lua scripts beyond Envoy: the fields of the metadata `pyvoy.lua` of a listener.

message Options: `failure_policy`; `max_instructions` between two waits of a script (0: no limit, and compiled code);
`max_memory_bytes` of a state (0: no limit); `sandbox` closes io, os, package, debug and ffi;
`explain_errors` names the earlier call that made one illegal; `log_tracebacks`.
enum FailurePolicy: FAIL_OPEN (the default, and Envoy's way) goes on without the script, FAIL_CLOSED answers 500,
FAIL_RELOAD fails closed and loads the script anew for the next stream.
"""

from pyvoy.config.protos.define import define

define(
    """
    name: "pyvoy/extensions/lua/v1/lua.proto"
    package: "pyvoy.extensions.lua.v1"
    syntax: "proto3"
    message_type {
      name: "Options"
      field {
        name: "failure_policy" number: 1 type: TYPE_ENUM type_name: ".pyvoy.extensions.lua.v1.FailurePolicy"
        label: LABEL_OPTIONAL
      }
      field { name: "max_instructions" number: 2 type: TYPE_UINT32 label: LABEL_OPTIONAL }
      field { name: "max_memory_bytes" number: 3 type: TYPE_UINT64 label: LABEL_OPTIONAL }
      field { name: "sandbox" number: 4 type: TYPE_BOOL label: LABEL_OPTIONAL }
      field { name: "explain_errors" number: 5 type: TYPE_BOOL label: LABEL_OPTIONAL }
      field { name: "log_tracebacks" number: 6 type: TYPE_BOOL label: LABEL_OPTIONAL }
    }
    enum_type {
      name: "FailurePolicy"
      value { name: "FAIL_OPEN" number: 0 }
      value { name: "FAIL_CLOSED" number: 1 }
      value { name: "FAIL_RELOAD" number: 2 }
    }
    """,
    globals(),
)
