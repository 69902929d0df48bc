"""External processing without sockets: what the parity run cannot see (pieces, pauses, late ends, bad bootstraps)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from envoy.service.ext_proc.v3 import external_processor_pb2 as messages

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.grpc_stream import MessageReader
from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import CallOptions, Failure, UnknownCluster
from pyvoy.filters.http.ext_proc.filter import ExtProc
from pyvoy.http.grpc_frames import frame
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.grpc_peer import GrpcPeer
from pyvoy.testing.playbook import (
    Play,
    act,
    after,
    cut,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    paused,
    play,
    reply,
    reset,
    response,
    response_data,
    resumed,
    sent,
    sent_data,
    trailers,
    upstream_cut,
    whole_response,
)

SERVICE = "grpc_service: {envoy_grpc: {cluster_name: upstream}}\n"
Answer = Callable[[Any], Any]


class Processor:
    """Takes the calls of the filter: `told` are the messages of all of them, `peers` the calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fakes = FakeServices()
        self.peers: list[GrpcPeer] = []
        self.refuses = False
        monkeypatch.setattr(Host, "_make_calls", lambda _host: self)

    def stream(self, cluster: str, head: HeaderMap, options: CallOptions, events: Any) -> GrpcPeer:
        if self.refuses:
            raise UnknownCluster(cluster)
        self.peers.append(GrpcPeer(self.fakes, cluster, head, options, events))
        return self.peers[-1]

    @property
    def told(self) -> list[Any]:
        return [messages.ProcessingRequest.FromString(each) for peer in self.peers for each in peer.messages]

    def kinds(self) -> list[str]:
        return [each.WhichOneof("request") for each in self.told]

    def staged(self, config: str = "", **more: Any) -> Play:
        return play(ExtProc, SERVICE + config, fakes=self.fakes, **more)

    def says(self, kind: str, **common: Any) -> Any:
        answer = messages.ProcessingResponse()
        if kind.endswith("trailers"):
            getattr(answer, kind).SetInParent()
        else:
            getattr(answer, kind).response.CopyFrom(messages.CommonResponse(**common))
        return act(lambda _: self.peers[-1].sends(answer.SerializeToString()), f"says({kind})")

    def hangs_up(self, status: int = 0, text: str = "") -> Any:
        return act(lambda _: self.peers[-1].finishes(status, text), f"hangs_up({status})")


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    return Processor(monkeypatch)


def mode(**modes: str) -> str:
    given = {"request_header_mode": "SKIP", "response_header_mode": "SKIP", **modes}
    return "processing_mode: {" + ", ".join(f"{name}: {value}" for name, value in given.items()) + "}\n"


def body(content: bytes) -> messages.BodyMutation:
    return messages.BodyMutation(body=content)


STREAMED = mode(request_body_mode="STREAMED")


def count(p: Play, name: str) -> int:
    return p.counter(f"http.test.ext_proc.{name}")


def test_a_head_waits_for_its_answer(processor: Processor) -> None:
    p = processor.staged() >> headers(x_a="1") << held()
    assert processor.peers[0].path == "/envoy.service.ext_proc.v3.ExternalProcessor/Process"
    p >> processor.says("request_headers") << forwarded(x_a="1", end=True)
    p >> whole_response(200, b"hi") << held()
    p >> processor.says("response_headers") << sent(200) << sent_data(b"hi", end=True)
    assert processor.kinds() == ["request_headers", "response_headers"]
    assert processor.peers[0].cancelled
    assert (count(p, "streams_started"), count(p, "streams_closed")) == (1, 1)
    p.end()


def test_pieces_of_a_streamed_body_are_answered_one_by_one(processor: Processor) -> None:
    p = processor.staged(STREAMED) >> headers("POST", content_length="6") << forwarded(content_length=None, end=False)
    p >> data(b"one") << held() >> data(b"two", end=True) << held()
    p >> processor.says("request_body", body_mutation=body(b"1")) << forwarded_data(b"1", end=False)
    p >> processor.says("request_body") << forwarded_data(b"two", end=True)
    assert [each.request_body.body for each in processor.told] == [b"one", b"two"]
    p >> whole_response(200) << sent(200, end=True)
    p.end()


