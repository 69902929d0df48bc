"""Filters that misbehave, one in each mechanism, and the settings under which they do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.bench.forms import RUNS_IN, Subject
from pyvoy.bench.peers import Contender, Peer
from pyvoy.testing.filters import LUA, PYTHON, wasm_config

FAULTS = ("crash", "exit", "loop", "hog")
_HERE = Path(__file__).parent
_LUA_LIMITS = {"max_instructions": 1_000_000, "max_memory_bytes": 64 << 20, "failure_policy": "FAIL_CLOSED"}
_WASM_LIMITS = {"pyvoy.wasm.memory_limit_mib": 64, "pyvoy.wasm.call_time_limit_ms": 100}


@dataclass(frozen=True, slots=True)
class Setting:
    """A mechanism as it comes, or `guarded` by the limits and the failure policy that the proxy offers for it."""

    mechanism: str
    guarded: bool = False
    listener: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)


SETTINGS = (
    Setting("python"),
    Setting("lua"),
    Setting("lua", guarded=True, listener={"metadata": {"filter_metadata": {"pyvoy.lua": _LUA_LIMITS}}}),
    Setting("wasm"),
    Setting(
        "wasm",
        guarded=True,
        extras={"layered_runtime": {"layers": [{"name": "limits", "static_layer": _WASM_LIMITS}]}},
    ),
    Setting("ext_proc"),
)


def tried(setting: Setting, peer: Peer, mechanisms: Sequence[str]) -> bool:
    """A proxy has this mechanism and these guards."""
    able = peer.name in RUNS_IN[setting.mechanism] and setting.mechanism in mechanisms
    return able and (peer.name == "pyvoy" or setting.mechanism != "lua" or not setting.guarded)


def contenders(peers: Sequence[Peer], mechanisms: Sequence[str], folder: Path) -> list[tuple[Setting, Contender]]:
    """What is tried: every mechanism in each proxy that has it, as it comes and guarded; modules go into `folder`."""
    found = []
    for setting in SETTINGS:
        for peer in peers:
            if tried(setting, peer, mechanisms):
                subject = _subject(setting, folder)
                contender = Contender(peer, subject, workers=2, listener=setting.listener, extras=setting.extras)
                found.append((setting, contender))
    return found


def _subject(setting: Setting, folder: Path) -> Subject:
    mechanism = setting.mechanism
    if mechanism == "ext_proc":
        return Subject("fault", mechanism, mechanism, _HERE / "ext_proc.py", {})
    if mechanism == "python":
        file = _HERE / "fault.py"
        return Subject("fault", mechanism, mechanism, file, {"@type": PYTHON, "code": {"filename": str(file)}})
    if mechanism == "lua":
        file = _HERE / "fault.lua"
        config = {"@type": LUA, "default_source_code": {"filename": str(file)}}
        return Subject("fault", mechanism, mechanism, file, config)
    import wasmtime

    file = folder / "fault.wasm"
    file.write_bytes(wasmtime.wat2wasm((_HERE / "fault.wat").read_text()))
    typed = wasm_config(file)
    typed["config"]["failure_policy"] = "FAIL_RELOAD" if setting.guarded else "FAIL_CLOSED"
    return Subject("fault", mechanism, mechanism, file, typed)
