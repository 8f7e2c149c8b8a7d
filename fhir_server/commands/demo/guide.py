"""What the demo tells: who signs in, what to click, what to curl."""

import msgspec
from rich.console import Console
from rich.table import Table


class Person(msgspec.Struct, frozen=True):
    """One who signs in; `actor` is his own resource, `role` who he is to the patients."""

    login: str
    name: str
    actor: str
    role: str
    password: str = ""


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
    documents: tuple[str, ...]


def tell(guide: Guide, console: Console) -> None:
    """Print the guide, in French and English."""
    people = Table("login", "mot de passe / password", "", "", title="Qui se connecte / Who signs in")
    for person in guide.people:
        people.add_row(person.login, person.password, person.name, person.role)
    console.print(people)
    origin = guide.base.removesuffix("/fhir")
    console.print(f"Cliquez / click: {origin}/", soft_wrap=True)
    console.print("\n[bold]Le laboratoire dépose un compte rendu / the laboratory pushes a report[/bold]")
    for line in _laboratory_lines(guide):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print("\n[bold]Un médecin lit / a doctor reads[/bold]")
    for line in _doctor_lines(guide):
        console.print(line, soft_wrap=True, markup=False, highlight=False)
    console.print(f"\nTout est dans / all of it is in {guide.folder}/demo.json", soft_wrap=True)


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
