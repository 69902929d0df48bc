"""The runtime's disk layer: files as keys, folders as dots."""

from pyvoy.config.compile.bootstrap import runtime
from tests.unit.config.building import built, reported

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"


def read(text):
    message, context = built(BOOTSTRAP, text)
    return runtime(message, context), reported(context)


def layers(*texts):
    return "{node: {cluster: mine}, layered_runtime: {layers: [" + ", ".join(texts) + "]}}"


def disk(root, more=""):
    return f"{{name: disk, disk_layer: {{symlink_root: '{root}', subdirectory: envoy{more}}}}}"


def test_files_are_keys(tmp_path):
    folder = tmp_path / "envoy" / "upstream"
    folder.mkdir(parents=True)
    (folder / "healthy_panic_threshold").write_text("# in per cent\n25\n")
    (tmp_path / "envoy" / "flag").write_text("true")
    (tmp_path / "envoy" / "name").write_text("text")
    found, problems = read(layers(disk(tmp_path)))
    assert problems == []
    assert found.values == {"upstream.healthy_panic_threshold": 25, "flag": True, "name": "text"}


def test_a_later_layer_wins(tmp_path):
    (tmp_path / "envoy").mkdir()
    (tmp_path / "envoy" / "key").write_text("1")
    found, _ = read(layers("{name: static, static_layer: {key: 2}}", disk(tmp_path)))
    assert found.values == {"key": 1}


def test_the_folder_of_the_service_cluster(tmp_path):
    (tmp_path / "envoy" / "mine").mkdir(parents=True)
    (tmp_path / "envoy" / "mine" / "key").write_text("3")
    found, _ = read(layers(disk(tmp_path, ", append_service_cluster: true")))
    assert found.values == {"key": 3}


def test_a_folder_that_is_not_there_has_no_values(tmp_path):
    assert read(layers(disk(tmp_path)))[0].values == {}
