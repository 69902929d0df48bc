"""The pages for people: generated parts are up to date, and no link leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_parts_are_up_to_date():
    ended = subprocess.run(
        [sys.executable, "docs/generate.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_the_filters_on_the_page_can_be_loaded():
    from pyvoy.testing.filters import FakeStream

    text = (ROOT / "docs" / "python-filters.md").read_text()
    codes = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Filter)" in code]
    assert len(codes) == 3
    for code in codes:
        namespace: dict[str, object] = {"__name__": __name__}
        exec(code, namespace)
        if "NetworkFilter" not in code:
            cls = next(value for name, value in namespace.items() if name in ("Guard", "Shout"))
            FakeStream(cls).request("POST", "/", body="x")


def test_the_bootstrap_of_the_transcoder_can_be_loaded(tmp_path):
    from tests.support.protos import descriptor_set, package

    page = (ROOT / "docs" / "grpc.md").read_text()
    text = next(code for code in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "static_resources" in code)
    shop = package("shop", {"Book": "int64 id = 1"}, services={"Shop": {"Get": ("Book", "Book", None)}}, imports=())
    (tmp_path / "shop.pb").write_bytes(descriptor_set(shop, imports=()))
    (tmp_path / "bootstrap.yaml").write_text(text)
    command = [sys.executable, "-m", "pyvoy", "validate", "bootstrap.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
