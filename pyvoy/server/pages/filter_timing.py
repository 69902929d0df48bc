"""/filter_timing: for which part of the requests the filters are timed, in every worker, from the next request on."""

from __future__ import annotations

from pyvoy.http.filter_timing import KEY, OFF
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy

_MILLION = 1_000_000
_USAGE = "usage: /filter_timing?percent=<0 to 100, or default for what the runtime key says>\n"


def filter_timing(proxy: Proxy, request: Request) -> Response:
    """Change the part, then tell it."""
    wanted = request.query.get("percent")
    if request.query and (wanted is None or len(request.query) > 1):
        return Response(_USAGE, 400)
    if wanted is not None:
        try:
            proxy.filter_timing = None if wanted == "default" else _fraction(wanted)
        except ValueError:
            return Response(f"{wanted!r} is no percentage\n{_USAGE}", 400)
        proxy.to_workers("filter_timing", {"fraction": proxy.filter_timing})
    numerator, denominator = proxy.filter_timing or proxy.runtime.fraction(KEY, *OFF)
    source = "asked for here" if proxy.filter_timing else f"runtime key {KEY}"
    return Response(f"filters are timed for {100 * numerator / denominator:g} % of the requests ({source})\n")


def _fraction(text: str) -> tuple[int, int]:
    percent = float(text)
    if not 0 <= percent <= 100:
        raise ValueError(text)
    return round(percent / 100 * _MILLION), _MILLION


PAGES = (
    Page(
        "/filter_timing",
        filter_timing,
        "time the HTTP filters of some requests, as histograms",
        mutates=True,
        parameters=(("percent", "of the requests: 0 to 100, or default for what the runtime key says"),),
    ),
)
