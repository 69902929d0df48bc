"""SubstitutionFormatString -> formatter, for access logs and local replies.

Source: Envoy's SubstitutionFormatStringUtils; texts from the running 1.40.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports, type_name_of
from pyvoy.observe.access_log.format import Formatter, compile_format
from pyvoy.observe.access_log.json_format import compile_json

supports(
    "envoy.config.core.v3.SubstitutionFormatString",
    "text_format json_format text_format_source omit_empty_values content_type json_format_options formatters",
)
# A protobuf Struct has no order to keep: Envoy, too, writes sorted keys either way.
supports("envoy.config.core.v3.JsonFormatOptions", "sort_properties")
supports("envoy.extensions.formatter.metadata.v3.Metadata")

_METADATA_FORMATTER = "envoy.extensions.formatter.metadata.v3.Metadata"
_WITHOUT_QUERY_FORMATTER = "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
_FORMATTERS = (_METADATA_FORMATTER, _WITHOUT_QUERY_FORMATTER)
supports(_WITHOUT_QUERY_FORMATTER)


def substitution_format(message: Any, context: Context, *, one_line: bool) -> Formatter:
    """The formatter of a SubstitutionFormatString; `context` stands at it.

    `one_line` is for log lines: line breaks within values are escaped."""
    _check_formatters(message, context)
    which = message.WhichOneof("format")
    if which == "json_format":
        return json_formatter(
            message.json_format,
            context,
            "json_format",
            omit_empty=message.omit_empty_values,
        )
    missing = b"" if message.omit_empty_values else b"-"
    if which == "text_format_source":
        text = context.data_source(message, "text_format_source").decode("utf-8", "surrogateescape")
        return text_formatter(text, context, "text_format_source", missing=missing, one_line=one_line)
    return text_formatter(message.text_format, context, "text_format", missing=missing, one_line=one_line)


def text_formatter(
    text: str, context: Context, field: str, *, missing: bytes = b"-", one_line: bool = True
) -> Formatter:
    """A text format; a faulty one is reported at `field`."""
    try:
        return compile_format(text, missing=missing, one_line=one_line)
    except ValueError as error:
        context.error(field, str(error))
        return compile_format("")


def json_formatter(struct: Any, context: Context, field: str, *, omit_empty: bool = False) -> Formatter:
    """A json_format Struct; a faulty one is reported at `field`."""
    from google.protobuf import json_format

    try:
        return compile_json(json_format.MessageToDict(struct), omit_empty=omit_empty)
    except ValueError as error:
        context.error(field, str(error))
        return compile_format("")


def content_type_of(message: Any) -> bytes:
    """The media type of a body made by this format."""
    if message.content_type:
        return str(message.content_type).encode()
    return b"application/json" if message.WhichOneof("format") == "json_format" else b"text/plain"


def _check_formatters(message: Any, context: Context) -> None:
    for index, formatter in enumerate(message.formatters):
        name = type_name_of(formatter.typed_config.type_url)
        if name not in _FORMATTERS:
            context.error(f"formatters[{index}]", f"formatter {name!r} is not supported")
