"""AccessLog messages -> loggers: the file, stdout and stderr loggers with their formats and filters.

Source: Envoy's AccessLogFactory, FileAccessLogFactory and the stream loggers; texts from the running 1.40.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyvoy.config.compile.access_log_filter import log_filter
from pyvoy.config.compile.substitution_format import json_formatter, substitution_format, text_formatter
from pyvoy.config.context import Context
from pyvoy.config.registry import access_logger, supports
from pyvoy.observe.access_log.file import LOG_FILES
from pyvoy.observe.access_log.format import DEFAULT_FORMAT, Formatter
from pyvoy.observe.access_log.logger import AccessLog, FilteredLog, LineLog

_FILE = "envoy.extensions.access_loggers.file.v3.FileAccessLog"
_STREAM = "envoy.extensions.access_loggers.stream.v3."
supports("envoy.config.accesslog.v3.AccessLog", "name filter typed_config")
supports(_FILE, "path format json_format typed_json_format log_format")
supports(_STREAM + "StdoutAccessLog", "log_format")
supports(_STREAM + "StderrAccessLog", "log_format")


def build_access_logs(messages: Sequence[Any], context: Context, field: str) -> tuple[AccessLog, ...]:
    """The loggers of a repeated AccessLog field; `field` is its place below `context`."""
    logs: list[AccessLog] = []
    for index, message in enumerate(messages):
        place = context.at(field, index)
        inner = place.extension("access_logger", message, "")
        matches = log_filter(message.filter, place.at("filter")) if message.HasField("filter") else None
        if inner is not None:
            logs.append(inner if matches is None else FilteredLog(inner, matches))
    return tuple(logs)


@access_logger(name="envoy.access_loggers.file", type_url=_FILE, posture="robust_to_untrusted_downstream")
class FileAccessLog:
    """A line to a file for each stream."""

    @staticmethod
    def build(message: Any, context: Context) -> AccessLog | None:
        """The logger; None when the file cannot be opened."""
        return _line_log(_file_format(message, context), message.path, context)


@access_logger(
    name="envoy.access_loggers.stdout", type_url=_STREAM + "StdoutAccessLog", posture="robust_to_untrusted_downstream"
)
class StdoutAccessLog:
    """A line to the standard output for each stream."""

    @staticmethod
    def build(message: Any, context: Context) -> AccessLog | None:
        """The logger."""
        return _line_log(_stream_format(message, context), "/dev/stdout", context)


@access_logger(
    name="envoy.access_loggers.stderr", type_url=_STREAM + "StderrAccessLog", posture="robust_to_untrusted_downstream"
)
class StderrAccessLog:
    """A line to the standard error output for each stream."""

    @staticmethod
    def build(message: Any, context: Context) -> AccessLog | None:
        """The logger."""
        return _line_log(_stream_format(message, context), "/dev/stderr", context)


def _line_log(render: Formatter, path: str, context: Context) -> AccessLog | None:
    try:
        file = LOG_FILES.open(path, context.root_scope)
    except OSError as error:
        context.error("path", f"unable to open file '{path}': {error.strerror}")
        return None
    return LineLog(render, file.write)


def _file_format(message: Any, context: Context) -> Formatter:
    which = message.WhichOneof("access_log_format")
    if which == "log_format":
        return substitution_format(message.log_format, context.at("log_format"), one_line=True)
    if which in ("json_format", "typed_json_format"):
        return json_formatter(getattr(message, which), context, which)
    text = message.format if which == "format" and message.format else DEFAULT_FORMAT
    return text_formatter(text, context, "format")


def _stream_format(message: Any, context: Context) -> Formatter:
    if message.WhichOneof("access_log_format") == "log_format":
        return substitution_format(message.log_format, context.at("log_format"), one_line=True)
    return text_formatter(DEFAULT_FORMAT, context, "log_format")
