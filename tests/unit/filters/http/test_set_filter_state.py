"""Set filter state: values from formats."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.set_filter_state import SetFilterState
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play


def config(value: str, more: str = "", key: str = "k", factory: str = "envoy.string") -> str:
    entry = f"{{object_key: {key}, factory_key: {factory}, format_string: {{text_format: '{value}'}}{more}}}"
    return f"on_request_headers: [{entry}]"


def state(p: Play) -> dict[str, str]:
    found: dict[str, str] = p.stream.info.filter_state
    p.stage.close()
    return found


def test_a_value_is_made_of_a_format() -> None:
    p = play(SetFilterState, config("a-%REQ(x)%")) >> headers(x="b") << forwarded()
    assert state(p) == {"k": "a-b"}


@pytest.mark.parametrize(("more", "expected"), [("", {"k": ""}), (", skip_if_empty: true", {})])
def test_an_empty_value_may_be_left_out(more: str, expected: dict[str, str]) -> None:
    text = config("%REQ(x)%", more).replace("text_format:", "omit_empty_values: true, text_format:")
    assert state(play(SetFilterState, text) >> headers() << forwarded()) == expected


def test_a_value_that_is_read_only_stays() -> None:
    both = config("one", ", read_only: true")[:-1] + ", " + config("two", ", read_only: true")[21:]
    assert state(play(SetFilterState, both) >> headers() << forwarded()) == {"k": "one"}


def test_a_route_has_values_of_its_own() -> None:
    p = play(SetFilterState, config("one"), route=config("two", key="r")) >> headers() << forwarded()
    assert state(p) == {"r": "two"}


def test_what_makes_no_object_is_refused() -> None:
    with pytest.raises(ConfigErrors, match="'other' does not have an object factory"):
        play(SetFilterState, config("x", factory="other"))


def test_contract() -> None:
    check_http_filter(SetFilterState, config("x"))
