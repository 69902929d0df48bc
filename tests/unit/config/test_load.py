"""The way in: files of each kind, text laid over a file, node options, problems all at once."""

from __future__ import annotations

import pytest

from pyvoy.config.load import from_bytes, load
from pyvoy.config.problems import ConfigErrors

YAML = "node: {id: a}\nadmin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}\n"
JSON = '{"node": {"id": "a"}, "admin": {"address": {"socketAddress": {"address": "127.0.0.1", "portValue": 9901}}}}'
TEXT = 'node { id: "a" } admin { address { socket_address { address: "127.0.0.1" port_value: 9901 } } }'


@pytest.fixture
def file(tmp_path):
    def write(name, data):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    return write


def problem_of(**how):
    with pytest.raises(ConfigErrors) as caught:
        load(**how)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", YAML), ("a.YML", YAML), ("a.json", JSON), ("a.conf", YAML), ("a", JSON), ("a.pb_text", TEXT)],
)
def test_kinds_of_files(file, name, text):
    message = load(file(name, text)).message
    assert message.node.id == "a"
    assert message.admin.address.socket_address.port_value == 9901


def test_a_binary_file(file):
    data = load(config_yaml=YAML).serialized()
    assert load(file("a.pb", data)).message.node.id == "a"


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.json", "node: {id: a}", "not valid JSON"),
        ("a.pb", b"\xff\xff", "is no bootstrap in protobuf form"),
        ("a.pb_text", "node { idd: 1 }", "is no bootstrap in protobuf form"),
        ("a.yaml", "", "the configuration is empty"),
    ],
)
def test_files_that_cannot_be_read(file, name, data, what):
    assert what in problem_of(path=file(name, data)).what


def test_a_file_that_is_not_there(tmp_path):
    assert (
        problem_of(path=f"{tmp_path}/none.yaml").what
        == f"cannot read '{tmp_path}/none.yaml': No such file or directory"
    )
    assert "Is a directory" in problem_of(path=str(tmp_path)).what


def test_no_configuration_at_all():
    assert problem_of().what == "there is no configuration: give a file or a text"


def test_a_text_over_a_file(file):
    loaded = load(file("a.yaml", YAML), config_yaml="admin: {address: {socket_address: {port_value: 1}}}")
    address = loaded.message.admin.address.socket_address
    assert (address.address, address.port_value) == ("127.0.0.1", 1)


def test_problems_of_file_and_text_come_together(file):
    path = file("a.yaml", "node: {idd: a}\n")
    with pytest.raises(ConfigErrors) as caught:
        load(path, config_yaml="admin: {addres: 1}")
    assert [str(problem.place) for problem in caught.value.problems] == ["--config-yaml:1:9", f"{path}:1:8"]


def test_node_options_win():
    node = load(config_yaml=YAML, node={"id": "b", "cluster": "c", "zone": "z"}).message.node
    assert (node.id, node.cluster, node.locality.zone) == ("b", "c", "z")
    assert load(config_yaml=YAML, node={"id": ""}).message.node.id == "a"


def test_a_bootstrap_survives_the_way_to_another_process():
    loaded = load(config_yaml=YAML)
    assert from_bytes(loaded.serialized()).message == loaded.message


def test_the_environment_of_builders():
    text = "layered_runtime: {layers: [{name: a, static_layer: {x: 5}}]}\nstatic_resources: {clusters: [{name: c}]}"
    environment = load(config_yaml=text).environment(None, None)
    assert environment.clusters == {"c"}
    assert environment.runtime.integer("x", 0) == 5
