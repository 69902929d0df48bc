"""GrpcWeb: what it does to messages is in the parity cases; here are its manners, however the events come."""

from __future__ import annotations

from pyvoy.filters.http.grpc_web import GrpcWeb
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import data, forwarded, forwarded_data, headers, held, play, reply, upstream_cut


def test_contract() -> None:
    check_http_filter(GrpcWeb, "")


def test_a_text_request_is_decoded_however_it_is_cut() -> None:
    p = play(GrpcWeb, "") >> headers("POST", "/s/m", content_type="application/grpc-web-text")
    p << forwarded(content_type="application/grpc", te="trailers")
    p >> data(b"AAA") << held() >> data(b"AAAJoaQ==", end=True) << forwarded_data(b"\0\0\0\0\2hi", end=True)
    p.end()


def test_what_is_no_base64_is_answered_400() -> None:
    p = play(GrpcWeb, "") >> headers("POST", "/s/m", content_type="application/grpc-web-text") << forwarded()
    p >> data(b"AAAAA", end=True) << reply(400, detail="grpc_base_64_decode_failed_bad_size") << upstream_cut()
    p.end()


def test_other_requests_pass() -> None:
    p = play(GrpcWeb, "") >> headers("POST", "/", content_type="text/plain") << forwarded(content_type="text/plain")
    p.end()
