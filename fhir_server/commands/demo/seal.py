"""The seal certificate of the demo's establishment: with its key a VIHF is signed for the XDS.b addresses.

Source: VIHF 4.0 (signature with the certificate of the structure)
"""

from datetime import timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from fhir_server.app import now
from fhir_server.smart.vihf import Issuers
from fhir_server.smart.vihf.issuers import issuer_of
from fhir_server.storage.store import Store

STRUCTURE: Final = "1750000026"
REPOSITORY: Final = "2.25.208119543862176543210987654321098765"
"""OID of the demo as an XDS repository, made of a UUID: nobody else has it."""
VALID: Final = timedelta(days=365)


async def make_seal(store: Store, folder: Path) -> Path:
    """Write a new key and its certificate into the folder, trust the certificate, and return the key's file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Laboratoire Horizon (cachet fictif)")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now()).not_valid_after(now() + VALID).sign(key, SHA256())
    await Issuers(store, now).trust(issuer_of(certificate, STRUCTURE))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path = folder / "cachet.pem"
    path.touch(mode=0o600)
    path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return path
