"""PROXY protocol: takes the header a trusted proxy puts in front of a connection, and believes its addresses.

The header's bytes are dropped from the connection; its TLVs go into metadata or filter state as the rules say.
Source: Envoy, listener filter "Proxy Protocol" (stats and outcomes observed on Envoy 1.40).  Looks at no more than the
header's own length, 65,551 bytes at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import listener_filter, supports
from pyvoy.network.listener_filter import Accepted, ListenerFilter, ListenerVerdict
from pyvoy.network.proxy_protocol import (
    ProxyHeader,
    ProxyProtocolError,
    ProxyVersion,
    detect,
    may_be_proxy_header,
    parse,
)

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
DEFAULT_NAMESPACE = "envoy.filters.listener.proxy_protocol"
HEADER_STATE = "envoy.network.proxy_protocol_options"
"""Filter state: the ProxyHeader as received, with the TLVs that pass through; for headers written upstream."""
TLV_STATE = "envoy.network.proxy_protocol.tlv"
"""Filter state: {key: value} of the TLVs the rules name, when `tlv_location` is FILTER_STATE."""

supports(
    TYPE,
    "rules allow_requests_without_proxy_protocol pass_through_tlvs disallowed_versions stat_prefix tlv_location",
)
supports(f"{TYPE}.Rule", "tlv_type on_tlv_present")
supports(f"{TYPE}.KeyValuePair", "metadata_namespace key")
supports("envoy.config.core.v3.ProxyProtocolPassThroughTLVs", "match_type tlv_type")

_VERSIONS = {0: ProxyVersion.V1, 1: ProxyVersion.V2}
_FILTER_STATE = 1


class VersionStats:
    """Counters at `proxy_proto.[<prefix>.]versions.v<n>.`."""

    __slots__ = ("disallowed", "error", "found")

    def __init__(self, scope: Scope) -> None:
        self.disallowed = scope.counter("disallowed")
        self.error = scope.counter("error")
        self.found = scope.counter("found")


class ProxyProtocolStats:
    """All counters of one filter; filters with the same prefix share them."""

    __slots__ = ("downstream_cx_proxy_proto_error", "not_found_allowed", "not_found_disallowed", "versions")

    def __init__(self, root: Scope, prefix: str) -> None:
        scope = root.scope("proxy_proto").scope(prefix)
        self.downstream_cx_proxy_proto_error: Counter = root.counter("downstream_cx_proxy_proto_error")
        self.not_found_allowed = scope.counter("not_found_allowed")
        self.not_found_disallowed = scope.counter("not_found_disallowed")
        self.versions = {
            version: VersionStats(scope.scope(f"versions.{version.value}")) for version in _VERSIONS.values()
        }


@dataclass(slots=True, frozen=True)
class ProxyProtocolPlan:
    """`rules` maps a TLV type to (metadata namespace, key); `pass_through` is the set of types kept for upstream
    headers, None for all."""

    stats: ProxyProtocolStats
    allow_missing: bool = False
    disallowed: frozenset[ProxyVersion] = frozenset()
    rules: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    pass_through: frozenset[int] | None = frozenset()
    tlvs_to_filter_state: bool = False


@listener_filter(name="envoy.filters.listener.proxy_protocol", type_url=TYPE, posture="robust_to_untrusted_downstream")
class ProxyProtocol(ListenerFilter):
    """One per connection; keeps nothing but its plan."""

    __slots__ = ("plan",)
    needs_bytes = True

    @staticmethod
    def build(message: Any, context: Context) -> ProxyProtocolPlan:
        """The plan of a ProxyProtocol message."""
        disallowed = frozenset(_VERSIONS[number] for number in message.disallowed_versions if number in _VERSIONS)
        if len(disallowed) == len(_VERSIONS):
            text = "Proxy Protocol filter is misconfigured: all proxy protocol versions are disallowed."
            context.error("disallowed_versions", text)
        return ProxyProtocolPlan(
            ProxyProtocolStats(context.root_scope, message.stat_prefix),
            message.allow_requests_without_proxy_protocol,
            disallowed,
            {rule.tlv_type & 0xFF: _target(rule.on_tlv_present) for rule in message.rules},
            _pass_through(message),
            message.tlv_location == _FILTER_STATE,
        )

    def __init__(self, plan: ProxyProtocolPlan) -> None:
        self.plan = plan

    def on_accept(self, accepted: Accepted) -> ListenerVerdict:
        """Wait for bytes."""
        return ListenerVerdict.MORE

    def on_data(self, accepted: Accepted, end: bool) -> ListenerVerdict:
        """Judge all bytes so far."""
        plan = self.plan
        data = accepted.buffer
        if plan.allow_missing and data and not self._may_be_header(data):
            plan.stats.not_found_allowed.inc()
            return ListenerVerdict.CONTINUE
        try:
            if plan.disallowed and detect(data) in plan.disallowed:
                return self._denied(data)
            header = parse(data)
        except ProxyProtocolError as error:
            return self._failed(error)
        if header is None:
            return ListenerVerdict.MORE
        plan.stats.versions[header.version].found.inc()
        accepted.drain(header.length_bytes)
        self._apply(accepted.info, header)
        return ListenerVerdict.CONTINUE

    def _may_be_header(self, data: bytearray) -> bool:
        disallowed = self.plan.disallowed
        return may_be_proxy_header(data, v1=ProxyVersion.V1 not in disallowed, v2=ProxyVersion.V2 not in disallowed)

    def _denied(self, data: bytearray) -> ListenerVerdict:
        version = detect(data)
        if version is not None:
            stats = self.plan.stats.versions[version]
            stats.found.inc()
            stats.disallowed.inc()
        return ListenerVerdict.CLOSE

    def _failed(self, error: ProxyProtocolError) -> ListenerVerdict:
        stats = self.plan.stats
        stats.downstream_cx_proxy_proto_error.inc()
        if error.version is ProxyVersion.NOT_FOUND:
            stats.not_found_disallowed.inc()
        else:
            stats.versions[error.version].error.inc()
        return ListenerVerdict.CLOSE

    def _apply(self, info: ConnectionInfo, header: ProxyHeader) -> None:
        """Believe the header: addresses, TLVs."""
        plan = self.plan
        if plan.rules:
            self._note_tlvs(info, header)
        kept = header.tlvs
        if plan.pass_through is not None:
            kept = tuple(tlv for tlv in kept if tlv[0] in plan.pass_through)
        if HEADER_STATE not in info.filter_state:
            source = header.source or info.remote
            destination = header.destination or info.local
            state = replace(header, source=source, destination=destination, tlvs=kept)
            info.filter_state[HEADER_STATE] = state
        if header.source is not None and header.destination is not None:
            info.remote = header.source
            info.local = header.destination

    def _note_tlvs(self, info: ConnectionInfo, header: ProxyHeader) -> None:
        """TLVs that a rule names: the first of a kind counts in metadata, the last in filter state (as in Envoy)."""
        plan = self.plan
        for kind, value in header.tlvs:
            target = plan.rules.get(kind)
            if target is None:
                continue
            namespace, key = target
            if plan.tlvs_to_filter_state:
                info.filter_state.setdefault(TLV_STATE, {})[key] = sanitized_utf8(value)
            else:
                info.dynamic_metadata.setdefault(namespace, {}).setdefault(key, sanitized_utf8(value))


def sanitized_utf8(value: bytes) -> str:
    """Text with "!" for each byte that is no UTF-8 (Envoy: MessageUtil::sanitizeUtf8String)."""
    text = value.decode("utf-8", "surrogateescape")
    return "".join("!" if "\udc80" <= letter <= "\udcff" else letter for letter in text)


def _target(pair: Any) -> tuple[str, str]:
    return pair.metadata_namespace or DEFAULT_NAMESPACE, pair.key


def _pass_through(message: Any) -> frozenset[int] | None:
    """The TLV types kept for upstream headers; None for all (INCLUDE_ALL)."""
    if not message.HasField("pass_through_tlvs"):
        return frozenset()
    tlvs = message.pass_through_tlvs
    if tlvs.match_type == tlvs.INCLUDE_ALL:
        return None
    return frozenset(kind & 0xFF for kind in tlvs.tlv_type)


_: type[ListenerFilter] = ProxyProtocol
