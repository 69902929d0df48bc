"""HeaderValueOption lists and names to remove -> HeaderRules.

Source of behaviour: Envoy's HeaderParser::configure and HeadersToAddEntry; Http::HeaderUtility::isModifiableHeader.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.header_rules import AppendAction, Formatter, HeaderRule, HeaderRules

supports("envoy.config.core.v3.HeaderValueOption", "header append append_action keep_empty_value")
supports("envoy.config.core.v3.HeaderValue", "key value")

NO_RULES = HeaderRules()


def build(add_list: Iterable[Any], remove_list: Iterable[str], context: Context, path: str) -> HeaderRules:
    """The rules of one place.  `path` is the field of the additions; that of the removals is its `_to_remove` twin."""
    rules = [header_rule(option, context.at(path, index)) for index, option in enumerate(add_list)]
    removals = []
    remove_path = path.removesuffix("_to_add") + "_to_remove" if path.endswith("_to_add") else path
    for index, name in enumerate(remove_list):
        if not modifiable(name):
            context.error(f"{remove_path}[{index}]", ":-prefixed or host headers may not be removed")
        else:
            removals.append(name.lower().encode())
    if not rules and not removals:
        return NO_RULES
    return HeaderRules([rule for rule in rules if rule is not None], removals)


def header_rule(option: Any, context: Context) -> HeaderRule | None:
    """One HeaderValueOption; None after a problem."""
    name = option.header.key
    if not modifiable(name):
        context.error("header.key", ":-prefixed or host headers may not be modified")
        return None
    action = AppendAction(option.append_action)
    if option.HasField("append"):
        if action is not AppendAction.APPEND_IF_EXISTS_OR_ADD:
            context.error("append", "Both append and append_action are set and it's not allowed")
        elif not option.append.value:
            action = AppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    value, formatter = value_or_formatter(option.header.value, context, "header.value")
    return HeaderRule(name.lower().encode(), value, formatter, action, option.keep_empty_value)


def value_or_formatter(
    text: str, context: Context, field: str, *, missing: bytes = b""
) -> tuple[bytes, Formatter | None]:
    """Constant bytes, or a formatter when there are operators; `missing` stands for values that are not there."""
    if "%" not in text.replace("%%", ""):
        return text.replace("%%", "%").encode(), None
    from pyvoy.observe.access_log.format import compile_format

    try:
        return b"", compile_format(text, missing=missing)
    except ValueError as error:
        context.error(field, str(error))
        return b"", None


def modifiable(name: str) -> bool:
    """Pseudo headers and Host belong to the route action."""
    return not name.startswith(":") and name.lower() != "host"
