"""JSON to metadata: values of bodies, their types, and what is written where there are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.json_to_metadata import JsonToMetadata
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, data, forwarded, headers, held, play, response, response_data, trailers

NAMESPACE = "envoy.filters.http.json_to_metadata"
FALLBACKS = {"on_missing": {"key": "k", "value": "missing"}, "on_error": {"key": "k", "value": "error"}}


def config(keys: str = "x", direction: str = "request", more: Any = (), **targets: Any) -> str:
    rule = {"selectors": [{"key": key} for key in keys.split(".")], **(targets or {"on_present": {"key": "k"}})}
    return json.dumps({f"{direction}_rules": {"rules": [rule], **dict(more)}})


def present(**target: Any) -> dict[str, Any]:
    return {"on_present": {"key": "k", **target}, **FALLBACKS}


def posted(text: str, body: bytes, kind: str | None = "application/json") -> Play:
    p = play(JsonToMetadata, text) >> headers("POST", "/", content_type=kind)
    return p >> data(body, end=True) << forwarded() if body else p


def metadata(p: Play) -> Any:
    found = p.stream.info.dynamic_metadata.get(NAMESPACE, {}).get("k")
    p.stage.close()
    return found


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("PROTOBUF_VALUE", "y", "y"),
        ("PROTOBUF_VALUE", 1.5, 1.5),
        ("PROTOBUF_VALUE", True, True),
        ("PROTOBUF_VALUE", None, "missing"),
        ("PROTOBUF_VALUE", {"y": 1}, "missing"),
        ("PROTOBUF_VALUE", "y" * 9000, "missing"),
        ("STRING", 7, "7"),
        ("STRING", 1.5, "1.500000"),
        ("STRING", True, "1"),
        ("STRING", "", None),
        ("NUMBER", " 12 ", 12),
        ("NUMBER", True, 1),
        ("NUMBER", "y", "missing"),
    ],
)
def test_values_and_types(kind: str, value: Any, found: Any) -> None:
    text = config(**present(type=kind))
    p = play(JsonToMetadata, text) >> headers("POST", "/", content_type="application/json") << held()
    p >> data(json.dumps({"x": value}).encode(), end=True)
    assert metadata(p) == found


def test_a_value_deep_in_the_body() -> None:
    p = play(JsonToMetadata, config("a.b")) >> headers("POST", "/", content_type="application/json")
    p >> data(b'{"a": {"b"') << held() >> data(b": 1}}", end=True)
    assert metadata(p) == 1


@pytest.mark.parametrize(
    ("body", "kind", "found", "counter"),
    [
        (b'{"y": 1}', "application/json", "missing", "success"),
        (b"[1]", "application/json", "missing", "success"),
        (b"nonsense", "application/json", "error", "invalid_json_body"),
        (b'{"x": 1}', "text/plain", "error", "mismatched_content_type"),
        (b'{"x": 1}', None, "error", "mismatched_content_type"),
        (b"", "application/json", "missing", "no_body"),
    ],
)
def test_where_there_is_no_value(body: bytes, kind: str | None, found: str, counter: str) -> None:
    p = play(JsonToMetadata, config(**present()))
    p >> headers("POST" if body else "GET", "/", content_type=kind, end=not body)
    if body:
        p >> data(body, end=True)
    assert p.counter(f"json_to_metadata.rq.{counter}") == 1
    assert metadata(p) == found


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"allow_content_types": ["text/json"]}, "text/json"),
        ({"allow_empty_content_type": True}, None),
        ({"allow_content_types_regex": {"google_re2": {}, "regex": "application/.*json"}}, "application/a+json"),
    ],
)
def test_other_content_types(more: dict[str, Any], kind: str | None) -> None:
    p = (
        play(JsonToMetadata, config(more=more))
        >> headers("POST", "/", content_type=kind)
        >> data(b'{"x": 1}', end=True)
    )
    assert metadata(p) == 1


def test_a_value_that_is_there_may_be_preserved() -> None:
    p = play(JsonToMetadata, config(on_present={"key": "k", "preserve_existing_metadata_value": True}))
    p >> headers("POST", "/", content_type="application/json")
    p.stream.info.dynamic_metadata[NAMESPACE] = {"k": "before"}
    p >> data(b'{"x": 1}', end=True)
    assert metadata(p) == "before"


def test_trailers_end_a_body_too() -> None:
    p = play(JsonToMetadata, config()) >> headers("POST", "/", content_type="application/json") >> data(b'{"x": 1}')
    p >> trailers(t="1")
    assert metadata(p) == 1


def test_responses() -> None:
    p = play(JsonToMetadata, config(direction="response")) >> headers() << forwarded()
    p >> response(200, content_type="application/json") << held()
    p >> response_data(b'{"x": 1}', end=True)
    assert p.counter("json_to_metadata.resp.success") == 1
    assert metadata(p) == 1


def test_a_route_has_rules_of_its_own() -> None:
    p = play(JsonToMetadata, config("y"), route=config("x")) >> headers("POST", "/", content_type="application/json")
    p >> data(b'{"x": 1}', end=True)
    assert metadata(p) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "must at least specify either request or response rules"),
        (config(on_error={"key": "k", "value": 1}), "neither `on_present` nor `on_missing` set"),
        (config(on_missing={"key": "k"}), "cannot specify on_missing rule with empty value"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(JsonToMetadata, text)


def test_contract() -> None:
    check_http_filter(JsonToMetadata, config())
