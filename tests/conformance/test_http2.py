"""HTTP/2 as its public conformance suite asks for it, on plain text and behind TLS, against a running proxy."""

import ssl
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.http2_cases import CASES, Case
from tests.integration.proxy import Proxy, cluster, listener, typed, upstream
from tests.support.certificates import issued
from tests.support.h2conversation import Conversation, Head

_CONTEXT = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Listeners of one proxy: in front of a service, and with an answer of its own behind TLS."""
    proxy = Proxy(Path(tmp_path_factory.mktemp("conformance")))
    with upstream(body=b"conformance") as port:
        plain, secure, *_ = proxy.ports
        soon = {"delayed_close_timeout": "0.2s"}
        through = listener("plain", plain, cluster="up", **soon)
        direct = secured(listener("secure", secure, body="conformance", **soon), "h2")
        proxy.configure(listeners=[through, direct], clusters=[cluster("up", port)])
        try:
            proxy.start()
            yield {"plain": plain, "tls": secure}
        finally:
            proxy.stop()


def secured(web: dict[str, Any], *alpn: str) -> dict[str, Any]:
    """The listener behind TLS, offering these protocols."""
    one = issued("conformance", ("a.test",))
    pair = {"certificate_chain": {"inline_string": one.cert}, "private_key": {"inline_string": one.key}}
    common = {"alpn_protocols": alpn, "tls_certificates": [pair]}
    config = typed(_CONTEXT, common_tls_context=common)
    web["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": config}
    return web


def client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


@pytest.mark.parametrize("way", ["plain", "tls"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_conformance(case: Case, way: str, ports: dict[str, int]) -> None:
    conversation = Conversation(ports[way], client_context() if way == "tls" else None)
    try:
        if case.opened:
            conversation.open()
        for writes, steps in groupby(case.steps, lambda step: isinstance(step, bytes | Head)):
            if writes:
                conversation.send(*steps)  # at once: an answer must not overtake what is still to be said
                continue
            for step in steps:
                assert step(conversation), conversation.heard
        assert case.outcome(conversation), conversation.heard
    finally:
        conversation.close()
