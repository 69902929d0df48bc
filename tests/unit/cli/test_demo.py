"""The demo: what it promises, with the real processes; what it makes of answers and of measurements."""

import io
import os
import subprocess
import sys

import pytest

from pyvoy.cli.demo import find_config, run_demo, with_free_ports
from pyvoy.cli.demo_client import Answer, read_response
from pyvoy.cli.demo_cost import costs_us, cpu_ns
from pyvoy.cli.demo_view import kept_by_all, table
from pyvoy.cli.details_service import answer, record


def test_the_demo_keeps_its_promises():
    ended = subprocess.run(
        [sys.executable, "-m", "pyvoy", "demo", "--once"], capture_output=True, text=True, timeout=100, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    through = ended.stdout.partition("through the sidecar")[2]
    assert "hello: world!" in through
    assert "location: envoy-wasm" in through
    assert "x-envoy-upstream-service-time: " in through
    assert "admin page: http://127.0.0.1:" in through
    assert "NOT" not in ended.stdout
    rows = {line[2:11].strip(): line for line in through.splitlines()}
    for name in ("Python", "Lua", "Wasm"):
        assert "world!  envoy-wasm" in rows[name]
        assert ("µs" in rows[name]) == (cpu_ns(os.getpid()) is not None)
    assert "envoy-wasm" not in rows["no filter"]


def test_a_missing_file_is_told():
    assert find_config("/no/such/file.yaml") is None


def test_the_record_is_bookinfos():
    assert 170 < len(record(1)) < 190
    assert answer("/details/7") == (200, record(7))
    assert answer("/details/x")[0] == 404
    assert answer("/")[0] == 404
    assert answer("/health")[0] == 200


@pytest.mark.parametrize("text", ["a: 1", "static_resources: {listeners: []}", "[", "text"])
def test_what_is_no_bootstrap_is_told(tmp_path, capsys, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert run_demo(once=True, config=str(path)) == 1
    assert "is no bootstrap with listeners on TCP ports" in capsys.readouterr().err


def test_the_ports_of_a_bootstrap_stay_where_nobody_has_them():
    text = """static_resources:
  listeners: [{name: one, address: {socket_address: {address: 127.0.0.1, port_value: 0}}}]"""
    changed, ports = with_free_ports(text)
    assert ports.listeners["one"] > 0
    assert f"port_value: {ports.listeners['one']}" in changed


BEFORE = Answer("HTTP/1.1 200 OK\r\nlocation: here", b"record")
GOOD = "HTTP/1.1 200 OK\r\nhello: world!\r\nlocation: there\r\nserver: envoy\r\nx-envoy-upstream-service-time: 1"


def test_a_promise_is_kept_when_every_form_keeps_it():
    plain = Answer("HTTP/1.1 200 OK", b"record")
    assert all(kept_by_all(BEFORE, {"lua": Answer(GOOD, b"record"), "plain": plain}).values())
    wrong = kept_by_all(BEFORE, {"lua": Answer(GOOD, b"record"), "wasm": Answer(GOOD, b"other")})
    assert [promise for promise, kept in wrong.items() if not kept] == ["the record is the same"]


def test_the_table_shows_what_a_filter_adds():
    answers = {"lua": Answer(GOOD, b""), "plain": BEFORE}
    shown = table({"lua": 1, "plain": 2}, answers, {"lua": 50.4, "plain": 40.0}).splitlines()
    assert shown[1].split() == ["Lua", "1", "world!", "there", "envoy", "50", "µs", "+10", "µs"]
    assert shown[2].split() == ["no", "filter", "2", "-", "here", "40", "µs"]
    assert "µs" not in table({"lua": 1, "plain": 2}, answers, {})
    noisy = table({"lua": 1, "plain": 2}, answers, {"lua": 38.0, "plain": 40.0})
    assert noisy.splitlines()[1].endswith("38 µs          lost in the noise")


def test_a_response_is_read_to_its_end():
    stream = io.BytesIO(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n")
    first, second = read_response(stream), read_response(stream)
    assert (first.status, first.body) == ("200 OK", b"ok")
    assert (second.status, second.body) == ("204 No Content", b"")
    with pytest.raises(ConnectionError):
        read_response(stream)


def test_a_process_that_is_gone_has_no_cost():
    assert costs_us(2**22 + 1, {"one": 1}, "/") == {}
