"""IP tagging: the names of a client's networks."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.ip_tagging import IpTagging
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play


def config(*networks: tuple[str, str, int], more: str = "") -> str:
    tags = ", ".join(
        f"{{ip_tag_name: {name}, ip_list: [{{address_prefix: {ip}, prefix_len: {bits}}}]}}"
        for name, ip, bits in networks
    )
    return f"ip_tags: [{tags}]\n{more}"


HERE = ("here", "0.0.0.0", 0)
AWAY = ("away", "203.0.113.0", 24)


def staged(*networks: tuple[str, str, int], more: str = "", **rest: str) -> Play:
    return play(IpTagging, config(*networks, more=more), **rest)  # type: ignore[arg-type]


def count(p: Play, name: str) -> int:
    return p.counter(f"http.test.ip_tagging.{name}")


def test_a_tag_is_added() -> None:
    p = staged(HERE, AWAY) >> headers(x_envoy_ip_tags="mine") << forwarded(x_envoy_ip_tags="mine,here")
    assert (count(p, "here.hit"), count(p, "away.hit"), count(p, "no_hit"), count(p, "total")) == (1, 0, 0, 1)
    p.stage.close()


def test_several_tags_are_joined() -> None:
    p = staged(HERE, ("all", "0.0.0.0", 0)) >> headers() << forwarded(x_envoy_ip_tags="here,all")
    p.stage.close()


def test_no_tag() -> None:
    p = staged(AWAY) >> headers() << forwarded(x_envoy_ip_tags=None)
    assert (count(p, "no_hit"), count(p, "total")) == (1, 1)
    p.stage.close()


@pytest.mark.parametrize(("action", "expected"), [("SANITIZE", "here"), ("APPEND_IF_EXISTS_OR_ADD", "mine,here")])
def test_another_header(action: str, expected: str) -> None:
    p = staged(HERE, more=f"ip_tag_header: {{header: x-tags, action: {action}}}")
    p >> headers(x_tags="mine") << forwarded(x_tags=expected)
    p.stage.close()


def test_what_a_client_sends_may_go_even_without_a_tag() -> None:
    p = staged(AWAY, more="ip_tag_header: {header: x-tags}") >> headers(x_tags="mine") << forwarded(x_tags=None)
    p.stage.close()


@pytest.mark.parametrize(
    ("kind", "internal", "tagged"),
    [("INTERNAL", None, None), ("INTERNAL", "true", "here"), ("EXTERNAL", "true", None), ("EXTERNAL", None, "here")],
)
def test_whom_it_concerns(kind: str, internal: str | None, tagged: str | None) -> None:
    p = staged(HERE, more=f"request_type: {kind}") >> headers(x_envoy_internal=internal)
    p << forwarded(x_envoy_ip_tags=tagged)
    p.stage.close()


def test_a_route_has_tags_of_its_own() -> None:
    p = staged(HERE, route=config(("route", "0.0.0.0", 0))) >> headers() << forwarded(x_envoy_ip_tags="route")
    p.stage.close()


def test_it_needs_tags() -> None:
    with pytest.raises(ConfigErrors, match="must have at least 1 entry"):
        play(IpTagging, "")


def test_contract() -> None:
    check_http_filter(IpTagging, config(HERE))
