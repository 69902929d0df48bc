"""TLS contexts as configured: what is refused, and with which words; what is warned of."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from pyvoy.config.compile.tls_downstream import DownstreamTlsSocket
from pyvoy.config.compile.tls_upstream import UpstreamTlsSocket
from pyvoy.config.load import load
from pyvoy.network.tls.server import DownstreamTls
from tests.support.building import Place
from tests.support.certificates import authority, issued

SERVER, OTHER, CA = issued("server", ("a.test",)), issued("b", ("b.test",)), authority()

MUST = CA.issue("must", ("m.test",), must_staple=True)


def pair(cert: str = SERVER.cert, key: str = SERVER.key) -> dict[str, Any]:
    return {"certificate_chain": {"inline_string": cert}, "private_key": {"inline_string": key}}


def stapled(response: bytes) -> dict[str, Any]:
    return {**pair(), "ocsp_staple": {"inline_bytes": base64.b64encode(response).decode()}}


def said(factory: Any, common: dict[str, Any], **fields: Any) -> str:
    """What building a context reports, one line for each problem."""
    place = Place()
    common = {"tls_certificates": [pair()], **common} if factory is DownstreamTlsSocket else common
    place.plan(factory, json.dumps({"common_tls_context": common, **fields}))
    return "\n".join(str(problem) for problem in place.problems)


def trusting(**fields: Any) -> dict[str, Any]:
    return {"validation_context": {"trusted_ca": {"inline_string": CA.cert}, **fields}}


@pytest.mark.parametrize(
    ("common", "fields", "words"),
    [
        ({"tls_certificates": []}, {}, "No TLS certificates found for server context"),
        ({"tls_certificates": [{"private_key": {"inline_string": "x"}}]}, {}, "needs certificate_chain and"),
        ({"tls_certificates": [pair("junk")]}, {}, "tls_certificates[0].certificate_chain"),
        ({"tls_certificates": [pair(key=OTHER.key)]}, {}, "tls_certificates[0]: Failed to load"),
        ({"tls_certificates": [pair(key="junk")]}, {}, "tls_certificates[0]: Failed to load"),
        ({"tls_params": {"cipher_suites": ["NOT-A-CIPHER"]}}, {}, "rejected when tried individually: NOT-A-CIPHER"),
        ({"tls_params": {"ecdh_curves": ["P-1"]}}, {}, "Failed to initialize ECDH curves P-1"),
        ({"tls_params": {"signature_algorithms": ["no"]}}, {}, "signature algorithms no"),
        ({"validation_context": {"trusted_ca": {"inline_string": "junk"}}}, {}, "trusted_ca: Failed to load"),
        (trusting(crl={"inline_string": "junk"}), {}, "crl: Failed to load CRL"),
        (trusting(verify_certificate_spki=["short"]), {}, "Invalid base64-encoded SHA-256 short"),
        (trusting(verify_certificate_hash=["zz"]), {}, "Invalid hex-encoded SHA-256 zz"),
        (trusting(match_typed_subject_alt_names=[{"matcher": {"exact": "a"}}]), {}, "san_type"),
        ({"validation_context": {"match_subject_alt_names": [{"exact": "a"}]}}, {}, "without trusted CA is insecure"),
        ({"validation_context": {"allow_expired_certificate": True}}, {}, "always ignored without trusted CA"),
        ({"tls_certificates": [{**pair(), "ocsp_staple": {"inline_string": "x"}}]}, {}, "provided via inline_string"),
        ({"tls_certificates": [stapled(CA.staple(OTHER))]}, {}, "OCSP response does not match its TLS certificate"),
        ({"tls_certificates": [stapled(b"junk")]}, {}, "tls_certificates[0].ocsp_staple"),
        ({}, {"ocsp_staple_policy": "MUST_STAPLE"}, "Required OCSP response is missing from TLS context"),
        ({"tls_certificates": [pair(MUST.cert, MUST.key)]}, {}, "is required for must-staple certificate"),
        ({}, {"session_ticket_keys": {"keys": [{"inline_string": "short"}]}}, "Length 5, expected length 80"),
        ({"tls_certificate_sds_secret_configs": [{"name": "nobody"}]}, {}, "Unknown static secret: nobody"),
        ({"tls_certificate_sds_secret_configs": [{"name": "s", "sds_config": {"ads": {}}}]}, {}, "from files only"),
    ],
)  # fmt: skip
def test_a_server_context_that_cannot_be(common: dict[str, Any], fields: dict[str, Any], words: str) -> None:
    assert words in said(DownstreamTlsSocket, common, **fields)


@pytest.mark.parametrize(
    ("common", "fields", "words"),
    [
        ({"tls_certificates": [pair(), pair()]}, {}, "Multiple TLS certificates are not supported"),
        ({}, {"sni": "a" * 256}, "at most 255"),
        ({}, {"auto_sni_san_validation": True}, "without configuring a trusted CA"),
    ],
)
def test_a_client_context_that_cannot_be(common: dict[str, Any], fields: dict[str, Any], words: str) -> None:
    assert words in said(UpstreamTlsSocket, common, **fields)


@pytest.mark.parametrize(
    "common",
    [
        {},
        trusting(),
        trusting(verify_certificate_hash=["ab" * 32]),
        {"tls_params": {"cipher_suites": ["[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]"]}},
        {"tls_certificate_sds_secret_configs": [
            {"name": "s", "sds_config": {"path_config_source": {"path": "/nowhere/at/all"}}}]},
    ],
)  # fmt: skip
def test_contexts_that_are_taken(common: dict[str, Any]) -> None:
    assert said(DownstreamTlsSocket, common) == ""


def test_certificates_from_files_and_pkcs12(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    cert, key = SERVER.write(tmp_path, "server")
    files = {"certificate_chain": {"filename": str(cert)}, "private_key": {"filename": str(key)}}
    assert said(DownstreamTlsSocket, {"tls_certificates": [files]}) == ""
    both = pkcs12.serialize_key_and_certificates(
        b"s", SERVER.private_key, SERVER.certificate, None, BestAvailableEncryption(b"pw")
    )
    (tmp_path / "server.p12").write_bytes(both)
    for password, words in (("pw", ""), ("wrong", "Failed to load pkcs12")):
        bundle = {"pkcs12": {"filename": str(tmp_path / "server.p12")}, "password": {"inline_string": password}}
        assert words in said(DownstreamTlsSocket, {"tls_certificates": [bundle]})


def test_workers_of_one_proxy_share_their_ticket_keys() -> None:
    place, text = Place(), json.dumps({"common_tls_context": {"tls_certificates": [pair()]}})
    builders = [place.plan(DownstreamTlsSocket, text) for _ in range(2)]
    assert all(isinstance(built, DownstreamTls) for built in builders)
    assert place.environment.arena.store.get(b"\0pyvoy.tls.tickets") is not None


UPSTREAM = """
static_resources:
  clusters:
  - name: c
    transport_socket:
      name: tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        common_tls_context: %s
"""


@pytest.mark.parametrize(
    ("common", "words"),
    [
        ({}, "nobody is verified"),
        (trusting(), "any server with a certificate of the trusted authority passes"),
        (trusting(match_typed_subject_alt_names=[{"san_type": "DNS", "matcher": {"exact": "a"}}]), ""),
        (trusting(verify_certificate_hash=["ab" * 32]), ""),
    ],
)
def test_upstreams_that_nobody_verifies_are_warned_of(common: dict[str, Any], words: str) -> None:
    loaded = load(config_yaml=UPSTREAM % json.dumps(common))
    texts = [str(warning) for warning in loaded.warnings if "common_tls_context" not in str(warning)]
    found = [text for text in texts if "verified" in text or "passes" in text]
    assert bool(found) is bool(words)
    assert all(words in text for text in found)
