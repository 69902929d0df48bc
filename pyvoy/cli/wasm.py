"""`pyvoy wasm inspect FILE`: what a Wasm module is, and whether it would run here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.inspect import Report


def inspect_file(name: str) -> int:
    """Print what is to be said of a module; 1 when it would be refused, or cannot be read."""
    from pyvoy.extensions.wasm.engine.compiler import InvalidModuleError
    from pyvoy.extensions.wasm.inspect import inspect

    try:
        report = inspect(Path(name).read_bytes())
    except OSError as error:
        print(f"cannot read {name}: {error.strerror}", file=sys.stderr)
        return 1
    except InvalidModuleError as error:
        print(f"{name} {error}", file=sys.stderr)
        return 1
    print("\n".join(_lines(name, report)))
    return 1 if report.problems else 0


def _lines(name: str, report: Report) -> list[str]:
    limit = "" if report.memory_limit_bytes is None else f", at most {_size(report.memory_limit_bytes)}"
    lines = [
        f"{name}: {_size(report.size_bytes)}",
        f"  ABI        {report.abi or 'none'}",
        f"  made by    {', '.join(report.producers) or 'unknown'}",
        f"  memory     {_size(report.memory_bytes)}{limit}",
        f"  entry      {report.entry or 'none'}",
        f"  allocator  {report.allocator or 'none'}",
        f"  names      {'yes' if report.has_names else 'no: a trap shows numbers of functions'}",
        "  callbacks  " + (", ".join(each.removeprefix("proxy_") for each in report.callbacks) or "none"),
        f"  imports    {len(report.imports)}",
    ]
    places: dict[str, list[str]] = {}
    for each in report.imports:
        places.setdefault(each.place, []).append(each.name.removeprefix("proxy_"))
    lines += [f"    {place}: {', '.join(names)}" for place, names in places.items()]
    if report.problems:
        lines += ["it would be refused:", *(f"  - {problem}" for problem in report.problems)]
    else:
        lines.append("it would be loaded")
    return lines


def _size(size_bytes: int) -> str:
    if size_bytes < 1 << 20:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / (1 << 20):.1f} MiB"
