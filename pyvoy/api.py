"""Everything that a filter in Python needs: `from pyvoy.api import Filter, Response`.

`Filter` is the upper level (whole requests and responses), `StreamFilter` the lower one (events), `NetworkFilter` is
for connections.  See docs/python-filters.md.
"""

from pyvoy.extensions.encoding import base64_decode, base64_encode, timestamp_text
from pyvoy.extensions.grpc_call import GrpcResult, GrpcStatus
from pyvoy.extensions.grpc_stream import GrpcCallStream, GrpcEnd, GrpcEvents
from pyvoy.extensions.host import Host, SharedData, SharedQueue
from pyvoy.extensions.http_call import CallOptions, CallRefused, CallResult, Failure, UnknownCluster
from pyvoy.extensions.native.answers import Answer, CallFailed, GrpcAnswer, GrpcFailed
from pyvoy.extensions.native.filters import Filter, StreamFilter
from pyvoy.extensions.native.grpc_stream import GrpcStream
from pyvoy.extensions.native.headers import Headers
from pyvoy.extensions.native.messages import BodyGone, Request, Response, UpstreamResponse
from pyvoy.extensions.native.network import NetworkFilter
from pyvoy.extensions.stream_facts import (
    filter_state,
    metadata,
    override_upstream_host,
    route_metadata,
    set_filter_state,
    set_metadata,
)
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import (
    CONTINUE,
    STOP,
    STOP_AND_BUFFER,
    STOP_AND_WATERMARK,
    LocalReply,
    Stream,
    Verdict,
)
from pyvoy.network.network_filter import CloseType, Connection
from pyvoy.server.local_store import ABSENT, StoreFull

__all__ = [
    "ABSENT",
    "CONTINUE",
    "STOP",
    "STOP_AND_BUFFER",
    "STOP_AND_WATERMARK",
    "Answer",
    "BodyGone",
    "CallFailed",
    "CallOptions",
    "CallRefused",
    "CallResult",
    "CloseType",
    "Connection",
    "Failure",
    "Filter",
    "GrpcAnswer",
    "GrpcCallStream",
    "GrpcEnd",
    "GrpcEvents",
    "GrpcFailed",
    "GrpcResult",
    "GrpcStatus",
    "GrpcStream",
    "HeaderMap",
    "Headers",
    "Host",
    "LocalReply",
    "NetworkFilter",
    "Request",
    "Response",
    "SharedData",
    "SharedQueue",
    "StoreFull",
    "Stream",
    "StreamFilter",
    "UnknownCluster",
    "UpstreamResponse",
    "Verdict",
    "base64_decode",
    "base64_encode",
    "filter_state",
    "metadata",
    "override_upstream_host",
    "route_metadata",
    "set_filter_state",
    "set_metadata",
    "timestamp_text",
]
