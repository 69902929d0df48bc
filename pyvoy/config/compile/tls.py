"""CommonTlsContext messages -> TlsPlan: certificates, trust, versions, ciphers, ALPN.

What only one side has is in `tls_downstream.py` and `tls_upstream.py`.  What pyvoy does not implement (private key
providers, certificate providers, handshakers) is in no `supports` list and reported by the walk.
Source: Envoy, ContextConfigImpl, TlsCertificateConfigImpl and CertificateValidationContextConfigImpl.
"""

from __future__ import annotations

import base64
import ssl
from typing import Any

from pyvoy.config.compile.matchers import string_matcher
from pyvoy.config.compile.tls_secrets import Secrets
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.network.tls.context import CertificatePlan, TlsError, TlsPlan
from pyvoy.network.tls.verify import SanMatcher, SanType, ValidationPlan

TLS = "envoy.extensions.transport_sockets.tls.v3."
supports(
    TLS + "CommonTlsContext",
    """tls_params tls_certificates tls_certificate_sds_secret_configs validation_context
    validation_context_sds_secret_config combined_validation_context alpn_protocols key_log""",
)
supports(
    TLS + "CommonTlsContext.CombinedCertificateValidationContext",
    "default_validation_context validation_context_sds_secret_config",
)
supports(
    TLS + "TlsParameters",
    "tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves signature_algorithms",
)
supports(
    TLS + "TlsCertificate", "certificate_chain private_key pkcs12 password ocsp_staple", tuning="watched_directory"
)
supports(
    TLS + "CertificateValidationContext",
    """trusted_ca system_root_certs verify_certificate_spki verify_certificate_hash match_typed_subject_alt_names
    match_subject_alt_names crl allow_expired_certificate trust_chain_verification only_verify_leaf_cert_crl
    max_verify_depth""",
    tuning="watched_directory",
)
supports(TLS + "CertificateValidationContext.SystemRootCerts")
supports(TLS + "SubjectAltNameMatcher", "san_type matcher")
supports(TLS + "TlsKeyLog", "path")

_VERSIONS = (
    ssl.TLSVersion.MINIMUM_SUPPORTED,
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)
_ACCEPT_UNTRUSTED = 1
_HEX_BYTES = 32


def tls_plan(message: Any, context: Context, secrets: Secrets, newest: ssl.TLSVersion) -> TlsPlan:
    """The plan of a CommonTlsContext; `context` stands at it, `newest` is the version where it names none.

    Raises NotReadyError while a secret is missing."""
    parameters = message.tls_params
    minimum, maximum = parameters.tls_minimum_protocol_version, parameters.tls_maximum_protocol_version
    return TlsPlan(
        certificates=_certificates(message, context, secrets),
        validation=_validation(message, context, secrets),
        alpn=tuple(message.alpn_protocols),
        minimum=_VERSIONS[minimum] if minimum else ssl.TLSVersion.TLSv1_2,
        maximum=_VERSIONS[maximum] if maximum else newest,
        ciphers=_ciphers(parameters.cipher_suites),
        groups=tuple(parameters.ecdh_curves),
        signature_algorithms=tuple(parameters.signature_algorithms),
        key_log_path=message.key_log.path,
    )


def report(error: TlsError, context: Context) -> None:
    """A context could not be made: a problem at the field that is to blame."""
    context.error(error.field, str(error))


def _ciphers(names: Any) -> tuple[str, ...]:
    """BoringSSL's `[A|B]`, which leaves the choice between equals to the client, becomes A before B."""
    return tuple(name for text in names for name in text.strip("[]").replace("|", ":").split(":") if name)


# ---- certificates ----


def _certificates(message: Any, context: Context, secrets: Secrets) -> tuple[CertificatePlan, ...]:
    plans = [
        certificate_plan(certificate, context.at("tls_certificates", index))
        for index, certificate in enumerate(message.tls_certificates)
    ]
    for index, config in enumerate(message.tls_certificate_sds_secret_configs):
        place = f"tls_certificate_sds_secret_configs[{index}]"
        certificate = secrets.find(config, "tls_certificate", f"common_tls_context.{place}")
        if certificate is not None:
            plans.append(certificate_plan(certificate, context.at(place), config.name))
    return tuple(plan for plan in plans if plan is not None)


def certificate_plan(message: Any, context: Context, name: str = "") -> CertificatePlan | None:
    """The plan of a TlsCertificate, of the secret of that name; None after a problem."""
    password = context.data_source(message, "password") if message.HasField("password") else b""
    staple = _staple(message, context)
    if message.HasField("pkcs12"):
        return _pkcs12(context.data_source(message, "pkcs12"), password, staple, context)
    if not (message.HasField("certificate_chain") and message.HasField("private_key")):
        context.error("", "needs certificate_chain and private_key")
        return None
    chain, key = context.data_source(message, "certificate_chain"), context.data_source(message, "private_key")
    if not chain or not key:
        return None
    plan = CertificatePlan(chain, key, password, name, staple)
    try:
        _ = plan.leaf
    except ValueError as error:
        context.error("certificate_chain", f"Failed to load certificate chain: {error}")
        return None
    return plan


