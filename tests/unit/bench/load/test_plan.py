"""A plan is checked when it is made; what is wrong is named as the command line names it."""

import json
from math import inf, nan

import pytest

from pyvoy.bench.load.plan import LoadPlan, PlanError, parse_duration_s, parse_target

URL = "http://127.0.0.1:8080/orders?n=1"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, (False, "127.0.0.1", 8080, "/orders?n=1", "127.0.0.1:8080")),
        ("https://a.test", (True, "a.test", 443, "/", "a.test")),
        ("http://[::1]:81/x#part", (False, "::1", 81, "/x", "[::1]:81")),
        ("http://user@a.test/", (False, "a.test", 80, "/", "a.test")),
    ],
)
def test_the_target_is_read_from_the_url(url, expected):
    target = parse_target(url)
    assert (target.secure, target.host, target.port, target.path, target.authority) == expected


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ftp://a.test/", "must begin with http:// or https://"),
        ("a.test", "must begin with http:// or https://"),
        ("http:///x", "names no host"),
        ("http://a.test:99999/", "no URL"),
        ("http://a.test/a b", "blanks or characters"),
        ("http://a.test/\r\nx: y", "blanks or characters"),
    ],
)
def test_a_wrong_url_is_told(url, text):
    with pytest.raises(PlanError, match=text):
        LoadPlan(url)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"connections": 0}, "--connections must be at least 1"),
        ({"threads": 0}, "--threads must be at least 1"),
        ({"connections": 2, "threads": 3}, "--threads must not be above --connections"),
        ({"rate": -1}, "--rate must be above 0"),
        ({"rate": nan}, "--rate must be a number"),
        ({"duration_s": inf}, "--duration must be a number"),
        ({"duration_s": 0}, "--duration must be above 0"),
        ({"requests": -1}, "--requests must be at least 1"),
        ({"warm_up_s": -1}, "--warm-up must not be below 0"),
        ({"timeout_s": 0}, "--timeout must be above 0"),
        ({"streams": 2}, "--streams needs --http2"),
        ({"streams": 2000, "http2": True}, "--streams must not be above 1024"),
        ({"http2": True, "close": True}, "--close is for HTTP/1.1"),
        ({"engine": "ab"}, "--engine must be one of auto, embedded, wrk, h2load"),
        ({"method": "GE T"}, "--method: 'GE T' is no method"),
        ({"method": "CONNECT"}, "--method: CONNECT makes a tunnel"),
        ({"headers": (("a b", "c"),)}, "--header: 'a b' is no name of a header"),
        ({"headers": (("a", "c\r\nd: e"),)}, "--header: the value of 'a'"),
    ],
)
def test_a_wrong_option_is_told(wrong, text):
    with pytest.raises(PlanError, match=text):
        LoadPlan(URL, **wrong)


@pytest.mark.parametrize(
    ("text", "seconds"), [("10", 10), ("10s", 10), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120), ("1h", 3600)]
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1e3", "nan"])
def test_what_is_no_duration(text):
    with pytest.raises(PlanError, match="is no duration"):
        parse_duration_s(text)


def test_another_process_gets_the_same_plan():
    plan = LoadPlan(URL, headers=(("a", "b"), ("a", "c")), body=b"\x00\xff", method="PUT", cpus=(1,), rate=2.5)
    assert LoadPlan.from_dict(json.loads(json.dumps(plan.as_dict()))) == plan