def test_an_emptied_last_piece_still_ends_the_body(processor: Processor) -> None:
    p = processor.staged(STREAMED) >> headers("POST") << forwarded() >> data(b"one", end=True) << held()
    p >> processor.says("request_body", body_mutation=messages.BodyMutation(clear_body=True))
    p << forwarded_data(b"", end=True)
    p.end()


def test_what_waits_goes_on_when_the_processor_hangs_up(processor: Processor) -> None:
    p = processor.staged(STREAMED) >> headers("POST") << forwarded() >> data(b"one") << held() >> data(b"two") << held()
    p >> processor.hangs_up() << forwarded_data(b"onetwo", end=False)
    p >> data(b"three", end=True) << forwarded_data(b"three", end=True)
    assert count(p, "streams_closed") == 1
    p.end()


def test_trailers_follow_the_pieces_that_wait(processor: Processor) -> None:
    p = processor.staged(STREAMED) >> headers("POST") << forwarded() >> data(b"one") << held()
    p >> trailers(x_t="1") << held()
    p >> processor.says("request_body") << forwarded_data(b"one", end=False) << forwarded_trailers(x_t="1")
    p.end()


def test_a_slow_processor_pauses_the_sender(processor: Processor) -> None:
    p = processor.staged(STREAMED, buffer_limit_bytes=4) >> headers("POST") << forwarded()
    p >> data(b"one") << held() >> data(b"two") << paused()
    p >> processor.says("request_body") << forwarded_data(b"one")
    p >> processor.says("request_body") << resumed() << forwarded_data(b"two")
    p.end()


def test_data_before_the_answer_to_the_head_is_held(processor: Processor) -> None:
    config = mode(request_header_mode="SEND", request_body_mode="STREAMED")
    p = processor.staged(config) >> headers("POST") << held() >> data(b"one") << held()
    p >> processor.says("request_headers") << forwarded(end=False)
    assert processor.kinds() == ["request_headers", "request_body"]
    p >> processor.says("request_body") << forwarded_data(b"one")
    p >> data(b"two", end=True) << held() >> processor.says("request_body") << forwarded_data(b"two", end=True)
    p.end()


def test_a_partial_buffer_lets_the_rest_pass(processor: Processor) -> None:
    config = mode(request_header_mode="SEND", request_body_mode="BUFFERED_PARTIAL")
    p = processor.staged(config, buffer_limit_bytes=4) >> headers("POST") << held()
    p >> processor.says("request_headers") << held() >> data(b"123") << held()
    p >> data(b"456") << paused() >> data(b"789") << held()
    assert [each.request_body.body for each in processor.told[1:]] == [b"123456"]
    p >> processor.says("request_body", body_mutation=body(b"new"))
    p << forwarded() << forwarded_data(b"new") << resumed() << forwarded_data(b"789", end=False)
    p >> data(b"0", end=True) << forwarded_data(b"0", end=True)
    p.end()


def test_time_runs_out_once_the_answer_is_late(processor: Processor) -> None:
    p = processor.staged("message_timeout: 2s") >> headers() << held() >> after(1.9) << held()
    p >> after(0.2) << reply(504, b"", detail="ext_proc_error_per-message_timeout_exceeded")
    assert processor.peers[0].cancelled
    p.end()


def test_more_time_is_given_once_for_an_answer(processor: Processor) -> None:
    longer = messages.ProcessingResponse(override_message_timeout={"seconds": 5})  # type: ignore[arg-type]
    more = act(lambda _: processor.peers[-1].sends(longer.SerializeToString()))
    p = processor.staged("message_timeout: 2s\nmax_message_timeout: 10s") >> headers() << held() >> more << held()
    p >> after(4.0) << held() >> more << held()
    assert count(p, "override_message_timeout_received") == 1
    assert count(p, "override_message_timeout_ignored") == 1
    p >> after(1.5) << reply(504)
    p.end()


