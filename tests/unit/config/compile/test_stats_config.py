"""The bootstrap's stats_config: which names are listed, tags, histogram bounds."""

from __future__ import annotations

import pytest

from pyvoy.config.compile import stats_config
from pyvoy.stats.tags import DEFAULT_TAGS, TagExtractor
from tests.unit.config.building import built, reported

TYPE = "envoy.config.bootstrap.v3.Bootstrap"


def plan(text):
    message, context = built(TYPE, f"stats_config: {text}")
    return stats_config.build(message, context), reported(context)


def test_nothing_configured():
    message, context = built(TYPE, "{}")
    assert stats_config.build(message, context) == stats_config.StatsPlan()


@pytest.mark.parametrize(
    ("matcher", "listed", "hidden"),
    [
        (
            "{inclusion_list: {patterns: [{prefix: cluster.}, {exact: server.uptime}]}}",
            ["cluster.a", "server.uptime"],
            ["x"],
        ),
        ("{exclusion_list: {patterns: [{safe_regex: {regex: '.*_ms'}}]}}", ["a"], ["a_ms"]),
        ("{reject_all: true}", [], ["a"]),
    ],
)
def test_which_names_are_listed(matcher, listed, hidden):
    made, problems = plan(f"{{stats_matcher: {matcher}}}")
    assert problems == []
    assert [made.accept(name) for name in listed] == [True] * len(listed)
    assert [made.accept(name) for name in hidden] == [False] * len(hidden)


def test_reject_all_false_is_no_matcher():
    assert plan("{stats_matcher: {reject_all: false}}")[0].accept is None


def test_tags():
    text = "{stats_tags: [{tag_name: zone, fixed_value: z1}, {tag_name: who, regex: '^x\\.((\\w+)\\.)'}]}"
    made, problems = plan(text)
    assert problems == []
    extractor = TagExtractor(made.default_tags, made.custom_tags, made.fixed_tags)
    tagged = extractor.extract("x.me.total")
    assert tagged.name == "x.total"
    assert dict(tagged.tags) == {"zone": "z1", "who": "me"}
    assert dict(extractor.extract("cluster.c.upstream_rq_total").tags)["envoy.cluster_name"] == "c"


def test_only_the_tags_that_are_named():
    made, problems = plan("{use_all_default_tags: false, stats_tags: [{tag_name: envoy.cluster_name}]}")
    assert problems == []
    assert {name for name, _, _ in made.default_tags} == {"envoy.cluster_name"}


def test_a_default_tag_that_is_named_is_not_doubled():
    assert plan("{stats_tags: [{tag_name: envoy.cluster_name}]}")[0].default_tags == DEFAULT_TAGS


@pytest.mark.parametrize(
    ("tag", "what"),
    [
        ("{tag_name: a}", "No regex specified for tag specifier and no default regex for name: 'a'"),
        ("{tag_name: a, regex: '(x'}", "stats_tags[0].regex: Invalid regex '(x': missing ): (x"),
    ],
)
def test_tags_that_cannot_be_read(tag, what):
    (problem,) = plan(f"{{stats_tags: [{tag}]}}")[1]
    assert what in problem


def test_histogram_bounds():
    text = "{histogram_bucket_settings: [{match: {prefix: a}, buckets: [5, 1]}, {match: {prefix: b}}]}"
    made, problems = plan(text)
    assert problems == []
    ((matches, bounds),) = made.buckets
    assert bounds == (1, 5)
    assert matches("a.x")
    assert not matches("b.x")
