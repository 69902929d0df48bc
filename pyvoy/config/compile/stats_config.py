"""StatsConfig of the bootstrap -> what the stats need: which names are listed, tags, histogram bounds.

Source: Envoy's StatsMatcherImpl, TagProducerImpl and HistogramSettingsImpl; the texts as observed on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyvoy.config.compile import matchers, regex
from pyvoy.config.problems import NOWHERE, Problems, Reporter, Spot
from pyvoy.config.registry import supports
from pyvoy.stats.tags import DEFAULT_TAGS

_METRICS = "envoy.config.metrics.v3."

supports(_METRICS + "StatsConfig", "stats_tags use_all_default_tags stats_matcher histogram_bucket_settings")
supports(_METRICS + "TagSpecifier", "tag_name regex fixed_value")
supports(_METRICS + "StatsMatcher", "reject_all exclusion_list inclusion_list")
supports(_METRICS + "HistogramBucketSettings", "match buckets", tuning="bins")

NameTest = Callable[[str], bool]


@dataclass(slots=True, frozen=True)
class StatsPlan:
    """`accept` says whether a name is listed; the tags are the arguments of a TagExtractor; `buckets` pairs a test of a
    histogram's name with its bounds."""

    accept: NameTest | None = None
    default_tags: tuple[tuple[str, str, str], ...] = DEFAULT_TAGS
    custom_tags: tuple[tuple[str, str], ...] = ()
    fixed_tags: tuple[tuple[str, str], ...] = ()
    buckets: tuple[tuple[NameTest, tuple[float, ...]], ...] = ()


def build(bootstrap: Any, place: Reporter | None = None) -> StatsPlan:
    """The plan of a Bootstrap's stats_config; problems go to `place` (that of the bootstrap), if one is given."""
    if not bootstrap.HasField("stats_config"):
        return StatsPlan()
    config = bootstrap.stats_config
    at = (place or Spot(Problems(), NOWHERE)).at("stats_config")
    defaults: list[tuple[str, str, str]] = list(DEFAULT_TAGS)
    if config.HasField("use_all_default_tags") and not config.use_all_default_tags.value:
        defaults = []
    custom: list[tuple[str, str]] = []
    fixed: list[tuple[str, str]] = []
    for index, tag in enumerate(config.stats_tags):
        kind = tag.WhichOneof("tag_value")
        if kind == "fixed_value":
            fixed.append((tag.tag_name, tag.fixed_value))
        elif kind == "regex" and tag.regex:
            if _is_regex(tag.regex, at.at("stats_tags", index)):
                custom.append((tag.tag_name, tag.regex))
        else:
            defaults.extend(_default_tag(tag.tag_name, at.at("stats_tags", index), defaults))
    return StatsPlan(
        _accept(config.stats_matcher, at.at("stats_matcher")),
        tuple(defaults),
        tuple(custom),
        tuple(fixed),
        tuple(_buckets(config.histogram_bucket_settings, at)),
    )


def _is_regex(pattern: str, place: Reporter) -> bool:
    try:
        regex.compile_re2(pattern)
    except regex.RegexError as error:
        place.error("regex", f"Invalid regex '{pattern}': {error}")
        return False
    return True


def _default_tag(name: str, place: Reporter, present: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    found = [tag for tag in DEFAULT_TAGS if tag[0] == name]
    if not found:
        place.error("tag_name", f"No regex specified for tag specifier and no default regex for name: '{name}'")
    return [tag for tag in found if tag not in present]


def _accept(matcher: Any, place: Reporter) -> NameTest | None:
    kind = matcher.WhichOneof("stats_matcher")
    if kind == "reject_all":
        return (lambda name: False) if matcher.reject_all else None
    if kind == "exclusion_list":
        excluded = _any_of(matcher.exclusion_list.patterns, place.at("exclusion_list"))
        return lambda name: not excluded(name)
    if kind == "inclusion_list":
        return _any_of(matcher.inclusion_list.patterns, place.at("inclusion_list"))
    return None


def _any_of(patterns: Any, place: Reporter) -> NameTest:
    test = matchers.string_matchers(patterns, place, "patterns")
    return lambda name: test(name.encode())


def _buckets(settings: Any, place: Reporter) -> list[tuple[NameTest, tuple[float, ...]]]:
    found = []
    for index, setting in enumerate(settings):
        at = place.at("histogram_bucket_settings", index)
        if setting.buckets:
            found.append((_name_test(setting.match, at.at("match")), tuple(sorted(setting.buckets))))
    return found


def _name_test(matcher: Any, place: Reporter) -> NameTest:
    test = matchers.string_matcher(matcher, place)
    return lambda name: test(name.encode())