def test_an_answer_that_is_no_message(processor: Processor) -> None:
    p = processor.staged() >> headers() << held() >> act(lambda _: processor.peers[-1].sends(b"\xff"))
    p << reply(500, detail="ext_proc_error_gRPC_error_13{}")
    p.end()


def test_an_unknown_cluster(processor: Processor) -> None:
    processor.refuses = True
    p = processor.staged() >> headers()
    assert p.stream.local_replied
    assert p.stream.info.response_code_details.startswith("ext_proc_error_gRPC_error_14{")
    p.stage.close()
    p = processor.staged("failure_mode_allow: true") >> headers() << forwarded()
    assert count(p, "failure_mode_allowed") == 1
    p.end()


def test_a_broken_call_after_the_response_has_begun_cuts_it(processor: Processor) -> None:
    p = processor.staged(mode(response_body_mode="STREAMED")) >> headers() << forwarded()
    p >> response() << sent(200) >> response_data(b"one") << held()
    p >> act(lambda _: processor.peers[-1].fails(Failure.RESET)) << cut() << upstream_cut()
    p.end()


def test_a_duplex_processor_says_when_and_how_much(processor: Processor) -> None:
    config = mode(request_body_mode="FULL_DUPLEX_STREAMED", request_trailer_mode="SEND")
    p = processor.staged(config) >> headers("POST") << forwarded() >> data(b"one") << held() >> data(b"two") << held()
    answer = messages.StreamedBodyResponse(body=b"both")
    p >> processor.says("request_body", body_mutation=messages.BodyMutation(streamed_response=answer))
    p << forwarded_data(b"both", end=False)
    p >> trailers(x_t="1") << held() >> processor.says("request_trailers") << forwarded_trailers(x_t="1")
    p.end()


def test_a_duplex_body_that_has_begun_cannot_fail_open(processor: Processor) -> None:
    config = mode(request_body_mode="FULL_DUPLEX_STREAMED", request_trailer_mode="SEND") + "failure_mode_allow: true"
    p = processor.staged(config) >> headers("POST") << forwarded() >> data(b"one") << held()
    p >> processor.hangs_up(13, "oh no") << reply(500) << upstream_cut()
    p.end()


def test_a_watcher_is_told_and_not_waited_for(processor: Processor) -> None:
    config = "observability_mode: true\ndeferred_close_timeout: 3s\n"
    p = processor.staged(config + "processing_mode: {request_body_mode: STREAMED, request_trailer_mode: SEND}")
    p >> headers("POST") << forwarded() >> data(b"one") << forwarded_data(b"one")
    p >> trailers(x_t="1") << forwarded_trailers() >> whole_response(200) << sent(200, end=True)
    assert processor.kinds() == ["request_headers", "request_body", "request_trailers", "response_headers"]
    assert all(each.observability_mode for each in processor.told)
    assert not processor.peers[0].cancelled
    p >> after(3.1)
    assert processor.peers[0].cancelled
    p.stage.close()


def test_a_client_that_leaves_ends_the_call(processor: Processor) -> None:
    p = processor.staged() >> headers() << held() >> reset()
    assert processor.peers[0].cancelled
    p >> after(1.0)
    assert count(p, "message_timeouts") == 0
    p.stage.close()


def test_routes_change_the_plan(processor: Processor) -> None:
    p = processor.staged(route="disabled: true") >> headers() << forwarded()
    assert processor.peers == []
    p.end()
    routes = (
        "overrides: {grpc_initial_metadata: [{key: X-A, value: far}, {key: x-b, value: b}]}",
        "overrides: {grpc_initial_metadata: [{key: x-a, value: near}], processing_mode: {response_header_mode: SKIP}}",
    )
    p = processor.staged(route=routes) >> headers() << held() >> processor.says("request_headers") << forwarded()
    assert processor.peers[0].metadata["x-a"] == "near"
    assert processor.peers[0].metadata["x-b"] == "b"
    p >> whole_response(200) << sent(200, end=True)
    p.end()


