"""Registration: strings and classes only, duplicates refused, nothing after the freeze."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyvoy.config.registry import Extension, Registry, type_name_of

BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"


class Buffer:
    pass


class Other:
    pass


def entry(cls=Buffer, *, name="buffer", type_url=BUFFER, route=(), status="stable", posture="unknown"):
    return Extension("http_filter", name, type_url, route, status, posture, cls)


def test_look_up_by_type_and_name():
    registry = Registry()
    registry.add(entry(route=(BUFFER + "PerRoute", BUFFER + "Other")))
    assert registry.lookup("http_filter", BUFFER).factory is Buffer
    assert registry.lookup("http_filter", f"type.googleapis.com/{BUFFER}").factory is Buffer
    assert registry.lookup_route("http_filter", BUFFER + "PerRoute").factory is Buffer
    assert registry.lookup_route("http_filter", BUFFER + "Other").factory is Buffer
    assert registry.by_name("http_filter", "buffer").factory is Buffer
    assert registry.lookup("network_filter", BUFFER) is None
    assert registry.lookup_route("http_filter", BUFFER) is None


@pytest.mark.parametrize("other", [{"name": "other"}, {"type_url": "x.Y"}])
def test_duplicates_are_refused(other):
    registry = Registry()
    registry.add(entry())
    with pytest.raises(ValueError, match=r"is registered twice: .*Buffer and .*Other"):
        registry.add(entry(Other, **other))


def test_the_same_class_again_is_harmless():
    registry = Registry()
    registry.add(entry())
    registry.add(entry())
    assert len(registry.extensions()) == 1


def test_unknown_metadata_is_refused():
    with pytest.raises(ValueError, match="status 'beta'"):
        Registry().add(entry(status="beta"))
    with pytest.raises(ValueError, match="posture 'brave'"):
        Registry().add(entry(posture="brave"))


def test_nothing_is_added_after_the_freeze():
    registry = Registry()
    registry.add(entry())
    registry.freeze()
    with pytest.raises(RuntimeError, match="after the registry was frozen"):
        registry.add(entry(Other, name="other"))
    with pytest.raises(RuntimeError, match="after the registry was frozen"):
        registry.declare("x.Y", "a", "")


def test_fields_of_several_modules_join():
    registry = Registry()
    registry.declare("x.Y", "a b", "")
    registry.declare("x.Y", "c", "d")
    assert registry.supported("x.Y").fields == {"a", "b", "c"}
    assert registry.supported("x.Y").tuning == {"d"}
    assert registry.supported("x.Z") is None


def test_registration_declares_the_types_of_the_extension():
    registry = Registry()
    registry.add(entry(route=(BUFFER + "PerRoute", BUFFER + "Other")))
    assert [name for name, _ in registry.supported_types()] == [BUFFER, BUFFER + "Other", BUFFER + "PerRoute"]


def test_type_names():
    assert type_name_of("a/b/c.D") == "c.D"
    assert type_name_of("c.D") == "c.D"


def test_importing_the_registry_imports_no_protobuf():
    code = "import sys, pyvoy.config.registry; print([m for m in sys.modules if m.startswith(('google', 'envoy'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
