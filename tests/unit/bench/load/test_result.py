"""What a result says of itself: the sums, the warnings, JSON and text."""

import json
from dataclasses import replace

from pyvoy.bench.load import Generator, Latencies, LoadPlan, LoadResult
from pyvoy.bench.load.text import as_text

PLAN = LoadPlan("http://a.test/", rate=100.0, duration_s=10.0)


def latencies(*values_us: int) -> Latencies:
    made = Latencies()
    for value in values_us:
        made.record_us(value)
    return made


def result(**changes: object) -> LoadResult:
    whole = LoadResult(
        plan=PLAN,
        generator=Generator("embedded", "1.0", 0.25, 0.05, latencies(100)),
        elapsed_s=10.0,
        sent=1000,
        in_time=990,
        statuses={"2xx": 900, "3xx": 10, "4xx": 50, "5xx": 30},
        errors={"timeout": 7, "reset": 3},
        bytes_received=1 << 20,
        basis="due",
        latency=latencies(*[1000] * 99, 50_000),
        service=latencies(*[900] * 100),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_the_sums():
    whole = result()
    assert (whole.answered, whole.good, whole.failed, whole.rate) == (990, 910, 90, 99.0)
    assert result(statuses={"2xx-3xx": 5, "4xx-5xx": 2}, errors={}).failed == 2


def test_a_good_run_has_no_warnings():
    assert result().warnings == ()


def test_a_generator_without_a_cpu_to_spare_is_told():
    (warning,) = result(generator=Generator("embedded", "1.0", 0.5, 0.45)).warnings
    assert warning.startswith(
        "the generator was the bottleneck: embedded used 50% of its CPU and waited for one in 45%"
    )
    (warning,) = result(generator=Generator("wrk", "1.0", 0.95)).warnings
    assert warning.startswith("the generator was the bottleneck: wrk used 95% of its CPU; give it more --threads")


def test_a_late_generator_is_told():
    (warning,) = result(generator=Generator("embedded", "1.0", 0.5, 0.0, latencies(*[10] * 90, *[8000] * 10))).warnings
    assert warning.startswith(
        "the generator was late: 1 % of the requests were sent 8.0 ms or more after they were due"
    )


def test_a_rate_that_was_not_achieved_is_told():
    assert result(in_time=900).warnings == ("asked for 100 requests a second, achieved 90",)


def test_json_has_these_fields():
    found = json.loads(json.dumps(result().as_json()))
    percentiles = {"count", "mean_us", "p50_us", "p90_us", "p99_us", "p99_9_us", "max_us", "hdr"}
    assert set(found["latency"]) == set(found["service_time"]) == set(found["generator"]["lag"]) == percentiles
    assert Latencies.from_json(found["latency"]).percentile_us(99.9) == 50_000
    for name in ("latency", "service_time"):
        del found[name]
    del found["generator"]["lag"]
    assert found == {
        "schema": 1,
        "url": "http://a.test/",
        "method": "GET",
        "protocol": "HTTP/1.1",
        "connections": 32,
        "streams": 1,
        "threads": 1,
        "asked_rate": 100.0,
        "rate": 99.0,
        "elapsed_s": 10.0,
        "sent": 1000,
        "answered": 990,
        "good": 910,
        "failed": 90,
        "statuses": {"2xx": 900, "3xx": 10, "4xx": 50, "5xx": 30},
        "errors": {"reset": 3, "timeout": 7},
        "bytes_received": 1048576,
        "latency_from": "due",
        "generator": {"name": "embedded", "version": "1.0", "cpu_share": 0.25, "wait_share": 0.05},
        "warnings": [],
    }


def test_the_text():
    assert (
        as_text(result(notes=("the target allows 1 streams on a connection",)))
        == """\
GET http://a.test/: 32 connections, HTTP/1.1, embedded 1.0 (25% of its CPU)
asked 100.0 a second, achieved 99.0 answers a second in 10.0 s
990 answers (2xx 900, 3xx 10, 4xx 50, 5xx 30), 1.0 MiB received
no answer: reset 3, timeout 7

latency, ms   from when it was due   from when it was sent
  p50                        1.000                   0.900
  p90                        1.000                   0.900
  p99                        1.000                   0.900
  p99.9                     50.000                   0.900
  max                       50.000                   0.900
  mean                       1.490                   0.900

warning: the target allows 1 streams on a connection"""
    )


def test_the_text_of_a_closed_loop_without_an_answer():
    plan = replace(PLAN, rate=0.0)
    nothing = {"statuses": {}, "errors": {"reset": 1}, "in_time": 0, "bytes_received": 0}
    text = as_text(result(plan=plan, basis="sent", latency=Latencies(), service=None, **nothing))
    assert text.splitlines()[1:] == [
        "0.0 answers a second in 10.0 s", "0 answers, 0.0 MiB received", "no answer: reset 1"
    ]  # fmt: skip


def test_the_whole_distribution_on_request():
    assert "1/(1-Percentile)" in as_text(result(), histogram=True)
    assert "1/(1-Percentile)" not in as_text(result())
