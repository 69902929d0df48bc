"""The module `pyvoy` of scripts."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pyvoy.extensions.lua.helpers import jwt_decode, jwt_verify
from pyvoy.testing.playbook import forwarded, headers, response, sent
from tests.unit.extensions.lua.lua_play import lua, on_request

SECRET = b"secret"


def said(body: str) -> bytes:
    """What a script with the module says with `out`."""
    p = on_request(
        f'local pyvoy = require("pyvoy") local function out(t) h:respond({{[":status"] = "200"}}, t) end {body}'
    )
    p >> headers("GET", "/a?x=1")
    text: bytes = p.stage.record.of("sent_data")[0].data
    p.stage.close()
    return text


JSON_TEXTS = ["null", "true", "1", "2.5", '"a\\"b\\n"', "[]", "[1,null,[]]", '{"a":{"b":[1,2]}}', '"\\u0001"', '"ü"']


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_there_and_back(text: str) -> None:
    back = said(f"out(pyvoy.json.encode(pyvoy.json.decode([==[{text}]==])))")
    assert json.loads(back) == json.loads(text)


def test_json_that_is_none() -> None:
    assert said("local v, e = pyvoy.json.decode('{') out(tostring(v) .. type(e))") == b"nilstring"
    for value in ("print", "0/0", "math.huge", "{[true] = 1}"):
        assert b"JSON" in said(f"out(select(2, pcall(pyvoy.json.encode, {value})))")
    assert b"too deep" in said("local t = {} t.t = t out(select(2, pcall(pyvoy.json.encode, t)))")
    assert said("out(pyvoy.json.encode({}) .. pyvoy.json.encode(pyvoy.json.array()))") == b"{}[]"


def test_base64_and_urls() -> None:
    assert (
        said("out(pyvoy.base64.encode('a?>') .. pyvoy.base64.encode_url('a?>') .. pyvoy.base64.decode('YQ=='))")
        == b"YT8+YT8-a"
    )
    assert said("out(pyvoy.base64.decode_url('YT8-') .. tostring(pyvoy.base64.decode('!')))") == b"a?>nil"
    assert said("out(pyvoy.url.encode('a b/ü') .. ' ' .. pyvoy.url.decode('a+b%2F'))") == b"a%20b%2F%C3%BC a b/"
    assert said("local q = pyvoy.url.parse_query('/p?a=1&b=x%20y&a=2&c') out(q.a .. q.b .. q.c)") == b"1x y"
    assert said("out(pyvoy.url.build_query({b = 'x y', a = 1}))") == b"a=1&b=x%20y"


def encode(value: Any) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def token(algorithm: str, sign: Any, **claims: Any) -> bytes:
    signed = encode({"alg": algorithm}) + b"." + encode(claims)
    return signed + b"." + urlsafe_b64encode(sign(signed)).rstrip(b"=")


def hs256(signed: bytes) -> bytes:
    return hmac.digest(SECRET, signed, "sha256")


def pem(key: Any) -> bytes:
    encoded: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def test_tokens_of_all_families() -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    ec_key = ec.generate_private_key(ec.SECP256R1())

    def es256(signed: bytes) -> bytes:
        r, s = decode_dss_signature(ec_key.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    rs = token("RS256", lambda signed: rsa_key.sign(signed, padding.PKCS1v15(), hashes.SHA256()), sub="a")
    es = token("ES256", es256, sub="a")
    hs = token("HS256", hs256, sub="a")
    for found, key in ((rs, pem(rsa_key)), (es, pem(ec_key)), (hs, SECRET)):
        claims, wrong = jwt_verify(found, key, b"RS256,ES256,HS256", None, None, 0)
        assert wrong is None
        assert json.loads(claims or b"") == {"sub": "a"}
        changed = found[:-10] + b"AAAAAAAAAA"
        assert jwt_verify(changed, key, b"RS256,ES256,HS256", None, None, 0)[0] is None
    # a public key must never pass for the secret of an HS token
    forged = token("HS256", lambda signed: hmac.digest(pem(rsa_key), signed, "sha256"), sub="a")
    assert jwt_verify(forged, pem(rsa_key), b"RS256", None, None, 0) == (None, b"algorithm 'HS256' is not accepted")
    assert jwt_verify(es, pem(rsa_key), b"ES256", None, None, 0)[0] is None


NOW = time.time()
CLAIMS = {
    "expired": ({"exp": NOW - 60}, b"the token has expired"),
    "early": ({"nbf": NOW + 600}, b"the token is not valid yet"),
    "no time": ({"exp": "soon"}, b"exp is no time"),
    "issuer": ({"iss": "other"}, b"the issuer is another"),
    "audience": ({"iss": "i", "aud": ["x"]}, b"the audience is another"),
    "good": ({"iss": "i", "aud": ["x", "a"], "exp": NOW + 600}, None),
}


@pytest.mark.parametrize(("claims", "wrong"), CLAIMS.values(), ids=CLAIMS.keys())
def test_claims(claims: dict[str, Any], wrong: bytes | None) -> None:
    assert jwt_verify(token("HS256", hs256, **claims), SECRET, b"HS256", b"i", b"a", 0)[1] == wrong


@pytest.mark.parametrize("text", [b"", b"a.b", b"!.!.!", b"YQ.YQ.YQ", b"W10.W10.x"])
def test_what_is_no_token(text: bytes) -> None:
    assert jwt_decode(text)[0] is None
    assert jwt_verify(text, SECRET, b"HS256", None, None, 0)[0] is None


def test_a_script_verifies_a_token() -> None:
    good = token("HS256", hs256, sub="ada").decode()
    assert said(f"out(pyvoy.jwt.verify('{good}', 'secret', {{algorithms = {{'HS256'}}}}).sub)") == b"ada"
    assert (
        said(f"local c, e = pyvoy.jwt.verify('{good}', 'other', {{algorithms = {{'HS256'}}}}) out(e)")
        == b"the signature does not hold"
    )
    assert said(f"local head, claims = pyvoy.jwt.decode('{good}') out(head.alg .. claims.sub)") == b"HS256ada"


def test_metrics_shared_data_and_queues() -> None:
    p = lua("""
        local pyvoy = require("pyvoy")
        local counter, gauge, sizes = pyvoy.counter("c"), pyvoy.gauge("g"), pyvoy.histogram("s", "bytes")
        local data, queue = pyvoy.shared_data("n"), pyvoy.shared_queue("n", "q")
        function envoy_on_request(h)
          counter:inc() counter:inc(2) gauge:set(5) gauge:add(2) gauge:sub(1) gauge:inc() gauge:dec() sizes:record(3)
          local text = data:update("k", function(old) return (old or "") .. "x" end)
          local value, number = data:get("k")
          local kept = data:set("k", "other", number + 1)
          queue:push("one") queue:push("two")
          local first, length = queue:pop(), queue:length()
          local gone = data:delete("k") and data:get("k") == nil
          h:headers():add("x-r", table.concat({text, value, tostring(kept), first, length, tostring(gone)}, " "))
          local path, none = pyvoy.attribute("request.path"), pyvoy.attribute("no.such")
          h:headers():add("x-p", path .. tostring(none) .. type(pyvoy.wall_s()))
        end""")
    p >> headers("GET", "/a") << forwarded(x_r="x x false one 1 true", x_p="/anilnumber", end=True)
    assert p.counter("http.test.lua.c") == 3
    assert p.gauge("http.test.lua.g") == 6
    p.stage.close()


def test_on_log_runs_once_and_cannot_wait() -> None:
    p = lua("""
        local pyvoy = require("pyvoy")
        function pyvoy_on_log(h)
          pyvoy.counter("logged"):inc()
          pyvoy.counter("code." .. pyvoy.attribute("response.code")):inc()
          h:httpCall("upstream", {[":method"] = "GET", [":path"] = "/", [":authority"] = "x"}, nil, 1, true)
          h:headers():add("x-late", "1")
          pyvoy.counter("never"):inc()
        end""")
    p >> headers("GET") << forwarded(end=True) >> response(200, end=True) << sent(200, end=True)
    assert p.counter("http.test.lua.logged") == 1
    assert p.counter("http.test.lua.code.200") == 1
    assert p.counter("http.test.lua.never") == 0
    assert p.counter("http.test.lua.errors") == 1
    p.end()
