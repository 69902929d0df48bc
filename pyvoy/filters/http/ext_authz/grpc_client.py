"""Authorization over gRPC: a CheckRequest goes to envoy.service.auth.v3.Authorization.

Source: Envoy's GrpcClientImpl and CheckRequestUtils (requests observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.filters.common.grpc_service import GrpcServer, header_value
from pyvoy.filters.http.ext_authz.answer import ERROR, Answer, Change, How, Outcome, Question

if TYPE_CHECKING:
    from pyvoy.network.address import Address

NameTest = Callable[[bytes], bool]
_SERVICE = "envoy.service.auth.v3.Authorization"


@dataclass(slots=True, frozen=True, eq=False)
class GrpcRules:
    """A GrpcService with what goes into a CheckRequest."""

    server: GrpcServer
    sends: NameTest | None
    withholds: NameTest | None
    pack_as_bytes: bool
    peer_certificate: bool
    tls_session: bool
    namespaces: tuple[str, ...]
    route_namespaces: tuple[str, ...]


class GrpcClient:
    """Asks one server of one configuration."""

    def __init__(self, rules: GrpcRules) -> None:
        self._rules = rules

    async def check(self, question: Question) -> Answer:
        """Ask."""
        from envoy.service.auth.v3 import external_auth_pb2

        request = external_auth_pb2.CheckRequest()
        self.fill(request.attributes, question)
        response = await self._rules.server.call(_SERVICE, "Check", request, external_auth_pb2.CheckResponse)
        return ERROR if response is None else read_answer(response)

    def fill(self, attributes: Any, question: Question) -> None:
        """The AttributeContext of a request."""
        rules, stream = self._rules, question.stream
        connection = stream.connection
        _fill_peer(attributes.source, stream.info.downstream_remote or connection.remote)
        _fill_peer(attributes.destination, connection.local)
        attributes.source.service = question.headers.map.get(b"x-envoy-downstream-service-cluster", b"").decode(
            "latin-1"
        )
        tls = connection.tls
        if tls is not None:
            attributes.source.principal = next(iter(tls.peer_uri_sans), "") or tls.peer_subject
            attributes.destination.principal = next(iter(tls.local_uri_sans), "") or tls.local_subject
            if rules.peer_certificate:
                attributes.source.certificate = tls.peer_certificate
        if rules.tls_session and connection.requested_server_name:
            attributes.tls_session.sni = connection.requested_server_name
        start_ns = int(stream.info.start_wall_s * 1e9)
        attributes.request.time.FromNanoseconds(start_ns)
        self._fill_http(attributes.request.http, question)
        for key, value in question.context.items():
            attributes.context_extensions[key] = value
        dynamic, route = stream.info.dynamic_metadata, stream.info.route_metadata or {}
        _fill_metadata(attributes.metadata_context, dynamic, rules.namespaces)
        _fill_metadata(attributes.route_metadata_context, route, rules.route_namespaces)

    def _fill_http(self, http: Any, question: Question) -> None:
        rules, values = self._rules, question.headers.map
        sends, withholds = rules.sends, rules.withholds
        info = question.stream.info
        http.id = str(question.stream.services.random.getrandbits(64))
        http.method = _text(values.get(b":method"))
        http.path = _text(values.get(b":path"))
        http.host = _text(values.get(b":authority"))
        http.scheme = _text(values.get(b":scheme"))
        http.protocol = info.protocol
        http.size = info.bytes_received
        for name in dict.fromkeys(name for name, _ in question.headers.items()):
            if (sends is None or sends(name)) and (withholds is None or not withholds(name)):
                http.headers[_text(name)] = _text(question.headers.joined(name))
        if question.partial is not None:
            http.headers["x-envoy-auth-partial-body"] = "true" if question.partial else "false"
        if question.body:
            if rules.pack_as_bytes:
                http.raw_body = question.body
            else:
                http.body = question.body.decode("utf-8", "replace")


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _fill_peer(peer: Any, address: Address) -> None:
    if address.is_pipe:
        peer.address.pipe.path = address.text
    else:
        peer.address.socket_address.address = address.ip
        peer.address.socket_address.port_value = address.port


def _fill_metadata(context: Any, metadata: Any, namespaces: tuple[str, ...]) -> None:
    context.SetInParent()
    for namespace in namespaces:
        if namespace in metadata:
            context.filter_metadata[namespace].update(metadata[namespace])


def read_answer(response: Any) -> Answer:
    """A CheckResponse as an answer."""
    from pyvoy.filters.common.metadata import plain_struct

    metadata = plain_struct(response.dynamic_metadata) if response.HasField("dynamic_metadata") else {}
    if response.status.code == GrpcStatus.OK:
        ok = response.ok_response
        return Answer(
            Outcome.OK,
            changes=tuple(
                (name, value, How.JOIN_IF_THERE if option.append.value else How.SET)
                for option, (name, value, _) in zip(ok.headers, _changes(ok.headers), strict=True)
            ),
            to_remove=tuple(name.lower().encode() for name in ok.headers_to_remove),
            query_to_set=tuple((pair.key.encode(), pair.value.encode()) for pair in ok.query_parameters_to_set),
            query_to_remove=tuple(name.encode() for name in ok.query_parameters_to_remove),
            response_changes=_changes(ok.response_headers_to_add),
            metadata=metadata,
        )
    denied = response.denied_response
    pairs = tuple((option.header.key.lower().encode(), header_value(option.header)) for option in denied.headers)
    return Answer(Outcome.DENIED, denied.status.code or 403, denied.body.encode(), pairs, metadata=metadata)


_ACTIONS = (How.ADD, How.ADD_IF_ABSENT, How.SET, How.SET_IF_THERE)


def _changes(options: Any) -> tuple[Change, ...]:
    """HeaderValueOptions; the deprecated `append` goes before the action, and for a request's headers it is all that
    Envoy looks at."""
    found = []
    for option in options:
        how = _ACTIONS[option.append_action]
        if option.HasField("append"):
            how = How.ADD if option.append.value else How.SET
        found.append((option.header.key.lower().encode(), header_value(option.header), how))
    return tuple(found)
