"""OutlierDetection -> OutlierPlan.  The runtime's `outlier_detection.*` keys replace the numbers, as in Envoy.

Source of behaviour: Envoy, Outlier::DetectorConfig.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.upstream.health.outlier_plan import OutlierPlan

_NUMBER_FIELDS = (
    "consecutive_5xx consecutive_gateway_failure consecutive_local_origin_failure enforcing_consecutive_5xx "
    "enforcing_consecutive_gateway_failure enforcing_consecutive_local_origin_failure max_ejection_percent "
    "success_rate_minimum_hosts success_rate_request_volume success_rate_stdev_factor enforcing_success_rate "
    "enforcing_local_origin_success_rate failure_percentage_threshold failure_percentage_minimum_hosts "
    "failure_percentage_request_volume enforcing_failure_percentage enforcing_failure_percentage_local_origin"
)
"""The whole numbers; the plan's attributes have the same names."""

supports(
    "envoy.config.cluster.v3.OutlierDetection",
    "interval base_ejection_time max_ejection_time max_ejection_time_jitter split_external_local_origin_errors "
    "always_eject_one_host successful_active_health_check_uneject_host " + _NUMBER_FIELDS,
)


def build_outlier(cluster: Any, context: Context) -> OutlierPlan | None:
    """The plan of a Cluster, None without outlier_detection; `context` stands at the cluster."""
    if not cluster.HasField("outlier_detection"):
        return None
    message = cluster.outlier_detection
    at = context.at("outlier_detection")
    numbers = {
        name: context.runtime.integer(f"outlier_detection.{name}", at.wrapped(message, name, getattr(_DEFAULT, name)))
        for name in _NUMBER_FIELDS.split()
    }
    base_s = _seconds(message, "base_ejection_time", 30.0, at)
    longest_s = _seconds(message, "max_ejection_time", max(300.0, base_s), at)
    if longest_s < base_s:
        at.error("max_ejection_time", "outlier detector's max_ejection_time cannot be smaller than base_ejection_time")
    return OutlierPlan(
        **numbers,
        interval_s=_seconds(message, "interval", 10.0, at),
        base_ejection_time_s=base_s,
        max_ejection_time_s=longest_s,
        max_ejection_time_jitter_s=_seconds(message, "max_ejection_time_jitter", 0.0, at),
        always_eject_one_host=at.wrapped(message, "always_eject_one_host", False),
        split_local_origin=message.split_external_local_origin_errors,
        healthy_check_unejects=at.wrapped(message, "successful_active_health_check_uneject_host", True),
    )


_DEFAULT = OutlierPlan()


def _seconds(message: Any, name: str, default: float, context: Context) -> float:
    seconds = context.duration_s(message, name, default) or 0.0
    return context.runtime.integer(f"outlier_detection.{name}_ms", round(seconds * 1000)) / 1000
