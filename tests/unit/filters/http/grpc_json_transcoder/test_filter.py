"""The filter's manners, however events come.  What it does to messages is in the parity cases."""

from __future__ import annotations

from base64 import b64encode

from pyvoy.filters.http.grpc_json_transcoder.filter import GrpcJsonTranscoder
from pyvoy.testing.contract import check_http_filter
from tests.support.protos import descriptor_set, package

ECHO = package(
    "tiny",
    {"Text": "string text = 1"},
    services={"Echo": {"Echo": ("Text", "stream Text", {"post": "/echo", "body": "text"})}},
    imports=(),
)
CONFIG = f"{{proto_descriptor_bin: {b64encode(descriptor_set(ECHO, imports=())).decode()}, services: [tiny.Echo]}}"
ANSWER = {"content-type": "application/grpc"}


def test_contract_of_requests_that_pass():
    check_http_filter(GrpcJsonTranscoder, CONFIG)


def test_contract_of_calls():
    request = {":method": "POST", ":path": "/echo", "content-type": "application/json"}
    check_http_filter(
        GrpcJsonTranscoder, CONFIG, request_headers=request, response_headers=ANSWER, same_in_pieces=False
    )
