"""The filters of the gallery in Envoy and here: each of their Wasm modules, and the Lua forms that need nothing beyond
Envoy."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json
from collections.abc import Iterator
from pathlib import Path

from tests.parity.case import Case, answers, ask, request, response
from tests.support.steps import Answers, Wait

GALLERY = Path(__file__).parents[3] / "filters"
STRING = "type.googleapis.com/google.protobuf.StringValue"
LUA_IN_ENVOY = ("add_header", "auth_token", "canary")

STAGES = """
- {match: {prefix: /, headers: [{name: x-stage, string_match: {exact: canary}}]}, route: {cluster: $b}, name: canary}
- {match: {prefix: /}, route: {cluster: $up}, name: stable}"""
AUTH = "- {match: {prefix: /never}, route: {cluster: $b}}\n- {match: {prefix: /}, route: {cluster: $up}, name: all}"


def each(name: str, kind: str, want: str, *steps: object, configuration: str = "", **fields: object) -> Iterator[Case]:
    """The same case for all forms of a filter; `configuration` is the modules' own."""
    folder = GALLERY / name
    send = steps if isinstance(steps[0], tuple) else (ask(*steps),)  # type: ignore[arg-type]
    for module in sorted(folder.glob("filter.*.wasm")):
        text = f"configuration: {{'@type': {STRING}, value: '{configuration}'}}, " if configuration else ""
        vm = f"vm_config: {{vm_id: $id, code: {{local: {{filename: {module}}}}}}}"
        config = f"- wasm: {{config: {{name: {name}, root_id: {name}, {text}{vm}}}}}"
        language = module.name.split(".")[1]
        yield Case(f"gallery-{name}-{kind}-{language}", want, send, filters=config, **fields)  # type: ignore[arg-type]
    if name in LUA_IN_ENVOY:
        script = (folder / "filter.lua").read_text().replace('"auth"', '"$b"')
        config = f"- lua: {{default_source_code: {{inline_string: {json.dumps(script)}}}}}"
        yield Case(f"gallery-{name}-{kind}-lua", want, send, filters=config, **fields)  # type: ignore[arg-type]


def token(value: str) -> bytes:
    return request("/", f"authorization: Bearer {value}", "x-user: forged")


SECRET = b'{"user": {"name": "ada", "pass\\u0077ord": {"a": [1, "}"]}}, "token": null, "list": [1.5e3, "ssn", {"ssn": "1"}]}'
JSON = ("content-type: application/json; charset=utf-8",)
CHUNKS = (*JSON, "transfer-encoding: chunked")
TRAILERS = "http_protocol_options: {enable_trailers: true}"
UPSTREAM_TRAILERS = "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}"


def json_cases(kind: str, answer: object, *requests: bytes, **fields: object) -> Iterator[Case]:
    return each("redact_json", kind, "200", *(requests or (request("/"),)), upstream={"up": answers(answer)}, **fields)  # type: ignore[arg-type]


CASES = (
    *each("add_header", "get", "200", request("/"), upstream={"up": answers(response("200 OK", "location: /elsewhere", "hello: there"))}),
    *each("add_header", "post", "200", request("/", method="POST", body=b"data")),
    *each("canary", "stages", "200 200 200", request("/", "x-canary: true"), request("/"), request("/", "x-stage: canary"), routes=STAGES),
    *each("auth_token", "good", "200", token("good"), upstream={"b": answers(response("200 OK", "x-user: ada"))}, routes=AUTH, configuration="$b"),
    *each("auth_token", "bad", "403", token("bad"), upstream={"b": answers(response("401 Unauthorized"))}, routes=AUTH, configuration="$b"),
    *each("auth_token", "none", "401", request("/"), routes=AUTH, configuration="$b"),
    *each("auth_token", "late", "503", token("good"), upstream={"b": answers((Wait(3.0), response()))}, routes=AUTH, configuration="$b"),
    *each("auth_token", "body", "200", (request("/", "authorization: Bearer good", "content-length: 6", method="POST"), Wait(0.1), b"abc", Wait(0.1), b"def", Answers(1)), upstream={"b": answers((Wait(0.3), response("200 OK", "x-user: ada")))}, routes=AUTH, configuration="$b"),
    *json_cases("whole", response("200 OK", *JSON, body=SECRET)),
    *json_cases("chunks", (response("200 OK", *CHUNKS, body=None), b"%x\r\n%s\r\n" % (20, SECRET[:20]), Wait(0.1), b"%x\r\n%s\r\n0\r\n\r\n" % (len(SECRET) - 20, SECRET[20:]))),
    *json_cases("trailers", response("200 OK", *CHUNKS, body=None) + b"%x\r\n%s\r\n0\r\nx-t: v\r\n\r\n" % (len(SECRET), SECRET), hcm=TRAILERS, cluster=UPSTREAM_TRAILERS),
    *json_cases("other", response("200 OK", "content-type: text/plain", body=SECRET)),
    *json_cases("encoded", response("200 OK", *JSON, "content-encoding: gzip", body=SECRET)),
    *json_cases("broken", response("200 OK", *JSON, body=b'{"password": 1,}')),
    *json_cases("clean", response("200 OK", *JSON, body=b' {"n": [-0.5, true, {}], "x": "\\"password\\""} ')),
    *json_cases("head", response("200 OK", *JSON, "content-length: 9", body=None), request("/", method="HEAD")),
    *each("request_counter", "all", "200 404", request("/"), request("/", method="MKCOL"), upstream={"up": answers(response(), response("404 Not Found"))}),
    *each("token_bucket", "burst", "200 200 200 200 200 429 429 200", *(request("/") for _ in range(7)), request("/", "x-client: other")),
)
