"""`fhir-server vihf`: trust the seal certificate of an establishment, list those that are trusted, withdraw one."""

import asyncio
from pathlib import Path

from cryptography import x509
from rich.console import Console
from rich.table import Table

from fhir_server.app import now
from fhir_server.commands.local import opened
from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.settings import Settings
from fhir_server.smart.vihf import Issuer, Issuers
from fhir_server.smart.vihf.issuers import issuer_of


def read_certificate(path: Path) -> x509.Certificate:
    """Read a PEM or DER certificate; raises BadRequest when the file holds none."""
    try:
        content = path.read_bytes()
        is_pem = b"-----BEGIN" in content
        return x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)
    except (OSError, ValueError) as error:
        raise BadRequest(f"{path} holds no X.509 certificate, PEM or DER: {error}") from None


def trust(settings: Settings, path: Path, structure: str, console: Console) -> None:
    """Trust a certificate for one structure."""
    issuer = issuer_of(read_certificate(path), structure)

    async def work() -> None:
        async with opened(settings) as runtime:
            await Issuers(runtime.store, now).trust(issuer)

    asyncio.run(work())
    console.print(f"Assertions of [bold]{structure}[/bold] signed by {issuer.subject} are accepted until")
    console.print(f"{issuer.not_after} (SHA-256 {issuer.fingerprint}).", soft_wrap=True)


def show(settings: Settings, console: Console) -> None:
    """List the trusted certificates."""

    async def work() -> list[Issuer]:
        async with opened(settings) as runtime:
            return await Issuers(runtime.store, now).all()

    table = Table("structure", "certificate", "valid until", "SHA-256")
    for issuer in asyncio.run(work()):
        table.add_row(issuer.structure, issuer.subject, issuer.not_after, issuer.fingerprint)
    console.print(table)


def withdraw(settings: Settings, fingerprint: str, console: Console) -> None:
    """Trust a certificate no more; raises NotFound when it was not trusted."""

    async def work() -> bool:
        async with opened(settings) as runtime:
            return await Issuers(runtime.store, now).withdraw(fingerprint.lower().replace(":", ""))

    if not asyncio.run(work()):
        raise NotFound("No trusted certificate has this SHA-256: see fhir-server vihf list.")
    console.print("Assertions signed by this certificate are refused from now on.")
