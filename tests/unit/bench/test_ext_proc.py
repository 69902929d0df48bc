"""Forms for ext_proc: what they do to a message, and how Envoy is told."""

import asyncio
import socket
import threading

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as messages

from pyvoy.bench.ext_proc import configuration
from pyvoy.bench.ext_proc.processor import Answer, Change, events, load
from pyvoy.bench.ext_proc.server import response, texts
from tests.unit.bench.test_forms import GALLERY


def form(name):
    return load(GALLERY / name / "ext_proc.py")()


def test_add_header():
    change = form("add_header").on_response_headers({})
    assert (change.add, change.set) == ({"hello": "world!"}, {"location": "envoy-wasm"})


@pytest.mark.parametrize(
    ("asked", "stage"), [({}, "stable"), ({"x-canary": "True"}, "canary"), ({"x-canary": "no"}, "stable")]
)
def test_canary(asked, stage):
    change = form("canary").on_request_headers(asked)
    assert change.set == {"x-stage": stage}
    assert change.clear_route_cache


def test_redact_json():
    one = form("redact_json")
    one.on_response_headers({"content-type": "application/json; charset=utf-8"})
    assert one.on_response_body(b'{"a": [{"token": 1}]}').body == b'{"a":[{"token":"***"}]}'
    assert one.on_response_body(b'{"a": 1}') is None
    assert one.on_response_body(b"{broken") is None
    other = form("redact_json")
    other.on_response_headers({"content-type": "text/plain"})
    assert other.on_response_body(b'{"token": 1}') is None


def test_token_bucket():
    one = form("token_bucket")
    outcomes = [one.on_request_headers({"x-client": "ada"}) for _ in range(6)]
    assert outcomes[:5] == [None] * 5
    assert outcomes[5].status == 429
    assert one.on_request_headers({"x-client": "bob"}) is None


@pytest.mark.parametrize(("answer", "outcome"), [("200 OK", "ada"), ("401 No", 403), (None, 503)])
def test_auth_token(monkeypatch, answer, outcome):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("AUTH_ADDRESS", f"127.0.0.1:{listener.getsockname()[1]}")
        serving = threading.Thread(target=answer_once, args=(listener, answer))
        serving.start()
        found = asyncio.run(form("auth_token").on_request_headers({"authorization": "Bearer good"}))
        serving.join()
    assert outcome == (found.set["x-user"] if isinstance(found, Change) else found.status)


def answer_once(listener, status):
    """The auth service: one answer, or none."""
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        if status:
            connection.sendall(
                f"HTTP/1.1 {status}\r\nx-user: ada\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode()
            )


def test_auth_token_without_a_token():
    assert asyncio.run(form("auth_token").on_request_headers({})).status == 401


def test_request_counter():
    one = form("request_counter")
    one.on_request_headers({":method": "BREW"})
    one.on_response_headers({":status": "204"})
    assert one.counts["method.other"] == 1
    assert one.counts["status.2xx"] == 1


def test_envoy_sends_only_what_a_form_wants():
    modes = [
        configuration.entry(GALLERY / name / "ext_proc.py", 1)[0]["typed_config"]["processing_mode"]
        for name in ("add_header", "redact_json", "canary")
    ]
    wanted = [(mode["request_header_mode"], mode["response_header_mode"], mode["response_body_mode"]) for mode in modes]
    assert wanted == [("SKIP", "SEND", "NONE"), ("SKIP", "SEND", "BUFFERED"), ("SEND", "SKIP", "NONE")]
    assert events(load(GALLERY / "add_header" / "ext_proc.py")) == ["on_response_headers"]


def test_a_change_as_envoy_reads_it():
    change = Change(set={"a": "1"}, add={"b": "2"}, remove=("c",), body=b"new", clear_route_cache=True)
    common = response(messages, "response_body", change).response_body.response
    told = {(option.header.key, option.header.raw_value) for option in common.header_mutation.set_headers}
    assert told == {("a", b"1"), ("b", b"2")}
    assert list(common.header_mutation.remove_headers) == ["c"]
    assert common.body_mutation.body == b"new"
    assert common.clear_route_cache


def test_no_change_is_an_answer_too():
    found = response(messages, "request_headers", None)
    assert found.WhichOneof("response") == "request_headers"


def test_an_answer_ends_the_request():
    found = response(messages, "request_headers", Answer(429, "slow down", {"retry-after": "2"})).immediate_response
    assert (found.status.code, found.body) == (429, b"slow down")
    assert found.headers.set_headers[0].header.key == "retry-after"


def test_headers_are_read_from_bytes():
    headers = messages.HttpHeaders()
    headers.headers.headers.add(key="a", raw_value="ü".encode("latin-1"))
    assert texts(headers.headers) == {"a": "ü"}


def test_a_file_with_two_forms_is_none(tmp_path):
    file = tmp_path / "ext_proc.py"
    file.write_text("from pyvoy.bench.ext_proc.processor import Processor\n")
    with pytest.raises(ValueError, match="0 processors"):
        load(file)
