"""A running proxy and its collectors: what is told of a request, to the upstream and to the collector."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.integration.proxy import Proxy, cluster, listener, typed

_TRACE = "envoy.config.trace.v3."
SOON = {"layers": [{"name": "s", "static_layer": {
    "tracing": {name: {"min_flush_spans": 2} for name in ("zipkin", "opentelemetry")}}}]}  # fmt: skip


class Server:
    """An upstream and a collector in one: `seen` are the headers of requests, `posted` the bodies by path."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: list[dict[str, str]] = []
        self.posted: dict[str, bytes] = {}


@contextmanager
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            given.seen.append({name.lower(): value for name, value in self.headers.items()})
            self._answer(500 if self.path == "/broken" else 200)

        def do_POST(self) -> None:
            pieces = []
            while length := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            given.posted[self.path] = b"".join(pieces)
            self._answer(202)

        def log_message(self, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.block_on_close = False
    given = Server(listening.server_address[1])
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield given
    finally:
        listening.shutdown()
        listening.server_close()


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.stop()


def start(proxy: Proxy, port: int, name: str, config: dict[str, Any], **tracing: Any) -> None:
    provider = {"name": f"envoy.tracers.{name}", "typed_config": config}
    web = listener("web", proxy.ports[0], cluster="app", tracing={"provider": provider, **tracing})
    proxy.configure(listeners=[web], clusters=[cluster("app", port)], layered_runtime=SOON,
                    node={"id": "n1", "cluster": "shop"})  # fmt: skip
    proxy.start()


def test_zipkin_hears_of_the_request_and_of_its_call(proxy):
    with server() as app:
        config = typed(_TRACE + "ZipkinConfig", collector_cluster="app", collector_endpoint="/api/v2/spans",
                       collector_endpoint_version="HTTP_JSON", shared_span_context=False)  # fmt: skip
        tags = [{"tag": "team", "literal": {"value": "blue"}}]
        start(proxy, app.port, "zipkin", config, spawn_upstream_span=True, custom_tags=tags)
        assert proxy.get("/cart?n=1", proxy.ports[0])[0] == 200
        proxy.wait(lambda: "/api/v2/spans" in app.posted)
        call, whole = json.loads(app.posted["/api/v2/spans"])
        told = app.seen[0]
        assert told["x-b3-traceid"] == whole["traceId"] == call["traceId"]
        assert told["x-b3-spanid"] == call["id"]
        assert told["x-b3-parentspanid"] == call["parentId"] == whole["id"]
        assert (whole["kind"], call["kind"], call["name"]) == ("SERVER", "CLIENT", "router app egress")
        assert told["x-request-id"][14] == "9"
        assert whole["tags"]["guid:x-request-id"] == told["x-request-id"]
        assert whole["tags"]["http.url"] == f"http://{told['host']}/cart?n=1"
        assert (whole["tags"]["node_id"], whole["localEndpoint"]["serviceName"]) == ("n1", "shop")
        assert (whole["tags"]["team"], call["tags"]["team"], call["tags"]["http.status_code"]) == (
            "blue",
            "blue",
            "200",
        )
        proxy.counted("tracing.zipkin.spans_sent", 2)
        proxy.counted("tracing.zipkin.reports_sent", 1)


def test_opentelemetry_hears_of_requests_over_http(proxy):
    with server() as app:
        http = {"http_uri": {"uri": "http://collector/v1/traces", "cluster": "app", "timeout": "1s"}}
        config = typed(_TRACE + "OpenTelemetryConfig", service_name="shop", http_service=http)
        start(proxy, app.port, "opentelemetry", config)
        for path in ("/cart", "/broken"):
            proxy.get(path, proxy.ports[0])
        proxy.wait(lambda: "/v1/traces" in app.posted)
        (resource,) = ExportTraceServiceRequest.FromString(app.posted["/v1/traces"]).resource_spans
        assert {"service.name": "shop"}.items() <= {
            each.key: each.value.string_value for each in resource.resource.attributes
        }.items()
        spans = resource.instrumentation_library_spans[0].spans
        parents = [f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01" for span in spans]
        assert parents == [told["traceparent"] for told in app.seen]
        assert [(span.name, span.status.code) for span in spans] == [("ingress", 0), ("ingress", 2)]
        assert all(0 < span.start_time_unix_nano <= span.end_time_unix_nano for span in spans)
        proxy.counted("tracing.opentelemetry.spans_sent", 2)


def test_opentelemetry_hears_of_requests_over_grpc(proxy):
    grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
    calls: list[tuple[str, bytes, dict[str, str]]] = []

    class Collector(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            def export(request: bytes, _context: Any) -> bytes:
                calls.append((details.method, request, dict(details.invocation_metadata)))
                return b""

            return grpc.unary_unary_rpc_method_handler(export)

    collector = grpc.server(ThreadPoolExecutor(1), handlers=(Collector(),))
    port = collector.add_insecure_port("127.0.0.1:0")
    collector.start()
    try:
        service = {"envoy_grpc": {"cluster_name": "app"}, "initial_metadata": [{"key": "x-tenant", "value": "t"}]}
        config = typed(_TRACE + "OpenTelemetryConfig", grpc_service=service)
        provider = {"name": "envoy.tracers.opentelemetry", "typed_config": config}
        http2 = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            explicit_http_config={"http2_protocol_options": {}})}  # fmt: skip
        proxy.configure(
            listeners=[listener("web", proxy.ports[0], body="own", tracing={"provider": provider})],
            clusters=[cluster("app", port, typed_extension_protocol_options=http2)],
            layered_runtime=SOON,
        )
        proxy.start()
        for _ in range(2):
            assert proxy.get("/", proxy.ports[0]) == (200, "own")
        proxy.wait(lambda: bool(calls))
        method, request, metadata = calls[0]
        assert method == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        assert metadata["x-tenant"] == "t"
        told = ExportTraceServiceRequest.FromString(request).resource_spans[0]
        assert len(told.instrumentation_library_spans[0].spans) == 2
    finally:
        collector.stop(0).wait()
