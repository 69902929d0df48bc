"""Weighted clusters: which of a route's variants a request takes.

Source of behaviour: Envoy's WeightedClusterSpecifierPlugin::pickWeightedCluster.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from pyvoy.http.routing.match import Picker, stream_random
from pyvoy.http.routing.table import Route


def weighted_picker(
    routes: Sequence[Route], weights: Sequence[int], *, header_name: bytes = b"", use_hash_policy: bool = False
) -> Picker:
    """Choose by the stream's random number, by a number in a header, or by the route's hash policy.

    A header counts only when it stands there once and is a whole number.  The sum of weights must not be 0."""
    variants = tuple(routes)
    bounds = tuple(accumulate(weights))
    total = bounds[-1]

    def pick(stream: Any, _values: dict[bytes, bytes]) -> Route:
        number: int | None = None
        if header_name:
            values = stream.request_headers.get_all(header_name)
            if len(values) == 1 and values[0].isdigit():
                number = int(values[0])
        if number is None and use_hash_policy:
            hash_policy = variants[0].hash_policy
            number = hash_policy(stream, None) if hash_policy is not None else None
        if number is None:
            number = stream_random(stream)
        return variants[bisect_right(bounds, number % total)]

    return pick
