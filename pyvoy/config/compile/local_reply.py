"""LocalReplyConfig -> the function that makes local replies.

Source: Envoy's LocalReplyFactory; behaviour checked on the running 1.40.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.access_log_filter import log_filter
from pyvoy.config.compile.matchers import always
from pyvoy.config.compile.substitution_format import content_type_of, substitution_format
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.local_reply import BodyFormat, LocalReplyRules, Mapper, compile_local_reply

_PREFIX = "envoy.extensions.filters.network.http_connection_manager.v3."
supports(_PREFIX + "LocalReplyConfig", "mappers body_format")
supports(_PREFIX + "ResponseMapper", "filter status_code body body_format_override headers_to_add")


def build_local_reply(message: Any, context: Context) -> LocalReplyRules:
    """The function for a HttpConnectionManager message; `context` stands at that message."""
    if not message.HasField("local_reply_config"):
        return compile_local_reply()
    config = message.local_reply_config
    place = context.at("local_reply_config")
    mappers = [_mapper(mapper, place.at("mappers", index)) for index, mapper in enumerate(config.mappers)]
    return compile_local_reply(mappers, _body_format(config, "body_format", place))


def _mapper(message: Any, context: Context) -> Mapper:
    rules = context.header_rules(message.headers_to_add, (), "headers_to_add")
    return Mapper(
        matches=log_filter(message.filter, context.at("filter")) if message.HasField("filter") else always,
        status=message.status_code.value if message.HasField("status_code") else None,
        body=context.data_source(message, "body") if message.HasField("body") else None,
        add_headers=rules.apply if message.headers_to_add else None,
        body_format=_body_format(message, "body_format_override", context),
    )


def _body_format(message: Any, field: str, context: Context) -> BodyFormat | None:
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    return BodyFormat(substitution_format(value, context.at(field), one_line=False), content_type_of(value))
