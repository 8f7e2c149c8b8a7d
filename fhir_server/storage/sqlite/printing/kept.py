"""Kept: what an access decision prints, printed once for all searches that carry it.

A search names another patient each time and is printed anew; what stands in it for the decision is ten times as long
and always the same.
"""

from typing import Final

import msgspec

from fhir_server.search.condition import Condition, Not, Or
from fhir_server.storage.sqlite.fragment import Fragment, fragment_of
from fhir_server.storage.sqlite.names import Names
from fhir_server.storage.sqlite.printing.condition import holds
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.session import Slot

_PATIENT: Final = Slot("patient")
_FRAGMENTS_KEPT: Final = 2_000


def kept(printer: Printer, condition: Condition, subject: Subject) -> str:
    """Return what `holds` prints: for a condition with parts from what was printed before, if it was."""
    if not isinstance(condition, Or | Not):
        return holds(printer, condition, subject)
    names, of_any = printer.names, msgspec.structs.replace(subject, patient_id=_PATIENT if subject.patient_id else "")
    key = (names.size, condition, of_any)
    try:
        fragment = names.fragments.get(key)
    except TypeError:  # a condition that holds a list cannot be a key
        return holds(printer, condition, subject)
    if fragment is None:
        if len(names.fragments) >= _FRAGMENTS_KEPT:
            names.fragments.clear()
        fragment = names.fragments[key] = _fragment(names, condition, of_any)
    values = (subject.patient_id if value == _PATIENT else value for value in fragment.arguments)
    return fragment.text([printer.bind(value) for value in values])


def _fragment(names: Names, condition: Condition, subject: Subject) -> Fragment:
    # Its own letter: no name of a table hides one of the statement around it.
    printer = Printer(names, letter="k")
    printed = printer.printed(holds(printer, condition, subject))
    arguments = list(printed.arguments)
    for position, name in printed.slots:
        arguments[position] = Slot(name)
    return fragment_of(printed.text, arguments)
