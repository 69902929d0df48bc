"""JWT authentication: what clients are told, what upstreams see, requirements, routes, remote keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.http_call import CallResult, Failure
from pyvoy.filters.http.jwt_authn.filter import JwtAuthn
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play, reply
from tests.support.tokens import jwks, token

GOOD = token()


def corrupted(text: str) -> str:
    """The token with another signature."""
    return text[:-4] + ("AAAA" if not text.endswith("AAAA") else "BBBB")


BAD = corrupted(GOOD)
REALM = 'Bearer realm="http://a.test/"'


def config(provider: dict[str, Any] | None = None, rules: Any = None, **more: Any) -> str:
    keys = {} if provider and "remote_jwks" in provider else {"local_jwks": {"inline_string": jwks()}}
    rules = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}] if rules is None else rules
    return json.dumps({"providers": {"p": {"issuer": "iss", **keys, **(provider or {})}}, "rules": rules, **more})


def staged(*arguments: Any, **more: Any) -> Play:
    return play(JwtAuthn, config(*arguments, **more))


def bearer(text: str, **more: str) -> Any:
    return headers(authority="a.test", authorization=f"Bearer {text}", **more)


def test_a_good_token_passes_and_is_taken_away() -> None:
    p = staged() >> bearer(GOOD) << forwarded(authorization=None)
    assert p.counter("http.test.jwt_authn.allowed") == 1
    assert p.counter("http.test.jwt_authn.jwt_cache_miss") == 1
    p.stage.close()


@pytest.mark.parametrize(
    ("text", "status", "fault", "challenge"),
    [
        ("", 401, "Jwt is missing", REALM),
        (corrupted(token({"aud": "a"})), 401, "Jwt verification fails", REALM + ', error="invalid_token"'),
        (token({"iss": "other"}), 401, "Jwt issuer is not configured", REALM + ', error="invalid_token"'),
        (token({"aud": "x"}), 403, "Audiences in Jwt are not allowed", REALM + ', error="invalid_token"'),
    ],
)
def test_refusals(text: str, status: int, fault: str, challenge: str) -> None:
    p = staged({"audiences": ["a"]}) >> (bearer(text) if text else headers(authority="a.test"))
    detail = f"jwt_authn_access_denied{{{fault.replace(' ', '_')}}}"
    p << reply(status, fault.encode(), ("www-authenticate", challenge), detail=detail, flags="-")
    assert p.counter("http.test.jwt_authn.denied") == 1
    p.end()


def test_a_refusal_may_say_nothing() -> None:
    p = staged(strip_failure_response=True) >> bearer(BAD) << reply(401, b"", ("www-authenticate", None))
    p.end()


def test_what_a_token_says_goes_upstream() -> None:
    claims = [{"header_name": "x-sub", "claim_name": "sub"}, {"header_name": "x-deep", "claim_name": "o.n"}]
    provider = {"forward": True, "forward_payload_header": "X-Payload", "claim_to_headers": claims}
    text = token({"sub": "me", "o": {"n": 7}})
    p = staged(provider) >> bearer(text, x_payload="forged", x_sub="forged")
    p << forwarded(authorization=f"Bearer {text}", x_payload=text.split(".")[1], x_sub="me", x_deep="7")
    p.stage.close()


@pytest.mark.parametrize(
    ("provider", "event", "path"),
    [
        ({"from_headers": [{"name": "x-jwt"}]}, headers(x_jwt=GOOD), "/"),
        ({"from_params": ["t"]}, headers("GET", f"/p?a=1&t={GOOD}"), "/p?a=1"),
        ({"from_params": ["t"]}, headers("GET", f"/p?t={GOOD}"), "/p"),
        ({"from_cookies": ["t"]}, headers(cookie=f"a=b; t={GOOD}"), "/"),
    ],
)
def test_where_tokens_are_found(provider: dict[str, Any], event: Any, path: str) -> None:
    p = staged(provider) >> event << forwarded(path, x_jwt=None)
    p.stage.close()


def test_what_is_left_in_metadata() -> None:
    provider = {
        "payload_in_metadata": "c",
        "header_in_metadata": "h",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
    }
    p = staged(provider) >> bearer(token({"scope": "a b"})) << forwarded()
    found = p.stream.info.dynamic_metadata["envoy.filters.http.jwt_authn"]
    assert found["c"]["scope"] == ["a", "b"]
    assert found["h"]["alg"] == "ES256"
    p.stage.close()


def test_why_it_failed_may_be_left_there_too() -> None:
    p = staged({"failed_status_in_metadata": "why"}) >> bearer(BAD) << reply(401)
    found = p.stream.info.dynamic_metadata["envoy.filters.http.jwt_authn"]
    assert found == {"why": {"code": 26, "message": "Jwt verification fails"}}
    p.end()


def rule(**requires: Any) -> Any:
    return [{"match": {"prefix": "/"}, "requires": requires}]


@pytest.mark.parametrize(
    ("requires", "statuses"),
    [
        ({"provider_name": "p"}, "401 200 401"),
        ({"allow_missing": {}}, "200 200 401"),
        ({"allow_missing_or_failed": {}}, "200 200 200"),
        ({"requires_any": {"requirements": [{"allow_missing": {}}, {"provider_name": "p"}]}}, "200 200 401"),
        ({"requires_any": {"requirements": [{"provider_name": "p"}, {"provider_name": "p"}]}}, "401 200 401"),
        ({"requires_all": {"requirements": [{"provider_name": "p"}, {"allow_missing": {}}]}}, "401 200 401"),
        ({}, "200 200 200"),
    ],
)
def test_requirements(requires: dict[str, Any], statuses: str) -> None:
    p = staged(rules=rule(**requires))
    for event, status in zip((headers(), bearer(GOOD), bearer(BAD)), statuses.split(), strict=True):
        p >> event << (forwarded() if status == "200" else reply(int(status)))
    p.stage.close()


def test_the_first_rule_that_matches_counts() -> None:
    rules = [{"match": {"path": "/free"}}, {"match": {"prefix": "/paid"}, "requirement_name": "one"}]
    p = play(JwtAuthn, config(rules=rules, requirement_map={"one": {"provider_name": "p"}}))
    p >> headers("GET", "/free") << forwarded() >> headers("GET", "/paid") << reply(401)
    p >> headers("GET", "/other") << forwarded()
    p.stage.close()


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("disabled: true", forwarded()),
        ("requirement_name: one", reply(401, b"Jwt is missing")),
        (
            "requirement_name: two",
            reply(403, b"Failed JWT authentication: Wrong requirement_name: two. It should be one of [one]"),
        ),
    ],
)
def test_routes(route: str, expected: Any) -> None:
    p = play(JwtAuthn, config(requirement_map={"one": {"provider_name": "p"}}), route=route) >> headers() << expected
    p.stage.close()


def test_a_preflight_has_no_token() -> None:
    p = staged(bypass_cors_preflight=True)
    p >> headers("OPTIONS", "/", origin="o", access_control_request_method="GET") << forwarded()
    p >> headers("OPTIONS", "/", origin="o") << reply(401)
    assert p.counter("http.test.jwt_authn.cors_preflight_bypassed") == 1
    p.stage.close()


def test_a_cached_token_is_not_verified_again() -> None:
    p = staged({"jwt_cache_config": {"jwt_cache_size": 1}})
    p >> bearer(GOOD) << forwarded() >> bearer(GOOD) << forwarded() >> bearer(token({"a": 1})) << forwarded()
    p >> bearer(GOOD) << forwarded()
    assert p.counter("http.test.jwt_authn.jwt_cache_hit") == 1
    p.stage.close()


REMOTE = {"remote_jwks": {"http_uri": {"uri": "http://k.test/keys?a=b", "cluster": "upstream", "timeout": "1s"}}}


class Server:
    """Makes the calls of filters: answers at once, and notes what it was asked."""

    def __init__(self, body: bytes, status: bytes = b"200", failure: Failure | None = None) -> None:
        self.result = CallResult(HeaderMap([(b":status", status)]), body, None, failure)
        self.asked: list[bytes] = []

    async def fetch(self, cluster: str, head: HeaderMap, **_: Any) -> CallResult:
        self.asked.append(b"%s%s" % (head.map[b":authority"], head.map[b":path"]))
        return self.result


def remote(monkeypatch: pytest.MonkeyPatch, server: Server) -> Play:
    from pyvoy.extensions.host import Host

    monkeypatch.setattr(Host, "fetch", lambda _self, *arguments, **more: server.fetch(*arguments, **more))
    return staged(REMOTE)


def test_remote_keys_are_fetched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(jwks().encode())
    p = remote(monkeypatch, server) >> bearer(GOOD) << forwarded() >> bearer(GOOD) << forwarded()
    assert server.asked == [b"k.test/keys?a=b"]
    assert p.counter("http.test.jwt_authn.jwks_fetch_success") == 1
    p.stage.close()


@pytest.mark.parametrize(
    "server",
    [Server(b"", b"404"), Server(b"nonsense"), Server(b"", b"503", Failure.CONNECT)],
    ids=["status", "nonsense", "no connection"],
)
def test_remote_keys_that_do_not_come(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    p = remote(monkeypatch, server) >> bearer(GOOD) << reply(401, b"Jwks remote fetch is failed")
    assert p.counter("http.test.jwt_authn.jwks_fetch_failed") == 1
    p.end()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (config({"local_jwks": {"inline_string": "{}"}}), "has invalid local jwks: Jwks does not have"),
        (config(rules=rule(provider_name="q")), r"Required provider \['q'\] is not configured"),
        (config(rules=[{"match": {"prefix": "/"}, "requirement_name": "x"}]), "Wrong requirement_name: x"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(JwtAuthn, text)


def test_contract() -> None:
    check_http_filter(JwtAuthn, config())
    check_http_filter(JwtAuthn, config(), request_headers={"authorization": f"Bearer {GOOD}"})
