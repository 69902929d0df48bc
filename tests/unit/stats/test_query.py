"""Parameters of /stats: what is asked, and Envoy's texts for what cannot be asked."""

import pytest

from pyvoy.stats.query import StatsQueryError, parse_query

BUCKETS_USAGE = "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n"


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"filter": "("}, "Invalid re2 regex: missing ): ("),
        ({"filter": "(", "type": "x", "format": "x", "histogram_buckets": "x"}, "Invalid re2 regex: missing ): ("),
        ({"type": "x", "format": "x", "histogram_buckets": "x", "hidden": "x"}, BUCKETS_USAGE),
        ({"type": "x", "format": "x", "hidden": "x"}, "invalid &type= param"),
        ({"type": "counters"}, "invalid &type= param"),
        ({"format": "x", "hidden": "x"}, "usage: /stats?hidden=(include|only|exclude)\n\n"),
        ({"format": "x"}, "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"),
        ({"invert_filter": ""}, "invert_filter can only be used if filter is also provided"),
        ({"histogram_buckets": "prometheusnative"}, "Invalid histogram_buckets type for non prometheus stats type"),
        ({"histogram_buckets": "disjoint", "format": "prometheus"}, "unsupported prometheus histogram bucket mode"),
    ],
)
def test_refusals(parameters, text):
    with pytest.raises(StatsQueryError) as caught:
        parse_query(parameters)
    assert str(caught.value) == text


def test_a_bad_filter_prints_nothing(capfd):
    with pytest.raises(StatsQueryError):
        parse_query({"filter": "a**"})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["disjoint", "detailed"])
def test_prometheus_has_no_such_buckets(mode):
    with pytest.raises(StatsQueryError, match="unsupported prometheus histogram bucket mode"):
        parse_query({"histogram_buckets": mode}, prometheus=True)


def test_prometheus_native_histograms_need_protobuf():
    with pytest.raises(StatsQueryError, match="when not using protobuf exposition format"):
        parse_query({"histogram_buckets": "prometheusnative"}, prometheus=True)


def test_the_filter_matches_anywhere_and_minds_case():
    wanted = parse_query({"filter": "rq_[25]xx"}).wanted
    assert wanted("http.a.downstream_rq_2xx")
    assert not wanted("http.a.downstream_rq_4xx")
    assert not wanted("http.a.downstream_RQ_2xx")


def test_the_filter_turned_round():
    wanted = parse_query({"filter": "rq_2xx", "invert_filter": ""}).wanted
    assert not wanted("rq_2xx")
    assert wanted("rq_4xx")


def test_defaults():
    query = parse_query({})
    assert (query.used_only, query.type, query.format, query.histogram_buckets) == (False, "All", "text", "")
    assert query.wanted("anything")
    assert query.shows("Gauges")


def test_the_path_of_prometheus_decides_the_format():
    assert parse_query({"format": "json"}, prometheus=True).format == "prometheus"


def test_used_only_is_asked_by_its_presence():
    assert parse_query({"usedonly": "false"}).used_only
