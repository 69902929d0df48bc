"""Basic authentication: credentials good and bad, the forwarded name, and htpasswd lists that are refused."""

from __future__ import annotations

import hashlib
from base64 import b64encode

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.basic_auth import BasicAuth
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import forwarded, headers, play, reply

HASH = b64encode(hashlib.sha1(b"pass", usedforsecurity=False).digest()).decode()


def users(text: str) -> str:
    return f'users: {{inline_string: "{text}"}}'


USERS = users(f"u:{{SHA}}{HASH}\\n# a comment\\n\\nw:{{SHA}}{HASH}\\n")


def basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


# credentials, what is wrong with them; as seen on Envoy 1.40
WRONG = [
    (None, b"Missing username and password.", "no_credential_for_basic_auth"),
    ("Bearer x", b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth"),
    ("basic " + basic("u:pass")[6:], b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth"),
    ("Basic ???", b"Invalid basic credential format.", "invalid_format_for_basic_auth"),
    (basic("upass"), b"Invalid basic credential format.", "invalid_format_for_basic_auth"),
    (basic("u:wrong"), b"Invalid username/password combination.", "invalid_credential_for_basic_auth"),
    (basic("z:pass"), b"Invalid username/password combination.", "invalid_credential_for_basic_auth"),
]


@pytest.mark.parametrize(("credentials", "text", "detail"), WRONG)
def test_bad_credentials(credentials: str | None, text: bytes, detail: str) -> None:
    p = play(BasicAuth, USERS) >> headers("GET", "/p?q=1", authorization=credentials, authority="a.test")
    realm = ("www-authenticate", 'Basic realm="http://a.test/p?q=1"')
    p << reply(401, b"User authentication failed. " + text, realm, detail=detail, flags="-")
    assert p.counter("http.test.basic_auth.denied") == 1
    p.end()


@pytest.mark.parametrize("name", ["u", "w"])
def test_good_credentials(name: str) -> None:
    p = play(BasicAuth, f"{USERS}\nforward_username_header: X-User")
    p >> headers(authorization=basic(f"{name}:pass"), x_user="forged") << forwarded(x_user=name)
    assert p.counter("http.test.basic_auth.allowed") == 1
    p.stage.close()


def test_another_header_may_carry_them() -> None:
    p = play(BasicAuth, f"{USERS}\nauthentication_header: x-auth") >> headers(x_auth=basic("u:pass")) << forwarded()
    p.stage.close()


def test_a_route_has_users_of_its_own() -> None:
    p = play(BasicAuth, USERS, route=users(f"r:{{SHA}}{HASH}"))
    p >> headers(authorization=basic("u:pass")) << reply(401) >> headers(authorization=basic("r:pass")) << forwarded()
    p.stage.close()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("u:pass", "unsupported htpasswd format: please use {SHA}"),
        ("u", "username:password is expected"),
        (f":{{SHA}}{HASH}", "empty user name or password"),
        ("u:{SHA}x", "invalid SHA hash length"),
        (f"u:{{SHA}}{HASH}\\nu:{{SHA}}{HASH}", "duplicate users"),
        ("", "cannot be empty"),
    ],
)
def test_lists_that_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(BasicAuth, users(text))


def test_contract() -> None:
    check_http_filter(BasicAuth, USERS)
    check_http_filter(BasicAuth, USERS, request_headers={"authorization": basic("u:pass")})
