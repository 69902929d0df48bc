"""Upstreams whose protocol TLS finds out: auto_config, and what clients choose over TLS."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import json

from tests.parity.case import Case, answers, ask, request, tunnel
from tests.parity.cases.http2_upstream import reply
from tests.parity.cases.tls import SERVER, V12, trust
from tests.parity.cases.tls_upstream import LOG, OTHERS, socket
from tests.support.h2wire import POST, data, goaway, head, opening, rst
from tests.support.steps import Answers, Close, Step, UntilEnd, Wait
from tests.support.tls import Tls
from tests.support.upstream import OK, STREAM, Script

_TYPE = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
H2 = Tls(certificate=SERVER, alpn=("h2", "http/1.1"))
H1 = Tls(certificate=SERVER, alpn=("http/1.1",))
NONE = Tls(certificate=SERVER)


def cluster(which: str = "auto_config", tls: dict[str, object] | None = None, common: dict[str, object] | None = None, names: dict[str, object] | None = None, **more: object) -> str:
    """A cluster that finds out; `more` are other fields of it."""
    both = {"http_protocol_options": {}, "http2_protocol_options": {}}
    options: dict[str, object] = {"@type": f"type.googleapis.com/{_TYPE}", which: both}
    if common:
        options["common_http_protocol_options"] = common
    if names:
        options["upstream_http_protocol_options"] = names
    sock = tls or socket(trust(), sni="a.test")
    return json.dumps({"typed_extension_protocol_options": {_TYPE: options}, "transport_socket": sock, **more})


def speaks_h2(*given: bytes | tuple[Step, ...], tls: Tls = H2, values: tuple[tuple[int, int], ...] = (), early: bool = False) -> dict[str, Script]:
    """An upstream that chooses HTTP/2."""
    return {"up": Script(answers(*(given or (reply(),))).answers, tls=tls, http2=True, settings=values, early=early)}


def speaks_h1(*given: bytes | tuple[Step, ...], tls: Tls = H1) -> dict[str, Script]:
    """An upstream that chooses HTTP/1.1, or says nothing."""
    return {"up": Script(answers(*given).answers, tls=tls)}


def one(name: str, want: str, *requests: bytes, up: dict[str, Script], **more: object) -> Case:
    """A client of HTTP/1 with requests one after the other."""
    more.setdefault("cluster", cluster())
    return Case(str(more.pop("id", f"upa-{name}")), want, (ask(*(requests or (request(),))),), upstream=up, log=LOG, **more)  # type: ignore[arg-type]


def many(name: str, want: str, *steps: Step, up: dict[str, Script], count: int = 1, **more: object) -> Case:
    """A client of HTTP/2."""
    more.setdefault("cluster", cluster())
    return Case(f"upa-from-h2-{name}", want, ((opening(), *steps, Answers(count, 3.0)),), upstream=up, log=LOG, **more)  # type: ignore[arg-type]


RETRY = "- {match: {prefix: /}, route: {cluster: $up, retry_policy: {retry_on: '%s', num_retries: 1}}}"
THREE = (request("/a"), request("/b"), request("/c"))
GETS = head(1) + head(3) + head(5)
CLOSES = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"

CASES = (
    one("h2", "200", up=speaks_h2()),
    one("h1", "200", up=speaks_h1()),
    one("none", "200", up=speaks_h1(tls=NONE)),
    one("h2-again", "200 200 200", *THREE, up=speaks_h2()),
    one("h1-again", "200 200 200", *THREE, up=speaks_h1()),
    one("h1-closes", "200 200 200", *THREE, up=speaks_h1((CLOSES, Close()))),
    one("h2-v12", "200", up=speaks_h2(tls=Tls(certificate=SERVER, alpn=("h2",), maximum=V12))),
    one("h2-body", "200", request("/", method="POST", body=b"hello"), up=speaks_h2()),
    one("h1-body", "200", request("/", method="POST", body=b"hello"), up=speaks_h1()),
    one("h2-trailers", "200", up=speaks_h2(reply(trailers=[(b"x-end", b"1")]))),
    one("h2-reset", "503", up=speaks_h2(rst(STREAM, 2))),
    one("h2-goaway", "200 200", *THREE[:2], up=speaks_h2(reply() + goaway(1), reply())),
    one("h2-refused-stream", "200", up=speaks_h2(rst(STREAM, 7), reply()), routes=RETRY % "refused-stream"),
    one("untrusted", "503", up=speaks_h2(), cluster=cluster(tls=socket(OTHERS, sni="a.test"))),
    one("tls-plain-text", "503", up={"up": answers(OK)}, id="tls-up-upstream-auto-plain-text"),
    one("silent", "503", id="tls-up-upstream-auto-silent", up={"up": tunnel(UntilEnd())}, cluster=cluster(connect_timeout="0.3s")),
    one("sni", "200", up=speaks_h2(), cluster=cluster(names={"auto_sni": True, "auto_san_validation": True})),
    one("configured-alpn", "200", up=speaks_h1(tls=H2), cluster=cluster(tls=socket(trust(), sni="a.test", common={"alpn_protocols": ["http/1.1"]}))),
    one("max-requests", "200 200 200", *THREE, up=speaks_h2(), cluster=cluster(common={"max_requests_per_connection": 2})),
    one("h1-max-requests", "200 200 200", *THREE, up=speaks_h1(), cluster=cluster(common={"max_requests_per_connection": 2})),
    one("h1-stray", "200 200", *THREE[:2], up=speaks_h1(OK + b"x", OK), settle_s=0.3),
    one("idle", "200", up=speaks_h2(), cluster=cluster(common={"idle_timeout": "0.2s"}), settle_s=0.6),
    one("h1-idle", "200", up=speaks_h1(), cluster=cluster(common={"idle_timeout": "0.2s"}), settle_s=0.6),
    one("stats", "200", up=speaks_h2(), all_stats=True),
    one("h1-stats", "200", up=speaks_h1(), all_stats=True),
    many("one", "200", head(1), up=speaks_h2()),
    many("to-h1", "200", head(1), up=speaks_h1()),
    many("again", "200 200 200", head(1), Answers(1, 3.0), head(3) + head(5), up=speaks_h2(), count=3),
    many("at-once", "200 200 200", GETS, up=speaks_h2(), count=3),
    many("at-once-h1", "200 200 200", GETS, up=speaks_h1((Wait(0.4), OK)), count=3),
    many("body", "200", head(1, fields=POST, end=False) + data(1, b"hello"), up=speaks_h2()),
    many("pending-limit", "200 503", head(1) + head(3), up=speaks_h2(), count=2, cluster=cluster(circuit_breakers={"thresholds": [{"max_pending_requests": 1}]})),
    many("connection-limit", "200 200 200", GETS, up=speaks_h2(), count=3, cluster=cluster(circuit_breakers={"thresholds": [{"max_connections": 1}]})),
    many("connection-limit-h1", "200 200 200", GETS, up=speaks_h1(), count=3, cluster=cluster(circuit_breakers={"thresholds": [{"max_connections": 1}]})),
    many("request-limit", "200 503", head(1) + head(3), up=speaks_h2((Wait(0.2), reply())), count=2, cluster=cluster(circuit_breakers={"thresholds": [{"max_requests": 1}]})),
    many("stream-limit", "200 200 200", head(1), Answers(1, 3.0), head(3) + head(5), up=speaks_h2((Wait(0.1), reply()), values=((3, 1),)), count=3),
    one("follows-h1", "200", up=speaks_h1(), cluster=cluster("use_downstream_protocol_config")),
    many("follows-h2", "200", head(1), up=speaks_h2(), cluster=cluster("use_downstream_protocol_config")),
    many("follows-h2-to-none", "200", head(1), up=speaks_h2(tls=NONE), cluster=cluster("use_downstream_protocol_config")),
)
