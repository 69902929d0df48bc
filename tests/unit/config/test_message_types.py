"""Types by name, importing only the module that defines them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyvoy.config.message_types import TypeNotFoundError, message_class, package_types, unpack


@pytest.mark.parametrize(
    "name",
    [
        "envoy.extensions.filters.http.buffer.v3.Buffer",
        "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "envoy.config.route.v3.RouteAction.HashPolicy.Header",
        "xds.type.v3.TypedStruct",
        "udpa.type.v1.TypedStruct",
        "google.protobuf.Struct",
    ],
)
def test_known(name):
    assert message_class(name).DESCRIPTOR.full_name == name


@pytest.mark.parametrize(
    "name",
    ["", "a", "envoy", "envoy.type", "os.path", "../../x", "envoy.config.route.v3.", "antigravity.X.Y",
     "envoy.admin.v3.X", "envoy.api.v2.Cluster", "envoy.type.matcher.StringMatcher",
     "envoy.config.route.v3.RouteAction.Nope"],
)  # fmt: skip
def test_unknown_or_of_an_old_version(name):
    with pytest.raises(TypeNotFoundError, match="could not find @type"):
        message_class(name)


def test_only_what_is_needed_is_imported():
    code = (
        "import sys\nfrom pyvoy.config.message_types import message_class\n"
        "message_class('envoy.extensions.filters.http.buffer.v3.Buffer')\n"
        "print(len([m for m in sys.modules if m.startswith('envoy.')]) < 20)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_types_of_a_package():
    names = package_types("envoy.extensions.filters.http.buffer.v3")
    assert names == [
        "envoy.extensions.filters.http.buffer.v3.Buffer",
        "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
    ]
    assert package_types("nonsense") == []


def test_bytes_that_are_no_such_message():
    config = message_class("google.protobuf.Any")(type_url="t/envoy.type.v3.Percent", value=b"\xff")
    with pytest.raises(ValueError, match=r"the bytes are no envoy\.type\.v3\.Percent"):
        unpack(config, "envoy.type.v3.Percent")
