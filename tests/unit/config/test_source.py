"""Text to nodes: what yaml-cpp would read, with places; bad texts give one clear error and never more."""

from __future__ import annotations

import pytest

from pyvoy.config import source
from pyvoy.config.problems import ConfigErrors


def plain(text, **how):
    return source.parse(text, "f.yaml", **how)[1].plain()


def message_of(text, **how):
    with pytest.raises(ConfigErrors) as caught:
        source.parse(text, "f.yaml", **how)
    (problem,) = caught.value.problems
    return f"{problem.place.line}:{problem.place.column} {problem.what}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("0x1F", 31),
        ("010", 8),
        ("09", "09"),
        ("+5", 5),
        ("-5", -5),
        ("1_000", "1_000"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        ("2147483647", 2147483647),
        ("2147483648", "2147483648"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("yes", True),
        ("Y", True),
        ("off", False),
        ("oN", "oN"),
        ("~", None),
        ("", None),
        ("Null", None),
        ("nUll", "nUll"),
        ("'5'", "5"),
        ('"yes"', "yes"),
        ("!!str 5", 5),
        ("!!str '5'", 5),
        ("! 5", "5"),
        ("!!str ", ""),
        (".inf", ".inf"),
    ],
)
def test_scalars_as_envoy_reads_them(text, value):
    got = plain(f"a: {text}\n")["a"]
    assert got == value
    assert type(got) is type(value)


def test_a_block_scalar_is_text():
    assert plain("a: |\n  5\n") == {"a": "5\n"}


def test_the_last_of_equal_keys_wins():
    assert plain("{a: 1, a: 2}") == {"a": 2}


def test_only_the_first_document_counts():
    assert plain("a: 1\n---\n[broken") == {"a": 1}


def test_a_merge_key_is_an_ordinary_key():
    assert plain("{<<: {a: 1}}") == {"<<": {"a": 1}}


def test_a_key_tagged_ignore_vanishes():
    assert plain("{!ignore a: 1, !other b: 2}") == {"b": 2}


def test_anchors():
    assert plain("a: &x {b: 1}\nc: *x\nd: &k e\n*k : 5") == {"a": {"b": 1}, "c": {"b": 1}, "d": "e", "e": 5}


def test_a_null_key_is_the_text_null():
    assert plain("{~: 1}") == {"null": 1}


def test_places_count_from_one():
    node = source.parse("a:\n  bc: [1,\n    x]\n", "f")[1]
    entry = node.value[0].node.value[0]
    assert (entry.line, entry.column) == (2, 3)
    item = entry.node.value[1]
    assert (item.line, item.column, item.value) == (3, 5, "x")


def test_a_line_of_one_tab_is_an_empty_line():
    assert plain("a: 1\n\t\nb: 2\n") == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1 the configuration is empty"),
        ("foo", "1:1 the configuration must be a mapping of fields"),
        ("- a", "1:1 the configuration must be a mapping of fields"),
        ("a: *x", "1:4 the anchor 'x' is not defined"),
        ("a: &x [*x]", "1:8 the anchor 'x' contains itself"),
        ("a: &x {b: {c: *x}}", "1:15 the anchor 'x' contains itself"),
        ("{[a]: b}", "1:2 a key must be a scalar"),
        ("{{a: b}: b}", "1:2 a key must be a scalar"),
        ("a: 1\nb: [1", "2:4 not valid YAML: while parsing a flow sequence, did not find expected ',' or ']'"),
        ("a: b: c", "1:5 not valid YAML: mapping values are not allowed in this context"),
        ("a: é\nb: \x01", "2:4 not valid YAML: character U+0001 is not allowed"),
    ],
)
def test_bad_texts(text, message):
    assert message_of(text) == message


@pytest.mark.parametrize("text", ["[" * 1_000_000, "a: " + "[" * 1_000_000, "a: " + "{a: " * 100_000, "- " * 100_000])
def test_bottomless_nesting_is_one_error(text):
    assert "nested too deeply" in message_of(text)


def test_depth_as_in_envoy():
    assert plain("{a: " * 100 + "b" + "}" * 100)
    assert "nested too deeply" in message_of("{a: " * 101 + "b" + "}" * 101)


def test_anchors_that_multiply_are_one_error():
    lines = ["a0: &a0 [" + ",".join("1" * 10) + "]"]
    lines += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "anchors expand to too much" in message_of("\n".join(lines))


def test_anchors_that_nest_deeply_are_one_error():
    lines = ["a0: &a0 [1]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 150)]
    assert "anchors expand to too much" in message_of("\n".join(lines))


@pytest.mark.parametrize(
    "data",
    [b"a: 1", b"\xef\xbb\xbfa: 1", "\ufeffa: 1".encode("utf-16-le"), "\ufeffa: 1".encode("utf-16-be")],
)
def test_byte_order_marks(data):
    assert plain(source.decode(data)) == {"a": 1}


def test_what_is_no_utf8_is_replaced():
    assert plain(source.decode(b"a: \xe9")) == {"a": "\ufffd"}


def test_json_keeps_its_types():
    text = '{"a": [1.5, 12345678901, true, null, "yes", "\\ud83d\\ude00\\/"],\n\t"b": 1e3}'
    assert plain(text, is_json=True) == {"a": [1.5, 12345678901, True, None, "yes", "😀/"], "b": 1000.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,}', "1:9 not valid JSON"),
        ("a: 1", "1:1 not valid JSON"),
        ("[]", "1:1 the configuration must be"),
        ('{"a":' * 100_000, "1:1 nested too deeply"),
        ('{"a":' * 200 + "1" + "}" * 200, "1:501 nested too deeply"),
    ],
)
def test_bad_json(text, message):
    assert message_of(text, is_json=True).startswith(message)
