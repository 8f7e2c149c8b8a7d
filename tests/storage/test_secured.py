"""A replica set that asks for TLS, certificates and a user of few rights: what the guide says is enough, is."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pymongo import MongoClient

from fhir_server.foundation.operation_outcome import Unavailable
from fhir_server.storage.mongodb.store import MongoStore, Options
from fhir_server.storage.store import Search, Transaction
from tests.storage.mongod import Member, free_ports
from tests.storage.resources import has_code, names, token, version

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SUBJECT = "CN=fhir-server,OU=application,O=example"


class Authority:
    """A certificate authority for the tests, and the files that it makes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        own = self._signed(self._name, self._key.public_key(), is_authority=True)
        self.file = folder / "ca.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, name: str, unit: str) -> Path:
        """The file of a key and its certificate, of a name in a unit of the organization."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = ((NameOID.ORGANIZATION_NAME, "example"), (NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
        parts = [x509.NameAttribute(oid, value) for oid, value in (*attributes, (NameOID.COMMON_NAME, name))]
        certificate = self._signed(x509.Name(parts), key.public_key())
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._folder / f"{name}.pem"
        file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def _signed(self, name: x509.Name, key: ec.EllipticCurvePublicKey, is_authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


class Secured(Member):
    """A member of one that takes nothing but TLS with a certificate, and makes the user of the guide."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        server = self.authority.certificate("server", "database")
        self.user = self.authority.certificate("fhir-server", "application")
        self.stranger = self.authority.certificate("stranger", "application")
        options = ("--tlsMode", "requireTLS", "--tlsCertificateKeyFile", str(server))
        options = (*options, "--tlsCAFile", str(self.authority.file), "--clusterAuthMode", "x509")
        super().__init__(folder / "data", free_ports(1)[0], options)
        tls = {"tls": True, "tlsCAFile": str(self.authority.file), "tlsCertificateKeyFile": str(self.user)}
        self.url = f"mongodb://localhost:{self.port}/fhir?replicaSet=tests"
        with MongoClient(f"mongodb://localhost:{self.port}/?directConnection=true", **tls) as client:
            hosts = [{"_id": 0, "host": f"localhost:{self.port}"}]
            client.admin.command("replSetInitiate", {"_id": "tests", "members": hosts})
            while not client.admin.command("hello")["isWritablePrimary"]:
                pass
            admin = {"roles": ["root"], "pwd": "of the test"}
            client.admin.command("createUser", "root", **admin)
        with MongoClient(self.url, username="root", password="of the test", authSource="admin", **tls) as client:
            client["$external"].command("createUser", SUBJECT, roles=[{"role": "readWrite", "db": "fhir"}])

    def address_of(self, certificate: Path) -> str:
        more = f"&tls=true&tlsCAFile={self.authority.file}&tlsCertificateKeyFile={certificate}"
        return f"{self.url}{more}&authMechanism=MONGODB-X509&authSource=$external"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    member = Secured(tmp_path_factory.mktemp("secured"))
    yield member
    member.kill()


async def test_a_certificate_and_the_right_to_one_database_are_enough(secured: Secured) -> None:
    store = MongoStore(secured.address_of(secured.user))
    await store.open()

    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/1"), [token("a")])
        await transaction.put_record("client", "1", b"x")
        found = await transaction.search(Search("Patient", has_code("a")))
        assert names(found.versions) == ["Patient/1"]

    await store.transact(work)
    await store.check()
    assert (await store.explain(Search("Patient", has_code("a"))))["matches"] == 1
    await store.close()


async def test_a_stranger_is_refused_without_a_word_of_secrets(secured: Secured) -> None:
    store = MongoStore(f"{secured.address_of(secured.stranger)}", options=Options(open_seconds=3))
    with pytest.raises(Unavailable) as refused:
        await store.open()
    assert str(secured.authority.file.parent) not in str(refused.value)
