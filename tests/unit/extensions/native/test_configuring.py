"""A mapping of the bootstrap as a filter's dataclass."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Optional

import pytest

from pyvoy.extensions.native.configuring import config_type, from_mapping


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Inner:
    n: int
    names: list[str] = field(default_factory=list)


@dataclass
class All:
    flag: bool = False
    whole: int = 0
    number: float = 0.0
    text: str = ""
    octets: bytes = b""
    any_: Any = None
    numbers: list[int] = field(default_factory=list)
    pair: tuple[str, ...] = ()
    unique: frozenset[str] = frozenset()
    many: set[int] = field(default_factory=set)
    seq: Sequence[str] = ()
    rates: dict[str, float] = field(default_factory=dict)
    mapping: Mapping[str, Inner] = field(default_factory=dict)
    kind: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    maybe: int | None = None
    either: Optional[int | str] = None  # noqa: UP045  # the old form is read too
    inner: Inner | None = None
    inners: list[Inner] = field(default_factory=list)
    noted: Annotated[int, "note"] = 0
    derived: int = field(init=False, default=7)


@dataclass
class Checked:
    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("low must not be above high")


def build(cls, **values):
    problems = []
    found = from_mapping(cls, values, "config", lambda *problem: problems.append(problem))
    return found, [f"{path}: {text}" for path, text, _ in problems]


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("flag", True, True),
        ("whole", 3, 3),
        ("whole", 3.0, 3),
        ("number", 3, 3.0),
        ("number", "2.5", 2.5),
        ("text", "x", "x"),
        ("octets", "ä", "ä".encode()),
        ("any_", [1, {"a": None}], [1, {"a": None}]),
        ("numbers", [1, 2], [1, 2]),
        ("pair", ["a", "b"], ("a", "b")),
        ("unique", ["a", "a"], frozenset("a")),
        ("many", [1, 1], {1}),
        ("seq", ["a"], ["a"]),
        ("rates", {"x.y": 1}, {"x.y": 1.0}),
        ("mapping", {"k": {"n": 1}}, {"k": Inner(1)}),
        ("kind", "b", "b"),
        ("colour", "BLUE", Colour.BLUE),
        ("colour", "b", Colour.BLUE),
        ("maybe", None, None),
        ("maybe", 4, 4),
        ("either", "x", "x"),
        ("either", 4, 4),
        ("inner", {"n": 1, "names": ["a"]}, Inner(1, ["a"])),
        ("inners", [{"n": 1}], [Inner(1)]),
        ("noted", 2, 2),
    ],
)
def test_values(name, given, wanted):
    found, problems = build(All, **{name: given})
    assert problems == []
    assert getattr(found, name) == wanted
    assert found.derived == 7


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("flag", 1, "config.flag: must be true or false, not 1"),
        ("whole", 1.5, "config.whole: must be a whole number, not 1.5"),
        ("whole", True, "config.whole: must be a whole number, not True"),
        ("whole", "1", "config.whole: must be a whole number, not '1'"),
        ("number", "x", "config.number: must be a number, not 'x'"),
        ("number", True, "config.number: must be a number, not True"),
        ("text", 1, "config.text: must be a text, not 1"),
        ("numbers", 1, "config.numbers: must be a list"),
        ("numbers", [1, "x"], "config.numbers[1]: must be a whole number, not 'x'"),
        ("rates", [1], "config.rates: must be a mapping"),
        ("rates", {"a": "x"}, "config.rates[\"a\"]: must be a number, not 'x'"),
        ("kind", "c", "config.kind: must be one of 'a', 'b', not 'c'"),
        ("colour", "GREEN", "config.colour: must be one of RED, BLUE, not 'GREEN'"),
        ("maybe", "x", "config.maybe: must be a whole number, not 'x'"),
        ("either", [1], "config.either: must be a whole number, not [1] or must be a text, not [1]"),
        ("inner", {}, "config.inner: n is required"),
        ("inner", 1, "config.inner: must be a mapping"),
        ("inners", [{"n": "x"}], "config.inners[0].n: must be a whole number, not 'x'"),
        ("derived", 1, "config.derived: All has no field 'derived'"),
        ("other", 1, "config.other: All has no field 'other'"),
        ("a b", 1, "config[\"a b\"]: All has no field 'a b'"),
    ],
)
def test_problems(name, given, text):
    assert build(All, **{name: given}) == (None, [text])


def test_all_problems_at_once():
    _, problems = build(Inner, names=[1, 2], x=3)
    assert problems == [
        "config.names[0]: must be a text, not 1",
        "config.names[1]: must be a text, not 2",
        "config.x: Inner has no field 'x'",
        "config: n is required",
    ]


def test_what_the_class_itself_checks():
    assert build(Checked, low=2, high=1) == (None, ["config: low must not be above high"])


def test_the_annotation_says_the_class():
    class WithDataclass:
        config: Inner

    class Derived(WithDataclass):
        pass

    class Text:
        config: "Colour"

    class Mapped:
        config: dict[str, Any]

    class Without:
        pass

    assert config_type(WithDataclass) is config_type(Derived) is Inner
    assert config_type(Mapped) is config_type(Without) is None
    with pytest.raises(TypeError, match="must be a dataclass"):
        config_type(Text)
