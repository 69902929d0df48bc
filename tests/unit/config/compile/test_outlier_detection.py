"""OutlierDetection messages: defaults, fields, runtime keys, and what is reported."""

from pyvoy.config.runtime import Runtime
from pyvoy.upstream.health.outlier_plan import OutlierPlan
from tests.unit.config.compile.cluster_reading import compiled, plan, unsupported


def test_an_empty_message_is_all_defaults():
    assert plan("outlier_detection: {}").outlier == OutlierPlan()
    assert plan().outlier is None


def test_fields():
    found = plan(
        "outlier_detection: {consecutive_5xx: 3, interval: 2s, base_ejection_time: 4s, max_ejection_percent: 50, "
        "split_external_local_origin_errors: true, always_eject_one_host: true, "
        "successful_active_health_check_uneject_host: false, max_ejection_time_jitter: 1s}"
    ).outlier
    assert (found.consecutive_5xx, found.interval_s, found.base_ejection_time_s) == (3, 2.0, 4.0)
    assert (found.max_ejection_percent, found.max_ejection_time_s, found.max_ejection_time_jitter_s) == (50, 300.0, 1.0)
    assert (found.split_local_origin, found.always_eject_one_host, found.healthy_check_unejects) == (True, True, False)


def test_the_longest_time_is_at_least_the_base_time():
    assert plan("outlier_detection: {base_ejection_time: 400s}").outlier.max_ejection_time_s == 400
    lines = compiled("outlier_detection: {base_ejection_time: 400s, max_ejection_time: 100s}")[1]
    assert any("max_ejection_time cannot be smaller" in line for line in lines)


def test_the_runtime_wins():
    runtime = Runtime([{"outlier_detection": {"consecutive_5xx": 7, "interval_ms": 500}}])
    found = plan("outlier_detection: {consecutive_5xx: 3, interval: 2s}", runtime=runtime).outlier
    assert (found.consecutive_5xx, found.interval_s) == (7, 0.5)


def test_monitors_are_reported():
    text = (
        "outlier_detection: {monitors: [{name: m, typed_config: {'@type': type.googleapis.com/google.protobuf.Empty}}]}"
    )
    assert any("outlier_detection.monitors" in line for line in unsupported(text))
