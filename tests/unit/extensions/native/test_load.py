"""Where the code of a filter comes from, and what is said when it cannot be used."""

import sys

import pytest

from pyvoy.api import Filter
from pyvoy.extensions.native.load import Code, LoadError, find_class

GOOD = "from pyvoy.api import Filter\nclass A(Filter):\n    n = 1\n"


def test_code_in_the_bootstrap():
    module = Code(inline=GOOD, name="here").load()
    assert find_class(module, "", Filter).n == 1
    assert Code(inline=GOOD).files(module) == []


def test_code_in_a_file_is_read_each_time(tmp_path):
    file = tmp_path / "my-filter.py"
    file.write_text(GOOD)
    code = Code(filename=str(file))
    first = code.load()
    assert code.files(first) == [str(file)]
    file.write_text(GOOD.replace("n = 1", "n = 2"))
    second = code.load()
    assert (find_class(first, "A", Filter).n, find_class(second, "A", Filter).n) == (1, 2)


def test_a_module_is_executed_again_only_when_its_file_has_changed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "some_filter_module.py"
    file.write_text(GOOD)
    code = Code(module="some_filter_module")
    try:
        first = code.load()
        assert code.load() is first
        file.write_text(GOOD.replace("n = 1", "n = 22"))
        second = code.load()
        assert second is not first
        assert find_class(second, "", Filter).n == 22
        assert sys.modules["some_filter_module"] is second
        file.write_text("x = = 1\n# longer")
        with pytest.raises(LoadError, match=r"some_filter_module\.py:1: invalid syntax"):
            code.load()
        assert sys.modules["some_filter_module"] is second
    finally:
        sys.modules.pop("some_filter_module", None)


def test_a_module_that_was_there_before_is_taken_as_it_is():
    import json

    assert Code(module="json").load() is json


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("x = = 1", ":1: invalid syntax"),
        ("\n\nraise ValueError('no')", ":3: ValueError: no"),
        ("import sys\nsys.exit(3)", ":2: SystemExit: 3"),
        ("def f():\n    raise KeyError('k')\nf()", ":2: KeyError: 'k'"),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path, source, text):
    file = tmp_path / "f.py"
    file.write_text(source)
    with pytest.raises(LoadError) as caught:
        Code(filename=str(file)).load()
    assert str(caught.value) == f"{file}{text}"


def test_a_file_that_is_not_there():
    with pytest.raises(LoadError, match=r"cannot read '/nothing.py'"):
        Code(filename="/nothing.py").load()


def test_which_class_is_meant():
    module = Code(inline=GOOD + "class B(A): pass\n").load()
    assert find_class(module, "", Filter).__name__ == "B", "the one that nothing is derived from"
    assert find_class(module, "A", Filter).__name__ == "A"
    with pytest.raises(LoadError, match="x is no Filter"):
        find_class(Code(inline=GOOD + "x = 1\n").load(), "x", Filter)
    with pytest.raises(LoadError, match="there is no class 'C'; there is A, B"):
        find_class(module, "C", Filter)
    with pytest.raises(LoadError, match="there is no filter"):
        find_class(Code(inline="from pyvoy.api import Filter").load(), "", Filter)
