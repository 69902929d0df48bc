"""Attributes of a stream by path, as Envoy's page names them."""

from types import SimpleNamespace

import pytest

from pyvoy.extensions.attributes import ATTRIBUTES, Place, compile_attribute, place_of
from pyvoy.extensions.stream_facts import (
    NotSettable,
    filter_state,
    metadata,
    override_upstream_host,
    route_metadata,
    set_attribute,
    set_filter_state,
    set_metadata,
)
from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.tls_info import TlsInfo
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.stage import Stage


@pytest.fixture
def stage():
    return Stage(FakeServices(), ())


@pytest.fixture
def stream(stage):
    headers = [
        (b":method", b"GET"),
        (b":path", b"/a/b?x=1&y=2"),
        (b":scheme", b"https"),
        (b":authority", b"a.test"),
        (b"user-agent", b"curl"),
        (b"referer", b"http://r"),
        (b"x-request-id", b"id-1"),
        (b"x-many", b"1"),
        (b"x-many", b"2"),
    ]
    stage.request(HeaderMap(headers), end=True)
    return stage.stream


def read(stream, path, **place):
    get = compile_attribute(path, Place(**place))
    assert get is not None, path
    return get(stream)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("request.path", b"/a/b?x=1&y=2"),
        ("request.url_path", b"/a/b"),
        ("request.query", b"x=1&y=2"),
        ("request.host", b"a.test"),
        ("request.scheme", b"https"),
        ("request.method", b"GET"),
        ("request.useragent", b"curl"),
        ("request.referer", b"http://r"),
        ("request.id", b"id-1"),
        ("request.protocol", "HTTP/1.1"),
        ("request.headers.x-many", b"1,2"),
        ("request.headers.X-Many", b"1,2"),
        ("request.headers.x-none", None),
        ("request.duration", None),
        ("request.size", 0),
        ("response.code", None),
        ("response.headers", None),
        ("source.address", "127.0.0.1:40000"),
        ("source.port", 40000),
        ("destination.address", "127.0.0.1:10000"),
        ("destination.port", 10000),
        ("connection.id", 1),
        ("connection.mtls", False),
        ("connection.tls_version", None),
        ("upstream.address", None),
        ("xds.route_name", "route"),
        ("route_name", "route"),
        ("xds.virtual_host_name", "host"),
        ("xds.cluster_name", "upstream"),
    ],
)
def test_values_of_a_running_request(stream, path, value):
    assert stream.route is not None
    assert read(stream, path) == value


def test_times_are_nanoseconds(stage, stream):
    assert read(stream, "request.time") == round(stream.info.start_wall_s * 1e9)
    stage.advance(1.5)
    stage.response(HeaderMap([(b":status", b"200"), (b"grpc-status", b"7")]), end=True)
    assert read(stream, "request.duration") == 1_500_000_000
    assert read(stream, "response.code") == 200
    assert read(stream, "response.grpc_status") == 7
    assert read(stream, "response.headers.grpc-status") == b"7"
    assert read(stream, "response.total_size") == len(b":status200grpc-status7")


def test_sizes(stream):
    assert read(stream, "request.headers_bytes") == stream.request_headers.byte_size()
    assert read(stream, "request.total_size") == stream.request_headers.byte_size()


def test_the_tls_facts(stream):
    tls = stream.connection.tls = TlsInfo()
    tls.version = "TLSv1.3"
    tls.peer_presented = True
    tls.peer_dns_sans = ("a", "b")
    tls.peer_fingerprint_256 = "abcd"
    assert read(stream, "connection.tls_version") == "TLSv1.3"
    assert read(stream, "connection.mtls") is True
    assert read(stream, "connection.dns_san_peer_certificate") == "a"
    assert read(stream, "connection.sha256_peer_certificate_digest") == "abcd"
    assert read(stream, "connection.uri_san_peer_certificate") is None
    assert read(stream, "upstream.tls_version") is None


def test_maps_are_gone_into(stream):
    set_metadata(stream, "envoy.lb", "stage.name", {"deep": [1, {"x": True}]})
    assert read(stream, "metadata.envoy.lb.stage.name.deep.1.x") is True
    assert read(stream, ("metadata", "envoy.lb", "stage.name", "deep", "0")) == 1
    assert read(stream, "metadata.envoy.lb.none") is None
    set_filter_state(stream, "wasm.a", b"1")
    stream.connection.filter_state["wasm.b"] = b"2"
    assert read(stream, "filter_state.wasm.a") == b"1"
    assert read(stream, ("filter_state", "wasm.b")) == b"2"
    assert set(read(stream, "filter_state")) == {"wasm.a", "wasm.b"}


def test_the_place(stream):
    place = {"node": {"id": "n1", "metadata": {"a": 1}}, "listener_direction": 2, "listener_metadata": {"ns": {"k": 1}}}
    assert read(stream, "xds.node.id", **place) == "n1"
    assert read(stream, "node.metadata.a", **place) == 1
    assert read(stream, "xds.listener_direction", **place) == 2
    assert read(stream, "listener_metadata.ns.k", **place) == 1


def test_the_place_of_an_extension():
    fakes = FakeServices()
    place = place_of(Configuration(fakes.scope, fakes.arena).context("x"))
    assert place == Place()


@pytest.mark.parametrize("path", ["", "nothing", "request", "request.nothing", "xds", "xds.nothing"])
def test_paths_that_nobody_has(path):
    assert compile_attribute(path) is None


def test_every_attribute_can_be_asked_of_every_stream(stage, stream):
    for get in ATTRIBUTES.values():
        get(stream)
    stage.response(HeaderMap([(b":status", b"200")]), end=False)
    for get in ATTRIBUTES.values():
        get(stream)


def test_what_can_be_set(stream):
    set_attribute(stream, ("metadata", "ns", "k"), 1)
    set_attribute(stream, ("filter_state", "wasm", "x"), b"v")
    assert metadata(stream, "ns") == {"k": 1}
    assert metadata(stream, "none") == {}
    assert filter_state(stream, "wasm.x") == b"v"
    assert filter_state(stream, "none") is None
    for path in (("request", "path"), ("metadata", "ns"), ("nothing",)):
        with pytest.raises(NotSettable):
            set_attribute(stream, path, 1)


def test_route_metadata(stage, stream):
    stage.route.metadata = {"ns": {"k": "v"}}
    assert route_metadata(stream, "ns") == {"k": "v"}
    assert route_metadata(stream, "none") == {}
    stage.routes.route = None
    stream.clear_route_cache()
    assert route_metadata(stream, "ns") == {}


@pytest.mark.parametrize("address", ["10.0.0.1:80", "10.0.0.1", "[::1]:80", "::1"])
def test_the_override_host(stream, address):
    override_upstream_host(stream, address, strict=True)
    assert stream.upstream_override_host == (address, True)


@pytest.mark.parametrize("address", ["", "a.test:80", "10.0.0.1:x", "10.0.0.1:99999", "10.0.0"])
def test_what_is_no_override_host(stream, address):
    with pytest.raises(ValueError, match="host is not a valid IP address"):
        override_upstream_host(stream, address)


def test_a_unix_peer_has_no_port(stream):
    stream.connection.remote = Address("", 0, "/run/x.sock")
    assert read(stream, "source.address") == "/run/x.sock"
    assert read(stream, "source.port") is None


def test_the_metadata_of_the_hosts_locality(stream):
    assert read(stream, "xds.upstream_host_locality_metadata") is None
    stream.info.upstream_host = SimpleNamespace(locality_metadata={"ns": {"k": "v"}})
    assert read(stream, "xds.upstream_host_locality_metadata.ns.k") == "v"
