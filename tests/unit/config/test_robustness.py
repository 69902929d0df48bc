"""Whatever the text: a configuration or ConfigErrors, nothing else."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyvoy.config.load import load
from pyvoy.config.problems import ConfigErrors

CASES = Path(__file__).parents[2] / "cases" / "config"
TEXTS = [path.read_text().partition("\n---\n")[0] for path in sorted(CASES.glob("*.txt"))]
JUNK = st.sampled_from(
    ["", ":", "- ", "{", "}", "[", "]", "&a ", "*a", "!x ", "|", "\t", "'", '"', "null", "5s", "\x00", "é", "\n"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["5s", "c", "/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.sampled_from(TEXTS), st.floats(0, 1), st.integers(0, 40), JUNK)
def test_a_damaged_text(text, place, cut, junk):
    position = int(place * len(text))
    with contextlib.suppress(ConfigErrors):
        load(config_yaml=text[:position] + junk + text[position + cut :] or " ")


@QUICK
@given(st.sampled_from([text for text in TEXTS if "\n" in text]), st.floats(0, 1), VALUES)
def test_a_value_of_the_wrong_kind(text, place, value):
    lines = text.split("\n")
    number = int(place * (len(lines) - 1))
    key, colon, _ = lines[number].partition(":")
    lines[number] = f"{key}{colon} {json.dumps(value)}"
    with contextlib.suppress(ConfigErrors):
        load(config_yaml="\n".join(lines) or " ")
