"""Small filters: decompressor, ip_tagging, json_to_metadata, set_filter_state."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import gzip

from tests.parity.case import Case, answers, ask, request, response
from tests.support.steps import Wait

_PACKED = gzip.compress(b"hello " * 20, mtime=0)
_GZIP = "decompressor_library: {name: lib, typed_config: {'@type': type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip%s}}"


def _unpack(name: str, want: str, *requests: bytes, config: str = "", library: str = "", up: object = None, **rest: object) -> Case:
    filters = f"- decompressor: {{{_GZIP % library}{config}}}"
    upstream = {} if up is None else {"up": answers(up)}  # type: ignore[arg-type]
    return Case(f"gunzip-{name}", want, (ask(*(requests or (request(),))),), filters=filters, upstream=upstream, **rest)  # type: ignore[arg-type]


_POST = request("/", "content-encoding: gzip", method="POST", body=_PACKED)
_ZIPPED = response("200 OK", "content-encoding: gzip", body=_PACKED)


def _tag(name: str, want: str, *headers: str, config: str = "", tags: str = "", **rest: object) -> Case:
    listed = tags or "{ip_tag_name: home, ip_list: [{address_prefix: 192.0.2.0, prefix_len: 24}]}, {ip_tag_name: far, ip_list: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"
    return Case(f"tag-{name}", want, (ask(request("/", "x-forwarded-for: 192.0.2.7", *headers)),), filters=f"- ip_tagging: {{ip_tags: [{listed}]{config}}}", hcm="use_remote_address: false", **rest)  # type: ignore[arg-type]


_LOG = "a=%DYNAMIC_METADATA(envoy.filters.http.json_to_metadata:a)%~n=%DYNAMIC_METADATA(n)%\n"


def _json(name: str, body: bytes | None, rules: str, *headers: str, more: str = "", kind: str = "application/json", **rest: object) -> Case:
    lines = (f"content-type: {kind}",) if kind else ()
    asked = request("/", *lines, *headers, method="POST", body=body) if body is not None else request("/", *lines)
    return Case(f"json-meta-{name}", "200", (ask(asked),), filters=f"- json_to_metadata: {{request_rules: {{rules: [{rules}]{more}}}}}", log=_LOG, **rest)  # type: ignore[arg-type]


def _rule(keys: str, target: str = "on_present: {key: a}") -> str:
    selectors = ", ".join(f"{{key: {key}}}" for key in keys.split("."))
    return f"{{selectors: [{selectors}], {target}}}"


_ALL = _rule("x", "on_present: {key: a, metadata_namespace: n}, on_missing: {key: a, value: missing}, on_error: {key: a, value: error}")


def _state(name: str, entries: str, *headers: str, log: str = "s=%FILTER_STATE(envoy.string:PLAIN)%\n", **rest: object) -> Case:
    return Case(f"set-state-{name}", "200", (ask(request("/", *headers)),), filters=f"- set_filter_state: {{on_request_headers: [{entries}]}}", log=log, **rest)  # type: ignore[arg-type]


def _text(value: str, more: str = "") -> str:
    return f"{{object_key: envoy.string, format_string: {{text_format_source: {{inline_string: '{value}'}}}}{more}}}"


CASES: tuple[Case, ...] = (
    _unpack("request", "200", _POST, all_stats=True),
    _unpack("response", "200", up=_ZIPPED),
    _unpack("plain", "200", request("/", method="POST", body=b"hello")),
    _unpack("other-coding", "200", request("/", "content-encoding: br", method="POST", body=b"hello")),
    _unpack("two-codings", "200", up=response("200 OK", "content-encoding: gzip, br", body=_PACKED)),
    _unpack("upper-case", "200", up=response("200 OK", "content-encoding: GZIP", body=_PACKED)),
    _unpack("no-transform", "200", up=response("200 OK", "content-encoding: gzip", "cache-control: no-transform", body=_PACKED)),
    _unpack("no-transform-ignored", "200", up=response("200 OK", "content-encoding: gzip", "cache-control: no-transform", body=_PACKED), config=", response_direction_config: {common_config: {ignore_no_transform_header: true}}"),
    _unpack("accept-there", "200", request("/", "accept-encoding: br, gzip;q=0.5"), up=_ZIPPED),
    _unpack("not-advertised", "200", config=", request_direction_config: {advertise_accept_encoding: false}"),
    _unpack("response-off", "200", up=_ZIPPED, config=", response_direction_config: {common_config: {enabled: {default_value: false, runtime_key: k}}}"),
    _unpack("broken", "200", up=response("200 OK", "content-encoding: gzip", body=b"no gzip at all")),
    _unpack("cut", "200", up=response("200 OK", "content-encoding: gzip", body=_PACKED[:-12])),
    _unpack("in-pieces", "200", up=(response("200 OK", "content-encoding: gzip", f"content-length: {len(_PACKED)}", body=None) + _PACKED[:15], Wait(0.1), _PACKED[15:])),
    _unpack("bomb", "200", up=response("200 OK", "content-encoding: gzip", body=gzip.compress(b"\0" * 1_000_000, mtime=0)), library=", max_inflate_ratio: 2"),
    _tag("ok", "200"),
    _tag("appended", "200", "x-envoy-ip-tags: mine"),
    _tag("none", "200", tags="{ip_tag_name: far, ip_list: [{address_prefix: 10.0.0.0, prefix_len: 8}]}"),
    _tag("header", "200", "x-tags: mine", config=", ip_tag_header: {header: x-tags}"),
    _tag("header-appended", "200", "x-tags: mine", config=", ip_tag_header: {header: x-tags, action: APPEND_IF_EXISTS_OR_ADD}"),
    _tag("external", "200", config=", request_type: EXTERNAL"),
    _tag("internal", "200", config=", request_type: INTERNAL"),
    _tag("route", "201", routes="- {match: {prefix: /, headers: [{name: x-envoy-ip-tags, string_match: {contains: home}}]}, direct_response: {status: 201}}\n- {match: {prefix: /}, route: {cluster: $up}}"),
    _json("text", b'{"x": "y"}', _rule("x")),
    _json("number", b'{"x": 1.5}', _rule("x")),
    _json("whole", b'{"x": 7}', _rule("x")),
    _json("bool", b'{"x": true}', _rule("x")),
    _json("null", b'{"x": null}', _ALL),
    _json("object", b'{"x": {"y": 1}}', _ALL),
    _json("list", b'{"x": [1]}', _ALL),
    _json("deep", b'{"x": {"y": "z"}}', _rule("x.y")),
    _json("deep-missing", b'{"x": 1}', _rule("x.y", "on_missing: {key: a, value: m}")),
    _json("as-text", b'{"x": 1.5}', _rule("x", "on_present: {key: a, type: STRING}")),
    _json("whole-as-text", b'{"x": 7}', _rule("x", "on_present: {key: a, type: STRING}")),
    _json("bool-as-text", b'{"x": true}', _rule("x", "on_present: {key: a, type: STRING}")),
    _json("as-number", b'{"x": " 12 "}', _rule("x", "on_present: {key: a, type: NUMBER}")),
    _json("no-number", b'{"x": "y"}', _rule("x", "on_present: {key: a, type: NUMBER}, on_missing: {key: a, value: m}")),
    _json("empty-text", b'{"x": ""}', _rule("x", "on_present: {key: a, type: STRING}, on_missing: {key: a, value: m}")),
    _json("fixed", b'{"x": 1}', _rule("x", "on_present: {key: a, value: here}")),
    _json("missing", b'{"y": 1}', _ALL),
    _json("nonsense", b"nonsense", _ALL),
    _json("no-object", b"[1]", _ALL),
    _json("no-body", None, _ALL),
    _json("other-type", b'{"x": 1}', _ALL, kind="text/plain"),
    _json("charset", b'{"x": 1}', _rule("x"), kind="application/json; charset=utf-8"),
    _json("allowed-type", b'{"x": 1}', _rule("x"), kind="text/json", more=", allow_content_types: [text/json]"),
    _json("no-type", b'{"x": 1}', _rule("x"), kind="", more=", allow_empty_content_type: true"),
    Case("json-meta-response", "200", (ask(request()),), filters=f"- json_to_metadata: {{response_rules: {{rules: [{_rule('x')}]}}}}", upstream={"up": answers(response("200 OK", "content-type: application/json", body=b'{"x": "r"}'))}, log=_LOG),
    _state("text", _text("a-%REQ(x)%"), "x: b"),
    _state("missing", _text("%REQ(x)%")),
    _state("skip-empty", _text("%REQ(x)%", ", skip_if_empty: true")),
    _state("twice", _text("one") + ", " + _text("two")),
    _state("factory", "{object_key: mine, factory_key: envoy.string, format_string: {text_format_source: {inline_string: v}}}", log="s=%FILTER_STATE(mine:PLAIN)%\n"),
)
