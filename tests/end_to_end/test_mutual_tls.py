"""Mutual TLS with a real server and real certificates: who proves himself by one, and tokens that are its alone."""

import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.commands.test_serve import serving

pytestmark = pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc8705")
HOSPITAL, CLINIC = "CN=logiciel.hopital,O=Hopital fictif,C=FR", "CN=logiciel.clinique,O=Clinique fictive,C=FR"


class Authority:
    """An authority that signs certificates into files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name.from_rfc4514_string("CN=Autorite fictive,C=FR")
        self.certificate = self.sign("authority", "", self._key, is_authority=True)

    def sign(
        self, file: str, subject: str, key: ec.EllipticCurvePrivateKey | None = None, *, is_authority: bool = False
    ) -> Path:
        key = key or ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        name = x509.Name.from_rfc4514_string(subject) if subject else self._name
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        if name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "localhost":
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        path = self.folder / f"{file}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{file}.key").write_bytes(private)
        return path

    def context(self, file: str = "") -> ssl.SSLContext:
        """What a client connects with, showing a certificate or none."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        if file:
            context.load_cert_chain(str(self.folder / f"{file}.pem"), str(self.folder / f"{file}.key"))
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    for file, subject in (("server", "CN=localhost"), ("hospital", HOSPITAL), ("clinic", CLINIC)):
        authority.sign(file, subject)
    return authority


def register(data: Path) -> None:
    """The hospital's software, which acts as the hospital."""
    told = ("--name", "Logiciel", "--scope", "system/*.crs", "--actor", "Organization/hopital")
    for client_id, subject in (("hopital", HOSPITAL), ("clinique", CLINIC)):
        command = [sys.executable, "-m", "fhir_server", "client", "register", client_id, *told]
        subprocess.run([*command, "--tls-subject", subject, "--data", str(data)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def origin(authority: Authority) -> Iterator[str]:
    """A server that ends TLS itself, and knows the authority of its clients."""
    folder = authority.folder
    register(folder / "data")
    (folder / "fhir-server.toml").write_text(
        f'tls_certificate = "{folder}/server.pem"\ntls_key = "{folder}/server.key"\n'
        f'tls_clients = "{folder}/authority.pem"\nhost = "localhost"\n',
        encoding="utf-8",
    )
    with serving(folder / "data", "--config", str(folder / "fhir-server.toml")) as base:
        yield base.removesuffix("/fhir")


FORM = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_id": "hopital"}


def test_a_certificate_proves_its_client_and_binds_its_tokens(authority: Authority, origin: str) -> None:
    with httpx.Client(verify=authority.context("hospital"), base_url=origin) as hospital:
        offered = hospital.get("/fhir/.well-known/smart-configuration").json()
        assert "tls_client_auth" in offered["token_endpoint_auth_methods_supported"]
        assert offered["tls_client_certificate_bound_access_tokens"] is True
        answer = hospital.post("/oauth/token", data=FORM)
        assert answer.status_code == 200, answer.text
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        assert hospital.get("/fhir/Organization", headers=bearer).status_code == 200
        state = hospital.post("/oauth/introspect", data={"token": answer.json()["access_token"]}, headers=bearer)
        assert set(state.json()["cnf"]) == {"x5t#S256"}
        assert hospital.post("/oauth/token", data={**FORM, "client_id": "clinique"}).status_code == 401
    for stranger in ("clinic", ""):
        with httpx.Client(verify=authority.context(stranger), base_url=origin) as other:
            assert other.get("/fhir/Organization", headers=bearer).status_code == 401, "the token is not its own"
            refused = other.post("/oauth/token", data=FORM)
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
            token = {"token": bearer["Authorization"].split()[1]}
            assert other.post("/oauth/introspect", data=token, headers=bearer).status_code == 401


def test_a_certificate_of_another_authority_does_not_connect(authority: Authority, origin: str, tmp_path: Path) -> None:
    Authority(tmp_path).sign("forged", HOSPITAL)
    context = authority.context()
    context.load_cert_chain(str(tmp_path / "forged.pem"), str(tmp_path / "forged.key"))
    with httpx.Client(verify=context) as stranger, pytest.raises(httpx.TransportError):
        stranger.post(f"{origin}/oauth/token", data=FORM)


@pytest.mark.spec("https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations (TLS 1.2 at least)")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_does_not_connect(authority: Authority, origin: str) -> None:
    context = authority.context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with httpx.Client(verify=context) as old, pytest.raises(httpx.TransportError):
        old.get(f"{origin}/fhir/metadata")


@pytest.mark.parametrize(("proxies", "status"), [("127.0.0.1", 200), ("192.0.2.1", 401)])
def test_a_proxys_header_counts_from_that_proxy_only(
    authority: Authority, tmp_path: Path, proxies: str, status: int
) -> None:
    register(tmp_path / "data")
    (tmp_path / "fhir-server.toml").write_text(
        f'certificate_header = "Client-Cert"\ncertificate_proxies = ["{proxies}"]\n', encoding="utf-8"
    )
    certificate = (authority.folder / "hospital.pem").read_text(encoding="utf-8")
    with serving(tmp_path / "data", "--config", str(tmp_path / "fhir-server.toml")) as base:
        address = f"{base.removesuffix('/fhir')}/oauth/token"
        answer = httpx.post(address, data=FORM, headers={"Client-Cert": quote(certificate)})
        assert answer.status_code == status, answer.text
        assert httpx.post(address, data=FORM).status_code == 401
