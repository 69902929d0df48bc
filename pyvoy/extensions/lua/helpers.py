"""The functions behind the module `pyvoy` of scripts: JSON, base64, JWT, metrics, shared data and queues.

Names and texts are bytes.  Source of the names: `pyvoy.extensions.host`.
"""

from __future__ import annotations

import binascii
import json
import time
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.extensions.lua.values import to_lua
from pyvoy.stats.counters import Counter

if TYPE_CHECKING:
    from pyvoy.extensions.attributes import Place
    from pyvoy.extensions.host import Host, SharedData, SharedQueue
    from pyvoy.extensions.lua.bridge import Bridge


class HasRuntime(Protocol):
    """A bridge, whose state is made after its functions."""

    runtime: Any


def functions(bridge: HasRuntime, host: Host) -> dict[bytes, Callable[..., Any]]:
    """The functions by the names that the prelude uses."""

    def json_decode(text: bytes, null: Any, array: Any) -> Any:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return None, str(error).encode()
        return _to_lua(bridge.runtime, value, null, array), None

    def own_metric(kind: bytes, name: bytes, unit: bytes | None) -> Any:
        text = name.decode("utf-8", "replace")
        if kind == b"histogram":
            return host.histogram(text, (unit or b"ms").decode())
        return host.counter(text) if kind == b"counter" else host.gauge(text)

    return {
        b"json_decode": json_decode,
        b"base64_encode_url": lambda text: urlsafe_b64encode(text).rstrip(b"="),
        b"base64_decode_url": decode_url,
        b"jwt_decode": jwt_decode,
        b"jwt_verify": jwt_verify,
        b"own_metric": own_metric,
        b"base64_encode": b64encode,
        b"base64_decode": base64_decode,
        b"metric_do": metric_do,
        b"shared_data": lambda namespace: host.shared_data(namespace.decode("utf-8", "replace")),
        b"shared_get": _shared_get,
        b"shared_set": lambda data, key, value, number: data.set(key, value, int(number)),
        b"shared_delete": lambda data, key, number: data.delete(key, int(number)),
        b"shared_queue": lambda namespace, name: host.shared_queue(
            namespace.decode("utf-8", "replace"), name.decode("utf-8", "replace")
        ),
        b"queue_push": _queue_push,
        b"queue_pop": lambda queue: queue.pop(),
        b"queue_length": len,
        b"wall_s": lambda: host.wall_ns() / 1e9,
    }


def attribute_function(bridge: Bridge, place: Place) -> Callable[[bytes], Any]:
    """Reads an attribute of the stream whose hook runs; None for what it has not."""
    attributes: dict[bytes, Callable[[Any], Any] | None] = {}

    def attribute(path: bytes) -> Any:
        if path not in attributes:
            from pyvoy.extensions.attributes import compile_attribute

            attributes[path] = compile_attribute(path.decode("utf-8", "replace"), place)
        read = attributes[path]
        return None if read is None else to_lua(bridge.runtime, read(bridge.hook.stream))

    return attribute


def metric_do(metric: Any, method: bytes, amount: float) -> None:
    """Change a metric; the amount is cut to a whole number."""
    _METRIC_METHODS[method](metric, int(amount))


_METRIC_METHODS: dict[bytes, Callable[[Any, int], None]] = {
    b"inc": lambda metric, amount: metric.inc(),
    b"dec": lambda metric, amount: metric.dec(),
    b"add": lambda metric, amount: metric.inc(amount) if isinstance(metric, Counter) else metric.add(amount),
    b"sub": lambda metric, amount: metric.sub(amount),
    b"set": lambda metric, amount: metric.set(amount),
    b"recordValue": lambda metric, amount: metric.record(amount),
}


def base64_decode(text: bytes) -> bytes | None:
    """As Envoy decodes: line ends are skipped, padding may be left out; None for what is no such text."""
    text = text.replace(b"\n", b"").replace(b"\r", b"")
    if b"=" not in text:
        text += b"=" * (-len(text) % 4)
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return None


