"""/certs: what it says of files, texts, secrets and bundles, held to the entries that Envoy 1.40 gives."""

import base64
import json

from cryptography.hazmat.primitives.serialization import NoEncryption, pkcs12

from tests.support.certificates import authority, issued
from tests.unit.server.admin_proxy import Bench

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
CA = authority()
SERVER = issued("server", ("a.test",), ("spiffe://td/server",))


def socket(side, **common):
    config = {"@type": f"{TLS}{side}TlsContext", "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": config}


def told(*clusters, listeners=(), secrets=()):
    """What the page says for these transport sockets."""
    echo = {"@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo"}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 8080}}
    chains = [{"transport_socket": one, "filters": [{"name": "e", "typed_config": echo}]} for one in listeners]
    static = {
        "clusters": [{"name": f"c{n}", "transport_socket": one} for n, one in enumerate(clusters)],
        "listeners": [{"name": "l", "address": address, "filter_chains": chains}] if chains else [],
        "secrets": list(secrets),
    }
    return json.loads(Bench(json.dumps({"static_resources": static})).text("/certs"))["certificates"]


def pair(one=SERVER):
    return {"certificate_chain": {"inline_string": one.cert}, "private_key": {"inline_string": one.key}}


def test_a_context_without_certificates_is_told_too():
    assert told(socket("Upstream")) == [{"ca_cert": [], "cert_chain": []}]


def test_a_certificate_in_a_file_with_its_names_and_times(tmp_path):
    crt, key = SERVER.write(tmp_path, "server")
    files = {"certificate_chain": {"filename": str(crt)}, "private_key": {"filename": str(key)}}
    (found,) = told(listeners=[socket("Downstream", tls_certificates=[files])])
    (shown,) = found["cert_chain"]
    assert int(shown.pop("days_until_expiration")) > 30000
    assert shown == {
        "path": str(crt),
        "serial_number": f"{SERVER.certificate.serial_number:02x}",
        "subject_alt_names": [{"dns": "a.test"}, {"uri": "spiffe://td/server"}],
        "valid_from": "2020-01-01T00:00:00Z",
        "expiration_time": "2120-01-01T00:00:00Z",
    }


def test_every_trusted_certificate_has_its_entry():
    trust = {"trusted_ca": {"inline_string": CA.cert + authority("Other CA").cert}}
    (found,) = told(socket("Upstream", validation_context=trust))
    assert [(one["path"], one["serial_number"]) for one in found["ca_cert"]] == [("<inline>", "01")] * 2


def test_a_staple_tells_its_times():
    entry = {**pair(), "ocsp_staple": {"inline_bytes": base64.b64encode(CA.staple(SERVER)).decode()}}
    (found,) = told(listeners=[socket("Downstream", tls_certificates=[entry])])
    assert set(found["cert_chain"][0]["ocsp_details"]) == {"valid_from", "expiration"}


def test_secrets_are_looked_up_here_and_in_files(tmp_path):
    secret = {"name": "ours", "tls_certificate": pair()}
    by_name = {"tls_certificate_sds_secret_configs": [{"name": "ours"}]}
    (found,) = told(listeners=[socket("Downstream", **by_name)], secrets=[secret])
    assert len(found["cert_chain"]) == 1
    path = tmp_path / "secrets.json"
    resource = {"@type": f"{TLS}Secret", "name": "ca", "validation_context": {"trusted_ca": {"inline_string": CA.cert}}}
    config = {"name": "ca", "sds_config": {"path_config_source": {"path": str(path)}}}
    sockets = [socket("Upstream", validation_context_sds_secret_config=config)]
    path.write_text(json.dumps({"resources": [resource]}))
    assert len(told(*sockets)[0]["ca_cert"]) == 1
    path.unlink()
    assert told(*sockets) == [{"ca_cert": [], "cert_chain": []}]


def test_a_bundle_tells_its_certificate():
    bundle = pkcs12.serialize_key_and_certificates(b"n", SERVER.private_key, SERVER.certificate, None, NoEncryption())
    entry = {"pkcs12": {"inline_bytes": base64.b64encode(bundle).decode()}}
    (found,) = told(listeners=[socket("Downstream", tls_certificates=[entry])])
    assert found["cert_chain"][0]["subject_alt_names"][0] == {"dns": "a.test"}
