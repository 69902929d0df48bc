"""RFC 7541: what a header block may be; the memory of blocks is never older than the table."""

import random

import hpack
import pytest

from pyvoy.http.h2.hpack import HeaderDecoder, HeaderEncoder, Http2Error
from pyvoy.http.h2.huffman import CODE_LENGTHS, well_padded

PLAIN = b"\x82\x86\x84\x41\x01a"


def decoder():
    return HeaderDecoder(4096, 100_000)


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(b"\x80", id="index-0"),
        pytest.param(b"\xfe", id="index-beyond-the-table"),
        pytest.param(b"\x7e\x01a", id="name-beyond-the-table"),
        pytest.param(PLAIN + b"\x20", id="size-update-at-the-end"),
        pytest.param(b"\x82\x20\x84", id="size-update-between"),
        pytest.param(b"\x3f\xe2\x1f\x82", id="size-update-above-the-limit"),
        pytest.param(b"\x40\x0atest", id="cut-string"),
        pytest.param(b"\x40", id="cut-field"),
        pytest.param(b"\xff", id="cut-integer"),
        pytest.param(b"\xff" * 8 + b"\x7f", id="endless-integer"),
        pytest.param(b"\x00\x01a\x82\x1f\xff", id="padding-of-a-byte"),
        pytest.param(b"\x00\x01a\x81\x18", id="padding-of-zeros"),
        pytest.param(b"\x00\x01a\x84\xff\xff\xff\xff", id="end-of-string-symbol"),
    ],
)
def test_a_block_that_breaks_a_rule_ends_the_connection(block):
    with pytest.raises(Http2Error) as caught:
        decoder().decode(block)
    assert caught.value.code == 9


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(b"\x20" + PLAIN, id="size-update-first"),
        pytest.param(b"\x20\x3f\xe1\x1f" + PLAIN, id="two-size-updates"),
        pytest.param(b"\x10\x01a\x01b", id="never-indexed"),
        pytest.param(b"\x00\x81\x1f\x81\x1f", id="huffman"),
        pytest.param(b"\x00\x01a\x80", id="empty-huffman"),
        pytest.param(b"", id="empty"),
    ],
)
def test_what_is_allowed_is_decoded(block):
    decoder().decode(block)


def test_every_octet_survives_the_public_encoder_and_ours():
    fields = [(b"x", bytes((octet,)) * 3) for octet in range(32, 127)]
    assert decoder().decode(hpack.Encoder().encode(fields)) == [(*pair, False) for pair in fields]
    block = HeaderEncoder().encode([(*pair, False) for pair in fields])
    assert [tuple(pair) for pair in hpack.Decoder().decode(block, raw=True)] == fields


def test_code_lengths_are_those_of_the_appendix():
    assert (CODE_LENGTHS[ord("a")], CODE_LENGTHS[ord("0")], CODE_LENGTHS[10], CODE_LENGTHS[255]) == (5, 5, 30, 26)
    assert well_padded(b"")


def test_a_block_is_remembered_as_long_as_the_table_stands_still():
    one = decoder()
    first = b"\x40\x01a\x01b"
    one.decode(first)
    one.keep(first, "changes the table")
    assert first not in one.known
    one.decode(b"\xbe")
    one.keep(b"\xbe", "the field")
    assert one.known == {b"\xbe": "the field"}
    one.decode(b"\x40\x01c\x01d")
    assert one.known == {}


def test_an_encoded_block_is_remembered_as_long_as_the_table_stands_still():
    one = HeaderEncoder()
    fields = [(b"x-a", b"1", False)]
    one.encode(fields, "key")
    assert one.known == {}, "it entered the field into the table"
    block = one.encode(fields, "key")
    assert one.known == {"key": block}
    one.encode([(b"x-b", b"2", False)])
    assert one.known == {}


def test_the_peers_smaller_table_is_announced_in_the_next_block():
    one = HeaderEncoder()
    one.resize(0)
    assert one.encode([(b"x-a", b"1", False)])[:1] == b"\x20"


def adding(name: bytes, value: bytes) -> bytes:
    """A literal field that refers to nothing and enters the table."""
    return b"\x40%c%b%c%b" % (len(name), name, len(value), value)


@pytest.mark.parametrize("repeats", [1, 2, 3, 127, 128, 129, 500])
def test_a_block_that_refers_to_nothing_is_decoded_once_and_the_table_holds_what_it_would(repeats):
    found = decoder()
    first = b"\x88" + adding(b"a", b"1") + adding(b"b", b"2")
    found.keep(first, found.decode(first) and "first")
    assert [found.recall(first) for _ in range(repeats)] == ["first"] * repeats
    assert found.decode(b"\xbe\xbf\xc0") == [(b"b", b"2", False), (b"a", b"1", False), (b"b", b"2", False)]
    assert found.recall(first) == "first"
    assert found.decode(b"\xbe") == [(b"b", b"2", False)]


def test_what_it_adds_makes_blocks_that_refer_to_the_table_unknown():
    found = decoder()
    literal = adding(b"a", b"1")
    found.keep(literal, found.decode(literal) and "literal")
    found.keep(b"\xbe", found.decode(b"\xbe") and "first of the table")
    assert found.recall(b"\xbe") == "first of the table"
    assert found.recall(literal) == "literal"
    assert found.recall(b"\xbe") is None


def test_a_block_that_adds_and_refers_is_never_remembered():
    found = decoder()
    found.decode(adding(b"a", b"1"))
    both = b"\xbe" + adding(b"b", b"2")
    found.keep(both, found.decode(both))
    assert found.recall(both) is None


@pytest.mark.parametrize("seed", range(20))
def test_remembering_changes_no_meaning(seed):
    """Beside a decoder that remembers nothing, with a table that overflows again and again."""
    chance = random.Random(seed)
    literals = [adding(b"n%d" % n, b"v" * chance.choice((1, 40, 120))) for n in range(6)]
    remembering, plain = decoder(), hpack.Decoder()
    entries = 0
    for _ in range(400):
        if entries and chance.random() < 0.4:
            block = b"%c" % (0xBE + chance.randrange(min(entries, 4)))
        else:
            block = chance.choice(literals) + chance.choice((b"", b"\x82", b"\x00\x01a\x01b"))
        wanted = [tuple(pair) for pair in plain.decode(block, raw=True)]
        entries = len(plain.header_table.dynamic_entries)
        got = remembering.recall(block)
        if got is None:
            got = [field[:2] for field in remembering.decode(block)]
            remembering.keep(block, got)
        assert got == wanted
