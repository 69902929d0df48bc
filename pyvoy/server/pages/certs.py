"""/certs: the certificates of all TLS contexts, with how long they are good for.

Read when the page is asked for, as the bootstrap names them now: from their files, from text in place, from static
secrets and from files of SDS.  Source: Envoy 1.40, CertsHandler and ContextImpl::getCaCertInformation.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyvoy.config.compile.tls_secrets import NotReadyError, read_secret
from pyvoy.config.message_types import unpack
from pyvoy.network.tls.certificates import CertificateFacts, facts_of, pem_blocks
from pyvoy.network.tls.ocsp import read_response
from pyvoy.server.admin_http import Response
from pyvoy.server.pages.page import Proxy, json_response

_SOCKETS = {
    "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
}
_DAY_S = 86400


def certificates(proxy: Proxy) -> Response:
    """One entry for each context: clusters first, then listeners."""
    static = proxy.bootstrap.static_resources
    secrets = {secret.name: secret for secret in static.secrets}
    return json_response({"certificates": [_context(message, secrets) for message in _contexts(static)]})


def _contexts(static: Any) -> Iterator[Any]:
    """The CommonTlsContexts of a bootstrap."""
    sockets = []
    for cluster in static.clusters:
        sockets += [cluster.transport_socket, *(match.transport_socket for match in cluster.transport_socket_matches)]
    for listener in static.listeners:
        sockets += [chain.transport_socket for chain in (*listener.filter_chains, listener.default_filter_chain)]
    for socket in sockets:
        name = socket.typed_config.type_url.rpartition("/")[2]
        if name in _SOCKETS:
            yield unpack(socket.typed_config, name).common_tls_context


def _context(message: Any, secrets: dict[str, Any]) -> dict[str, Any]:
    certificates = [*message.tls_certificates]
    for config in message.tls_certificate_sds_secret_configs:
        certificates += _secret(config, "tls_certificate", secrets)
    trusted = [message.validation_context, message.combined_validation_context.default_validation_context]
    for config in (
        message.validation_context_sds_secret_config,
        message.combined_validation_context.validation_context_sds_secret_config,
    ):
        trusted += _secret(config, "validation_context", secrets)
    return {
        "ca_cert": [one for found in trusted for one in _details(found.trusted_ca)],
        "cert_chain": [one for found in certificates for one in _shown(found)],
    }


def _secret(config: Any, kind: str, secrets: dict[str, Any]) -> list[Any]:
    """The secret that an SdsSecretConfig names, if it is there."""
    if not config.name:
        return []
    try:
        path = config.sds_config.path or config.sds_config.path_config_source.path
        secret = read_secret(path, config.name) if path else secrets[config.name]
    except (NotReadyError, KeyError):
        return []
    return [getattr(secret, kind)]


def _shown(message: Any) -> list[dict[str, Any]]:
    """The first certificate of a TlsCertificate, with its OCSP response."""
    found = _details(message.certificate_chain)[:1] or _bundled(message)
    if found and message.HasField("ocsp_staple"):
        try:
            _, staple = read_response(_read(message.ocsp_staple))
        except (OSError, ValueError):
            return found
        found[0]["ocsp_details"] = {"valid_from": _time(staple.starts_s), "expiration": _time(staple.expires_s)}
    return found


def _bundled(message: Any) -> list[dict[str, Any]]:
    """The certificate in a PKCS #12 bundle."""
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

    if not message.HasField("pkcs12"):
        return []
    try:
        password = _read(message.password) if message.HasField("password") else b""
        _, certificate, _ = pkcs12.load_key_and_certificates(_read(message.pkcs12), password or None)
    except (OSError, ValueError):
        return []
    if certificate is None:
        return []
    return [_detail(facts_of(certificate.public_bytes(Encoding.DER)), message.pkcs12)]


def _details(source: Any) -> list[dict[str, Any]]:
    """All certificates of a DataSource; none when it cannot be read."""
    try:
        blocks = pem_blocks(_read(source))
    except (OSError, ValueError):
        return []
    return [_detail(facts_of(der), source) for der in blocks]


def _read(source: Any) -> bytes:
    """The bytes of a DataSource as they are now."""
    kind = source.WhichOneof("specifier")
    if kind == "filename":
        return Path(source.filename).read_bytes()
    if kind == "environment_variable":
        return os.environb.get(source.environment_variable.encode(), b"")
    value = getattr(source, kind) if kind else b""
    return value.encode() if isinstance(value, str) else bytes(value)


def _detail(facts: CertificateFacts, source: Any) -> dict[str, Any]:
    left_s = max(0.0, facts.valid_to_s - time.time())
    names = [("dns", facts.dns_sans), ("uri", facts.uri_sans), ("ip_address", facts.ip_sans)]
    return {
        "path": source.filename or "<inline>",
        "serial_number": facts.serial,
        "subject_alt_names": [{kind: name} for kind, values in names for name in values],
        "days_until_expiration": str(int(left_s // _DAY_S)),
        "valid_from": _time(facts.valid_from_s),
        "expiration_time": _time(facts.valid_to_s),
    }


def _time(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
