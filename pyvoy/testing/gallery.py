"""One test for a filter that exists in several languages: the forms that lie in its folder.

    FORMS = forms(__file__)

    @pytest.mark.parametrize("form", FORMS, ids=str)
    def test_it(form):
        stream = form.stream()

`filter.py` is the Python form, `filter.lua` the Lua form, `filter.<language>.wasm` are WebAssembly forms, built by
`pyvoy wasm build`.  A test holds for all of them, with the configuration that the filter has by default.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyvoy.testing.filters import LUA, PYTHON, FakeStream, root_id_of, wasm_config


@dataclass(slots=True, frozen=True)
class Form:
    """One filter in one language: `python`, `lua`, `wasm-cpp`, `wasm-assemblyscript`, ..."""

    language: str
    file: Path

    def __str__(self) -> str:
        return self.language

    @property
    def is_wasm(self) -> bool:
        """Whether it is a module."""
        return self.file.suffix == ".wasm"

    @property
    def typed_config(self) -> dict[str, Any]:
        """What stands in a bootstrap."""
        if self.language == "python":
            return {"@type": PYTHON, "code": {"filename": str(self.file)}}
        if self.language == "lua":
            return {"@type": LUA, "default_source_code": {"filename": str(self.file)}}
        return wasm_config(self.file, root_id_of(self.file))

    def stream(self, **more: Any) -> FakeStream:
        """A stream with this form of the filter; further arguments are FakeStream's."""
        return FakeStream(self.typed_config, **more)


def forms(test_file: str) -> list[Form]:
    """The forms that lie beside a test file."""
    folder = Path(test_file).parent
    found = [Form("python", path) for path in sorted(folder.glob("filter.py"))]
    found += [Form("lua", path) for path in sorted(folder.glob("filter.lua"))]
    found += [Form(f"wasm-{path.name.split('.')[1]}", path) for path in sorted(folder.glob("filter.*.wasm"))]
    return found
