"""/logging: the levels of the application log, in every process.

Source: Envoy 1.40, LogsHandler (texts and usage).
"""

from __future__ import annotations

from pyvoy.server import logs
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy

_USAGE = """
usage: /logging?<name>=<level> (change single level)
usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)
usage: /logging?level=<level> (change all levels)
levels: trace debug info warning error critical off \n"""


def logging(proxy: Proxy, request: Request) -> Response:
    """Change levels, then list them all."""
    try:
        changes = wanted_changes(request.query)
    except ValueError as error:
        return Response(f"error: {error}\n{_USAGE}{_listing()}", 400)
    for component, level in changes.items():
        logs.set_component(component, level)
        proxy.send("logging", {"component": component, "level": level})
    return Response(_listing())


def wanted_changes(query: dict[str, str]) -> dict[str, int]:
    """Levels by component that a query asks for.  Raises ValueError with Envoy's text."""
    if not query:
        return {}
    if len(query) > 1:
        raise ValueError("invalid number of parameters")
    ((name, value),) = query.items()
    if name == "level":
        return dict.fromkeys(logs.COMPONENTS, _level(value))
    if name == "paths":
        pairs = [part.partition(":") for part in value.split(",") if part]
        return {_component(component): _level(level) for component, _, level in pairs}
    return {_component(name): _level(value)}


def _level(text: str) -> int:
    try:
        return logs.LEVELS[text]
    except KeyError:
        raise ValueError("unknown logger level") from None


def _component(text: str) -> str:
    if text not in logs.COMPONENTS:
        raise ValueError("unknown logger name")
    return text


def _listing() -> str:
    levels = logs.current_levels()
    return "active loggers:\n" + "".join(f"  {name}: {level}\n" for name, level in levels.items()) + "\n"


PAGES = (
    Page(
        "/logging",
        logging,
        "query/change logging levels",
        mutates=True,
        parameters=(
            ("paths", "Change multiple logging levels by setting to <logger_name1>:<desired_level1>,..."),
            ("level", "desired logging level, this will change all loggers's level; One of (" + ", ".join(logs.LEVELS)
             + ")"),
        ),
    ),
)  # fmt: skip