def _staple(message: Any, context: Context) -> bytes:
    """An OCSP response, which is no text."""
    if not message.HasField("ocsp_staple"):
        return b""
    if message.ocsp_staple.WhichOneof("specifier") == "inline_string":
        context.error("ocsp_staple", "OCSP staple cannot be provided via inline_string")
        return b""
    return context.data_source(message, "ocsp_staple")


def _pkcs12(data: bytes, password: bytes, staple: bytes, context: Context) -> CertificatePlan | None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

    try:
        key, certificate, more = pkcs12.load_key_and_certificates(data, password or None)
    except ValueError as error:
        context.error("pkcs12", f"Failed to load pkcs12: {error}")
        return None
    if key is None or certificate is None:
        context.error("pkcs12", "Failed to load pkcs12: it needs a certificate and its key")
        return None
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (certificate, *more))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return CertificatePlan(chain, pem, staple=staple)


# ---- trust ----


def _validation(message: Any, context: Context, secrets: Secrets) -> ValidationPlan | None:
    kind = message.WhichOneof("validation_context_type")
    if kind == "validation_context":
        return validation_plan(message.validation_context, context.at(kind))
    if kind == "validation_context_sds_secret_config":
        found = secrets.find(
            message.validation_context_sds_secret_config, "validation_context", f"common_tls_context.{kind}"
        )
        name = message.validation_context_sds_secret_config.name
        return None if found is None else validation_plan(found, context.at(kind), name)
    if kind == "combined_validation_context":
        return _combined(message.combined_validation_context, context.at(kind), secrets)
    return None


def _combined(message: Any, context: Context, secrets: Secrets) -> ValidationPlan | None:
    """The secret merged into the default: its lists are appended, its single values win."""
    place = "common_tls_context.combined_validation_context.validation_context_sds_secret_config"
    found = secrets.find(message.validation_context_sds_secret_config, "validation_context", place)
    merged = type(message.default_validation_context)()
    merged.CopyFrom(message.default_validation_context)
    if found is not None:
        merged.MergeFrom(found)
    name = message.validation_context_sds_secret_config.name
    return validation_plan(merged, context.at("default_validation_context"), name)


def validation_plan(message: Any, context: Context, name: str = "") -> ValidationPlan:
    """The plan of a CertificateValidationContext, of the secret of that name."""
    trusted_ca = context.data_source(message, "trusted_ca") if message.HasField("trusted_ca") else b""
    crl = context.data_source(message, "crl") if message.HasField("crl") else b""
    system_roots = message.HasField("system_root_certs")
    accept_untrusted = message.trust_chain_verification == _ACCEPT_UNTRUSTED
    sans = _san_matchers(message, context)
    if sans and not (trusted_ca or system_roots):
        text = "SAN-based verification of peer certificates without trusted CA is insecure and not allowed"
        context.error("match_typed_subject_alt_names", text)
    if message.allow_expired_certificate and not (trusted_ca or system_roots):
        context.error("allow_expired_certificate", "Certificate validity period is always ignored without trusted CA")
    return ValidationPlan(
        trusted_ca=trusted_ca,
        system_roots=system_roots,
        crl=crl,
        crl_leaf_only=message.only_verify_leaf_cert_crl,
        sans=sans,
        spki_pins=frozenset(_spki(pin, context, index) for index, pin in enumerate(message.verify_certificate_spki)),
        certificate_pins=frozenset(
            _hash(pin, context, index) for index, pin in enumerate(message.verify_certificate_hash)
        ),
        accept_untrusted=accept_untrusted,
        allow_expired=message.allow_expired_certificate,
        max_depth=context.wrapped(message, "max_verify_depth", None),
        name=name,
    )


def _spki(pin: str, context: Context, index: int) -> str:
    try:
        if len(base64.b64decode(pin, validate=True)) == _HEX_BYTES:
            return pin
    except ValueError:
        pass
    context.error(f"verify_certificate_spki[{index}]", f"Invalid base64-encoded SHA-256 {pin}")
    return ""


def _hash(pin: str, context: Context, index: int) -> str:
    """Hex digits, in pairs separated by colons or not."""
    digits = pin.replace(":", "").lower()
    try:
        if len(bytes.fromhex(digits)) == _HEX_BYTES:
            return digits
    except ValueError:
        pass
    context.error(f"verify_certificate_hash[{index}]", f"Invalid hex-encoded SHA-256 {pin}")
    return ""


def _san_matchers(message: Any, context: Context) -> tuple[SanMatcher, ...]:
    matchers: list[SanMatcher] = []
    for index, item in enumerate(message.match_typed_subject_alt_names):
        at = context.at("match_typed_subject_alt_names", index)
        if item.san_type not in SanType.__members__.values():
            at.error("san_type", "must be EMAIL, DNS, URI or IP_ADDRESS")
            continue
        matches = string_matcher(item.matcher, at.at("matcher"))
        matchers.append(SanMatcher(SanType(item.san_type), matches, item.matcher.exact))
    for index, item in enumerate(message.match_subject_alt_names):
        matches = string_matcher(item, context.at("match_subject_alt_names", index))
        matchers.extend(SanMatcher(kind, matches, item.exact) for kind in SanType)
    return tuple(matchers)
