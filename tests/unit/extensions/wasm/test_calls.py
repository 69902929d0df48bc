"""Host functions one by one, on both engine bindings; what Envoy does is in the parity cases."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.foreign import MAX_UNCOMPRESSED_BYTES
from pyvoy.extensions.wasm.calls.properties import UnserializableError, encode
from pyvoy.extensions.wasm.pairs import MAX_PAIRS, parse, serialize
from pyvoy.http.headers import HeaderMap
from tests.unit.extensions.wasm.vms import MapContext, Puppet, running

EVERY_BINDING = pytest.mark.parametrize("fast", [True, False], ids=["unchecked", "public"])


@pytest.fixture(params=[True, False], ids=["unchecked", "public"])
def puppet(request: pytest.FixtureRequest) -> Iterator[Puppet]:
    with running(fast=request.param, configuration=b"vm configuration") as made:
        yield made


# ---- pairs ----


def test_pairs_in_wire_form_and_back():
    pairs = [(b"a", b"1"), (b"", b""), (b"a", b"two")]
    counts = (3).to_bytes(4, "little"), *(size.to_bytes(4, "little") for size in (1, 1, 0, 0, 1, 3))
    assert serialize(pairs) == b"".join(counts) + b"\x00".join((b"a", b"1", b"", b"", b"a", b"two", b""))
    assert parse(serialize(pairs)) == pairs
    assert serialize([]) == b""
    assert parse(b"\0\0\0\0") == parse(b"") == []


@pytest.mark.parametrize(
    "data",
    [
        b"\1\0\0",
        b"\1\0\0\0",
        b"\1\0\0\0\1\0\0\0\1\0\0\0a\0bb",
        b"\1\0\0\0\1\0\0\0\1\0\0\0a\0b\0left over",
        b"\1\0\0\0\1\0\0\0\xff\xff\xff\xffa\0b\0",
        b"\xff\xff\xff\xff",
        serialize([(b"a", b"b")] * (MAX_PAIRS + 1)),
        bytes((1 << 20) + 1),
    ],
)
def test_pairs_that_do_not_add_up_are_none(data):
    assert parse(data) == []


# ---- buffers and configuration ----


def test_reading_a_buffer_is_clipped_and_starts_anywhere(puppet):
    assert puppet.ask("get_buffer_bytes", abi.VM_CONFIGURATION, 0, 0xFFFFFFFF) == (abi.OK, b"vm configuration")
    assert puppet.ask("get_buffer_bytes", abi.VM_CONFIGURATION, 3, 4) == (abi.OK, b"conf")
    assert puppet.ask("get_buffer_bytes", abi.VM_CONFIGURATION, 99, 4) == (abi.OK, b"")
    assert puppet.ask("get_buffer_bytes", abi.VM_CONFIGURATION, 0xFFFFFFFF, 0xFFFFFFFF) == (abi.OK, b"")
    assert puppet.ask("get_buffer_bytes", abi.PLUGIN_CONFIGURATION, 0, 99)[0] == abi.NOT_FOUND
    puppet.root.configuring = True
    assert puppet.ask("get_buffer_bytes", abi.PLUGIN_CONFIGURATION, 0, 99) == (abi.OK, b"configured")


# ---- shared data and queues ----


def test_shared_data_with_compare_and_swap(puppet):
    assert puppet.do("get_shared_data", b"k", 64, 68, 72) == abi.NOT_FOUND
    assert puppet.do("set_shared_data", b"k", b"one", 1234) == abi.OK  # no value yet: any number will do
    assert puppet.do("get_shared_data", b"k", 64, 68, 72) == abi.OK
    cas = puppet.vm.memory.read_u32(72)
    assert cas != 0
    assert puppet.do("set_shared_data", b"k", b"two", cas + 1) == abi.CAS_MISMATCH
    assert puppet.do("set_shared_data", b"k", b"two", cas) == abi.OK
    assert puppet.do("set_shared_data", b"k", b"three", cas) == abi.CAS_MISMATCH
    assert puppet.do("set_shared_data", b"k", b"", 0) == abi.OK
    assert puppet.do("get_shared_data", b"k", 64, 68, 72) == abi.OK
    assert puppet.vm.memory.read_u32(68) == 0


def test_shared_data_that_does_not_fit_is_refused(puppet):
    big = bytes(100_000)
    statuses = {puppet.do("set_shared_data", b"k%d" % at, big, 0) for at in range(200)}
    assert statuses == {abi.OK, abi.INTERNAL_FAILURE}


def test_queues_have_numbers_and_forget_nothing(puppet):
    assert puppet.number("resolve_shared_queue", b"", b"q")[0] == abi.NOT_FOUND
    _, number = puppet.number("register_shared_queue", b"q")
    assert number == 1
    assert puppet.number("register_shared_queue", b"q") == (abi.OK, 1)
    assert puppet.number("register_shared_queue", b"other") == (abi.OK, 2)
    assert puppet.number("resolve_shared_queue", b"vm", b"q") == (abi.OK, 1)
    assert puppet.do("enqueue_shared_queue", 1, b"item") == abi.OK
    assert puppet.number("register_shared_queue", b"q") == (abi.OK, 1)
    assert puppet.ask("dequeue_shared_queue", 1) == (abi.OK, b"item")
    assert puppet.ask("dequeue_shared_queue", 1)[0] == abi.EMPTY
    assert puppet.ask("dequeue_shared_queue", 99)[0] == abi.NOT_FOUND
    assert puppet.do("enqueue_shared_queue", 99, b"item") == abi.NOT_FOUND


# ---- metrics ----


def test_metrics(puppet):
    scope = puppet.fakes.scope
    _, counter = puppet.number("define_metric", abi.COUNTER, b"c")
    _, again = puppet.number("define_metric", abi.COUNTER, b"c")
    _, gauge = puppet.number("define_metric", abi.GAUGE, b"g")
    _, histogram = puppet.number("define_metric", abi.HISTOGRAM, b"h")
    assert (counter, again, gauge, histogram) == (4, 8, 5, 6)
    assert puppet.do("increment_metric", counter, 2) == abi.OK
    assert puppet.do("record_metric", again, 3) == abi.OK
    assert puppet.number("get_metric", counter) == (abi.OK, 5)
    assert puppet.do("increment_metric", counter, 0) == abi.BAD_ARGUMENT
    assert puppet.do("increment_metric", counter, 0xFFFFFFFF) == abi.BAD_ARGUMENT
    assert puppet.do("increment_metric", gauge, 7) == puppet.do("increment_metric", gauge, 0xFFFFFFFE) == abi.OK
    assert puppet.number("get_metric", gauge) == (abi.OK, 5)
    assert puppet.do("record_metric", histogram, 9) == abi.OK
    assert puppet.do("increment_metric", histogram, 9) == abi.BAD_ARGUMENT
    assert puppet.number("get_metric", histogram)[0] == abi.BAD_ARGUMENT
    assert puppet.number("get_metric", 400)[0] == abi.NOT_FOUND
    assert puppet.number("define_metric", 3, b"x")[0] == abi.BAD_ARGUMENT
    assert scope.counter("wasmcustom.c").value == 5


# ---- foreign functions ----


def test_compression_both_ways_and_a_bomb(puppet):
    status, packed = puppet.ask("call_foreign_function", b"compress", b"hello hello hello")
    assert (status, zlib.decompress(packed)) == (abi.OK, b"hello hello hello")
    assert puppet.ask("call_foreign_function", b"uncompress", packed) == (abi.OK, b"hello hello hello")
    assert puppet.ask("call_foreign_function", b"uncompress", b"junk")[0] == abi.SERIALIZATION_FAILURE
    bomb = zlib.compress(bytes(MAX_UNCOMPRESSED_BYTES + 1), 9)
    assert puppet.ask("call_foreign_function", b"uncompress", bomb)[0] == abi.SERIALIZATION_FAILURE
    assert puppet.do("call_foreign_function", b"compress", b"x", 0, 0) == abi.OK
    assert puppet.ask("call_foreign_function", b"sign", b"x")[0] == abi.BAD_ARGUMENT
    assert puppet.ask("call_foreign_function", b"nothing", b"x")[0] == abi.NOT_FOUND


def test_expressions_are_kept_by_number(puppet):
    assert puppet.ask("call_foreign_function", b"expr_create", b"1 + 1") == (abi.OK, bytes(4))
    assert puppet.ask("call_foreign_function", b"expr_evaluate", bytes(4)) == (abi.OK, (2).to_bytes(8, "little"))
    assert puppet.do("call_foreign_function", b"expr_delete", bytes(4), 0, 0) == abi.OK
    assert puppet.ask("call_foreign_function", b"expr_evaluate", bytes(4))[0] == abi.NOT_FOUND


@pytest.mark.parametrize(
    "arguments",
    [b"\x0a\x01", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"\x0d123", b"\x0a\x01a\x00\x01", b"\xff"],
)
def test_arguments_that_are_no_protobuf_message(puppet, arguments):
    assert puppet.do("call_foreign_function", b"declare_property", arguments, 0, 0) == abi.BAD_ARGUMENT


# ---- contexts, calls ----


def test_contexts_that_are_not_there(puppet):
    assert puppet.do("set_effective_context", 99) == abi.BAD_ARGUMENT
    assert puppet.do("set_effective_context", 1) == abi.OK
    assert puppet.do("done") == abi.NOT_FOUND
    assert puppet.do("set_property", b"a", b"b") == abi.NOT_FOUND
    assert puppet.do("continue_stream", 9) == puppet.do("close_stream", 9) == abi.BAD_ARGUMENT


def test_grpc_to_nobody(puppet):
    assert puppet.do("grpc_call", *[b"x"] * 5, 1000, 64) == abi.PARSE_FAILURE
    assert puppet.do("grpc_stream", *[b"x"] * 4, 64) == abi.PARSE_FAILURE
    assert puppet.do("grpc_call", b"", *[b"x"] * 4, 1000, 64) == abi.BAD_ARGUMENT
    assert puppet.do("grpc_send", 6, b"x", 1) == puppet.do("grpc_close", 5) == abi.NOT_FOUND
    assert puppet.do("grpc_send", 5, b"x", 1) == puppet.do("grpc_cancel", 4) == abi.BAD_ARGUMENT


@pytest.mark.parametrize(
    ("headers", "timeout_ms"),
    [
        ([(b":path", b"/"), (b":method", b"GET")], 0),
        ([(b":path", b"/"), (b":authority", b"a")], 0),
        ([(b":path", b"/"), (b":method", b"GET"), (b":authority", b"a")], 1 << 31),
    ],
)
def test_calls_that_cannot_be_made(puppet, headers, timeout_ms):
    status = puppet.do("http_call", b"upstream", serialize(headers), b"", b"", timeout_ms, 64)
    assert status == abi.BAD_ARGUMENT


@pytest.mark.parametrize("pair", [(b"x", b"a\r\nb"), (b"x\n", b"a"), (b"x", b"\0")])
def test_nothing_that_a_module_writes_ends_a_line(puppet, pair):
    pairs = serialize([pair])
    whole = serialize([(b":path", b"/"), (b":method", b"GET"), (b":authority", b"a")])
    assert puppet.do("send_local_response", 200, b"d", b"body", pairs, 0) == abi.BAD_ARGUMENT
    assert puppet.do("http_call", b"upstream", whole, b"", pairs, 0, 64) == abi.BAD_ARGUMENT
    with running() as other:
        other.vm.current = MapContext(other.vm, other.root, 0, HeaderMap())
        assert other.do("set_header_map_pairs", 0, pairs) == abi.BAD_ARGUMENT
        assert other.do("add_header_map_value", 0, *pair) == abi.BAD_ARGUMENT


def test_a_call_to_nowhere(puppet):
    headers = serialize([(b":path", b"/"), (b":method", b"GET"), (b":authority", b"a")])
    assert puppet.do("http_call", b"nowhere", headers, b"", b"", 0, 64) == abi.BAD_ARGUMENT


# ---- values of properties ----


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"raw", b"raw"),
        ("ü", "ü".encode()),
        (True, b"\1"),
        (False, b"\0"),
        (-1, b"\xff" * 8),
        (258, b"\2\1\0\0\0\0\0\0"),
        (1.5, b"\0\0\0\0\0\0\xf8?"),
        ({"a": 1}, serialize([(b"a", b"\1\0\0\0\0\0\0\0")])),
        (["x", b"y"], serialize([(b"x", b""), (b"y", b"")])),
        (HeaderMap([(b"a", b"b")]), serialize([(b"a", b"b")])),
    ],
)
def test_values_in_binary(value, data):
    assert encode(value) == data


def test_a_value_without_a_binary_form():
    with pytest.raises(UnserializableError):
        encode(object())


def test_capabilities_that_are_not_given_are_refused():
    with running(capabilities=frozenset(("proxy_log",))) as puppet:
        assert puppet.do("log", 2, b"hello") == abi.OK
        assert puppet.do("set_shared_data", b"k", b"v", 0) == abi.INTERNAL_FAILURE


@pytest.mark.parametrize(("version", "status"), [("0_1_0", abi.OK), ("0_2_0", abi.BAD_ARGUMENT)])
def test_what_old_modules_get(version, status):
    with running(version=version) as puppet:
        assert puppet.ask("get_configuration") == (abi.OK, b"")
        assert puppet.do("clear_route_cache") == abi.OK
        puppet.root.logging = True
        assert puppet.ask("get_header_map_value", 0, b"x")[0] == (abi.OK if status == abi.OK else abi.NOT_FOUND)
