"""Files of results: what is written is what is read."""

import json

import pytest

from pyvoy.bench.results import ResultsError, dumps, loads, read
from tests.unit.bench.samples import results


def test_a_round_trip():
    found = results()
    once = loads(dumps(found))
    assert loads(dumps(once)) == once  # seven digits are kept of each number, and then they stay
    assert [row.key for row in once.rows] == [row.key for row in found.rows]
    assert (once.isolation, once.warnings, once.machine) == (found.isolation, found.warnings, found.machine)
    for old, new in zip(found.rows, once.rows, strict=True):
        for name, figure in old.figures.items():
            assert new.figures[name].value == pytest.approx(figure.value, rel=1e-6)
            assert new.figures[name].low == pytest.approx(figure.low, rel=1e-6)


def test_the_file_is_plain_json_without_infinities():
    def refuse(name):
        raise AssertionError(name)

    data = json.loads(dumps(results()), parse_constant=refuse)
    assert data["schema"] == 1
    single = data["rows"][0]["figures"]["worker_mib"]
    assert (single["low"], single["high"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [("{", "no results"), ("[]", "no results"), ('{"schema": 9}', "another version"), ('{"schema": 1}', "machine")],
)
def test_other_files_are_refused(tmp_path, text, told):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ResultsError, match=told) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(ResultsError, match="No such file"):
        read(tmp_path / "none.json")
