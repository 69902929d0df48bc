"""Which sockets a bootstrap asks for."""

import pytest

from pyvoy.config.load import read
from pyvoy.server.listen_specs import of_bootstrap
from pyvoy.server.sockets import ADMIN, ListenSpec, SocketOption

LISTENER = "static_resources: {listeners: [{name: a, address: {socket_address: {address: 1.2.3.4, port_value: 80}}%s}]}"
IPV6 = "{socket_address: {address: '::', port_value: 0, ipv4_compat: true}}"
PIPE = "static_resources: {listeners: [{name: a, address: {pipe: {path: %s, mode: 384}}}]}"


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("{}", []),
        (LISTENER % "", [ListenSpec("a", ip="1.2.3.4", port=80)]),
        (LISTENER % ", bind_to_port: false", []),
        (LISTENER % ", enable_reuse_port: false", [ListenSpec("a", ip="1.2.3.4", port=80, shared=True)]),
        (LISTENER % ", tcp_backlog_size: 7", [ListenSpec("a", ip="1.2.3.4", port=80, backlog=7)]),
        (
            LISTENER % ", freebind: true, transparent: true, tcp_fast_open_queue_length: 9",
            [ListenSpec("a", ip="1.2.3.4", port=80, freebind=True, transparent=True, fast_open_queue=9)],
        ),
        (
            LISTENER % ", socket_options: [{level: 6, name: 12, int_value: 1, state: STATE_LISTENING}]",
            [ListenSpec("a", ip="1.2.3.4", port=80, options=(SocketOption(6, 12, 1, 2),))],
        ),
        (
            LISTENER % f", additional_addresses: [{{address: {IPV6}}}]",
            [ListenSpec("a", ip="1.2.3.4", port=80), ListenSpec("a", 1, ip="::", ipv4_compat=True)],
        ),
        (PIPE % "/x", [ListenSpec("a", path="/x", mode=0o600)]),
        (PIPE % "'@x'", [ListenSpec("a", path="@x", mode=0o600)]),
        ((LISTENER % "").replace("name: a, ", ""), [ListenSpec("1.2.3.4:80", ip="1.2.3.4", port=80)]),
        (
            "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}",
            [ListenSpec(ADMIN, ip="127.0.0.1", port=9901, shared=True)],
        ),
    ],
)
def test_specs(text, specs):
    message, _, problems = read(None, text)
    problems.raise_errors()
    assert of_bootstrap(message) == specs
