"""Properties, filter state and foreign functions of Proxy-Wasm modules: what can be read when, and in which form."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.parity.case import Case, answers, request, response
from tests.parity.cases.wasm import cel, number, on_request, on_response, prop, value, wasm
from tests.support.flat import FLAT, FLAT_SCHEMA
from tests.support.guest import OUT, At, Guest, Step, call, plugin_yaml, show_header, show_log, show_reply

HEX = "".join
"""Notes may have any byte, headers not: what is binary goes into replies or is noted as a number."""


def many(*paths: str) -> tuple[Step, ...]:
    return tuple(prop(*path.split("/")) for path in paths)


def numbers(*paths: str) -> tuple[Step | str, ...]:
    """The first four bytes of each as a number."""
    steps: list[Step | str] = []
    for path in paths:
        steps += [number(*path.split("/")), "(call $digit (i32.load (i32.load (i32.const 256))))", "(call $digit (i32.load (i32.const 260)))"]
    return tuple(steps)


REQUEST = ("request/path", "request/url_path", "request/host", "request/scheme", "request/method", "request/referer", "request/useragent", "request/id", "request/protocol", "request/query", "request/headers/x-a", "request/headers/X-A", "request/headers/:path", "request/headers/none", "request/nothing", "request/path/deeper", "request/headers/x-a/deeper")
CONNECTION = ("connection/mtls", "connection/requested_server_name", "connection/tls_version", "connection/subject_local_certificate", "connection/subject_peer_certificate", "connection/dns_san_local_certificate", "connection/uri_san_peer_certificate", "connection/sha256_peer_certificate_digest", "connection/transport_failure_reason", "connection/termination_details", "source/nothing", "destination/address/x", "connection")
XDS = ("xds/cluster_name", "xds/route_name", "xds/virtual_host_name", "xds/filter_chain_name", "xds/node/id", "xds/node/cluster", "xds/node/nothing", "xds/nothing", "xds", "xds/cluster_metadata", "xds/route_metadata", "xds/virtual_host_metadata", "xds/listener_metadata", "xds/upstream_host_metadata")
RESPONSE = ("response/code_details", "response/headers/x-up", "response/headers/:status", "response/headers/none", "response/trailers", "response/trailers/x", "response/grpc_status", "response/nothing", "upstream/transport_failure_reason", "upstream/tls_version", "upstream/subject_peer_certificate", "upstream/nothing", "upstream/locality", "upstream_filter_state/x")
PLUGIN = ("plugin_name", "plugin_root_id", "plugin_vm_id", "plugin_name/x", "connection_id/x", "filter_state", "filter_state/none", "metadata/filter_metadata/none", "metadata/filter_metadata/none/x", "metadata/none", "wasm", "a.b", "")
DYNAMIC = "- {name: envoy.filters.http.set_metadata, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config, metadata: [{metadata_namespace: ns, value: {text: t, number: 2.5, flag: true, list: [a, 1, [b]], map: {deep: {x: y}}}}]}}\n"


def with_metadata(name: str, *steps: Step | str) -> Case:
    guest = Guest().on("request_headers", *steps, show_reply(), returns=1)
    return Case(f"wasm-{name}", "200", ((request("/p?q=1"), _ANSWER),), filters=f"{DYNAMIC}- wasm: {{config: {plugin_yaml(guest, vm='vm_id: $id')}}}")


from tests.support.steps import Answers  # noqa: E402

_ANSWER = Answers(1)


def fields(*pairs: tuple[int, bytes | int]) -> bytes:
    """A protobuf message of short fields."""
    return b"".join(bytes([number << 3 | 2, len(value_)]) + value_ if isinstance(value_, bytes) else bytes([number << 3, value_]) for number, value_ in pairs)


def foreign(name: str, arguments: bytes | str, *, label: str = "f", out: bool = True) -> Step:
    return call("call_foreign_function", name, arguments, *((OUT,) if out else (At(0), At(0))), label=label)


def declare(name: bytes, kind: int = 0, *, schema: bytes = b"", readonly: int = 0, span: int = 0) -> Step:
    return foreign("declare_property", fields((1, name), (2, readonly), (3, kind), (4, schema), (5, span)), label="declare")


def declare_long(name: bytes, kind: int, schema: bytes) -> Step:
    """The same with a schema of more than 127 bytes."""
    long = bytes([4 << 3 | 2, len(schema) & 127 | 128, len(schema) >> 7]) + schema
    return foreign("declare_property", fields((1, name), (3, kind)) + long, label="declare")


def put(path: str, data: str | bytes) -> Step:
    return call("set_property", path, data, label="set")


def declared(name: str, declarations: tuple[Step, ...], *steps: Step | str) -> Case:
    """Properties that the plugin has declared (only a root's declarations count)."""
    return wasm(name, "200", Guest().on("configure", *declarations, returns=1).on("request_headers", *steps, show_reply(), returns=1), conf="c")


PROPERTIES = (
    on_request("props-request", *many(*REQUEST), lines=("x-a: 1", "x-a: 2", "user-agent: me", "referer: r", "x-request-id: 11111111-1111-1111-1111-111111111111")),
    on_request("props-request-none", *many("request/referer", "request/useragent", "request/query", "request/id", "request/url_path")),
    on_request("props-connection", *many(*CONNECTION), *many("request", "response", "source", "destination", "upstream", "metadata", "filter_state", "upstream_filter_state")),
    on_request("props-xds", *many(*XDS), routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, metadata: {filter_metadata: {ns: {key: deep}}}}", vhost="metadata: {filter_metadata: {v: {a: b}}}", cluster="metadata: {filter_metadata: {c: {a: b}}}"),
    on_request("props-metadata-parts", *many("xds/route_metadata/filter_metadata/ns/list", "xds/route_metadata/filter_metadata/ns/list/0", "xds/route_metadata/filter_metadata/ns/list/9", "xds/route_metadata/filter_metadata/ns/list/x", "xds/route_metadata/filter_metadata/ns/map/k", "xds/route_metadata/filter_metadata/ns/flag", "xds/route_metadata/filter_metadata/ns/number", "xds/route_metadata/filter_metadata/plain", "xds/virtual_host_metadata/filter_metadata/v/a", "xds/cluster_metadata/filter_metadata/c/a"), routes="- {match: {prefix: /}, route: {cluster: $up}, name: all, metadata: {filter_metadata: {ns: {list: [a, 1, [b]], map: {deep: {x: y}}, flag: true, number: 2.5, none: 1}, plain: {k: v}}}}", vhost="metadata: {filter_metadata: {v: {a: b}}}", cluster="metadata: {filter_metadata: {c: {a: b}}}"),
    with_metadata("props-dynamic-metadata", *many("metadata/filter_metadata/ns/text", "metadata/filter_metadata/ns/number", "metadata/filter_metadata/ns/flag", "metadata/filter_metadata/ns/list", "metadata/filter_metadata/ns/list/0", "metadata/filter_metadata/ns/list/1", "metadata/filter_metadata/ns/list/2", "metadata/filter_metadata/ns/map", "metadata/filter_metadata/ns/map/deep/x", "metadata/filter_metadata/ns/map/deep", "metadata/ns/text")),
    on_request("props-plugin", *many(*PLUGIN), more="root_id: root"),
    on_response("props-response", *many(*(each for each in RESPONSE if "mtls" not in each and each not in ("response/trailers", "response/grpc_status", "xds/upstream_host_metadata"))), *many("request/path", "request/protocol", "xds/cluster_name", "xds/route_name"), upstream={"up": answers(response("200 OK", "x-up: u"))}),
    wasm("props-log", "200", Guest().on("log", *many("request/path", "request/headers/x-a", "response/code_details", "response/headers/x-up", "xds/cluster_name", "xds/route_name", "plugin_name", "response/trailers/x", "request/protocol", "upstream/transport_failure_reason"), *numbers("response/grpc_status", "response/flags"), *(number(*path.split("/")) for path in ("response/code", "response/flags", "response/size", "request/size", "upstream/request_attempt_count", "response/grpc_status")), show_log()), request("/p", "x-a: 1"), upstream={"up": answers(response("200 OK", "x-up: u"))}),
    wasm("props-lengths", "200", Guest().on("log", *(step for path in ("request/time", "request/duration", "request/total_size", "response/total_size", "response/backend_latency", "connection/id", "source/port", "destination/port", "upstream/port", "upstream/cx_pool_ready_duration", "upstream/local_address", "xds/listener_direction") for step in (number(*path.split("/")), "(if (i32.eqz (i32.load (i32.const 240))) (then (call $digit (i32.load (i32.const 260)))))")), show_log())),
    on_request("props-node", *(prop("xds", "node", *path.split("/")) for path in ("id", "cluster", "metadata", "metadata/a", "locality", "locality/region", "locality/nothing", "client_features", "client_features/0", "dynamic_parameters", "nothing", "id/x")), *cel("xds.node.locality.region", "xds.node.metadata.a", "has(xds.node.nothing)", "xds.node.locality")),
    wasm("props-root", "200", Guest().on("configure", *many("string_state", "metadata", "request", "response", "connection", "connection_id", "upstream", "source", "destination", "cluster_name", "cluster_metadata", "route_name", "xds/node/id", "xds/listener_metadata", "xds/cluster_name", "plugin_name", "plugin_vm_id", "plugin_root_id", "filter_state", "xds/listener_direction", "request/time"), put("a", "b"), returns=1).on("request_headers", show_reply(), returns=1), conf="c"),
    wasm("props-tick", "200", Guest().on("configure", call("set_tick_period_milliseconds", 30, quiet=True), returns=1).on("tick", "(if (global.get $saved1) (then (return)))", "(global.set $saved1 (i32.const 1))", *many("xds/node/id", "request/path", "plugin_name", "connection/id"), show_log())),
)

STATES = (
    on_request("state-set-get", put("one", "1"), prop("one"), put("one", "2"), prop("one"), put("dotted.name", "d"), prop("dotted.name"), prop("dotted", "name"), prop("filter_state", "wasm.one"), prop("filter_state", "wasm.dotted.name"), put("", "e"), prop(""), put("nul\0part", "n"), prop("nul", "part"), prop("filter_state", "wasm.nul\0part"), put("binary", b"\0\1\xff"), prop("binary"), put("big", "x" * 3000), *(number("big"), "(call $digit (i32.load (i32.const 260)))")),
    wasm("state-later", "200", Guest().on("request_headers", put("one", "1")).on("response_headers", prop("one"), put("two", "2"), show_header(2)).on("log", prop("one"), prop("two"), put("three", "3"), prop("three"), show_log())),
    Case("wasm-state-two-plugins", "200", ((request("/"), _ANSWER),), filters="".join(f"- {{name: w{at}, typed_config: {{'@type': type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm, config: {plugin_yaml(guest, vm=f'vm_id: $id-{at}')}}}}}\n" for at, guest in enumerate((Guest().on("request_headers", put("shared", "of one")).on("response_headers", prop("back"), show_header(2)), Guest().on("request_headers", prop("shared"), put("shared", "of two"), prop("shared"), put("back", "told"), show_header(0)))))),
    wasm("state-logged", "200", Guest().on("configure", declare(b"str", 1), declare(b"raw", 0), returns=1).on("request_headers", put("str", "text"), put("raw", "bytes"), put("plain", "none")), log="s=1~t=%FILTER_STATE(wasm.str:PLAIN)%~v=%FILTER_STATE(wasm.raw:PLAIN)%~w=%FILTER_STATE(wasm.plain:PLAIN)%~x=%FILTER_STATE(wasm.none:PLAIN)%\n", conf="c"),
    declared("state-readonly", (declare(b"ro", 1, readonly=1), declare(b"rw", 1)), put("ro", "1"), prop("ro"), put("ro", "2"), prop("ro"), put("rw", "1"), put("rw", "2"), prop("rw")),
    on_request("state-declared-in-stream", declare(b"ro", 1, readonly=1), put("ro", "1"), put("ro", "2"), prop("ro")),
    on_request("state-declare-odd", *(foreign(name, data) for data in (b"", b"\0\0", b"\0\0\0\0", b"\x0a", b"\x0d\1\2\3\4", b"\x0d\1", b"\x09\1\2\3\4\5\6\7\x08", b"\x09\1", b"\x08\1", b"\x0a\1a\x0a\1b", b"\x2a\1z\x0a\1c") for name in ("declare_property", "set_envoy_filter_state"))),
    on_request("state-declare", declare(b"a"), declare(b"a"), declare(b"a", 1), declare(b""), foreign("declare_property", b""), foreign("declare_property", b"\xff"), foreign("declare_property", "declare_property"), declare(b"k9", 9), declare(b"span9", 1, span=9), declare(b"proto", 3, schema=b"type.googleapis.com/envoy.config.core.v3.Metadata"), declare(b"noschema", 3), declare(b"flat", 2), put("flat", "xx"), prop("flat"), put("k9", "v"), prop("k9")),
    declared("state-protobuf", (declare(b"proto", 3, schema=b"type.googleapis.com/envoy.config.core.v3.SocketAddress"), declare(b"unknown", 3, schema=b"type.googleapis.com/none.Such")), put("proto", fields((2, b"1.2.3.4"), (3, 80), (5, b"res"))), prop("proto", "address"), *numbers("proto/port_value"), prop("proto", "resolver_name"), prop("proto", "nothing"), prop("proto", "ipv4_compat"), prop("proto"), number("proto", "protocol"), put("proto", b"\xff\xff"), prop("proto"), prop("proto", "address"), put("unknown", fields((1, b"x"))), prop("unknown"), prop("unknown", "x")),
    declared("state-string-deeper", (declare(b"s", 1), declare(b"b", 0)), put("s", "text"), prop("s", "x"), put("b", "text"), prop("b", "x"), prop("b"), prop("filter_state", "wasm.s", "x"), prop("filter_state", "wasm.s"), put("s", b"\xff"), prop("s")),
    Case("wasm-state-span-connection", "200 200", ((request("/one"), Answers(1), request("/two"), Answers(2)),), filters=f"- wasm: {{config: {plugin_yaml(Guest().on('configure', declare(b'conn', 1, span=2), declare(b'req', 1, span=1), declare(b'chain', 1, span=0), returns=1).on('request_headers', prop('conn'), prop('req'), prop('chain'), value(0, ':path'), put('conn', 'c'), put('conn', 'd'), put('req', 'r'), put('chain', 'f'), show_header(0)).on('response_headers', prop('conn'), prop('req'), prop('chain'), show_header(2)), vm='vm_id: $id', configuration='c')}}}"),
    on_request("state-envoy", *(foreign("set_envoy_filter_state", fields((1, path), (2, data), (3, span)), label=path.decode()[-12:]) for path, data, span in ((b"envoy.tcp_proxy.cluster", b"c", 0), (b"envoy.network.upstream_server_name", b"s", 1), (b"envoy.network.application_protocols", b"h2,http/1.1", 2), (b"envoy.network.upstream_subject_alt_names", b"a,b", 1), (b"envoy.network.transport_socket.original_dst_address", b"1.2.3.4:80", 1), (b"envoy.network.transport_socket.original_dst_address", b"nonsense", 1), (b"envoy.upstream.dynamic_host", b"h", 1), (b"envoy.upstream.dynamic_port", b"80", 1), (b"envoy.upstream.dynamic_port", b"x", 1), (b"envoy.tcp_proxy.per_connection_idle_timeout_ms", b"10", 1), (b"envoy.tcp_proxy.per_connection_idle_timeout_ms", b"x", 1), (b"invalid.path", b"unicorns", 0), (b"envoy.string", b"x", 0), (b"envoy.filters.listener.original_dst.local_ip", b"1.1.1.1:1", 0), (b"envoy.ratelimit.hits_addend", b"3", 0), (b"envoy.network.ip", b"1.1.1.1", 0), (b"envoy.hashable_string", b"x", 0))), foreign("set_envoy_filter_state", "bad_arg"), prop("filter_state", "envoy.upstream.dynamic_host"), prop("filter_state", "envoy.network.upstream_server_name"), prop("filter_state", "envoy.tcp_proxy.cluster")),
)

FLAT_FIELDS = ("b", "i8", "u8", "u16", "i32", "i64", "u64", "f", "d", "s", "none", "inner/n", "inner/name", "inner/x", "gone", "gone/n", "labels", "labels/a/value", "labels/b/key", "labels/c", "labels/0", "list/0/n", "list/0/name", "list/1/name", "list/2/n", "list/-1/n", "list/a/n", "texts", "texts/0", "texts/1", "texts/2", "bytes", "bytes/0", "nums", "nums/1", "unums", "reals", "reals/0", "flags", "nonums", "nonums/0", "nobytes", "nolabels", "notexts", "nolist", "nolist/0", "e", "s/x", "x", "")
"""Looked up with a NUL behind the last name, as the C++ SDK does: Envoy finds a field of a table only so."""
FLAT_CASES = (
    declared("state-flatbuffers", (declare_long(b"flat", 2, FLAT_SCHEMA), declare_long(b"bad", 2, FLAT_SCHEMA)), prop("flat", "s", ""), put("flat", FLAT), *(prop("flat", *path.split("/"), "") for path in FLAT_FIELDS), prop("flat")),
    declared("state-flatbuffers-cel", (declare_long(b"flat", 2, FLAT_SCHEMA),), put("flat", FLAT), *cel("flat.s", "flat.i32 + 1", "flat.u64", "flat.inner.n == 7", "flat.inner", "flat.labels['a'].value", "flat.labels.b.value + '!'", "flat.labels.size()", "'a' in flat.labels", "flat.list[1].name", "flat.list.size()", "flat.texts", "flat.nums[0]", "flat.reals[0] * 2.0", "flat.gone == null", "flat.none == ''", "flat.bytes", "size(flat.bytes)", "has(flat.s)", "has(flat.gone)", "has(flat.x)", "flat.e", "flat.x", "flat.b")),
)
TEXT = "a" * 2000
FOREIGN = (
    on_request("foreign-compress", call("call_foreign_function", "compress", "", OUT, label="e"), call("call_foreign_function", "compress", "hello hello hello", OUT, label="h"), foreign("uncompress", ""), foreign("uncompress", b"x\x9c\x03\x00\x00\x00\x00\x01"), foreign("uncompress", b"x\x9c\x03\x00\x00\x00\x00\x01trailing"), foreign("uncompress", b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x16")),
    on_request("foreign-route", foreign("clear_route_cache", "arguments", out=False), foreign("clear_route_cache", ""), call("replace_header_map_value", 0, ":path", "/b/x", quiet=True), foreign("clear_route_cache", ""), prop("xds", "route_name"), routes="- {match: {prefix: /b/}, route: {cluster: $b}, name: b}\n- {match: {prefix: /}, route: {cluster: $up}, name: a}"),
    on_request("foreign-unknown", foreign("", ""), foreign("resolve_dns", "x"), foreign("COMPRESS", "x"), foreign("expr_nothing", "x"), foreign("nothing", "x", out=False)),
)
def message(*pairs: tuple[int, bytes]) -> bytes:
    """A protobuf message of fields that may be long."""
    return b"".join(bytes([number_ << 3 | 2]) + (bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 127 | 128, len(data) >> 7])) + data for number_, data in pairs)


def _keys(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes, bytes, bytes]:
    """Private and public, each in DER and PEM."""
    private = [key.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption()) for encoding in (Encoding.DER, Encoding.PEM)]
    public = [key.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo) for encoding in (Encoding.DER, Encoding.PEM)]
    return (*private, *public)  # type: ignore[return-value]


