"""One Patient an INS: refuses a second one with a national identity number that is in use, where the settings ask that.

Spec: http.html#create, https://hl7.fr/ig/fhir/core/ (fr-core-patient-ins)
"""

from typing import Any, Final

from fhir_server.documents.identities import national_identifiers
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Duplicate
from fhir_server.interactions.request import Request
from fhir_server.search.condition import Compare, any_of
from fhir_server.search.index_row import TOKEN
from fhir_server.storage.store import Search, Transaction

Resource = dict[str, Any]
MOST: Final = 20
"""More Patients of one INS than this were stored before the setting was on: they are in use."""


async def check_ins(request: Request, transaction: Transaction, before: Resource | None) -> None:
    """Raise Duplicate (409) when a Patient takes an INS that another current Patient has.

    An INS that he had before stays his, so that stored duplicates can be read, changed and merged. A merged Patient
    (`link.type` is `replaced-by`) keeps his number, and keeps nobody from it.

    Choice: the whole store is looked at, also what the caller may not see: a second record of one person is the greater
    harm, and the answer tells no more than that the number is in use.
    """
    taken = {*national_identifiers(request.resource or {})}
    if before is not None:
        taken -= {*national_identifiers(before)}
    if not taken or _is_replaced(request.resource or {}):
        return
    conditions = (Compare(TOKEN, "identifier", _tests(token)) for token in sorted(taken))
    page = await transaction.search(Search("Patient", any_of(*conditions), limit=MOST))
    others = (version for version in page.versions if version.resource_id != request.resource_id)
    if any(not _is_replaced(fhir_json.parse(version.content)) for version in others):
        raise Duplicate(
            "Another Patient has this INS already. Find the Patient by it, or create conditionally: "
            "If-None-Exist: identifier=system|value.",
            "Patient.identifier",
        )


def _tests(token: str) -> tuple[tuple[str, str, str], ...]:
    system, _, value = token.partition("|")
    return ("system", "eq", system), ("code", "eq", value)


def _is_replaced(patient: Resource) -> bool:
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))
