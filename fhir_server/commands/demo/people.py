"""The people of the demo: two of each kind, all fictive, with a password drawn at each start.

Spec: security.html#authentication
"""

import asyncio
import secrets

import msgspec
from msgspec.structs import replace

from fhir_server.commands.identity.users import kind_of
from fhir_server.smart.users import User, Users


class Person(msgspec.Struct, frozen=True):
    """One who signs in; `actor` is his own resource, `role` who he is to the patients, `represents` a patient's id."""

    login: str
    name: str
    actor: str
    role: str
    profession: str = ""
    represents: str = ""
    is_regulator: bool = False
    kind: str = ""
    password: str = ""


PEOPLE = (
    Person("dominique", "Dominique PAT-TROIS", "Patient/dominique", "patiente"),
    Person("ruth", "Ruth NESSI", "Patient/ruth", "patiente"),
    Person("sarah", "Sarah PETIT", "RelatedPerson/leo-mere", "mère de Léo, qui a onze ans", represents="leo"),
    Person("karim", "Karim PETIT", "RelatedPerson/leo-pere", "père de Léo", represents="leo"),
    Person("dr.martin", "Dr Claire MARTIN", "Practitioner/dr-martin", "médecin traitant des trois patients", "10"),
    Person("dr.durand", "Dr Paul DURAND", "Practitioner/dr-durand", "médecin sans relation avec eux", "10"),
    Person("dr.roux", "Dr Anne ROUX", "Practitioner/dr-samu", "médecin régulateur du SAMU", "10", is_regulator=True),
    Person("leroy", "Hugo LEROY", "Practitioner/infirmier-leroy", "infirmier de Léo", "60"),
    Person("alix", "Alix MOREL", "Person/operateur-un", "exploitante : approuve les applications"),
    Person("noe", "Noé GIRARD", "Person/operateur-deux", "exploitant"),
)


async def add_people(users: Users) -> tuple[Person, ...]:
    """Add everybody, and return them with their passwords."""
    people = [replace(person, kind=kind_of(person.actor), password=secrets.token_urlsafe(9)) for person in PEOPLE]
    await asyncio.gather(*(users.add(_user(person), person.password) for person in people))
    return tuple(people)


def _user(person: Person) -> User:
    return User(
        user_id="",
        login=person.login,
        kind=kind_of(person.actor),
        actor=person.actor,
        display=person.name,
        profession=person.profession,
        is_regulator=person.is_regulator,
        represents=person.represents,
    )
