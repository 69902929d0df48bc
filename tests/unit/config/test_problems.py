"""How problems read, and where a path leads."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import (
    ConfigErrors,
    ConfigProblem,
    Place,
    Problems,
    Source,
    Where,
    join_path,
    nearest_name,
    path_steps,
    render,
)

SOURCE = Source("envoy.yaml", ("a: 1", "b:", "  c: x"))


def test_a_problem_in_one_line():
    problem = ConfigProblem("is wrong", "b.c", Place(SOURCE, 3, 6), "d")
    assert str(problem) == 'envoy.yaml:3:6: error: b.c: is wrong; did you mean "d"?'
    assert str(ConfigProblem("is odd", is_error=False)) == "warning: is odd"


def test_problems_for_a_person():
    problems = [
        ConfigProblem("is odd", "a", Place(SOURCE, 1, 4), is_error=False),
        ConfigProblem("is wrong", "b.c", Place(SOURCE, 3, 6), "d"),
        ConfigProblem("is missing"),
    ]
    assert (
        render(problems)
        == """\
envoy.yaml:1:4: warning: is odd
    in a
    1 | a: 1
      |    ^
envoy.yaml:3:6: error: is wrong; did you mean "d"?
    in b.c
    3 |   c: x
      |      ^
error: is missing
2 errors, 1 warning"""
    )


def test_collected_problems_come_in_the_order_of_the_text_and_once():
    problems = Problems()
    where = Where(Place(SOURCE, 1, 1))
    where.children["late"] = Where(Place(SOURCE, 3, 1))
    problems.error(where.child("late"), "late", "is wrong")
    problems.warning(where, "early", "is odd")
    problems.error(where.child("late"), "late", "is wrong")
    assert [problem.path for problem in problems] == ["early", "late"]
    assert [problem.path for problem in problems.warnings] == ["early"]
    with pytest.raises(ConfigErrors) as caught:
        problems.raise_errors()
    assert len(caught.value.problems) == 2


def test_warnings_alone_raise_nothing():
    problems = Problems()
    problems.warning(Where(), "a", "is odd")
    problems.raise_errors()


def test_a_place_that_is_not_in_the_text_is_the_place_above():
    where = Where(Place(SOURCE, 2, 1))
    where.children["c"] = Where(Place(SOURCE, 3, 3))
    assert where.follow("c").place.line == 3
    assert where.follow("c.x[2].y").place.line == 3
    assert where.follow("d").place.line == 2


@pytest.mark.parametrize(
    ("path", "steps"),
    [("", []), ("a", ["a"]), ("a.b", ["a", "b"]), ("a[2].b", ["a", 2, "b"]), ('a["x.y"].b', ["a", "x.y", "b"])],
)
def test_steps_of_a_path(path, steps):
    assert list(path_steps(path)) == steps


@pytest.mark.parametrize(
    ("base", "step", "path"),
    [("", "a", "a"), ("a", "b", "a.b"), ("a", 2, "a[2]"), ("a", '["k"]', 'a["k"]'), ("a", "", "a"), ("", "[1]", "[1]")],
)
def test_joined_paths(base, step, path):
    assert join_path(base, step) == path


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("clutser", "cluster"), ("CLUSTER", "cluster"), ("timeuot", "timeout"), ("zzz", ""), ("", "")],
)
def test_the_nearest_name(name, nearest):
    assert nearest_name(name, ["cluster", "timeout", "prefix"]) == nearest
