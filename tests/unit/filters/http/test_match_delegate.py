"""Match delegate: which streams pass a filter by, for filters of all shapes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.match_delegate import MatchDelegate
from pyvoy.filters.http.python import PythonFilter
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import (
    Play,
    data,
    filter_spec,
    forwarded,
    headers,
    held,
    play,
    reply,
    sent,
    whole_response,
)
from pyvoy.testing.stage import Stage

_URL = "type.googleapis.com/"
_FILTERS = "envoy.extensions.filters.http."
SKIP = {
    "name": "skip",
    "typed_config": {"@type": _URL + "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"},
}
INPUT = {
    "name": "x",
    "typed_config": {"@type": _URL + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": "x"},
}


def config(kind: str, inner: dict[str, Any], action: Any = SKIP, field: str = "xds_matcher") -> str:
    tree = {"matcher_tree": {"input": INPUT, "exact_match_map": {"map": {"skip": {"action": action}}}}}
    typed = {"@type": f"{_URL}{_FILTERS}{kind}", **inner}
    return json.dumps({field: tree, "extension_config": {"name": "inner", "typed_config": typed}})


ABORT = config("fault.v3.HTTPFault", {"abort": {"http_status": 418, "percentage": {"numerator": 100}}})
BUFFER = config("buffer.v3.Buffer", {"max_request_bytes": 4})
MUTATION = config(
    "header_mutation.v3.HeaderMutation",
    {"mutations": {"response_mutations": [{"append": {"header": {"key": "x-r", "value": "1"}}}]}},
)
JWT = config("jwt_authn.v3.JwtAuthentication", {"providers": {}, "rules": []})


def test_a_request_passes_by() -> None:
    p = play(MatchDelegate, ABORT) >> headers() << reply(418)
    p.end()
    p = play(MatchDelegate, ABORT) >> headers(x="other") << reply(418)
    p.end()
    p = play(MatchDelegate, ABORT) >> headers(x="skip") << forwarded()
    p.stage.close()


OWN_CODE = """
from pyvoy.api import *

class By(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        headers.set(b"x-by", self.config["by"].encode())
    def on_response_headers(self, stream, headers, end):
        headers.set(b"x-by", self.config["by"].encode())
"""


def _by(who: str, **fields: Any) -> dict[str, Any]:
    return {"code": {"inline_string": OWN_CODE}, "config": {"by": who}, **fields}


@pytest.mark.parametrize("policy", ["FAIL_CLOSED", "FAIL_RELOAD"])
def test_what_a_route_has_in_its_place_is_passed_by_too(policy: str) -> None:
    python = "pyvoy.filters.http.python.v1.Python"
    typed = {"@type": _URL + python, **_by("inside", failure_policy=policy)}
    tree = {"matcher_tree": {"input": INPUT, "exact_match_map": {"map": {"skip": {"action": SKIP}}}}}
    text = json.dumps({"xds_matcher": tree, "extension_config": {"name": "inner", "typed_config": typed}})
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    on_route = configuration.http_filter_on_route(PythonFilter, json.dumps({"@type": python, **_by("route")}))
    for route_plan, by in ((None, "inside"), (on_route, "route")):
        spec = filter_spec(configuration, MatchDelegate, text, 0, [on_route])
        p = Play(Stage(fakes, [spec], {spec.name: (route_plan,)} if route_plan else {}))
        p >> headers() << forwarded(x_by=by) >> whole_response(200) << sent(200, x_by=by, end=True)
        p >> headers(x="skip") << forwarded(x_by=None) >> whole_response(200) << sent(200, x_by=None, end=True)
        p.end()


def test_bodies_and_responses_pass_by_too() -> None:
    p = play(MatchDelegate, BUFFER) >> headers("POST", "/") << held() >> data(b"hello", end=True) << reply(413)
    p.end()
    p = play(MatchDelegate, BUFFER) >> headers("POST", "/", x="skip") << forwarded()
    p.stage.close()
    p = play(MatchDelegate, MUTATION) >> headers() >> whole_response(200) << sent(200, x_r="1", end=True)
    p.end()
    p = play(MatchDelegate, MUTATION) >> headers(x="skip") >> whole_response(200) << sent(200, x_r=None, end=True)
    p.end()


def test_a_filter_that_waits() -> None:
    p = play(MatchDelegate, JWT) >> headers() << forwarded()
    assert p.counter("http.test.jwt_authn.allowed") == 1
    p >> headers(x="skip") << forwarded()
    assert p.counter("http.test.jwt_authn.allowed") == 1
    p.stage.close()


def test_the_older_matcher() -> None:
    text = config("buffer.v3.Buffer", {"max_request_bytes": 4}, field="matcher")
    p = play(MatchDelegate, text) >> headers("POST", "/", x="skip") << forwarded()
    p.stage.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (config("router.v3.Router", {}), "is a terminal filter"),
        (config("buffer.v3.Buffer", {"max_request_bytes": 4}, action=INPUT), "no action of type"),
        (json.dumps({"extension_config": json.loads(BUFFER)["extension_config"]}), "must be set"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(MatchDelegate, text)


def test_contract() -> None:
    check_http_filter(MatchDelegate, BUFFER)
    check_http_filter(MatchDelegate, BUFFER, request_headers={"x": "skip"})
