"""Who may import whom: the walls between the rooms, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pyvoy"

PURE = ("http/h1", "http/h2", "network/tls/client_hello.py", "network/proxy_protocol.py", "http/request_rules.py",
        "upstream/pool/decide.py", "network/chain_match.py")  # fmt: skip
REQUEST_PATH = ("network", "http", "filters", "upstream", "observe", "stats")
HEAVY = ("wasmtime", "prometheus_client", "cryptography", "grpc", "lupa", "argparse", "hdrh")


def modules(*places: str) -> list[Path]:
    """The files of folders and files of the package; those that are not there yet are no files."""
    found = []
    for place in places:
        path = PACKAGE / place
        found += sorted(path.rglob("*.py")) if path.is_dir() else [path] if path.exists() else []
    return found


def imports(path: Path, *, typing: bool = False) -> set[str]:
    """Names of imported modules; what only the type checker reads does not count unless `typing`."""
    tree = ast.parse(path.read_text())
    if not typing:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                node.body = []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def module_level_imports(path: Path) -> set[str]:
    """Names that are imported when the module is."""
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def offenders(paths: list[Path], wrong: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """The files that import what they must not, with what it is."""
    return {str(path.relative_to(PACKAGE)): found for path in paths if (found := wrong(path))}


def under(names: set[str], *packages: str) -> set[str]:
    return {name for name in names if any(name == one or name.startswith(f"{one}.") for one in packages)}


def test_pure_modules_know_no_loop_and_no_clock():
    assert not offenders(modules(*PURE), lambda path: imports(path) & {"asyncio", "uvloop", "time"})


def test_the_request_path_imports_nothing_of_config_but_the_registry_and_the_context():
    allowed = ("pyvoy.config.registry", "pyvoy.config.context")

    def wrong(path: Path) -> set[str]:
        names = under(module_level_imports(path), "pyvoy.config")
        return names - under(names, *allowed) - {"pyvoy.config"}

    assert not offenders(modules(*REQUEST_PATH), wrong)


def test_filters_never_import_each_other():
    def wrong(path: Path) -> set[str]:
        own = "pyvoy.filters." + ".".join(path.relative_to(PACKAGE / "filters").with_suffix("").parts[:2])
        names = under(imports(path), "pyvoy.filters")
        shared = under(names, "pyvoy.filters.common")  # parts of several filters, as in Envoy
        return {name for name in names - shared if not name.startswith(own) and name.count(".") > 2}

    assert not offenders(modules("filters"), wrong)


def test_mechanisms_know_the_host_and_the_streams_interface_but_no_rooms():
    maps = ("headers", "header_changes", "known_heads")  # header maps, what is done to them, those that are remembered
    shared = tuple(f"pyvoy.http.{name}" for name in ("http_filter", "eager", "sides", *maps))

    def wrong(path: Path) -> set[str]:
        rooms = under(imports(path), "pyvoy.http", "pyvoy.server.data_plane", "pyvoy.upstream")
        return rooms - under(rooms, *shared) - {"pyvoy.http"}

    assert not offenders(modules("extensions/lua", "extensions/wasm", "extensions/native"), wrong)


def test_mechanisms_never_import_each_other():
    def wrong(path: Path) -> set[str]:
        own = path.relative_to(PACKAGE / "extensions").parts[0]
        others = [f"pyvoy.extensions.{name}" for name in ("native", "lua", "wasm") if name != own]
        return under(imports(path), *others)

    assert not offenders(modules("extensions"), wrong)


def test_tools_are_imported_by_nobody_that_serves():
    """Testing tools are used by the lab alone, and the lab by its commands."""
    tools = ("bench", "testing", "toolchain")
    paths = [path for path in modules(".") if path.relative_to(PACKAGE).parts[0] not in tools]
    assert not offenders(paths, lambda path: under(imports(path), "pyvoy.testing"))
    serving = [path for path in paths if not path.relative_to(PACKAGE).match("cli/bench*.py")]
    assert not offenders(serving, lambda path: under(imports(path), "pyvoy.bench"))


def test_what_draws_and_shows_results_is_loaded_on_need():
    heavy = ("rich", "jinja2", "grpc", "envoy", "wasmtime")
    assert not offenders(modules("bench", "cli"), lambda path: under(module_level_imports(path), *heavy))


def test_the_supervisor_knows_no_loop_no_thread_and_no_message():
    names = ("supervisor", "children", "control", "sockets", "reload")
    forbidden = ("asyncio", "uvloop", "threading", "grpc", "wasmtime", "envoy", "google", "pyvoy.config", "pyvoy.http")
    paths = modules(*(f"server/{name}.py" for name in names))
    assert len(paths) == len(names)
    assert not offenders(paths, lambda path: under(imports(path), *forbidden))


def test_protobuf_is_loaded_only_on_need():
    paths = modules("server", *REQUEST_PATH)
    assert not offenders(paths, lambda path: under(module_level_imports(path), "envoy", "google", "xds", "udpa"))


def test_what_every_process_loads_is_light():
    code = (
        "import sys; from pyvoy.server.proxy import ProxyApplication; import pyvoy.server.supervisor; "
        "ProxyApplication().preload(); print(*sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert not loaded & set(HEAVY)
    assert not {name for name in loaded if name.endswith("_pb2_grpc")}


def test_version_and_help_load_neither_a_loop_nor_protobuf():
    code = "import sys; from pyvoy.cli.main import main; main(['--version']); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(ended.stdout.split()) & {"asyncio", "uvloop", "yaml", "google.protobuf", *HEAVY} - {"argparse"}
