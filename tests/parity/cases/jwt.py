"""jwt_authn: tokens good and bad, where they are found, what becomes of them, requirements, remote keys."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json
from typing import Any

from tests.parity.case import Case, answers, ask, request, response
from tests.support.tokens import encoded, jwk, jwks, token

_ALL = [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]
_ES, _RS, _HS, _ED = (jwk(name) for name in ("ES256", "RS256", "HS256", "EdDSA"))


def _bearer(text: str) -> bytes:
    return request("/x?a=1", f"authorization: Bearer {text}")


def _filter(provider: dict[str, Any] | None, keys: str = jwks(), rules: Any = None, providers: Any = None, **more: Any) -> str:
    source = {} if provider and "remote_jwks" in provider else {"local_jwks": {"inline_string": keys}}
    config = {"providers": providers or {"p": {"issuer": "iss", **source, **(provider or {})}}, "rules": _ALL if rules is None else rules, **more}
    return f"- jwt_authn: {json.dumps(config)}"


def _case(name: str, want: str, *requests: bytes, provider: Any = None, keys: str = jwks(), rules: Any = None, providers: Any = None, config: Any = None, **rest: Any) -> Case:
    filters = _filter(provider, keys, rules, providers, **(config or {}))
    return Case(f"jwt-{name}", want, (ask(*requests),), filters=filters, **rest)


def _other(issuer: str, **more: Any) -> dict[str, Any]:
    return {"issuer": issuer, "local_jwks": {"inline_string": jwks()}, "forward": True, **more}


_TWO = {"p": _other("iss"), "q": _other("other", from_headers=[{"name": "x-q"}])}
_GOOD = token()
_OTHER = token({"iss": "other"})
_BAD = _GOOD[:-4] + ("AAAA" if not _GOOD.endswith("AAAA") else "BBBB")
_PARTS = _GOOD.split(".")
_REMOTE = {"remote_jwks": {"http_uri": {"uri": "http://keys.test/jwks?x=1", "cluster": "$b", "timeout": "1s"}}}
_KEYS = response("200 OK", body=jwks().encode())


def _needs(*names: str, how: str = "requires_any", more: Any = ()) -> list[dict[str, Any]]:
    requirements = [*({"provider_name": name} for name in names), *more]
    return [{"match": {"prefix": "/"}, "requires": {how: {"requirements": requirements}}}]


_FORMS = {
    "two-parts": "a.b",
    "empty-part": "a..c",
    "header-base64": "%%%." + _PARTS[1] + "." + _PARTS[2],
    "header-json": encoded(b"{") + "." + _PARTS[1] + "." + _PARTS[2],
    "no-alg": encoded(b"{}") + "." + _PARTS[1] + "." + _PARTS[2],
    "other-alg": encoded(b'{"alg": "none"}') + "." + _PARTS[1] + "." + _PARTS[2],
    "kid-number": encoded(b'{"alg": "ES256", "kid": 1}') + "." + _PARTS[1] + "." + _PARTS[2],
    "payload-base64": _PARTS[0] + ".%%%." + _PARTS[2],
    "payload-json": token("["),
    "iss-number": token({"iss": 1}),
    "exp-text": token({"exp": "x"}),
    "exp-negative": token({"exp": -1}),
    "aud-number": token({"aud": 1}),
    "signature-base64": _PARTS[0] + "." + _PARTS[1] + ".%%%",
    "expired": token({"exp": 1000}),
    "not-yet": token({"nbf": 4_000_000_000}),
    "issuer": _OTHER,
    "signature": _BAD,
}

CASES: tuple[Case, ...] = (
    _case("good", "200", _bearer(_GOOD), all_stats=True),
    _case("missing", "401", request("/x?a=1")),
    _case("no-bearer", "401", request("/", f"authorization: Basic {_GOOD}")),
    *(_case(f"bad-{name}", "401", _bearer(text)) for name, text in _FORMS.items()),
    *(_case(f"alg-{name}", "200", _bearer(token(algorithm=name)), keys=jwks(jwk(name))) for name in ("RS256", "RS512", "PS256", "HS256", "EdDSA")),
    _case("kid", "200 401", _bearer(token(header={"kid": "one"})), _bearer(token(header={"kid": "two"})), keys=jwks(jwk(kid="one"))),
    _case("key-of-other-alg", "401", _bearer(token(algorithm="RS256")), keys=jwks(jwk("RS256", alg="RS512"))),
    _case("several-keys", "200", _bearer(token(algorithm="RS256")), keys=jwks(_ES, _HS, _RS)),
    _case("audience", "200 200 403 403", *(_bearer(token(claims)) for claims in ({"aud": "https://a.test/"}, {"aud": ["x", "b"]}, {"aud": "c"}, {})), provider={"audiences": ["a.test", "b"]}),
    _case("forward", "200", _bearer(_GOOD), provider={"forward": True}),
    _case("payload-header", "200", request("/", f"authorization: Bearer {_GOOD}", "x-payload: forged"), provider={"forward_payload_header": "x-payload"}),
    _case("payload-padded", "200", _bearer(token({"s": "a"})), provider={"forward_payload_header": "x-payload", "pad_forward_payload_header": True}),
    _case("claims", "200", _bearer(token({"n": 7, "f": 1.5, "b": True, "o": {"d": "deep"}, "l": [1, "a"]})), provider={"claim_to_headers": [{"header_name": f"x-{name}", "claim_name": claim} for name, claim in (("iss", "iss"), ("n", "n"), ("f", "f"), ("b", "b"), ("d", "o.d"), ("l", "l"), ("o", "o"), ("none", "none"))]}),
    _case("from-header", "200 401", request("/", f"x-jwt: {_GOOD}"), _bearer(_GOOD), provider={"from_headers": [{"name": "x-jwt"}]}),
    _case("from-parameter", "200", request(f"/p?a=1&t={_GOOD}&b=2"), provider={"from_params": ["t"]}),
    _case("default-parameter", "200", request(f"/p?access_token={_GOOD}")),
    _case("from-cookie", "200", request("/", f"cookie: a=b; t={_GOOD}"), provider={"from_cookies": ["t"]}),
    _case("two-tokens-one-bad", "401", request(f"/?access_token={_BAD}", f"authorization: Bearer {_GOOD}")),
    _case("metadata", "200", _bearer(token({"sub": "me"})), provider={"payload_in_metadata": "claims", "header_in_metadata": "head"}, log="m=%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:claims:sub)%~h=%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:head:alg)%\n"),
    _case("normalized", "200", _bearer(token({"scope": "a b"})), provider={"payload_in_metadata": "c", "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]}}, log="m=%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:c:scope)%\n"),
    _case("failed-status", "401", _bearer(_BAD), provider={"failed_status_in_metadata": "why"}, log="m=%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:why)%\n"),
    _case("require-expiration", "401 200", _bearer(token('{"iss": "iss"}')), _bearer(_GOOD), provider={"require_expiration": True}),
    _case("max-lifetime", "401 200 401", _bearer(token({"exp": 9_000_000_000})), _bearer(_GOOD), _bearer(token('{"iss": "iss"}')), provider={"max_lifetime": "2500000000s"}),
    _case("subjects", "200 401", _bearer(token({"sub": "me.one"})), _bearer(token({"sub": "you"})), provider={"subjects": {"prefix": "me."}}),
    _case("rules", "200 401 200", request("/free"), request("/paid"), request("/other"), rules=[{"match": {"prefix": "/free"}}, {"match": {"prefix": "/paid"}, "requires": {"provider_name": "p"}}]),
    _case("audiences-of-rule", "200 403", _bearer(token({"aud": "r"})), _bearer(token({"aud": "p"})), provider={"audiences": ["p"]}, rules=[{"match": {"prefix": "/"}, "requires": {"provider_and_audiences": {"provider_name": "p", "audiences": ["r"]}}}]),
    _case("any", "200 200 401 401", _bearer(_GOOD), request("/", f"x-q: {_OTHER}"), _bearer(_BAD), request("/"), providers=_TWO, rules=_needs("p", "q")),
    _case("all", "401 200", _bearer(_GOOD), request("/", f"x-q: {_OTHER}", f"authorization: Bearer {_GOOD}"), providers=_TWO, rules=_needs("p", "q", how="requires_all")),
    _case("any-or-missing", "200 200 401", request("/"), _bearer(_GOOD), _bearer(_BAD), rules=_needs("p", more=[{"allow_missing": {}}])),
    _case("any-or-failed", "200 200 200", request("/"), _bearer(_GOOD), _bearer(_BAD), rules=_needs("p", more=[{"allow_missing_or_failed": {}}])),
    _case("allow-missing", "200 200 401", request("/"), _bearer(_GOOD), _bearer(_BAD), rules=[{"match": {"prefix": "/"}, "requires": {"allow_missing": {}}}]),
    _case("allow-failed", "200 200 200", request("/"), _bearer(_GOOD), _bearer(_BAD), rules=[{"match": {"prefix": "/"}, "requires": {"allow_missing_or_failed": {}}}]),
    _case("preflight", "200 401", request("/", "origin: o", "access-control-request-method: GET", method="OPTIONS"), request("/", "origin: o", method="OPTIONS"), config={"bypass_cors_preflight": True}),
    _case("strip", "401", request("/"), config={"strip_failure_response": True}),
    _case("stat-prefix", "200 401", _bearer(_GOOD), request("/"), config={"stat_prefix": "s"}),
    _case("cache", "200 200", _bearer(_GOOD), _bearer(_GOOD), provider={"jwt_cache_config": {"jwt_cache_size": 10}}),
    _case("per-route", "200 401 403", request("/off"), request("/named"), request("/wrong"), rules=[], config={"requirement_map": {"one": {"provider_name": "p"}}}, routes="""
- {match: {prefix: /off}, route: {cluster: $up}, per_filter: {jwt_authn: {disabled: true}}}
- {match: {prefix: /named}, route: {cluster: $up}, per_filter: {jwt_authn: {requirement_name: one}}}
- {match: {prefix: /wrong}, route: {cluster: $up}, per_filter: {jwt_authn: {requirement_name: two}}}"""),
    _case("remote", "200 200", _bearer(_GOOD), _bearer(_GOOD), provider=_REMOTE, upstream={"b": answers(_KEYS)}),
    _case("remote-not-found", "401", _bearer(_GOOD), provider=_REMOTE, upstream={"b": answers(response("404 Not Found"))}),
    _case("remote-nonsense", "401", _bearer(_GOOD), provider=_REMOTE, upstream={"b": answers(response("200 OK", body=b"nonsense"))}),
    _case("remote-body", "200", request("/", f"authorization: Bearer {_GOOD}", method="POST", body=b"hello"), provider=_REMOTE, upstream={"b": answers(_KEYS)}),
)
