"""Outlier detection.  The host that fails is alone in the first priority, so that its turn is certain; a wait stands
where the detector, which works beside the traffic, must have done its work."""

from tests.parity.case import Case, answers, request, response
from tests.parity.cases.health import BOTH, endpoint, hosts, priorities
from tests.support.steps import Answers, Step, Wait

_BAD = response("500 Internal Server Error", body=b"bad")
_BUSY = response("503 Service Unavailable", body=b"bad")
_GRPC = response("200 OK", "content-type: application/grpc", "grpc-status: 14", body=b"")


def _paused(first: int, then: int, *, lines: tuple[str, ...] = (), method: str = "GET") -> tuple[tuple[Step, ...], ...]:
    """So many requests, a wait, so many more; on one connection."""
    steps: list[Step] = []
    for number in range(1, first + then + 1):
        steps += [request(f"/{number}", *lines, method=method), Answers(number)]
        if number == first:
            steps.append(Wait(0.4))
    return (tuple(steps),)


def _case(name: str, want: str, options: str, first: int, then: int, **more: object) -> Case:
    detection = f"outlier_detection: {{interval: 600s, max_ejection_percent: 100, {options}}}"
    more.setdefault("cluster", priorities(endpoint("$b_port"), endpoint("$c_port")))
    more["cluster"] = f"{more['cluster']}\n{detection}"
    lines = more.pop("lines", ())
    routes = BOTH + "\n- {match: {prefix: /}, route: {cluster: $c}}"
    return Case(f"od-{name}", want, _paused(first, then, lines=lines), **{"routes": routes, **more})  # type: ignore[arg-type]


_ONE_BAD = {"b": answers(_BAD)}

CASES: tuple[Case, ...] = (
    _case("5xx-ejects", "500 500 200 200", "consecutive_5xx: 2", 2, 2, upstream=_ONE_BAD),
    _case(
        "success-between",
        "500 200 500 200 500 500",
        "consecutive_5xx: 2",
        4,
        2,
        upstream={"b": answers(_BAD, response(), _BAD, response(), _BAD)},
    ),
    _case(
        "overflow",
        "500 500 500 500",
        "consecutive_5xx: 2, max_ejection_percent: 40",
        2,
        2,
        upstream=_ONE_BAD,
    ),
    _case(
        "one-may-always-go",
        "500 500 200 200",
        "consecutive_5xx: 2, max_ejection_percent: 40, always_eject_one_host: true",
        2,
        2,
        upstream=_ONE_BAD,
    ),
    _case(
        "not-enforced",
        "500 500 500 500",
        "consecutive_5xx: 2, enforcing_consecutive_5xx: 0",
        2,
        2,
        upstream=_ONE_BAD,
    ),
    _case(
        "gateway-failure",
        "503 503 200 200",
        "consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100",
        2,
        2,
        upstream={"b": answers(_BUSY)},
    ),
    _case(
        "no-gateway-failure",
        "500 500 500 500",
        "consecutive_gateway_failure: 2, enforcing_consecutive_gateway_failure: 100",
        2,
        2,
        upstream=_ONE_BAD,
    ),
    _case(
        "all-out-panic",
        "500 500 500 500",
        "consecutive_5xx: 2",
        2,
        2,
        cluster=hosts(endpoint("$b_port")),
        upstream=_ONE_BAD,
    ),
    _case(
        "refused",
        "503 503 200 200",
        "consecutive_5xx: 2",
        2,
        2,
        cluster=priorities(endpoint("1"), endpoint("$c_port")),
    ),
    _case(
        "refused-split",
        "503 503 200 200",
        "consecutive_5xx: 1, consecutive_local_origin_failure: 2, split_external_local_origin_errors: true",
        2,
        2,
        cluster=priorities(endpoint("1"), endpoint("$c_port")),
    ),
    _case(
        "split-leaves-answers-alone",
        "500 500 200 200",
        "consecutive_5xx: 2, consecutive_local_origin_failure: 1, split_external_local_origin_errors: true",
        2,
        2,
        upstream=_ONE_BAD,
    ),
    _case(
        "grpc-status",
        "200 200 200 200",
        "consecutive_5xx: 2",
        2,
        2,
        lines=("content-type: application/grpc", "te: trailers"),
        upstream={"b": answers(_GRPC)},
    ),
    _case(
        "time-out",
        "504 504 200 200",
        "consecutive_5xx: 2",
        2,
        2,
        routes=BOTH.replace("$up}", "$up, timeout: 0.15s}") + "\n- {match: {prefix: /}, route: {cluster: $c}}",
        upstream={"b": answers((Wait(30.0),))},
    ),
    _case(
        "retried-answers-count",
        "500 200 200",
        "consecutive_5xx: 2",
        1,
        2,
        routes=BOTH.replace("$up}", "$up, retry_policy: {retry_on: 5xx}}")
        + "\n- {match: {prefix: /}, route: {cluster: $c}}",
        upstream=_ONE_BAD,
    ),
    Case(
        "od-tcp-refused",
        "",
        ((Wait(0.2),), (Wait(0.4),), (b"x", Wait(0.2)), (b"y", Wait(0.2))),
        l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}\n# $c_port",
        cluster=priorities(endpoint("1"), endpoint("$c_port"))
        + "\noutlier_detection: {interval: 600s, max_ejection_percent: 100, consecutive_5xx: 2}",
    ),
)
