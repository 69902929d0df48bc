"""Write the parts of the documentation that come from the code and from measurements: the coverage page, the
differences, the README's table, every figure of the page on choosing a mechanism.

`make docs` runs it; a test runs it with `--check` and fails when a page is out of date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- generated: {} -->", "<!-- end -->"
SHOWN = ("pyvoy", "envoy", "nginx", "haproxy")


def coverage_page() -> str:
    """docs/coverage.md."""
    from pyvoy.config import coverage
    from pyvoy.config.registry import load_builtin

    registry = load_builtin()
    lines = [
        "# What is supported",
        "",
        "Generated from the code by `make docs`; `pyvoy validate --support` prints the same. A field that is not",
        "listed is reported when a bootstrap sets it, with its line and column: nothing is ignored in silence.",
        "",
        "## Extensions",
        "",
        "| extension | kind | status | configuration |",
        "|---|---|---|---|",
    ]
    for item in registry.extensions():
        types = "<br>".join(f"`{name}`" for name in (item.type_url, *item.route_type_urls))
        lines.append(f"| `{item.name}` | {item.category.replace('_', ' ')} | {item.status} | {types} |")
    lines += [
        "",
        "## Fields",
        "",
        "| message | read | accepted without effect | reported as not supported |",
        "|---|---|---|---|",
    ]
    for type_name, supported, tuning, missing in coverage.rows(registry):
        lines.append(f"| `{type_name}` | {supported} | {tuning} | {missing} |")
    return "\n".join(lines) + "\n"


def differences() -> str:
    """The known differences of the parity run, as a list."""
    from tests.parity.differences import KNOWN

    if not KNOWN:
        return "No case of the parity run is marked as a known difference.\n"
    return "".join(f"- **{known.case}** ({known.part}): {known.reason}\n" for known in KNOWN)


def newest_results() -> dict[str, Any] | None:
    """The committed results of `make bench` with the latest name."""
    files = sorted(RESULTS.glob("*.json")) if RESULTS.is_dir() else []
    read = [json.loads(path.read_text()) for path in files]
    ours: list[dict[str, Any]] = [each for each in read if "scenarios" in each]
    return ours[-1] if ours else None


def results_table() -> str:
    """The results for people in a hurry."""
    results = newest_results()
    if results is None:
        return "Run `make bench` to measure on your machine.\n"
    lines = ["| | " + " | ".join(SHOWN) + " | ratio to Envoy |", "|---|" + "---|" * (len(SHOWN) + 1)]
    lines += [row for scenario in results["scenarios"].values() if (row := _row(scenario))]
    machine = ", ".join(
        f"{key} {value}" for key, value in results["machine"].items() if isinstance(value, str | int | float)
    )
    return "\n".join(lines) + f"\n\nMeasured by `make bench` ({machine}).\n"


def _row(scenario: dict[str, Any]) -> str:
    rows = {row["contender"]: row for row in scenario["rows"]}
    if "pyvoy" not in rows:
        return ""
    values = [f"{rows[name]['value']:.0f} {rows[name]['unit']}" if name in rows else "-" for name in SHOWN]
    ratio = rows["pyvoy"].get("ratio")
    bar = f" (bar {scenario['bar']:g})" if scenario.get("bar") is not None else ""
    return f"| {scenario['title']} | {' | '.join(values)} | {'-' if ratio is None else f'{ratio:.2f}'}{bar} |"


def languages_table() -> str:
    """The languages of Wasm filters, with what builds them."""
    from pyvoy.cli.new_filter import WASM
    from pyvoy.toolchain.project import LANGUAGES

    lines = ["| `--lang` | language | sources | compiler |", "|---|---|---|---|"]
    for each in LANGUAGES:
        known = WASM[each.name]
        lines.append(f"| `{each.name}` | {known.title} | `{each.sources}` | {known.toolchain} |")
    return "\n".join(lines) + "\n"


def choosing_page() -> tuple[Path, str]:
    """docs/choosing.md, its tables from the committed results of `make bench-extensions`."""
    from docs.choosing import sections
    from pyvoy.bench.results import read

    path, file = ROOT / "docs" / "choosing.md", RESULTS / "extensions.json"
    page = path.read_text()
    for name, text in sections(read(file) if file.exists() else None).items():
        page = exchanged(page, name, text)
    return path, page


def replaced(path: Path, name: str, text: str) -> str:
    """A page of a file with the text between its markers exchanged."""
    return exchanged(path.read_text(), name, text)


def exchanged(page: str, name: str, text: str) -> str:
    """A page with the text between its markers exchanged."""
    begin = BEGIN.format(name)
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(END)
    return f"{head}{begin}\n{text}{END}{tail}"


def pages() -> Iterator[tuple[Path, str]]:
    """Every generated page with what it should contain."""
    yield ROOT / "docs" / "coverage.md", coverage_page()
    known = ROOT / "docs" / "differences.md"
    yield known, replaced(known, "differences", differences())
    yield choosing_page()
    building = ROOT / "docs" / "wasm-filters.md"
    yield building, replaced(building, "languages", languages_table())
    readme = ROOT / "README.md"
    yield readme, replaced(readme, "results", results_table())


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check say which are out of date."""
    sys.path.insert(0, str(ROOT))
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make docs`\n")
        else:
            path.write_text(text)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
