"""What the demo tells: who signs in, what to click, what to curl."""

import msgspec
from rich.console import Console

from fhir_server.commands.demo.people import Person
from fhir_server.commands.demo.software import Software


class Guide(msgspec.Struct, frozen=True):
    """Everything that a person, or a test, needs to use the demo; kept as `demo.json` in its folder."""

    base: str
    folder: str
    is_open: bool
    people: tuple[Person, ...]
    laboratory: str
    laboratory_scope: str
    laboratory_key: str
    app: str
    app_redirect_uri: str
    software: tuple[Software, ...]
    system_token: str
    registration: str
    launch: str
    documents: tuple[str, ...]
    xds: str
    xds_repository: str
    seal: str
    """Private key and certificate, PEM, with which a VIHF is signed."""


def tell(guide: Guide, console: Console) -> None:
    """Print the guide, in French and English."""
    console.print("[bold]Qui se connecte / who signs in[/bold]  (login, password, kind)")
    _lines([f"{one.login:12}{one.password:15}{one.kind:16}{one.name}, {one.role}" for one in guide.people], console)
    if not guide.is_open:
        _tell_software(guide, console)
    origin = guide.base.removesuffix("/fhir")
    console.print(f"Cliquez / click: {origin}/", soft_wrap=True)
    console.print("\n[bold]Le laboratoire dépose un compte rendu / the laboratory pushes a report[/bold]")
    _lines(_laboratory_lines(guide), console)
    console.print("\n[bold]Un médecin lit / a doctor reads[/bold]")
    _lines(_doctor_lines(guide), console)
    console.print(f"\nTout est dans / all of it is in {guide.folder}/demo.json", soft_wrap=True)


def _tell_software(guide: Guide, console: Console) -> None:
    console.print("[bold]Quels logiciels / which software[/bold]  (client_id, kind, secret or key)")
    proofs = [(one, one.secret or one.key or "-") for one in guide.software]
    _lines([f"{one.client_id:21}{one.kind:25}{proof}" for one, proof in proofs], console)
    host = next(one for one in guide.software if one.is_launch_host)
    console.print("[bold]Bac à sable / sandbox[/bold]  (README: The sandbox)")
    _lines(
        [
            f"SYSTEM_TOKEN={guide.system_token}",
            f'curl -H "Authorization: Bearer $SYSTEM_TOKEN" {guide.base}/Patient/dominique',
            f"curl -u {host.client_id}:{host.secret} -d user=dr.martin -d patient=dominique {guide.launch}",
            f"curl -H 'Content-Type: application/json' -d @app.json {guide.registration}",
            f"XDS.b: {guide.xds}/registry?wsdl {guide.xds}/repository?wsdl (VIHF: {guide.seal})",
        ],
        console,
    )


def _lines(lines: list[str], console: Console) -> None:
    """Print lines whole, whatever the width of the terminal: they are copied, or read by a program."""
    for line in lines:
        console.print(line, soft_wrap=True, markup=False, highlight=False)


def _laboratory_lines(guide: Guide) -> list[str]:
    token = "" if guide.is_open else '-H "Authorization: Bearer $TOKEN" '
    lines = [
        f"TOKEN=$(fhir-server client token {guide.laboratory} --key {guide.laboratory_key} --base {guide.base})",
        f"curl {token}-H 'Content-Type: application/xml' --data-binary @{guide.documents[0]} "
        f"'{guide.base}/$import-cda'",
    ]
    return lines[1:] if guide.is_open else lines


def _doctor_lines(guide: Guide) -> list[str]:
    search = f"'{guide.base}/Observation?patient=dominique&code=http://loinc.org|3016-3&date=ge2026'"
    if guide.is_open:
        return [f"curl {search}"]
    return [
        f"TOKEN=$(fhir-server client sign-in {guide.app} --redirect-uri {guide.app_redirect_uri} "
        f"--scope 'user/*.rs' --base {guide.base})   # dr.martin",
        f'curl -H "Authorization: Bearer $TOKEN" {search}',
    ]
