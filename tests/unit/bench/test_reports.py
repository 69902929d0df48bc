"""The reports: everything is in them, and the page needs nothing else."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from pyvoy.bench import svg
from pyvoy.bench.chains import fitted
from pyvoy.bench.decision import choices, protected
from pyvoy.bench.html import as_html
from pyvoy.bench.intervals import Figure, mean
from pyvoy.bench.markdown import as_markdown
from pyvoy.bench.results import Results, ScalePoint
from tests.unit.bench.samples import MACHINE, SETTINGS, results, row

VOID = {"meta", "br", "line", "path", "circle"}


class Balance(HTMLParser):
    """Follows the open elements; whatever loads something is collected."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.loads = []
        self.ids = []
        self.targets = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "srcset", "data") or tag in ("script", "link", "iframe", "object", "img"):
                self.loads.append((tag, name, value))
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.targets.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(page):
    balance = Balance()
    balance.feed(page)
    balance.close()
    return balance


def test_the_page_is_whole_and_loads_nothing():
    page = as_html(results())
    found = read(page)
    assert found.open == []
    assert found.loads == []
    assert len(set(found.ids)) == len(found.ids)
    assert {target.removeprefix("#") for target in found.targets} == set(found.ids)
    assert "@import" not in page
    assert "url(" not in page
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)


def test_what_was_measured_is_on_the_page():
    page = as_html(results())
    texts = ["A &lt;fast&gt; CPU", "The machine was busy.", "Python in pyvoy", "Wasm (C++) in Envoy", "redact_json"]
    texts += ["&#39;pyvoy&#39; &lt;not&gt; found", "no answer in 6.5 s", "a worker was replaced", "did not recover"]
    assert [text for text in texts if text not in page] == []
    assert page.count("<svg") >= 6
    assert "nan" not in page
    assert "inf" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).replace("info", "")


@pytest.mark.parametrize("part", ["chain", "workers", "isolation", "warnings"])
def test_parts_that_were_not_measured_are_left_out(part):
    found = results()
    setattr(found, part, [])
    assert read(as_html(found)).open == []
    assert as_markdown(found)


def test_a_page_of_one_filter_without_anything_else():
    found = Results(
        MACHINE, SETTINGS, [row("mine", "none", "none", "pyvoy", 0), row("mine", "lua", "lua", "pyvoy", 0.1)]
    )
    page = as_html(found)
    assert "What Lua in pyvoy adds to it is within the noise." in page
    assert read(page).open == []


def test_the_markdown_has_a_table_for_each_part():
    text = as_markdown(results())
    for title in ("## add_header", "## redact_json", "## Chains", "## Workers", "## Isolation", "Warning: the machine"):
        assert title in text
    assert "| Python in pyvoy | 8.0 ±1.2 |" in text
    assert "Not measured: Lua in Envoy: `module 'pyvoy' <not> found`" in text
    widths = {
        line.count("|") for line in text.partition("## add_header")[2].partition("##")[0].splitlines() if "|" in line
    }
    assert len(widths) == 1


def test_a_chain_is_a_line_through_its_rounds():
    (chain,) = fitted(results().chain)
    assert chain.line.slope.value == pytest.approx(5.0)
    assert chain.line.intercept == pytest.approx(25.0)
    assert [point.filters for point in chain.points] == [0, 1, 4, 8, 16]


def test_the_pace_of_the_machine_in_a_round_is_no_part_of_a_line():
    points = []
    for filters in (1, 4, 8, 16):
        samples = [25 + 5.0 * filters + pace for pace in (0, 40, 10, 70)]
        points.append(ScalePoint("pyvoy", "lua", "lua", filters, 1, mean(samples), mean(samples)))
    (chain,) = fitted(points)
    assert chain.line.slope.value == pytest.approx(5.0)
    assert chain.line.r_squared == pytest.approx(1.0)
    assert chain.line.slope.half == pytest.approx(0.0, abs=1e-6)


def test_choices_are_in_order_and_know_what_was_refused():
    found = choices(results())
    names = [choice.name for choice in found]
    assert names[:3] == ["Python in pyvoy", "Lua in pyvoy", "Wasm (C++) in pyvoy"]
    assert names[3:] == ["Wasm (C++) in Envoy", "gRPC server (ext_proc) in Envoy"]
    assert found[0].median("added_us") == 8.0


def test_isolation_in_words():
    assert protected(results(), "python", "pyvoy") == "crash: unnoticed; loop: bad for others"
    assert protected(results(), "lua", "pyvoy") == "loop: noticed for a moment"
    assert protected(results(), "ext_proc", "envoy") == "–"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (-3, 12, [-2.5, 0, 2.5, 5, 7.5, 10]),
        (0, 0.5, [0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert svg.ticks(low, high) == pytest.approx(expected)


def test_a_value_beyond_the_axis_is_an_arrow():
    inside = svg.Mark("in", Figure(5, 4, 6), "c-lua", False, "5")
    outside = svg.Mark("out", Figure(500, 400, 600), "c-ext", True, "500")
    picture = svg.dots([("", [inside, outside])], "µs", 10)
    assert picture.count('class="arrow') == 1
    assert picture.count('class="dot') == 1


def test_the_page_in_a_browser(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(as_html(results()), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    shot = [browser, *flags, f"--screenshot={picture}", "--window-size=1000,2000", page.as_uri()]
    subprocess.run(shot, capture_output=True, timeout=60, check=True)
    assert picture.stat().st_size > 50_000
