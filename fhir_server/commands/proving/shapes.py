"""The shapes of requests: everything that a caller may ask, with the hidden items named as if he guessed them.

Not asked: what the operator asks, to whom nothing is hidden. Spec: http.html, search.html
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final
from urllib.parse import quote

import msgspec

from fhir_server.commands.proving.cases import CODES
from fhir_server.commands.proving.twins import Call
from fhir_server.foundation import fhir_json

TYPES: Final = (
    "Observation",
    "DocumentReference",
    "Patient",
    "Provenance",
    "List",
    "Binary",
    "CareTeam",
    "Consent",
    "Composition",
    "Encounter",
    "AuditEvent",
)
NAMES: Final = (
    "h-document",
    "h-earlier",
    "h-alone",
    "h-document-result",
    "v-document",
    "v-document-result",
    "v0",
    "none",
    "1",
    "2",
)

ANY_TYPE: Final = (
    "",
    "_id={name}",
    "_id:not={name}",
    "_lastUpdated=gt2026",
    "_tag:missing=true",
    "_security:missing=false",
    "_security=MASQUE_PS",
    "_source=DocumentReference/h-document",
    "_profile:missing=true",
    "_list=h-document-list",
    "_list=v-document-list",
    "_text={code}",
    "_content={code}",
    "_filter=_id eq {name}",
    "_has:Provenance:target:recorded=ge2020",
)
CRITERIA: Final = {
    "Observation": (
        "code={code}",
        "code:not={code}",
        "code:text={code}",
        "code:missing=false",
        "status=final",
        "status:not=final",
        "subject=Patient/1",
        "subject=Patient/2",
        "patient=2",
        "subject:missing=true",
        "subject:Patient=2",
        "patient:identifier=urn:oid:1.2.250.1.213.1.4.8|ins-2",
        "identifier=urn:lab|h-alone",
        "identifier=urn:lab|",
        "date=ge2025-01-0{value}",
        "date=lt2025-01-0{value}",
        "date=ap2025-01-0{value}",
        "value-quantity=gt{value}",
        "value-quantity={value}||mg",
        "code-value-quantity={code}$gt{value}",
        "subject:Patient.name=Durand",
        "subject:Patient.name:exact=Durand",
        "patient.general-practitioner:Practitioner.name=Fictif",
        "subject:Patient._has:Observation:subject:code={code}",
        "performer:Practitioner.name=Autre",
        "_filter=code eq {code} and value-quantity gt {value}",
        "_filter=subject.name eq Durand",
        "_filter=not (status eq final)",
    ),
    "Patient": (
        "name=Durand",
        "name:contains=ur",
        "name:exact=Durand",
        "identifier=ins-2",
        "identifier=urn:oid:1.2.250.1.213.1.4.8|ins-2",
        "general-practitioner=Practitioner/doctor",
        "general-practitioner.name=Fictif",
        "birthdate:missing=true",
        "active=false",
        "_has:Observation:subject:code={code}",
        "_has:Observation:subject:value-quantity=gt{value}",
        "_has:Observation:patient:_has:Provenance:target:recorded=ge2020",
        "_has:DocumentReference:subject:description={code}",
        "_has:Encounter:subject:status=finished",
    ),
    "Practitioner": (
        "_has:Observation:performer:code={code}",
        "_has:Observation:performer:_id={name}",
        "_has:DocumentReference:author:description={code}",
        "_has:Patient:general-practitioner:name=Durand",
        "_has:CareTeam:participant:subject=Patient/2",
        "name=Contenu-{code}&_contained=true",
        "name=Contenu-{code}&_contained=both&_containedType=contained",
    ),
    "DocumentReference": (
        "description={code}",
        "description:contains=7",
        "type:missing=true",
        "security-label=MASQUE_PS",
        "author=Practitioner/other",
        "author.name=Autre",
        "subject.name=Durand",
        "_has:List:item:_id=h-document-list",
        "authenticator.name=Contenu-{code}",
        "location:missing=false",
    ),
    "Provenance": (
        "target=DocumentReference/h-document",
        "target=Observation/{name}",
        "target:DocumentReference.description={code}",
        "agent.name=Autre",
    ),
    "List": ("item=DocumentReference/h-document", "item:DocumentReference.description={code}", "subject=Patient/2"),
    "Composition": ("title={code}", "entry=Observation/{name}", "entry.code={code}", "subject.name=Durand"),
    "Location": ("near=48.85|2.35|10|km", "_has:Encounter:location:status=finished", "name=Ici"),
    "Encounter": ("location.name=Ici", "subject=Patient/2", "class=AMB", "location.near=48.85|2.35|10|km"),
    "Consent": ("patient=2", "actor=Practitioner/doctor", "status=active"),
    "CareTeam": ("participant=Practitioner/other", "patient=2", "subject.name=Durand"),
    "Binary": ("_id=h-document-binary", "_lastUpdated=gt2025"),
    "AuditEvent": ("entity=DocumentReference/h-document", "patient=2", "entity=Observation/{name}", "action=C"),
    "Questionnaire": ("url=http://example.org/Questionnaire/form", "_id=form"),
    "QuestionnaireResponse": ("questionnaire=http://example.org/Questionnaire/form", "patient=2", "status=completed"),
    "": ("_type=Observation,Patient,List", "_type=Practitioner&_has:Observation:performer:code={code}"),
}
INCLUDES: Final = {
    "Observation": (
        "_include=Observation:subject",
        "_include=Observation:*",
        "_include=*",
        "_include=Observation:subject&_revinclude:iterate=DocumentReference:subject",
        "_include=Observation:performer&_revinclude:iterate=Observation:performer",
        "_revinclude=Provenance:target",
        "_revinclude=Provenance:target&_include:iterate=Provenance:target",
        "_revinclude=Observation:*",
    ),
    "Patient": (
        "_revinclude=Observation:subject&_revinclude=DocumentReference:subject",
        "_revinclude=Observation:*",
        "_include=Patient:general-practitioner&_revinclude:iterate=Patient:general-practitioner",
    ),
    "Practitioner": (
        "_revinclude=Observation:performer&_revinclude=DocumentReference:author",
        "_revinclude=Patient:general-practitioner&_revinclude:iterate=List:subject",
    ),
    "DocumentReference": (
        "_revinclude=List:item&_revinclude=Provenance:target",
        "_include=DocumentReference:subject&_revinclude:iterate=Composition:subject",
    ),
    "Composition": (
        "_include=Composition:entry",
        "_include=Composition:entry:Observation",
        "_include=Composition:subject",
        "_revinclude=Observation:subject&_include:iterate=Composition:entry",
    ),
    "Location": ("_revinclude=Encounter:location",),
    "Questionnaire": ("_revinclude=QuestionnaireResponse:questionnaire", "_revinclude=QuestionnaireResponse:*"),
    "QuestionnaireResponse": ("_include=QuestionnaireResponse:questionnaire",),
    "List": ("_include=List:item", "_include=List:item&_include:iterate=DocumentReference:author"),
}
SORTS: Final = {
    "Observation": ("_sort=date", "_sort=-date", "_sort=code,-_lastUpdated", "_sort=value-quantity", "_sort=-_id"),
    "DocumentReference": ("_sort=description", "_sort=-date,_id"),
    "Patient": ("_sort=name", "_sort=-_lastUpdated"),
    "Practitioner": ("_sort=name",),
}
PAGING: Final = (
    "_count=1",
    "_count=2&_total=accurate",
    "_count=3",
    "_count=0",
    "_total=accurate",
    "_total=estimate",
    "_summary=count",
    "_summary=true&_count=2",
    "_elements=id,status",
    "_format=xml",
    "_format=json&_pretty=true",
    "",
)
COMPARTMENTS: Final = ("Patient/1/", "Patient/2/", "Practitioner/other/", "Encounter/h-encounter/")
OBSERVATION: Final = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "c"},
    "subject": {"reference": "Patient/1"},
}
PATCH: Final = b'[{"op": "add", "path": "/language", "value": "fr"}]'
PATCHED: Final = (("content-type", "application/json-patch+json"),)

Shape = Callable[[Random], Call]


def _filled(random: Random, text: str) -> str:
    return text.format(code=random.choice(CODES), value=random.randrange(1, 10), name=random.choice(NAMES))


def _encoded(query: str) -> str:
    return quote(query, safe="=&:,|$/*()_.")


def _one(random: Random, texts: tuple[str, ...], chance: float = 1.0) -> str:
    return _filled(random, random.choice(texts)) if texts and random.random() < chance else ""


def search(random: Random) -> Call:
    """Return a search of a type, of all types, or of a compartment, by GET, HEAD or POST."""
    resource_type = random.choice((*CRITERIA, "Observation", "Observation", "Patient", "Practitioner"))
    parts = [
        _one(random, CRITERIA[resource_type]),
        _one(random, ANY_TYPE, 0.3),
        _one(random, CRITERIA[resource_type], 0.3),
        _one(random, INCLUDES.get(resource_type, ()), 0.4),
        _one(random, SORTS.get(resource_type, ()), 0.4),
        _one(random, PAGING, 0.8),
    ]
    query = _encoded("&".join(filter(None, parts)))
    prefix = random.choice(COMPARTMENTS) if resource_type and random.random() < 0.2 else ""
    path = f"{prefix}{resource_type}"
    if random.random() < 0.15:
        form = (("content-type", "application/x-www-form-urlencoded"),)
        return Call("POST", f"{path}/_search" if path else "_search", body=query.encode() or b"_count=2", headers=form)
    headers = (("accept", "application/fhir+xml"),) if random.random() < 0.1 else ()
    return Call("HEAD" if random.random() < 0.1 else "GET", path, query, headers=headers)


def by_id(random: Random) -> Call:
    """Return a read, a version, a history or an operation of one item."""
    resource_type, name = random.choice((*TYPES, "Observation", "DocumentReference")), random.choice(NAMES)
    path = f"{resource_type}/{name}"
    tails = ("", "", "/_history", "/_history/1", "/_history/2", "/$meta", "/_history/1/$meta", "/$explain-access")
    tail = random.choice((*tails, "/$validate", "/$fhirpath"))
    query = {
        "/$explain-access": "actor=Practitioner/doctor",
        "/$fhirpath": "expression=id",
        "": random.choice(("", "_summary=true", "_elements=id", "_format=xml")),
    }.get(tail, "")
    conditions = ((), (("if-none-match", 'W/"1"'),), (("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),))
    method = "HEAD" if not tail and random.random() < 0.2 else "GET"
    return Call(method, f"{path}{tail}", query, headers=random.choice(conditions))


def history(random: Random) -> Call:
    """Return a history of a type or of all."""
    place = random.choice(("Observation/", "DocumentReference/", "Patient/", "Encounter/", ""))
    asked = ("_count=1", "_count=2", "_since=2026-01-01T00:00:30Z", "_at=2026-01-01T00:01:00Z", "_list=v-document-list")
    return Call("GET", f"{place}_history", random.choice((*asked, "")))


def operation(random: Random) -> Call:
    """Return an operation on a record."""
    paths = (
        ("Patient/1/$everything", "_count=3"),
        ("Patient/1/$everything", "_type=Observation,List&start=2025-01-0{value}"),
        ("Patient/2/$everything", ""),
        ("Encounter/h-encounter/$everything", ""),
        ("Observation/$lastn", "patient=1&category=laboratory"),
        ("Observation/$lastn", "patient=2&category=laboratory&max=2"),
        ("Composition/v-document-composition/$document", ""),
        ("Composition/v-pointing/$document", ""),
        ("Composition/h-document-composition/$document", ""),
        ("Composition/h-document-composition", ""),
        ("DocumentReference/h-document/$to-cda", ""),
        ("DocumentReference/v-document/$to-cda", ""),
        ("DocumentReference/h-document/$fidelity", ""),
        ("Patient/2/$validate", ""),
        ("Patient/$record-status", "identifier=urn:oid:1.2.250.1.213.1.4.8|ins-1"),
        ("Patient/1/*", "_count=2&_total=accurate"),
        ("Patient/2/*", ""),
        ("metadata", "_elements=fhirVersion"),
    )
    path, query = random.choice(paths)
    return Call("GET", path, _filled(random, query))


def write(random: Random) -> Call:
    """Return a write by id or by criteria, of what may be hidden."""
    name, resource_type = random.choice(NAMES), random.choice(("Observation", "DocumentReference", "Patient"))
    resource = {**OBSERVATION, "id": name}
    criteria = _encoded(_one(random, CRITERIA["Observation"]))
    lone = _encoded(random.choice(("identifier=urn:lab|h-alone", "identifier=urn:lab|none", "_id=h-alone")))
    about = f"target=Observation/{name}"
    options = (
        Call("DELETE", f"{resource_type}/{name}"),
        Call("DELETE", f"{resource_type}/{name}", headers=(("if-match", 'W/"1"'),)),
        Call("DELETE", "Observation", lone),
        Call("PUT", f"Observation/{name}", body=fhir_json.format(resource)),
        Call("PUT", f"Observation/{name}", body=fhir_json.format(resource), headers=(("if-match", 'W/"3"'),)),
        Call("PUT", f"Observation/{name}", body=fhir_json.format(resource), headers=(("if-none-match", "*"),)),
        Call("PUT", "Observation", lone, fhir_json.format(OBSERVATION)),
        Call("PUT", "Observation", "identifier=urn:lab|no-such", fhir_json.format(resource)),
        Call("PATCH", f"{resource_type}/{name}", body=PATCH, headers=PATCHED),
        Call("PATCH", "Observation", lone, PATCH, PATCHED),
        Call("POST", "Observation", body=fhir_json.format(OBSERVATION), headers=(("if-none-exist", criteria or lone),)),
        Call("POST", "Observation", body=fhir_json.format(OBSERVATION), headers=(("prefer", "return=minimal"),)),
        Call("POST", "Provenance", body=fhir_json.format(_provenance(name)), headers=(("if-none-exist", about),)),
        Call("POST", f"Observation/{name}/$meta-add", body=fhir_json.format(_TAGGED)),
        Call("POST", "DocumentReference", body=fhir_json.format(replacing(name))),
        Call("POST", "Patient", body=fhir_json.format(_SAME_PERSON)),
    )
    return random.choice(options)


def _provenance(name: str) -> dict[str, Any]:
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"Observation/{name}"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"who": {"display": "x"}}],
    }


def replacing(name: str) -> dict[str, Any]:
    """Return a document that says it replaces one."""
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/1"},
        "relatesTo": [{"code": "replaces", "target": {"reference": f"DocumentReference/{name}"}}],
        "content": [{"attachment": {"url": f"Binary/{name}-binary"}}],
    }


_SAME_PERSON: Final = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "ins-2"}],
}
_TAGGED: Final = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "t"}]}}]}
_ENTRY_METHODS: Final = frozenset({"GET", "DELETE"})


def bundle(random: Random) -> Call:
    """Return a batch or a transaction of some of the others."""
    entries: list[dict[str, Any]] = []
    while len(entries) < 3:
        made = random.choice((search, by_id, write, history))(random)
        if made.method in _ENTRY_METHODS and not made.headers:
            url = f"{made.path}?{made.query}" if made.query else made.path
            entries.append({"request": {"method": made.method, "url": url}})
        elif made.method == "PUT" and made.query == "" and not made.headers:
            request = {"method": "PUT", "url": made.path}
            entries.append({"request": request, "resource": fhir_json.parse(made.body)})
        elif made.method == "POST" and made.headers[:1] and made.headers[0][0] == "if-none-exist":
            request = {"method": "POST", "url": made.path, "ifNoneExist": made.headers[0][1]}
            entries.append({"request": request, "resource": fhir_json.parse(made.body)})
    kind = random.choice(("batch", "transaction"))
    content = fhir_json.format({"resourceType": "Bundle", "type": kind, "entry": entries})
    return Call("POST", "", body=content)


SHAPES: Final[tuple[tuple[Shape, int], ...]] = (
    (search, 10),
    (by_id, 5),
    (history, 1),
    (operation, 2),
    (write, 3),
    (bundle, 2),
)
"""Each shape with its weight."""
TRAIL: Final = Call("GET", "AuditEvent", "_count=100")


def draw_calls(random: Random, count: int) -> Iterator[Call]:
    """Yield requests at random, and at last one for the trail that the others left."""
    shapes, weights = zip(*SHAPES, strict=True)
    for shape in random.choices(shapes, weights, k=count):
        yield shape(random)
    yield TRAIL


def simpler(call: Call) -> Iterator[Call]:
    """Yield the call with a part of its query left out, for the search of a minimal counter-example."""
    parts = call.query.split("&") if call.query else []
    for index in range(len(parts)):
        yield msgspec.structs.replace(call, query="&".join(parts[:index] + parts[index + 1 :]))
    if call.headers and not call.body:
        yield msgspec.structs.replace(call, headers=())
