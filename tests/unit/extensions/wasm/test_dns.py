"""Names that modules resolve: what they are told, and that nobody waits for what nobody wants any more."""

from pyvoy.extensions.wasm.calls import dns
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeStream
from pyvoy.upstream.dns_resolver import Answer
from tests.support.guest import OUT, At, Guest, P, call, note, show_reply


def test_an_answer_is_the_number_the_times_and_the_addresses_with_port_0():
    assert dns.encoded(Answer(("10.0.0.1", "::1"), 7)) == (
        b"\x02\0\0\0" + b"\x07\0\0\0\x07\0\0\0" + b"10.0.0.1:0\0" + b"[::1]:0\0"
    )
    assert dns.encoded(Answer()) == b"\0\0\0\0"


def module(folder, *names):
    """It resolves names when it starts, and tells in a response what it has heard until then."""
    asks = (call("resolve_dns", name, At(640), label="asked") for name in names)
    told = (note("told", P(1), "/", P(2)), call("get_buffer_bytes", 8, 0, 99, OUT, label="names"))
    made = Guest().on("vm_start", *asks, returns=1).on("resolve_dns", *told)
    path = folder / "filter.wasm"
    path.write_bytes(made.on("request_headers", show_reply(), returns=1).build())
    return path


def answer(stream):
    return stream.request("GET", "/").response.body.decode()


def test_a_module_is_told_of_the_addresses_behind_its_callback(tmp_path):
    fakes = FakeServices()
    fakes.names["db.test"] = ("10.0.0.1",)
    stream = FakeStream(module(tmp_path, "db.test"), fakes=fakes)
    fakes.loop.settle()
    assert answer(stream) == "asked=0 told2/19 names=0:\1\0\0\0<\0\0\x0010.0.0.1:0\0 "


def test_a_name_that_cannot_be_resolved_gives_no_bytes(tmp_path):
    stream = FakeStream(module(tmp_path, "nowhere.test"))
    stream.fakes.loop.settle()
    assert answer(stream) == "asked=0 told2/0 names=0: "


def test_more_names_than_a_plugin_may_wait_for_are_not_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(dns, "MAX_UNDER_WAY", 2)
    stream = FakeStream(module(tmp_path, "a.test", "b.test", "c.test"))
    stream.fakes.loop.settle()
    assert answer(stream).count("told") == 2
