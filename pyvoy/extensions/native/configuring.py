"""The `config` of a Python filter: a Struct of the bootstrap -> the dataclass that the filter's class asks for.

The class says `config: MyConfig`, where MyConfig is a dataclass; without that it gets the mapping as it is.  Problems
are reported at their places in the file.  Types: bool, int, float, str, bytes, list, tuple, set, frozenset, dict with
str keys, Literal, Enum (by name or value), unions, nested dataclasses, Any.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyvoy.config.problems import nearest_name

if TYPE_CHECKING:
    from pyvoy.config.context import Context

Report = Callable[[str, str, str], None]
"""(path, text, nearest name) of a problem."""


class _Wrong(Exception):
    """The value does not fit; the text says what is wanted."""


def config_type(cls: type) -> type | None:
    """The dataclass that a filter class annotates its `config` with; None when it takes the mapping.

    Raises TypeError for an annotation that cannot be read or is no dataclass."""
    for base in cls.__mro__:
        annotation = inspect.get_annotations(base).get("config")
        if annotation is not None:
            break
    else:
        return None
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, vars(sys.modules[base.__module__]), dict(vars(base)))
        except Exception as error:
            raise TypeError(f"the annotation of {base.__name__}.config cannot be read: {error}") from error
    origin: Any = typing.get_origin(annotation)
    if annotation is Any or annotation is dict or origin in (dict, Mapping):
        return None
    if not (isinstance(annotation, type) and dataclasses.is_dataclass(annotation)):
        raise TypeError(f"{base.__name__}.config must be a dataclass, not {annotation!r}")
    return annotation


def build_config(wanted: type | None, values: Mapping[str, Any], context: Context, field: str = "config") -> Any:
    """The configuration object; problems are reported at `field` and below, and what comes back then is of no use."""
    if wanted is None:
        return values
    found: list[tuple[str, str, str]] = []
    config = from_mapping(wanted, values, field, lambda *problem: found.append(problem))
    for path, text, nearest in found:
        context.error(path, text, nearest)
    return config


def from_mapping(wanted: type, values: Mapping[str, Any], path: str, report: Report) -> Any:
    """A dataclass from a mapping; None after a problem, here or below."""
    hints = typing.get_type_hints(wanted)
    fields = {field.name: field for field in dataclasses.fields(wanted) if field.init}
    problems = 0

    def note(where: str, text: str, nearest: str) -> None:
        nonlocal problems
        problems += 1
        report(where, text, nearest)

    arguments = {}
    for name, value in values.items():
        below = f"{path}.{name}" if name.isidentifier() else f'{path}["{name}"]'
        if name in fields:
            arguments[name] = _item(hints[name], value, below, note)
        else:
            note(below, f"{wanted.__name__} has no field {name!r}", nearest_name(name, fields))
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            note(path, f"{name} is required", "")
    if problems:
        return None
    try:
        return wanted(**arguments)
    except Exception as error:  # the wall of the extension: its __post_init__ says what is wrong
        report(path, str(error) or type(error).__name__, "")
        return None


def _convert(wanted: Any, value: Any, path: str, report: Report) -> Any:
    if wanted is Any or wanted is object:
        return value
    origin = typing.get_origin(wanted)
    if origin in (typing.Union, types.UnionType):
        return _convert_union(typing.get_args(wanted), value, path, report)
    if origin is typing.Literal:
        options = typing.get_args(wanted)
        if value not in options:
            raise _Wrong(f"must be one of {', '.join(map(repr, options))}, not {value!r}")
        return value
    if origin is typing.Annotated:
        return _convert(typing.get_args(wanted)[0], value, path, report)
    base = origin or wanted
    if base in _SCALARS:
        return _SCALARS[base](value)
    if base in (dict, Mapping):
        return _convert_map(typing.get_args(wanted), value, path, report)
    if base in (list, tuple, set, frozenset, Sequence):
        return _convert_list(base, typing.get_args(wanted), value, path, report)
    if isinstance(base, type) and issubclass(base, enum.Enum):
        return _convert_enum(base, value)
    if isinstance(base, type) and dataclasses.is_dataclass(base):
        return _nested(base, value, path, report)
    raise _Wrong(f"the filter wants {wanted!r}, which a configuration cannot give")


def _nested(wanted: type, value: Any, path: str, report: Report) -> Any:
    if not isinstance(value, Mapping):
        raise _Wrong("must be a mapping")
    return from_mapping(wanted, value, path, report)


def _convert_union(options: tuple[Any, ...], value: Any, path: str, report: Report) -> Any:
    if value is None and type(None) in options:
        return None
    real = [option for option in options if option is not type(None)]
    if len(real) == 1:
        return _convert(real[0], value, path, report)
    texts = []
    for option in real:
        problems: list[tuple[str, str, str]] = []
        try:
            converted = _convert(option, value, path, lambda *problem, into=problems: into.append(problem))
        except _Wrong as wrong:
            texts.append(str(wrong))
            continue
        if not problems:
            return converted
        texts.append(problems[0][1])
    raise _Wrong(" or ".join(texts))


def _convert_map(arguments: tuple[Any, ...], value: Any, path: str, report: Report) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _Wrong("must be a mapping")
    item = arguments[1] if len(arguments) == 2 else Any
    return {key: _item(item, one, f'{path}["{key}"]', report) for key, one in value.items()}


def _convert_list(base: Any, arguments: tuple[Any, ...], value: Any, path: str, report: Report) -> Any:
    if not isinstance(value, list):
        raise _Wrong("must be a list")
    item = arguments[0] if arguments else Any
    items = [_item(item, one, f"{path}[{index}]", report) for index, one in enumerate(value)]
    make = list if base is Sequence else base
    return make(items)


def _item(wanted: Any, value: Any, path: str, report: Report) -> Any:
    try:
        return _convert(wanted, value, path, report)
    except _Wrong as wrong:
        report(path, str(wrong), "")
        return None


def _convert_enum(wanted: type[enum.Enum], value: Any) -> Any:
    if isinstance(value, str) and value in wanted.__members__:
        return wanted[value]
    try:
        return wanted(value)
    except ValueError:
        raise _Wrong(f"must be one of {', '.join(wanted.__members__)}, not {value!r}") from None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"must be true or false, not {value!r}")
    return value


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise _Wrong(f"must be a whole number, not {value!r}")
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, str):  # a fraction in YAML is a text, as in Envoy
        try:
            return float(value)
        except ValueError:
            pass
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f"must be a number, not {value!r}")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(f"must be a text, not {value!r}")
    return value


def _octets(value: Any) -> bytes:
    return _text(value).encode()


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    bool: _boolean,
    int: _integer,
    float: _number,
    str: _text,
    bytes: _octets,
}
