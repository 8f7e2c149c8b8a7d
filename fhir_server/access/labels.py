"""Security labels: who may not see an item although he may see the record it is in.

Spec: security-labels.html, https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument
"""

from collections.abc import Iterable
from typing import Any, Final

from fhir_server.access.callers import PERSONAL_KINDS, deposited, is_his
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant
from fhir_server.access.relations.ground import EVERYONE, MASK_ALL
from fhir_server.access.rows import LABEL
from fhir_server.access.rule import CONSULTING, Rule
from fhir_server.search.condition import Compare, Condition, Related
from fhir_server.search.index_row import TOKEN, IndexRow

VISIBILITY_SYSTEM: Final = (
    "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
)
VISIBILITY_SYSTEMS: Final = frozenset({VISIBILITY_SYSTEM, "urn:oid:1.2.250.1.213.1.1.4.13"})

HIDDEN_FROM_PROFESSIONALS: Final = "MASQUE_PS"
HIDDEN_FROM_PATIENT: Final = "INVISIBLE_PATIENT"
HIDDEN_FROM_REPRESENTATIVES: Final = "INVISIBLE_REPRESENTANTS_LEGAUX"
LABELS: Final = frozenset({HIDDEN_FROM_PROFESSIONALS, HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES})

_NOT_MASKED: Final = frozenset({"CareTeam", "Consent", "Patient"})
"""Who masks all his documents is still known, with his care team, to those who care for him."""


def label_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return the visibility labels of `meta.security` and of `DocumentReference.securityLabel`, each once."""
    codings = list(resource.get("meta", {}).get("security", ()))
    if resource.get("resourceType") == "DocumentReference":
        codings += [coding for concept in resource.get("securityLabel", ()) for coding in concept.get("coding", ())]
    codes = {coding.get("code") for coding in codings if coding.get("system") in VISIBILITY_SYSTEMS}
    return [(TOKEN, LABEL, 0, VISIBILITY_SYSTEM, code) for code in sorted(codes & LABELS)]


def with_label(resource: dict[str, Any], code: str) -> dict[str, Any]:
    """Return a resource with one more visibility label, where its type carries them; itself when it has it already."""
    if any(row[-1] == code for row in label_rows(resource)):
        return resource
    coding = {"system": VISIBILITY_SYSTEM, "code": code}
    if resource.get("resourceType") == "DocumentReference":
        return resource | {"securityLabel": [*resource.get("securityLabel", ()), {"coding": [coding]}]}
    meta = resource.get("meta", {})
    return resource | {"meta": {**meta, "security": [*meta.get("security", ()), coding]}}


def labelled(code: str) -> Condition:
    """Return the condition that a resource, or what governs it, carries a visibility label."""
    return Compare(TOKEN, LABEL, (("system", "eq", VISIBILITY_SYSTEM), ("code", "eq", code)))


def rules(grant: Grant) -> Iterable[Rule]:
    """Deny what is hidden from the caller; nothing is hidden from the one who deposited it, or wrote it for a record.

    Choice: R.1111-49 leaves a masked document to the professional who deposited it; the public pages say its author.
    Both keep it, also when the patient masks everything; the attending doctor, of whom the law says nothing, does not.
    A patient keeps what he deposited himself. What a patient may not see yet, his representatives do not see either:
    they would tell him.
    """
    if grant.kind == "professional":
        masked = labelled(HIDDEN_FROM_PROFESSIONALS)
        yield Rule("masked", CONSULTING, masked, is_denial=True, unless=is_his(grant))
        everything = Related((EVERYONE,), (MASK_ALL,))
        spared = DIRECTORY_TYPES | _NOT_MASKED
        yield Rule("all-masked", CONSULTING, everything, except_types=spared, is_denial=True, unless=is_his(grant))
    if grant.kind in PERSONAL_KINDS:
        hidden = labelled(HIDDEN_FROM_PATIENT)
        yield Rule("hidden-from-patient", CONSULTING, hidden, is_denial=True, unless=deposited(grant))
    if grant.kind == "representative":
        hidden = labelled(HIDDEN_FROM_REPRESENTATIVES)
        yield Rule("hidden-from-representatives", CONSULTING, hidden, is_denial=True, unless=deposited(grant))
