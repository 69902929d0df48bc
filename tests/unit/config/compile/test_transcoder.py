"""grpc_json_transcoder's configuration: what is made of it, and what is wrong with it, where."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from __future__ import annotations

from base64 import b64encode

import pytest

from pyvoy.config.compile import transcoder
from pyvoy.filters.http.grpc_json_transcoder.filter import TYPE
from pyvoy.filters.http.grpc_json_transcoder.plan import Call, Refusal
from tests.support.building import Place, message
from tests.support.protos import descriptor_set, package
from tests.support.shop import SET, SHOP

MESSAGES = {"A": "string x = 1; B b = 2", "B": "int32 y = 1"}


def plan(data=SET, fields="services: [shop.v1.Shop]"):
    """(the plan, the problems) of a configuration with these descriptors."""
    place = Place()
    text = f"{{proto_descriptor_bin: {b64encode(data).decode()}, {fields}}}"
    made = transcoder.plan(message(TYPE, text), place.context())
    return made, place.errors


def service(rule, messages=MESSAGES, types=("A", "B")):
    """The plan of a service with one method that has this rule."""
    file = package("p", messages, services={"S": {"M": (*types, rule)}}, imports=())
    return plan(descriptor_set(file, imports=()), "services: [p.S]")


def test_calls_are_found():
    made, problems = plan()
    assert not problems
    call = made.find(b"GET", b"/v1/shelves/s/books/7?view=v&read=a")
    assert isinstance(call, Call)
    assert call.method.path == b"/shop.v1.Shop/Get"
    assert [([field.name for field in path], value) for path, value in call.bindings] == [
        (["shelf"], "s"), (["id"], "7"), (["view"], "v"), (["read"], "a"),
    ]  # fmt: skip
    assert isinstance(made.find(b"GET", b"/nothing"), Refusal)


def test_a_file_is_read_and_watched(tmp_path):
    path = tmp_path / "shop.pb"
    path.write_bytes(SET)
    place = Place()
    made = transcoder.plan(message(TYPE, f"{{proto_descriptor: {path}, services: [shop.v1.Shop]}}"), place.context())
    assert made.matcher is not None
    assert place.environment.files == {str(path)}


def test_without_services_it_does_nothing():
    made, problems = plan(b"no descriptors at all", "services: []")
    assert (made.matcher, problems) == (None, [])


def test_the_built_in_status_is_used_where_the_descriptors_have_none():
    made, problems = plan(fields="services: [shop.v1.Shop], convert_grpc_status: true")
    assert made.status_type.full_name == "google.rpc.Status"
    assert not problems


@pytest.mark.parametrize(
    ("data", "fields", "said"),
    [
        (b"\xff", "services: [a.B]", "proto_descriptor_bin: is no serialized FileDescriptorSet (protoc --descriptor_set_out)"),
        (SET, "services: [shop.v1.Shop, shop.v1.Shob]", "services[1]: could not find service 'shop.v1.Shob' in the proto descriptor"),
        (descriptor_set(SHOP, imports=()), "services: [shop.v1.Shop]", "proto_descriptor_bin: 'shop/v1.proto' cannot be built: imports 'google/protobuf/any.proto', which does not come before it (protoc --include_imports)"),
        (SET, "services: [shop.v1.Shop], max_request_body_size: 0", "max_request_body_size: must be at least 1, not 0"),
    ],
)  # fmt: skip
def test_problems(data, fields, said):
    assert plan(data, fields)[1] == [f"here.{said}"]


def test_a_file_that_is_not_there():
    place = Place()
    transcoder.plan(message(TYPE, "{proto_descriptor: /nope/x.pb, services: [a.B]}"), place.context())
    assert place.errors == ["here.proto_descriptor: cannot read '/nope/x.pb': No such file or directory"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"get": "nope"}, "'/' is expected at position 0"),
        ({"get": "/{x"}, "'}' is expected at position 3"),
        ({"get": "/x", "additionalBindings": [{"get": "/**/*"}]}, "only literal segments may follow '**'"),
        ({"post": "/x", "body": "nope"}, 'Could not find field "nope" in the type "p.A".'),
        ({"get": "/x", "responseBody": "y"}, "response_body 'y' is no google.api.HttpBody: that is not supported"),
        ({"get": "/x", "responseBody": "z"}, 'Could not find field "z" in the type "p.B".'),
    ],
)
def test_rules_that_are_none(rule, said):
    assert service(rule)[1] == [f"here.services[0]: cannot register 'p.S.M': {said}"]


def test_types_that_are_not_there():
    _, problems = service({"get": "/x"}, {"A": "string x = 1"}, ("A", "Nope"))
    assert problems[0].startswith("here.proto_descriptor_bin: 'p.proto' cannot be built: ")


def test_a_rule_without_pattern_binds_nothing():
    made, problems = service(None)
    assert not problems
    assert isinstance(made.find(b"POST", b"/p.S/M"), Refusal)