_RSA = rsa.generate_private_key(65537, 1024)
_EC = ec.generate_private_key(ec.SECP256R1())
RSA_DER, RSA_PEM, RSA_PUBLIC_DER, RSA_PUBLIC_PEM = _keys(_RSA)
EC_DER, EC_PEM, EC_PUBLIC_DER, EC_PUBLIC_PEM = _keys(_EC)
SIGNED = _RSA.sign(b"text", padding.PKCS1v15(), hashes.SHA256())
EC_SIGNED = _EC.sign(b"text", ec.ECDSA(hashes.SHA256()))


def verify(label: str, key: tuple[int, bytes], signature: bytes = SIGNED, text: bytes = b"text", digest: bytes = b"sha256", *more: tuple[int, bytes]) -> Step:
    return foreign("verify_signature", message((1, digest), key, (3, signature), (4, text), *more), label=label)


def sign(label: str, key: tuple[int, bytes], digest: bytes = b"sha256", *more: tuple[int, bytes]) -> Step:
    return foreign("sign", message((1, digest), key, (3, b"text"), *more), label=label)


SIGNATURES = (
    on_request("sign-verify", verify("der", (2, RSA_PUBLIC_DER)), verify("pem", (5, RSA_PUBLIC_PEM)), verify("ec", (2, EC_PUBLIC_DER), EC_SIGNED), verify("ecpem", (5, EC_PUBLIC_PEM), EC_SIGNED), verify("text", (2, RSA_PUBLIC_DER), text=b"other"), verify("sha1", (2, RSA_PUBLIC_DER), digest=b"sha1"), verify("SHA256", (2, RSA_PUBLIC_DER), digest=b"SHA256"), verify("md5", (2, RSA_PUBLIC_DER), digest=b"md5"), verify("nohash", (2, RSA_PUBLIC_DER), digest=b""), verify("short", (2, RSA_PUBLIC_DER), b"x"), verify("ecbad", (2, EC_PUBLIC_DER), SIGNED), verify("bad", (2, b"no key")), verify("badpem", (5, b"no key")), verify("none", (9, b"")), verify("both", (2, RSA_PUBLIC_DER), SIGNED, b"text", b"sha256", (5, RSA_PUBLIC_PEM)), verify("private", (2, RSA_DER)), foreign("verify_signature", b"\xff", label="junk"), foreign("verify_signature", "", label="empty")),
    on_request("sign-rsa", sign("der", (2, RSA_DER)), sign("pem", (4, RSA_PEM)), sign("sha512", (4, RSA_PEM), b"sha512"), sign("md5", (2, RSA_DER), b"md5"), sign("bad", (2, b"no key")), sign("badpem", (4, b"no key")), sign("none", (9, b"")), sign("both", (2, RSA_DER), b"sha256", (4, RSA_PEM)), sign("public", (2, RSA_PUBLIC_DER)), foreign("sign", b"\xff", label="junk"), foreign("sign", "", label="empty")),
    on_request("sign-ec", call("call_foreign_function", "sign", message((1, b"sha256"), (2, EC_DER), (3, b"text")), At(256), At(260), label="ec"), call("call_foreign_function", "sign", message((1, b"sha384"), (4, EC_PEM), (3, b"text")), At(0), At(0), label="ecpem"), "(call $note (i32.load (i32.const 256)) (i32.const 2))"),
)
CASES = (*SIGNATURES, *PROPERTIES, *STATES, *FLAT_CASES, *FOREIGN)
