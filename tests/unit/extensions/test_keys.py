"""Public keys and signatures, by themselves and from a script."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pyvoy.extensions import keys
from pyvoy.testing.playbook import headers, reply
from tests.unit.extensions.lua.lua_play import on_request

DATA = b"what was signed"


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def der(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("name", keys.HASHES)
def test_rsa_signatures(rsa_key: rsa.RSAPrivateKey, name: str) -> None:
    signature = rsa_key.sign(DATA, padding.PKCS1v15(), getattr(hashes, name)())
    loaded = keys.load(der(rsa_key))
    assert keys.verify(name.lower().encode(), loaded, signature, DATA) is None
    assert keys.verify(name.encode(), loaded, signature, DATA + b"!") == b"Failed to verify digest. Error code: 0"


@pytest.mark.parametrize("name", keys.HASHES)
def test_what_is_signed_can_be_verified(rsa_key: rsa.RSAPrivateKey, name: str) -> None:
    for key in (rsa_key, ec.generate_private_key(ec.SECP256R1())):
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        signature, error = keys.sign(name.encode(), keys.load_private(private), DATA)
        assert (error, keys.verify(name.encode(), keys.load(der(key)), signature, DATA)) == (b"", None)


def test_what_cannot_sign(rsa_key: rsa.RSAPrivateKey) -> None:
    public = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert keys.load_private(b"no key") is keys.load_private_pem(public) is None
    assert keys.sign(b"sha256", None, DATA)[1].startswith(b"Invalid key type")
    assert keys.sign(b"md5", rsa_key, DATA) == (b"", b"md5 is not supported.")
    edwards = ed25519.Ed25519PrivateKey.generate()
    assert keys.sign(b"sha256", edwards, DATA)[0] == b""


def test_ec_signatures() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    loaded = keys.load(der(key))
    assert keys.verify(b"SHA256", loaded, key.sign(DATA, ec.ECDSA(hashes.SHA256())), DATA) is None
    assert keys.verify(b"SHA256", loaded, b"rubbish", DATA)


def test_an_unknown_hash_and_another_kind_of_key(rsa_key: rsa.RSAPrivateKey) -> None:
    assert keys.verify(b"md5", keys.load(der(rsa_key)), b"", DATA) == b"md5 is not supported."
    assert keys.verify(b"SHA256", keys.load(der(ed25519.Ed25519PrivateKey.generate())), b"", DATA)


def test_what_is_no_key() -> None:
    assert keys.load(b"rubbish") is None


def test_a_script_verifies_a_signature(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = rsa_key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())

    def lua_text(data: bytes) -> str:
        return '"' + "".join(f"\\{octet:03d}" for octet in data) + '"'

    p = on_request(f"""
        local der, signature, data = {lua_text(der(rsa_key))}, {lua_text(signature)}, "{DATA.decode()}"
        local key = h:importPublicKey(der, #der):get()
        local good, none = h:verifySignature("SHA256", key, signature, #signature, data, #data)
        local bad, text = h:verifySignature("SHA256", key, signature, #signature, data, #data - 1)
        h:respond({{[":status"] = "200"}}, tostring(good) .. tostring(none) .. tostring(bad) .. text)""")
    p >> headers("GET") << reply(200, b"truenilfalseFailed to verify digest. Error code: 0")
    p.end()
