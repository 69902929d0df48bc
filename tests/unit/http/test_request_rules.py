"""Request header rules as the running Envoy 1.40 applies them (without TLS)."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.client_address import custom_header_detector
from pyvoy.http.client_cert import ClientCertPlan, ForwardMode
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.request_rules import EXTERNAL_STRIPPED, Rejection, RequestRulesPlan, compile_request_rules
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo
from tests.unit.http.test_client_address import Ranges

OWN = b"192.0.2.2"
HEX = b"0123456789abcdef0123456789abcdef"
UUID = b"01234567-89ab-4def-8123-456789abcdef"
FORCED = b"11111111-1111-9111-8111-111111111111"
INTERNAL = Ranges("127.0.0.0/8", "10.0.0.0/8")


class Run:
    """One request through the rules of a plan."""

    def __init__(self, *pairs: Pair, path: bytes = b"/", host: bytes | None = b"a.test", **plan: Any) -> None:
        self.connection = ConnectionInfo()
        self.connection.remote = Address("127.0.0.1", 5555)
        self.connection.local = Address("127.0.0.1", 18100)
        self.info = StreamInfo()
        head = [] if host is None else [(b":authority", host)]
        self.headers = HeaderMap([*head, (b":path", path), (b":method", b"GET"), *pairs])
        rules = compile_request_rules(RequestRulesPlan(peer_substitute=OWN, **plan))
        self.rejection: Rejection | None = rules(self.headers, self.connection, self.info, lambda: HEX, None)

    @property
    def sent(self) -> list[Pair]:
        """The headers that go on, without the pseudo headers."""
        assert self.rejection is None
        return [pair for pair in self.headers if not pair[0].startswith(b":")]

    @property
    def client(self) -> str:
        """The address in the log."""
        return (self.info.downstream_remote or self.connection.remote).text

    @property
    def refused(self) -> tuple[int, str]:
        assert self.rejection is not None
        return self.rejection.status, self.rejection.details


HTTP = (b"x-forwarded-proto", b"http")
RID = (b"x-request-id", UUID)


def test_a_plain_request_gets_proto_scheme_and_id() -> None:
    run = Run((b"accept", b"*/*"))
    assert run.sent == [(b"accept", b"*/*"), HTTP, RID]
    assert run.headers.map[b":scheme"] == b"http"
    assert run.info.request_id == UUID
    assert run.client == "127.0.0.1:5555"


def test_repeated_headers_stay_in_order() -> None:
    run = Run((b"x-a", b"1"), (b"x-a", b"2"))
    assert run.sent == [(b"x-a", b"1"), (b"x-a", b"2"), HTTP, RID]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (None, (400, "missing_host_header")),
        (b"a b", (400, "http.invalid_authority")),
        (b"a/b", (400, "http.invalid_authority")),
        (b"a@b", (400, "http.invalid_authority")),
        (b"a.test, b.test", (400, "http.invalid_authority")),
        (b"a.test,b.test", (400, "http.invalid_authority")),
        (b"a.test:99999x", (400, "http.invalid_authority")),
        (b"[::1]x", (400, "http.invalid_authority")),
        (b"[::1", (400, "http.invalid_authority")),
        (b"::1", (400, "http.invalid_authority")),
        (b"a:80:90", (400, "http.invalid_authority")),
    ],
)
def test_a_host_that_is_no_host_is_refused(host: bytes | None, expected: tuple[int, str]) -> None:
    run = Run(host=host)
    assert run.refused == expected
    assert run.rejection is not None
    assert run.rejection.close


@pytest.mark.parametrize(
    "host",
    [b"", b"a.test", b"A.TEST:80", b"[::1]", b"[::1]:80", b"a_b.c", b"1.2.3.4:80", b"a.", b"a:", b":80", b"a:99999"],
)
def test_hosts_that_pass(host: bytes) -> None:
    assert Run(host=host).headers.map[b":authority"] == host


def test_nominating_host_leaves_none() -> None:
    assert Run((b"connection", b"close, host")).refused == (400, "missing_host_header")


def test_nominating_a_forwarding_header_is_refused() -> None:
    assert Run((b"connection", b"x-forwarded-for")).refused == (400, "http1.connection_header_rejected")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"*", (404, "absolute_path_rejected")),
        (b"?x=1", (404, "absolute_path_rejected")),
        (b"/a#b", (400, "path_normalization_failed")),
        (b"/a?b#c", (400, "path_normalization_failed")),
    ],
)
def test_targets_that_are_refused(path: bytes, expected: tuple[int, str]) -> None:
    assert Run(path=path).refused == expected


@pytest.mark.parametrize(
    ("pairs", "sent", "client"),
    [
        ([], [(b"x-forwarded-for", OWN), HTTP], "127.0.0.1"),
        ([(b"x-forwarded-for", b"1.2.3.4")], [(b"x-forwarded-for", b"1.2.3.4,192.0.2.2"), HTTP], "127.0.0.1"),
        ([(b"x-forwarded-proto", b"https")], [HTTP, (b"x-forwarded-for", OWN)], "127.0.0.1"),
    ],
)
def test_at_the_edge_the_peer_is_appended(pairs: list[Pair], sent: list[Pair], client: str) -> None:
    run = Run(*pairs, use_remote_address=True)
    assert run.sent == [*sent, (b"x-envoy-external-address", client.encode()), RID]
    assert run.client == "127.0.0.1:5555"


def test_at_the_edge_behind_trusted_hops() -> None:
    run = Run(
        (b"x-forwarded-for", b"1.1.1.1,2.2.2.2"),
        (b"x-forwarded-proto", b"https"),
        use_remote_address=True,
        xff_num_trusted_hops=1,
    )
    assert run.sent == [
        (b"x-forwarded-for", b"1.1.1.1,2.2.2.2,192.0.2.2"),
        (b"x-forwarded-proto", b"https"),
        (b"x-envoy-external-address", b"2.2.2.2"),
        RID,
    ]
    assert run.client == "2.2.2.2:0"


def test_skip_xff_append() -> None:
    run = Run((b"x-forwarded-for", b"1.2.3.4"), use_remote_address=True, skip_xff_append=True)
    assert run.headers.get_all(b"x-forwarded-for") == [b"1.2.3.4"]


@pytest.mark.parametrize(
    ("xff", "hops", "client"),
    [
        (b"1.2.3.4", 0, "1.2.3.4:0"),
        (b"1.2.3.4", 1, "127.0.0.1:5555"),
        (b"1.1.1.1, 2.2.2.2", 1, "1.1.1.1:0"),
        (b"bad", 0, "127.0.0.1:5555"),
    ],
)
def test_behind_a_proxy_xff_names_the_client_and_stays(xff: bytes, hops: int, client: str) -> None:
    run = Run((b"x-forwarded-for", xff), xff_num_trusted_hops=hops)
    assert run.sent == [(b"x-forwarded-for", xff), HTTP, RID]
    assert run.client == client


EXTERNAL = [(name, b"x") for name in EXTERNAL_STRIPPED]
EDGE = [(b"x-envoy-original-path", b"/"), (b"x-envoy-downstream-service-cluster", b"z")]


def test_an_external_request_loses_the_control_headers() -> None:
    assert Run(*EXTERNAL, *EDGE, (b"x-envoy-attempt-count", b"5")).sent == [
        *EDGE,
        (b"x-envoy-attempt-count", b"5"),
        HTTP,
        RID,
    ]


def test_at_the_edge_it_loses_more() -> None:
    names = [name for name, _ in Run(*EXTERNAL, *EDGE, use_remote_address=True).sent]
    assert names == [b"x-forwarded-for", b"x-forwarded-proto", b"x-envoy-external-address", b"x-request-id"]


def test_an_internal_request_keeps_them_and_is_marked() -> None:
    run = Run(
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x-envoy-retry-on", b"5xx"),
        (b"x-mine", b"1"),
        internal_ranges=INTERNAL,
        internal_only_headers=(b"X-Mine",),
    )
    assert run.sent == [
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"x-envoy-retry-on", b"5xx"),
        (b"x-mine", b"1"),
        HTTP,
        (b"x-envoy-internal", b"true"),
        RID,
    ]


@pytest.mark.parametrize("xff", [b"10.0.0.1,10.0.0.2", b"1.2.3.4", b"[::1]"])
def test_only_a_single_internal_address_is_internal(xff: bytes) -> None:
    run = Run(
        (b"x-forwarded-for", xff), (b"x-mine", b"1"), internal_ranges=INTERNAL, internal_only_headers=(b"x-mine",)
    )
    assert [name for name, _ in run.sent] == [b"x-forwarded-for", b"x-forwarded-proto", b"x-request-id"]


def test_at_the_edge_an_internal_peer_is_internal() -> None:
    run = Run(use_remote_address=True, internal_ranges=INTERNAL)
    assert run.sent == [(b"x-forwarded-for", OWN), HTTP, (b"x-envoy-internal", b"true"), RID]
    kept = Run((b"x-request-id", b"abc"), use_remote_address=True, internal_ranges=INTERNAL)
    assert kept.info.request_id == b"abc"


@pytest.mark.parametrize(
    ("given", "plan", "expected"),
    [
        (b"abc", {}, b"abc"),
        (b"", {}, UUID),
        (FORCED, {}, FORCED),
        (b"abc", {"use_remote_address": True}, UUID),
        (b"abc", {"use_remote_address": True, "preserve_external_request_id": True}, b"abc"),
        (
            FORCED,
            {"use_remote_address": True, "preserve_external_request_id": True},
            b"11111111-1111-4111-8111-111111111111",
        ),
        (
            FORCED,
            {"use_remote_address": True, "preserve_external_request_id": True, "pack_trace_reason": False},
            FORCED,
        ),
        (b"abc", {"generate_request_id": False, "use_remote_address": True}, b"abc"),
    ],
)
def test_request_id(given: bytes, plan: dict[str, Any], expected: bytes) -> None:
    run = Run((b"x-request-id", given), **plan)
    assert run.headers.get(b"x-request-id") == expected
    assert run.info.request_id == expected


def test_no_request_id_is_made_when_switched_off() -> None:
    assert Run(generate_request_id=False).sent == [HTTP]


def test_add_user_agent() -> None:
    plan = {"user_agent": b"cl", "node_id": b"no"}
    assert Run(**plan).sent == [
        HTTP,
        (b"x-envoy-downstream-service-cluster", b"cl"),
        (b"user-agent", b"cl"),
        (b"x-envoy-downstream-service-node", b"no"),
        RID,
    ]
    assert Run((b"user-agent", b"foo"), **plan).headers.get(b"user-agent") == b"foo"


@pytest.mark.parametrize(("given", "expected"), [(None, b"v1"), (b"1.0 x", b"1.0 x, v1")])
def test_via(given: bytes | None, expected: bytes) -> None:
    pairs = [] if given is None else [(b"via", given)]
    assert Run(*pairs, via=b"v1").headers.get(b"via") == expected


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [(b"https", b"https"), (b"HTTPS", b"https"), (b"foo", b"http"), (b"https, http", b"http"), (b"http", b"http")],
)
def test_the_scheme_follows_the_forwarded_proto(proto: bytes, scheme: bytes) -> None:
    run = Run((b"x-forwarded-proto", proto))
    assert run.headers.map[b":scheme"] == scheme
    assert run.headers.map[b"x-forwarded-proto"] == proto


def test_a_scheme_from_the_target_stays() -> None:
    run = Run((b":scheme", b"https"))
    assert run.headers.map[b":scheme"] == b"https"
    assert run.headers.map[b"x-forwarded-proto"] == b"http"
    assert Run((b":scheme", b"https"), use_remote_address=True).refused == (
        403,
        "http1.https_url_on_plaintext_connection",
    )


def test_scheme_to_overwrite() -> None:
    run = Run((b"x-forwarded-proto", b"foo"), scheme_to_overwrite=b"https")
    assert (run.headers.map[b":scheme"], run.headers.map[b"x-forwarded-proto"]) == (b"https", b"https")


def test_append_x_forwarded_port() -> None:
    assert Run(append_x_forwarded_port=True).sent == [HTTP, (b"x-forwarded-port", b"18100"), RID]
    kept = Run((b"x-forwarded-port", b"7"), append_x_forwarded_port=True)
    assert kept.headers.get(b"x-forwarded-port") == b"7"


@pytest.mark.parametrize(
    ("host", "option", "expected"),
    [
        (b"a.test:18100", "strip_matching_host_port", b"a.test"),
        (b"a.test:80", "strip_matching_host_port", b"a.test:80"),
        (b"a.test:80", "strip_any_host_port", b"a.test"),
        (b"[::1]:80", "strip_any_host_port", b"[::1]"),
        (b"[::1]", "strip_any_host_port", b"[::1]"),
        (b":80", "strip_any_host_port", b""),
        (b"a.test.", "strip_trailing_host_dot", b"a.test"),
        (b"a.test.:80", "strip_trailing_host_dot", b"a.test:80"),
        (b"a.test..", "strip_trailing_host_dot", b"a.test."),
        (b".", "strip_trailing_host_dot", b""),
    ],
)
def test_host_is_stripped(host: bytes, option: str, expected: bytes) -> None:
    assert Run(host=host, **{option: True}).headers.map[b":authority"] == expected


def test_client_certificate_header_of_a_stranger_goes() -> None:
    pair = (b"x-forwarded-client-cert", b"By=1")
    assert pair not in Run(pair).sent
    assert pair in Run(pair, client_cert=ClientCertPlan(ForwardMode.ALWAYS_FORWARD_ONLY)).sent


def test_original_ip_detection_can_refuse() -> None:
    detectors = (custom_header_detector(b"x-real", True, 403),)
    assert Run(detectors=detectors).refused == (403, "rejecting_because_detection_failed")
    run = Run((b"x-real", b"10.1.2.3"), detectors=detectors, internal_ranges=INTERNAL)
    assert run.client == "10.1.2.3:0"
    assert (b"x-envoy-internal", b"true") in run.sent


def test_early_mutations_come_before_the_clean_up() -> None:
    def early(source: object, headers: HeaderMap) -> None:
        headers.set(b"connection", b"x-foo")
        headers.set(b"x-early", b"1")

    run = Run((b"x-foo", b"3"), early_mutations=(early,))
    assert run.sent == [(b"x-foo", b"3"), (b"x-early", b"1"), HTTP, RID]


def test_connect_needs_no_path() -> None:
    connection = ConnectionInfo()
    headers = HeaderMap([(b":authority", b"a:443"), (b":method", b"CONNECT")])
    assert compile_request_rules(RequestRulesPlan())(headers, connection, StreamInfo(), lambda: HEX) is None
    headers.set(b":method", b"GET")
    rejection = compile_request_rules(RequestRulesPlan())(headers, connection, StreamInfo(), lambda: HEX)
    assert rejection is not None
    assert (rejection.status, rejection.details) == (404, "missing_path_rejected")
