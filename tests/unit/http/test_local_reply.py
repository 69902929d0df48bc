"""Local replies, as the running Envoy 1.40 makes them."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import LocalReply
from pyvoy.http.local_reply import BodyFormat, Mapper, compile_local_reply, percent_encode
from pyvoy.observe.access_log.format import compile_format
from pyvoy.observe.access_log.json_format import compile_json
from tests.unit.observe.access_log.source import Source

GRPC = (b"content-type", b"application/grpc")


def answer(rules: Any, reply: LocalReply, *pairs: Pair, method: bytes = b"GET") -> tuple[list[Pair], bytes]:
    stream = Source()
    stream.request_headers = HeaderMap([(b":path", b"/p"), (b":method", method), *pairs])
    stream.response_headers = None
    headers, body = rules(stream, reply)
    assert stream.local_reply_body == b""
    return list(headers), body


def reply(status: int = 503, body: bytes = b"text", *headers: Pair) -> LocalReply:
    return LocalReply(status, body, details="d", headers=headers)


PLAIN = compile_local_reply()


@pytest.mark.parametrize(
    ("made", "expected", "body"),
    [
        (
            reply(),
            [(b":status", b"503"), (b"content-length", b"4"), (b"content-type", b"text/plain")],
            b"text",
        ),
        (reply(404, b""), [(b":status", b"404")], b""),
        (
            reply(201, b"dbody", (b"location", b"/x"), (b"x-r", b"1")),
            [
                (b":status", b"201"),
                (b"location", b"/x"),
                (b"x-r", b"1"),
                (b"content-length", b"5"),
                (b"content-type", b"text/plain"),
            ],
            b"dbody",
        ),
        (
            reply(200, b"{}", (b"content-type", b"application/json")),
            [(b":status", b"200"), (b"content-type", b"application/json"), (b"content-length", b"2")],
            b"{}",
        ),
        (reply(404, b"", (b"content-type", b"a/b")), [(b":status", b"404")], b""),
    ],
)
def test_without_configuration(made: LocalReply, expected: list[Pair], body: bytes) -> None:
    assert answer(PLAIN, made) == (expected, body)


@pytest.mark.parametrize(
    ("status", "grpc_status"),
    [(403, b"7"), (401, b"16"), (404, b"12"), (429, b"14"), (503, b"14"), (400, b"13"), (301, b"2")],
)
def test_a_grpc_request_gets_a_trailers_only_response(status: int, grpc_status: bytes) -> None:
    assert answer(PLAIN, reply(status, b"100% x\n", (b"location", b"/n")), GRPC) == (
        [
            (b":status", b"200"),
            (b"location", b"/n"),
            GRPC,
            (b"grpc-status", grpc_status),
            (b"grpc-message", b"100%25 x"),
        ],
        b"",
    )


def test_the_grpc_status_of_a_filter_counts() -> None:
    made = LocalReply(503, details="d", grpc_status=8)
    assert answer(PLAIN, made, GRPC)[0] == [(b":status", b"200"), GRPC, (b"grpc-status", b"8")]


def test_a_head_request_gets_no_grpc_message() -> None:
    assert (b"grpc-message", b"text") not in answer(PLAIN, reply(), GRPC, method=b"HEAD")[0]


def test_a_head_request_gets_the_head_only() -> None:
    headers, body = answer(PLAIN, reply(), method=b"HEAD")
    assert (b"content-length", b"4") in headers
    assert body == b""


@pytest.mark.parametrize("content_type", [b"application/grpc-web", b"application/grpcx", b"text/plain"])
def test_other_content_types_are_no_grpc(content_type: bytes) -> None:
    assert answer(PLAIN, reply(), (b"content-type", content_type))[1] == b"text"


def test_a_mapper_changes_status_body_and_headers() -> None:
    def add(stream: Any, headers: HeaderMap) -> None:
        headers.add(b"x-add", b"%d" % stream.info.response_code)
        headers.add(b"content-length", b"3")

    rules = compile_local_reply(
        [Mapper(lambda stream: False, status=500), Mapper(lambda stream: True, 418, b"mapped %", add)]
    )
    assert answer(rules, reply()) == (
        [(b":status", b"418"), (b"x-add", b"503"), (b"content-length", b"8"), (b"content-type", b"text/plain")],
        b"mapped %",
    )


def test_filters_see_the_status_of_the_reply() -> None:
    rules = compile_local_reply([Mapper(lambda stream: stream.info.response_code == 404, status=410)])
    assert answer(rules, reply(404, b""))[0] == [(b":status", b"410")]
    assert answer(rules, reply(405, b""))[0] == [(b":status", b"405")]


def test_body_formats() -> None:
    text = BodyFormat(compile_format("<h1>%LOCAL_REPLY_BODY% %RESPONSE_CODE% %REQ(nope)%</h1>"), b"text/html")
    json = BodyFormat(compile_json({"m": "%LOCAL_REPLY_BODY%", "c": "%RESPONSE_CODE%"}), b"application/json")
    rules = compile_local_reply([Mapper(lambda stream: stream.info.response_code == 404, body_format=text)], json)
    headers, body = answer(rules, reply(404, b"no"))
    assert body == b"<h1>no 404 -</h1>"
    assert headers[1:] == [(b"content-length", b"17"), (b"content-type", b"text/html")]
    headers, body = answer(rules, reply(503, b"no"))
    assert body == b'{"c":503,"m":"no"}\n'
    assert headers[1:] == [(b"content-length", b"19"), (b"content-type", b"application/json")]


def test_a_json_body_in_a_grpc_message_has_no_line_break() -> None:
    rules = compile_local_reply((), BodyFormat(compile_json({"m": "%LOCAL_REPLY_BODY%"}), b"application/json"))
    assert (b"grpc-message", b'{"m":"text"}') in answer(rules, reply(), GRPC)[0]


def test_a_mapped_204_carries_no_body() -> None:
    rules = compile_local_reply([Mapper(lambda stream: True, status=204)])
    assert answer(rules, reply()) == ([(b":status", b"204")], b"")


def test_percent_encoding() -> None:
    assert percent_encode("é\n%a".encode()) == b"%C3%A9%0A%25a"
