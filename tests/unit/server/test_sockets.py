"""Listening sockets: one per worker and address, kept over reloads, closed with their listener."""

import os
import socket
import stat

import pytest

from pyvoy.server.sockets import ADMIN, BindError, ListenSpec, SocketOption, SocketTable, bind_all


def spec(name: str = "a", index: int = 0, **facts) -> ListenSpec:
    return ListenSpec(name, index, **({"ip": "127.0.0.1"} | facts))


@pytest.fixture
def table():
    made: list[SocketTable] = []

    def make(specs, before: SocketTable | None = None, workers: int = 2) -> SocketTable:
        made.append((before or SocketTable(workers)).bind(specs))
        return made[-1]

    yield make
    for one in made:
        one.close_except(None)


def accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 1).close()
    except OSError:
        return False
    return True


def test_every_worker_has_its_own_socket_on_one_resolved_port(table):
    made = table([spec()])
    (key,) = made.keys()
    first, second = made.of_worker(0)[key], made.of_worker(1)[key]
    assert first is not second
    assert first.getsockname() == second.getsockname()
    assert made.addresses() == {"a": [f"127.0.0.1:{first.getsockname()[1]}"]}


def test_a_listener_without_reuse_port_shares_one_socket(table):
    made = table([spec(shared=True)])
    (key,) = made.keys()
    assert made.of_worker(0)[key] is made.of_worker(1)[key]


def test_a_pipe_is_shared_has_its_mode_and_replaces_a_stale_file(table, tmp_path):
    path = str(tmp_path / "s")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    made = table([spec(ip="", path=path, mode=0o640)])
    (key,) = made.keys()
    assert made.of_worker(0)[key] is made.of_worker(1)[key]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
    made.close_except(None)
    assert not os.path.exists(path)


def test_an_abstract_pipe(table):
    name = f"@pyvoy-test-{os.getpid()}"
    made = table([spec(ip="", path=name)])
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name[1:])
    assert made.addresses() == {"a": [name]}


def test_addresses_keep_the_listeners_order(table):
    made = table([spec(index=1), spec(index=0), spec("b")])
    keys = made.keys_by_listener()
    assert [len(keys[name]) for name in ("a", "b")] == [2, 1]
    assert keys["a"][0].endswith("#0")
    assert keys["a"][1].endswith("#1")


def test_a_reload_keeps_unchanged_addresses_and_closes_removed_ones(table):
    before = table([spec(), spec("b")])
    kept, removed = before.addresses()["a"][0], before.addresses()["b"][0]
    after = table([spec(), spec("c")], before)
    before.close_except(after)
    assert after.addresses()["a"] == [kept]
    assert accepts(kept)
    assert not accepts(removed)
    assert [key for key, _ in after.new_sockets(1, before.keys())] == ["127.0.0.1:0#c#0"]


def test_a_renamed_listener_keeps_the_socket_of_its_address(table):
    before = table([spec()])
    port = int(before.addresses()["a"][0].rpartition(":")[2])
    first = table([spec("old", port=port)])
    second = table([spec("new", port=port)], first)
    assert second.of_worker(0) == first.of_worker(0)


def test_an_address_that_is_taken_changes_nothing(table):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        before = table([spec()])
        with pytest.raises(BindError, match=f"cannot bind '127.0.0.1:{port}': Address already in use"):
            table([spec(), spec("b", port=port)], before)
        assert accepts(before.addresses()["a"][0])


def test_two_listeners_on_one_address(table):
    port = int(table([spec()]).addresses()["a"][0].rpartition(":")[2])
    with pytest.raises(BindError, match="'b' has duplicate address"):
        table([spec("a", port=port), spec("b", port=port)])


def test_main_keeps_the_admins_socket_and_a_worker_its_own(table):
    made = table([spec(), spec(ADMIN, shared=True)])
    assert made.keys_by_listener().keys() == {"a"}
    admin = made.admin()
    assert admin is not None
    (mine,) = made.of_worker(0).values()
    (other,) = made.of_worker(1).values()
    made.keep_only(0)
    assert [sock.fileno() >= 0 for sock in (mine, other, admin.sockets[0])] == [True, False, False]


def test_only_the_admin_is_left_to_main(table):
    made = table([spec(), spec(ADMIN, shared=True)])
    made.keep_only(None)
    admin = made.admin()
    assert admin is not None
    assert admin.sockets[0].fileno() >= 0
    assert all(sock.fileno() < 0 for sock in made.of_worker(0).values())


def test_socket_options_are_applied_in_their_state():
    level, name = socket.SOL_SOCKET, socket.SO_KEEPALIVE
    options = (
        SocketOption(level, name, 1, 0),
        SocketOption(level, socket.SO_RCVBUF, (65536).to_bytes(4, "little").hex(), 1),
    )
    bound = bind_all(spec(options=options), 1)
    assert bound.sockets[0].getsockopt(level, name) == 1
    assert bound.sockets[0].getsockopt(level, socket.SO_RCVBUF) == 2 * 65536
    bound.close()


def test_an_option_the_kernel_refuses_is_a_bind_error():
    with pytest.raises(BindError):
        bind_all(spec(options=(SocketOption(socket.SOL_SOCKET, 9999, 1, 0),)), 1)


@pytest.mark.parametrize(
    "facts", [{}, {"path": "/x", "mode": 0o600, "ip": ""}, {"options": (SocketOption(1, 2, "00", 0),)}]
)
def test_specs_travel_as_json(facts):
    import json

    one = spec("n", 1, **facts)
    assert ListenSpec.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_ipv6_takes_ipv4_only_when_asked(table):
    for compat in (False, True):
        bound = bind_all(spec(ip="::", ipv4_compat=compat), 1)
        assert bound.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == (0 if compat else 1)
        bound.close()
