"""Authorization over HTTP: the request's head (or what is allowed of it) goes to a server, whose 200 lets it pass.

Source: Envoy's RawHttpClientImpl (requests and answers observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.http_call import CallOptions, CallRefused, CallResult
from pyvoy.filters.http.ext_authz.answer import ERROR, Answer, Change, How, Outcome, Question
from pyvoy.http.headers import HeaderMap, Pair

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host

NameTest = Callable[[bytes], bool]
_ALWAYS_SENT = frozenset((b":authority", b":method", b":path", b"authorization"))
_NEVER_TO_CLIENTS = frozenset((b":status", b"content-length", b"transfer-encoding", b"connection"))
_ALWAYS_TO_CLIENTS = frozenset((b"www-authenticate", b"location", b"proxy-authenticate"))
_OK = 200
_FAILED = 500


@dataclass(slots=True, frozen=True, eq=False)
class HttpRules:
    """An HttpService.  Tests that are None were not configured."""

    cluster: str
    timeout_s: float
    path_prefix: bytes
    sends: NameTest | None
    withholds: NameTest | None
    added: tuple[Pair, ...]
    to_upstream: NameTest | None
    appended_upstream: NameTest | None
    to_client: NameTest | None
    to_client_on_success: NameTest | None
    to_metadata: NameTest | None


class HttpClient:
    """Asks one server of one configuration."""

    def __init__(self, rules: HttpRules, host: Host) -> None:
        self._rules = rules
        self._host = host

    async def check(self, question: Question) -> Answer:
        """Ask."""
        rules = self._rules
        options = CallOptions(timeout_s=rules.timeout_s, send_xff=False)
        try:
            result = await self._host.fetch(rules.cluster, self._request(question), question.body, options=options)
        except CallRefused:
            return ERROR
        if result.failure is not None or result.status >= _FAILED:
            return ERROR
        return self._allowed(result) if result.status == _OK else self._denied(result)

    def _request(self, question: Question) -> HeaderMap:
        """The head of the request to the server."""
        rules = self._rules
        sends, withholds = rules.sends, rules.withholds
        headers = HeaderMap([(b"content-length", b"%d" % len(question.body))])
        for name, value in question.headers.items():
            if name == b"content-length" or (withholds is not None and withholds(name)):
                continue
            if name in _ALWAYS_SENT or (sends is not None and sends(name) and name[:1] != b":"):
                headers.add(name, rules.path_prefix + value if name == b":path" else value)
        if question.partial is not None:
            headers.set(b"x-envoy-auth-partial-body", b"true" if question.partial else b"false")
        for name, value in rules.added:
            headers.set(name, value)
        return headers

    def _allowed(self, result: CallResult) -> Answer:
        rules = self._rules
        pairs = [pair for pair in result.headers.items() if pair[0][:1] != b":"]
        return Answer(
            Outcome.OK,
            changes=(
                *_changes(_chosen(pairs, rules.to_upstream), How.SET),
                *_changes(_chosen(pairs, rules.appended_upstream), How.ADD_IF_THERE),
            ),
            response_changes=_changes(_chosen(pairs, rules.to_client_on_success), How.ADD),
            metadata=_metadata(_chosen(pairs, rules.to_metadata)),
        )

    def _denied(self, result: CallResult) -> Answer:
        rules = self._rules
        pairs = [pair for pair in result.headers.items() if pair[0] not in _NEVER_TO_CLIENTS]
        test = rules.to_client
        if test is not None:
            pairs = [pair for pair in pairs if test(pair[0]) or pair[0] in _ALWAYS_TO_CLIENTS]
        found = _metadata(_chosen(pairs, rules.to_metadata))
        return Answer(Outcome.DENIED, result.status, result.body, tuple(pairs), metadata=found)


def _chosen(pairs: list[Pair], test: NameTest | None) -> tuple[Pair, ...]:
    return () if test is None else tuple(pair for pair in pairs if test(pair[0]))


def _changes(pairs: tuple[Pair, ...], how: How) -> tuple[Change, ...]:
    return tuple((name, value, how) for name, value in pairs)


def _metadata(pairs: tuple[Pair, ...]) -> dict[str, Any]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
