"""What can be measured: the gallery's forms and a user's own files."""

import json
from pathlib import Path

import pytest

from pyvoy.bench.forms import SubjectError, gallery, lines_of_code, own

GALLERY = Path(__file__).parents[3] / "filters"


def test_every_filter_of_the_gallery_in_every_form():
    found = {(subject.filter, subject.form): subject for subject in gallery(GALLERY)}
    for folder in GALLERY.iterdir():
        if folder.is_dir():
            assert {(folder.name, "python"), (folder.name, "lua")} <= set(found)
    assert found["add_header", "ext_proc"].mechanism == "ext_proc"
    module = found["add_header", "wasm-cpp"]
    assert (module.mechanism, module.source.name) == ("wasm", "filter.cpp")
    assert module.artifact_bytes == module.file.stat().st_size
    assert module.source_lines > 3
    assert found["add_header", "wasm-assemblyscript"].source.name == "filter.ts"


def test_some_of_it():
    found = gallery(GALLERY, ["canary"], ["lua", "python"])
    assert [(subject.filter, subject.form) for subject in found] == [("canary", "python"), ("canary", "lua")]


def test_an_unknown_filter_and_no_gallery_are_told(tmp_path):
    with pytest.raises(SubjectError, match=r"no filter 'nothing'.*add_header"):
        gallery(GALLERY, ["nothing"])
    with pytest.raises(SubjectError, match="no gallery"):
        gallery(tmp_path)


def test_entries_have_names_of_their_own_and_vms_when_asked():
    (module, *_) = gallery(GALLERY, ["add_header"], ["wasm"])
    shared, apart = module.entries(2), module.entries(2, own_vms=True)
    assert len({entry["name"] for entry in shared}) == 2
    assert [entry["typed_config"]["config"]["vm_config"].get("vm_id") for entry in shared] == [None, None]
    assert [entry["typed_config"]["config"]["vm_config"]["vm_id"] for entry in apart] == ["vm-0", "vm-1"]


def test_a_file_of_ones_own(tmp_path):
    for suffix, mechanism in ((".py", "python"), (".lua", "lua"), (".wasm", "wasm")):
        file = tmp_path / f"mine{suffix}"
        file.write_bytes(b"")
        found = own(file)
        assert (found.filter, found.mechanism) == ("mine", mechanism)


def test_its_configuration(tmp_path):
    for suffix in (".py", ".lua", ".wasm"):
        (tmp_path / f"mine{suffix}").write_bytes(b"")
    assert own(tmp_path / "mine.py", {"n": 1}).typed_config["config"] == {"n": 1}
    module = own(tmp_path / "mine.wasm", {"n": 1}, "root").typed_config["config"]
    assert (json.loads(module["configuration"]["value"]), module["root_id"]) == ({"n": 1}, "root")
    with pytest.raises(SubjectError, match="no configuration"):
        own(tmp_path / "mine.lua", {"n": 1})


@pytest.mark.parametrize(("name", "told"), [("none.py", "there is no file"), ("mine.rb", "is no filter")])
def test_what_is_no_filter(tmp_path, name, told):
    (tmp_path / "mine.rb").write_bytes(b"")
    with pytest.raises(SubjectError, match=told):
        own(tmp_path / name)


def test_lines_of_code(tmp_path):
    file = tmp_path / "filter.lua"
    file.write_text("-- what it does\n\nlocal x = 1 -- why\n  -- more\nreturn x\n")
    assert lines_of_code(file) == 2
