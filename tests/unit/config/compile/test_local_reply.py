"""local_reply_config: the replies that come out, as on the running Envoy 1.40."""

from __future__ import annotations

from pyvoy.config.compile.local_reply import build_local_reply
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.http_filter import LocalReply
from tests.support.building import Place, message
from tests.unit.observe.access_log.source import Source

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
CONFIG = """
stat_prefix: x
local_reply_config:
  mappers:
  - filter: {header_filter: {header: {name: x-m, string_match: {exact: a}}}}
    status_code: 418
    body: {inline_string: "mapped %RESPONSE_CODE%"}
    headers_to_add: [{header: {key: x-add, value: "%REQ(x-m)%|%RESPONSE_CODE%|%RESP(:status)%"}}]
  - filter: {header_filter: {header: {name: x-m, string_match: {exact: b}}}}
    body_format_override: {json_format: {code: "%RESPONSE_CODE%", msg: "%LOCAL_REPLY_BODY%"}}
  - filter: {status_code_filter: {comparison: {value: {default_value: 404, runtime_key: k}}}}
    body_format_override:
      text_format_source: {inline_string: "<h1>%LOCAL_REPLY_BODY% %REQ(nope)%</h1>"}
      content_type: text/html
"""


def answer(kind: str, status: int = 503) -> tuple[list[Pair], bytes]:
    place = Place()
    rules = build_local_reply(message(HCM, CONFIG), place.context())
    assert place.errors == []
    stream = Source()
    stream.request_headers = HeaderMap([(b":path", b"/"), (b"x-m", kind.encode())])
    headers, body = rules(stream, LocalReply(status, b"one\ntwo", details="d"))
    return list(headers), body


def test_a_mapped_reply() -> None:
    assert answer("a") == (
        [
            (b":status", b"418"),
            (b"x-add", b"a|503|503"),
            (b"content-length", b"22"),
            (b"content-type", b"text/plain"),
        ],
        b"mapped %RESPONSE_CODE%",
    )


def test_a_json_body() -> None:
    headers, body = answer("b")
    assert body == b'{"code":503,"msg":"one\\u000atwo"}\n'
    assert headers[-1] == (b"content-type", b"application/json")


def test_a_text_body_keeps_its_line_breaks() -> None:
    headers, body = answer("c", 404)
    assert body == b"<h1>one\ntwo -</h1>"
    assert headers[-1] == (b"content-type", b"text/html")


def test_a_reply_that_no_mapper_takes() -> None:
    assert answer("c")[1] == b"one\ntwo"


def test_without_configuration() -> None:
    rules = build_local_reply(message(HCM, "stat_prefix: x"), Place().context())
    stream = Source()
    assert rules(stream, LocalReply(404, b"", details="d")) == (HeaderMap([(b":status", b"404")]), b"")
