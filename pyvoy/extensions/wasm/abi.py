"""The numbers and names of the Proxy-Wasm ABI: statuses, map, buffer, stream and metric types, and the callbacks.

Source: Proxy-Wasm specification 0.1.0, 0.2.0 and 0.2.1.
"""

from __future__ import annotations

OK = 0
NOT_FOUND = 1
BAD_ARGUMENT = 2
SERIALIZATION_FAILURE = 3
PARSE_FAILURE = 4
BAD_EXPRESSION = 5
INVALID_MEMORY_ACCESS = 6
EMPTY = 7
CAS_MISMATCH = 8
INTERNAL_FAILURE = 10
BROKEN_CONNECTION = 11
UNIMPLEMENTED = 12

REQUEST_HEADERS = 0
REQUEST_TRAILERS = 1
RESPONSE_HEADERS = 2
RESPONSE_TRAILERS = 3
GRPC_INITIAL_METADATA = 4
GRPC_TRAILING_METADATA = 5
CALL_HEADERS = 6
CALL_TRAILERS = 7
LAST_MAP = CALL_TRAILERS

REQUEST_BODY = 0
RESPONSE_BODY = 1
DOWNSTREAM_DATA = 2
UPSTREAM_DATA = 3
CALL_BODY = 4
GRPC_MESSAGE = 5
VM_CONFIGURATION = 6
PLUGIN_CONFIGURATION = 7
FOREIGN_ARGUMENTS = 8
LAST_BUFFER = FOREIGN_ARGUMENTS

REQUEST_STREAM = 0
RESPONSE_STREAM = 1
DOWNSTREAM = 2
UPSTREAM = 3

COUNTER = 0
GAUGE = 1
HISTOGRAM = 2

CLOSED_UNKNOWN = 0
CLOSED_LOCAL = 1
CLOSED_REMOTE = 2

VERSIONS = ("0.1.0", "0.2.0", "0.2.1")
_MARKERS = {f"proxy_abi_version_{version.replace('.', '_')}": version for version in VERSIONS}

_TWO_OR_THREE = ("ii>i", "iii>i")
CALLBACKS: dict[str, tuple[str, ...]] = {
    "proxy_on_vm_start": ("ii>i",),
    "proxy_validate_configuration": ("ii>i",),
    "proxy_on_configure": ("ii>i",),
    "proxy_on_tick": ("i>",),
    "proxy_on_queue_ready": ("ii>",),
    "proxy_on_foreign_function": ("iii>",),
    "proxy_on_context_create": ("ii>",),
    "proxy_on_new_connection": ("i>i",),
    "proxy_on_downstream_data": ("iii>i",),
    "proxy_on_upstream_data": ("iii>i",),
    "proxy_on_downstream_connection_close": ("ii>",),
    "proxy_on_upstream_connection_close": ("ii>",),
    "proxy_on_request_headers": _TWO_OR_THREE,
    "proxy_on_request_body": ("iii>i",),
    "proxy_on_request_trailers": ("ii>i",),
    "proxy_on_request_metadata": ("ii>i",),
    "proxy_on_response_headers": _TWO_OR_THREE,
    "proxy_on_response_body": ("iii>i",),
    "proxy_on_response_trailers": ("ii>i",),
    "proxy_on_response_metadata": ("ii>i",),
    "proxy_on_http_call_response": ("iiiii>",),
    "proxy_on_grpc_receive_initial_metadata": ("iii>",),
    "proxy_on_grpc_receive": ("iii>",),
    "proxy_on_grpc_receive_trailing_metadata": ("iii>",),
    "proxy_on_grpc_close": ("iii>",),
    "proxy_on_done": ("i>i",),
    "proxy_on_log": ("i>",),
    "proxy_on_delete": ("i>",),
    "envoy_on_resolve_dns": ("iii>",),
}
"""What a host calls, with the signatures it may have: two parameters for headers are 0.1.0's, the third is the end of
the stream.  The arity that is found counts, not the version: some SDKs of 2020 say 0.1.0 and export three."""


_ENTRIES: dict[str, tuple[str, ...]] = {"_initialize": (">",), "_start": (">",), "__main_void": (">i", ">")}
"""Where a module begins.  `main` is called only if it has the signature of C's."""


def version_of(exports: dict[str, str]) -> str | None:
    """The ABI version that the exports announce: the first marker counts, as in Envoy."""
    return next((_MARKERS[name] for name in exports if name in _MARKERS), None)


def unknown_version(exports: dict[str, str]) -> str:
    """What a module exports in place of a version that is known, or ""."""
    return next((name for name in exports if name.startswith("proxy_abi_version_") and name not in _MARKERS), "")


def wrong_signatures(exports: dict[str, str]) -> list[str]:
    """Callbacks and entry points that are exported with a signature that no version of the ABI has."""
    known = {**CALLBACKS, **_ENTRIES}
    return [name for name, allowed in known.items() if name in exports and exports[name] not in allowed]