def test_attributes_are_told_once(processor: Processor) -> None:
    config = "request_attributes: [request.time, request.method, request.nothing]\n"
    config += mode(request_header_mode="SEND", request_body_mode="BUFFERED")
    p = processor.staged(config) >> headers("POST") << held() >> processor.says("request_headers")
    p >> data(b"x", end=True) >> processor.says("request_body")
    first, second = processor.told
    told = first.attributes["envoy.filters.http.ext_proc"]
    assert told["request.method"] == "POST"
    assert str(told["request.time"]).endswith("+00:00")
    assert "request.nothing" not in told
    assert not second.attributes
    p.stage.close()


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("{}", "needs a grpc_service"),
        ("processing_mode: {request_body_mode: FULL_DUPLEX_STREAMED}", "needs request_trailer_mode: SEND"),
        ("processing_mode: {response_body_mode: GRPC}", "GRPC is not supported"),
        ("disable_clear_route_cache: true\nroute_cache_action: CLEAR", "cannot be set together"),
        ("request_attributes: ['size(request.path)']", "is no attribute"),
        ("response_attributes: [response.headers]", "as a whole is not supported"),
        ("on_processing_response: {name: x}", "is not supported"),
        ("metadata_options: {forwarding_namespaces: {typed: [a]}}", "is not supported"),
    ],
)
def test_what_is_refused_at_load(config: str, text: str) -> None:
    with pytest.raises(ConfigErrors, match=text):
        play(ExtProc, "" if config == "{}" else SERVICE + config)


def _obedient(request: Any) -> Any:
    """Agrees with everything."""
    kind = request.WhichOneof("request")
    answer = messages.ProcessingResponse()
    getattr(answer, kind).SetInParent()
    return answer


def _duplex(request: Any) -> Any:
    """Sends every piece back."""
    answer = _obedient(request)
    for kind in ("request_body", "response_body"):
        if request.HasField(kind):
            told = getattr(request, kind)
            streamed = messages.StreamedBodyResponse(body=told.body, end_of_stream=told.end_of_stream)
            getattr(answer, kind).response.body_mutation.streamed_response.CopyFrom(streamed)
    return answer


class Echoing:
    """A processor that answers in the next turn of the loop."""

    def __init__(self, answer: Answer, loop: Any) -> None:
        self.answer = answer
        self.loop = loop

    def stream(self, _cluster: str, _head: HeaderMap, _options: CallOptions, events: Any) -> EchoingCall:
        return EchoingCall(self.answer, self.loop, events)


class EchoingCall:
    """Its call, as a `RunningStream`."""

    full = False

    def __init__(self, answer: Answer, loop: Any, events: Any) -> None:
        self.done = False
        self._answer = answer
        self._loop = loop
        self._events = events
        self._reader = MessageReader(1 << 20)
        self._later(events.on_headers, HeaderMap([(b":status", b"200"), (b"content-type", b"application/grpc")]))

    def _later(self, event: Callable[..., None], what: Any) -> None:
        self._loop.call_soon(lambda: None if self.done else event(what, False))

    def send_data(self, sent: bytes, _end: bool) -> None:
        self._reader.feed(sent)
        while (message := self._reader.next()) is not None:
            answer = self._answer(messages.ProcessingRequest.FromString(message))
            self._later(self._events.on_data, frame(answer.SerializeToString()))

    def pause(self, pause: bool) -> None:
        """Never needed here."""

    def cancel(self) -> None:
        self.done = True


@pytest.mark.parametrize("kind", ["NONE", "STREAMED", "BUFFERED", "BUFFERED_PARTIAL", "FULL_DUPLEX_STREAMED"])
def test_contract(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    answer = _duplex if kind == "FULL_DUPLEX_STREAMED" else _obedient
    monkeypatch.setattr(Host, "_make_calls", lambda host: Echoing(answer, host.services.loop))
    modes = f"request_body_mode: {kind}, response_body_mode: {kind}"
    check_http_filter(
        ExtProc, SERVICE + f"processing_mode: {{{modes}, request_trailer_mode: SEND, response_trailer_mode: SEND}}"
    )


def test_contract_of_a_processor_that_says_nothing(processor: Processor) -> None:
    check_http_filter(ExtProc, SERVICE + "failure_mode_allow: true\nmessage_timeout: 1s", same_in_pieces=False)
