"""What is told of two runs."""

from dataclasses import replace

from pyvoy.bench import intervals
from pyvoy.bench.compare import as_markdown, compared, notes
from tests.unit.bench.samples import results


def test_the_same_run_twice_has_not_changed():
    found = compared(results(), results())
    assert found
    assert not [each for each in found if each.is_real]
    assert "0 changed beyond noise" in as_markdown(results(), results())


def test_a_real_change_is_told_with_its_direction():
    text = as_markdown(results(python_adds=8.0), results(python_adds=30.0))
    worse = text.partition("## Worse")[2]
    assert "add_header, Python in pyvoy" in worse
    assert "+22.0 ±1.8 (+275%)" in worse
    assert "Lua" not in worse
    assert "## Better" not in text
    back = as_markdown(results(python_adds=30.0), results(python_adds=8.0))
    assert "## Better" in back
    assert "## Worse" not in back


def test_a_change_within_noise_is_not_told():
    moved = [each for each in compared(results(8.0), results(8.9)) if each.is_real]
    assert not [each for each in moved if each.measure == "added_us"]


def test_more_requests_are_better():
    before, after = results(), results()
    for row in after.rows:
        row.figures["saturated"] = intervals.mean([60000.0, 60500.0, 61000.0])
    real = [each for each in compared(before, after) if each.is_real and each.measure == "saturated"]
    assert real
    assert all(each.is_better for each in real)


def test_figures_without_an_interval_are_not_compared():
    assert not [each for each in compared(results(), results()) if each.measure == "worker_mib"]


def test_what_only_one_run_has_and_other_machines_are_noted():
    before, after = results(), results()
    after.rows = [row for row in after.rows if row.form != "lua"]
    after.machine = {**after.machine, "cpu": "another"}
    after.isolation[0] = replace(after.isolation[0], recovered=False)
    told = "\n".join(notes(before, after))
    assert "differ in cpu" in told
    assert "only before: add_header lua pyvoy" in told
    assert "crash in Python, pyvoy: none failed, longest wait 5 ms; now none failed" in told
