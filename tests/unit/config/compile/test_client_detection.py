"""Original IP detection and early header mutation: what they do to a request, and what is reported."""

from __future__ import annotations

import pytest

from pyvoy.config.compile.client_detection import build_detectors, build_early_mutations
from pyvoy.config.message_types import message_class
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.network.address import Address
from tests.support.building import Place, message
from tests.unit.observe.access_log.source import Source

HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
XFF = "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig"
CUSTOM = "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig"
EARLY = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
HOST = "type.googleapis.com/"
PEER = Address("10.0.0.9", 1)


@pytest.fixture(autouse=True)
def _known() -> None:
    for name in (XFF, CUSTOM, EARLY):
        message_class(name)


def detected(config: str, *pairs: Pair) -> str | int | None:
    """The address that is found, the status of a refusal, or None."""
    place = Place()
    text = f"original_ip_detection_extensions: [{{name: x, typed_config: {config}}}]"
    (detect,) = build_detectors(message(HCM, text), place.context())
    assert place.errors == []
    found = detect(HeaderMap(pairs), PEER)
    if found.refusal:
        return found.refusal.status
    return found.address.text if found.address else None


@pytest.mark.parametrize(
    ("config", "pairs", "expected"),
    [
        (f'{{"@type": {HOST}{XFF}, xff_num_trusted_hops: 1}}', [(b"x-forwarded-for", b"1.1.1.1,2.2.2.2")], "1.1.1.1:0"),
        (
            f'{{"@type": {HOST}{XFF}, xff_trusted_cidrs: {{cidrs: [{{address_prefix: 10.0.0.0, prefix_len: 8}}]}}}}',
            [(b"x-forwarded-for", b"1.1.1.1,10.2.2.2")],
            "1.1.1.1:0",
        ),
        (f'{{"@type": {HOST}{CUSTOM}, header_name: X-Real}}', [(b"x-real", b"3.3.3.3")], "3.3.3.3:0"),
        (f'{{"@type": {HOST}{CUSTOM}, header_name: X-Real}}', [], None),
        (f'{{"@type": {HOST}{CUSTOM}, header_name: X-Real, reject_with_status: {{code: 401}}}}', [], 401),
        (f'{{"@type": {HOST}{CUSTOM}, header_name: X-Real, reject_with_status: {{code: 200}}}}', [], 403),
    ],
)
def test_detectors(config: str, pairs: list[Pair], expected: str | int | None) -> None:
    assert detected(config, *pairs) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            f'use_remote_address: true\noriginal_ip_detection_extensions: [{{typed_config: {{"@type": {HOST}{XFF}}}}}]',
            "here.original_ip_detection_extensions: "
            "Original IP detection extensions and use_remote_address may not be mixed",
        ),
        (
            f'xff_num_trusted_hops: 1\noriginal_ip_detection_extensions: [{{typed_config: {{"@type": {HOST}{XFF}}}}}]',
            "here.original_ip_detection_extensions: "
            "Original IP detection extensions and xff_num_trusted_hops may not be mixed",
        ),
        (
            f'original_ip_detection_extensions: [{{typed_config: {{"@type": {HOST}{EARLY}}}}}]',
            f"here.original_ip_detection_extensions[0].typed_config: no original IP detection of type {EARLY!r}",
        ),
        (
            f'original_ip_detection_extensions: [{{typed_config: {{"@type": {HOST}{XFF}, xff_num_trusted_hops: 1, '
            "xff_trusted_cidrs: {}}}]",
            "here.original_ip_detection_extensions[0].typed_config.xff_num_trusted_hops: "
            "Cannot set both xff_num_trusted_hops and xff_trusted_cidrs",
        ),
    ],
)
def test_problems(text: str, error: str) -> None:
    place = Place()
    build_detectors(message(HCM, text), place.context())
    assert place.errors == [error]


def test_early_mutations_in_order() -> None:
    place = Place()
    text = f"""
    early_header_mutation_extensions:
    - name: e
      typed_config:
        "@type": {HOST}{EARLY}
        mutations:
        - append: {{header: {{key: x-early, value: "%REQ(x-a)%|%REQ(nope)%"}}}}
        - remove: X-A
        - remove_on_match: {{key_matcher: {{prefix: x-m}}}}
    """
    mutations = build_early_mutations(message(HCM, text), place.context())
    assert place.errors == []
    stream = Source()
    headers = stream.request_headers = HeaderMap([(b":path", b"/"), (b"x-a", b"1"), (b"x-m", b"2"), (b"x-n", b"3")])
    for mutation in mutations:
        mutation(stream, headers)
    assert list(headers) == [(b":path", b"/"), (b"x-n", b"3"), (b"x-early", b"1|")]


def test_early_mutations_keep_off_the_host() -> None:
    place = Place()
    text = f"""
    early_header_mutation_extensions:
    - typed_config: {{"@type": {HOST}{EARLY}, mutations: [{{append: {{header: {{key: Host, value: x}}}}}}]}}
    - typed_config: {{"@type": {HOST}{XFF}}}
    """
    assert build_early_mutations(message(HCM, text), place.context()) == ()
    assert place.errors == [
        "here.early_header_mutation_extensions[0].typed_config.mutations[0].append.header.key: "
        ":-prefixed or host headers may not be modified",
        f"here.early_header_mutation_extensions[1].typed_config: no early header mutation of type {XFF!r}",
    ]
