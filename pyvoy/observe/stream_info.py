"""What is known about a connection and about one stream (request or TCP session) while it runs and when it is logged.

Access logs, filters and extension mechanisms read these objects; the rooms that learn a fact write it.  Most streams
leave most facts untouched, so the defaults live on the class and cost nothing per request.
Times are `time.monotonic()` seconds unless named `_wall_s` (epoch seconds).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.network.address import Address, from_sockname

if TYPE_CHECKING:
    import asyncio

    from pyvoy.observe.tls_info import TlsInfo
    from pyvoy.upstream.endpoint import Host

NO_ADDRESS = Address("", 0, "-")


class _Remote:
    """Where the client's address stands until somebody asks for it: most connections end without that.

    A plain value that is written over it (PROXY protocol) takes its place."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, info: ConnectionInfo | None, owner: type[ConnectionInfo]) -> Address:
        transport = None if info is None else info.transport
        if transport is None:
            return NO_ADDRESS
        known = vars(info)
        address: Address | None = known.get("_peer")
        if address is None:
            address = known["_peer"] = from_sockname(transport.get_extra_info("peername"))
        known[self._name] = address
        return address


class ConnectionInfo:
    """Facts about one downstream connection; shared by all its streams.

    `remote` and `local` may be rewritten by listener filters (PROXY protocol, original_dst); the `direct_` twins keep
    what the socket says.  `tls` holds the facts of a TLS transport socket, None on plain text.
    """

    connection_id: int = 0
    local: Address = NO_ADDRESS
    direct_local: Address = NO_ADDRESS
    transport: asyncio.BaseTransport | None = None
    """Of the socket; knows the client's address."""
    transport_protocol: str = ""
    application_protocols: tuple[str, ...] = ()
    requested_server_name: str = ""
    ja3: str = ""
    ja4: str = ""
    tls: TlsInfo | None = None
    filter_chain_name: str = ""
    listener_name: str = ""
    start_s: float = 0.0
    start_wall_s: float = 0.0
    termination_details: str = ""
    response_flags: int = 0
    """Flags that belong to the connection itself (its access log), not to one of its streams."""
    response_code_details: str | None = None
    transport_failure_reason: str = ""
    bytes_received: int = 0
    bytes_sent: int = 0

    if TYPE_CHECKING:
        remote: Address
        direct_remote: Address
    else:
        remote = _Remote("remote")
        direct_remote = _Remote("direct_remote")

    def __init__(self) -> None:
        self.dynamic_metadata: dict[str, dict[str, Any]] = {}
        self.filter_state: dict[str, Any] = {}


class StreamInfo:
    """Facts about one stream.

    `protocol` is "HTTP/1.1", ... or "" for TCP.  `response_flags` is a bit set of `pyvoy.observe.details.Flag`.
    `bytes_received` and `bytes_sent` count body bytes (HTTP) or payload bytes (TCP), the `wire` ones everything.
    """

    protocol: str = ""
    response_code: int = 0
    response_code_details: str | None = None
    response_flags: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    downstream_wire_bytes_received: int = 0
    downstream_wire_bytes_sent: int = 0
    downstream_header_bytes_received: int = 0
    downstream_header_bytes_sent: int = 0
    upstream_wire_bytes_received: int = 0
    upstream_wire_bytes_sent: int = 0
    upstream_header_bytes_received: int = 0
    upstream_header_bytes_sent: int = 0
    downstream_remote: Address | None = None
    """The trusted client address of this stream where it is not the connection's `remote`."""
    route_name: str = ""
    virtual_host_name: str = ""
    virtual_cluster_name: str = ""
    upstream_cluster: str = ""
    """Name of the cluster (its `alt_stat_name` is the observability name)."""
    upstream_cluster_observability_name: str = ""
    upstream_host: Host | None = None
    upstream_local: Address | None = None
    upstream_connection_id: int = 0
    upstream_protocol: str = ""
    upstream_tls: TlsInfo | None = None
    upstream_transport_failure_reason: str = ""
    upstream_hosts_attempted: tuple[Host, ...] = ()
    """Every host that was tried, in order; empty means only `upstream_host`."""
    upstream_connection_ids_attempted: tuple[int, ...] = ()
    attempt_count: int = 0
    request_id: bytes = b""
    connection_termination_details: str = ""
    custom_flags: str = ""
    trace_id: str = ""
    span_id: str = ""
    trace_reason: str = ""
    """"sampled", "service_forced" or "client_forced" when the request is traced."""
    traced: Any = None
    """What the stream is traced with (pyvoy.tracing.slots.Traced), or None."""

    start_s: float = 0.0
    start_wall_s: float = 0.0
    last_downstream_rx_s: float | None = None
    first_upstream_tx_s: float | None = None
    last_upstream_tx_s: float | None = None
    first_upstream_rx_s: float | None = None
    last_upstream_rx_s: float | None = None
    first_downstream_tx_s: float | None = None
    last_downstream_tx_s: float | None = None
    end_s: float | None = None
    upstream_pool_ready_duration_s: float | None = None
    """How long the upstream request waited for its connection."""
    upstream_connect_begin_s: float | None = None
    upstream_connect_end_s: float | None = None
    upstream_handshake_end_s: float | None = None

    route_random: int | None = None
    """The stream's random number for route fractions and cluster weights; drawn on first need, then kept."""
    route_metadata: Any = None
    """Metadata of the chosen route: {namespace: {key: value}}."""
    _dynamic_metadata: dict[str, dict[str, Any]] | None = None
    _filter_state: dict[str, Any] | None = None

    @property
    def dynamic_metadata(self) -> dict[str, dict[str, Any]]:
        """Metadata that filters set on this stream: {namespace: {key: value}}."""
        if self._dynamic_metadata is None:
            self._dynamic_metadata = {}
        return self._dynamic_metadata

    @property
    def filter_state(self) -> dict[str, Any]:
        """Named objects that filters share within this stream."""
        if self._filter_state is None:
            self._filter_state = {}
        return self._filter_state
