"""GrpcHttp1ReverseBridge: messages are in the parity cases; here are its manners, however the events come."""

from __future__ import annotations

from pyvoy.filters.http.grpc_http1_reverse_bridge import GrpcHttp1ReverseBridge
from pyvoy.testing.contract import check_http_filter

REQUEST = {":method": "POST", "content-type": "application/grpc"}
ANSWER = {"content-type": "a/b", "x-size": "40"}


def test_contract_of_requests_that_pass() -> None:
    check_http_filter(GrpcHttp1ReverseBridge, "{content_type: a/b}")


def test_contract_of_calls() -> None:
    for fields in ("", ", withhold_grpc_frames: true", ", withhold_grpc_frames: true, response_size_header: x-size"):
        check_http_filter(
            GrpcHttp1ReverseBridge,
            f"{{content_type: a/b{fields}}}",
            request_headers=REQUEST,
            response_headers=ANSWER,
            same_in_pieces=False,
        )
