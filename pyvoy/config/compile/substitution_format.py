"""SubstitutionFormatString -> a formatter and the content type that goes with it.

Source of behaviour: Envoy's SubstitutionFormatStringUtils::fromProtoConfig.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.header_rules import Formatter

supports(
    "envoy.config.core.v3.SubstitutionFormatString",
    "text_format text_format_source json_format omit_empty_values content_type json_format_options",
)
supports("envoy.config.core.v3.JsonFormatOptions", "sort_properties")


@dataclass(slots=True, frozen=True)
class SubstitutionFormat:
    """`content_type` is empty when the format does not say; JSON says application/json."""

    formatter: Formatter
    content_type: bytes


def substitution_format(message: Any, context: Context) -> SubstitutionFormat:
    """The compiled format; an empty text after a problem."""
    from pyvoy.observe.access_log.format import compile_format
    from pyvoy.observe.access_log.json_format import compile_json

    which = message.WhichOneof("format")
    content_type = message.content_type.encode()
    try:
        if which == "json_format":
            from google.protobuf import json_format

            struct = json_format.MessageToDict(message.json_format)
            formatter = compile_json(struct, omit_empty=message.omit_empty_values)
            return SubstitutionFormat(formatter, content_type or b"application/json")
        if which == "text_format_source":
            text = context.data_source(message, "text_format_source").decode("utf-8", "surrogateescape")
        else:
            text = message.text_format
        missing = b"" if message.omit_empty_values else b"-"
        return SubstitutionFormat(compile_format(text, missing=missing), content_type)
    except ValueError as error:
        context.error(which or "", str(error))
        return SubstitutionFormat(lambda _source: b"", content_type)