def _to_lua(runtime: Any, value: Any, null: Any, array: Any) -> Any:
    if value is None:
        return null
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, list):
        table = runtime.table()
        for index, item in enumerate(value, 1):
            table[index] = _to_lua(runtime, item, null, array)
        return array(table)
    if isinstance(value, dict):
        table = runtime.table()
        for key, item in value.items():
            table[key.encode("utf-8", "surrogatepass")] = _to_lua(runtime, item, null, array)
        return table
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _shared_get(data: SharedData, key: bytes) -> Any:
    found = data.get(key)
    return (None, None) if found is None else found


def _queue_push(queue: SharedQueue, item: bytes) -> None:
    queue.push(item)


def decode_url(text: bytes) -> bytes | None:
    """What base64 with the URL alphabet stands for, with or without padding; None when it is no such text."""
    try:
        return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None


# ---- JWT ----

_HASHES = {"256": b"SHA256", "384": b"SHA384", "512": b"SHA512"}


def jwt_decode(token: bytes) -> tuple[bytes | None, bytes]:
    """Header and claims as JSON texts, or None and what is wrong."""
    parts = token.split(b".")
    if len(parts) != 3:
        return None, b"a token has three parts"
    header, claims = decode_url(parts[0]), decode_url(parts[1])
    if header is None or claims is None or not (_is_object(header) and _is_object(claims)):
        return None, b"header or claims are no JSON object"
    return header, claims


def jwt_verify(
    token: bytes, key: bytes, algorithms: bytes, issuer: bytes | None, audience: bytes | None, leeway_s: float
) -> tuple[bytes | None, bytes | None]:
    """The claims as JSON text, or None and why the token does not hold (RFC 7519, 7515, 7518)."""
    header_text, claims_text = jwt_decode(token)
    if header_text is None:
        return None, claims_text
    algorithm = json.loads(header_text).get("alg")
    if algorithm not in algorithms.decode().split(","):
        return None, f"algorithm {algorithm!r} is not accepted".encode()
    signed, _, signature_text = token.rpartition(b".")
    signature = decode_url(signature_text)
    if signature is None or not _signature_holds(algorithm, key, signature, signed):
        return None, b"the signature does not hold"
    wrong = _claims_fault(json.loads(claims_text), issuer, audience, leeway_s)
    return (None, wrong) if wrong else (claims_text, None)


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _signature_holds(algorithm: str, key: bytes, signature: bytes, signed: bytes) -> bool:
    family, size = algorithm[:2], algorithm[2:]
    if size not in _HASHES:
        return False
    if family == "HS":
        import hmac

        return hmac.compare_digest(hmac.digest(key, signed, f"sha{size}"), signature)
    if family not in ("RS", "ES"):
        return False
    from pyvoy.extensions import keys

    public = keys.load_pem(key)
    if public is None or keys.family(public) != family:
        return False
    if family == "ES":
        signature = keys.ec_signature(signature)
    return keys.verify(_HASHES[size], public, signature, signed) is None


def _claims_fault(claims: dict[str, Any], issuer: bytes | None, audience: bytes | None, leeway_s: float) -> bytes:
    now_s = time.time()
    for name in ("exp", "nbf"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"{name} is no time".encode()
    if "exp" in claims and now_s > claims["exp"] + leeway_s:
        return b"the token has expired"
    if "nbf" in claims and now_s < claims["nbf"] - leeway_s:
        return b"the token is not valid yet"
    if issuer is not None and claims.get("iss") != issuer.decode("utf-8", "replace"):
        return b"the issuer is another"
    if audience is not None:
        given = claims.get("aud")
        if audience.decode("utf-8", "replace") not in (given if isinstance(given, list) else [given]):
            return b"the audience is another"
    return b""
