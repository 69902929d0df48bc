"""Trace contexts: what headers are understood, and what is told."""

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.tracing import b3, w3c
from pyvoy.tracing.span import Kind, Span


def headers(**values: str) -> HeaderMap:
    return HeaderMap([(name.replace("_", "-").encode(), value.encode()) for name, value in values.items()])


def span(trace_id: int = 10, span_id: int = 11, parent_id: int = 0, sampled: bool = True, **more: object) -> Span:
    return Span(trace_id, span_id, parent_id, sampled, Kind.SERVER, "n", 0.0, **more)  # type: ignore[arg-type]


def test_b3_headers_give_a_context():
    given = headers(x_b3_traceid="0a", x_b3_spanid="0b", x_b3_parentspanid="0c", x_b3_sampled="true")
    assert b3.extract(given) == b3.Context(10, 11, 12, True)
    assert b3.extract(headers(x_b3_traceid="0a")) == b3.Context()
    assert b3.extract(headers(x_b3_sampled="0")) == b3.Context(sampled=False)


def test_one_b3_header_gives_a_context_and_wins():
    ids = f"{10:032x}-{11:016x}"
    assert b3.extract(headers(b3=ids, x_b3_traceid="1", x_b3_spanid="1")) == b3.Context(10, 11, 0, None, True)
    assert b3.extract(headers(b3=f"{ids}-d-{12:016x}")) == b3.Context(10, 11, 12, True, True)
    assert b3.extract(headers(b3="0")) == b3.Context(sampled=False, single_header=True)


@pytest.mark.parametrize("value", ["", "zz", "a-b", f"{10:016x}", f"{10:016x}-{11:016x}-2", f"{10:016x}-{11:016x}-1-q"])
def test_a_bad_b3_header_is_no_context(value):
    with pytest.raises(b3.BadContext):
        b3.extract(headers(b3=value))


@pytest.mark.parametrize("value", ["g", "1" * 33, "+1", "1_0"])
def test_bad_digits_are_no_id(value):
    with pytest.raises(b3.BadContext):
        b3.extract(headers(x_b3_traceid=value, x_b3_spanid="1"))


def test_b3_is_told_as_it_came():
    told = HeaderMap()
    b3.inject(span(10 << 64 | 1, parent_id=12), told)
    assert dict(told.items()) == {
        b"x-b3-traceid": b"%032x" % (10 << 64 | 1),
        b"x-b3-spanid": b"%016x" % 11,
        b"x-b3-parentspanid": b"%016x" % 12,
        b"x-b3-sampled": b"1",
    }
    told = HeaderMap()
    b3.inject(span(sampled=False, single_header=True), told)
    assert dict(told.items()) == {b"b3": b"%016x-%016x-0" % (10, 11)}


def test_traceparent_gives_a_context():
    given = HeaderMap(
        [
            (b"traceparent", b"01-%032x-%016x-03" % (10, 11)),
            (b"tracestate", b"a=b"),
            (b"tracestate", b"c=d"),
        ]
    )
    assert w3c.extract(given) == w3c.Context(10, 11, True, b"a=b,c=d")


@pytest.mark.parametrize(
    "value",
    ["", "mine", f"00-{0:032x}-{11:016x}-01", f"00-{10:032x}-{0:016x}-01", f"00-{10:032X}-{11:016x}-01", "0" * 55],
)
def test_another_traceparent_is_no_context(value):
    assert w3c.extract(headers(traceparent=value)) is None
