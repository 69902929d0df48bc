"""The demo: what it promises, with the real processes."""

import subprocess
import sys

from pyvoy.cli.demo import find_config
from pyvoy.cli.details_service import answer, record


def test_the_demo_keeps_its_promises():
    ended = subprocess.run(
        [sys.executable, "-m", "pyvoy", "demo", "--once"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    through = ended.stdout.partition("through the sidecar")[2]
    assert "hello: world!" in through
    assert "location: https://books.example/details" in through
    assert "x-envoy-upstream-service-time: " in through
    assert "admin page: http://127.0.0.1:" in through
    assert "NOT" not in ended.stdout


def test_a_missing_file_is_told():
    assert find_config("/no/such/file.yaml") is None


def test_the_record_is_bookinfos():
    assert 170 < len(record(1)) < 190
    assert answer("/details/7") == (200, record(7))
    assert answer("/details/x")[0] == 404
    assert answer("/")[0] == 404
    assert answer("/health")[0] == 200
