"""Explained: one question about one resource, answered as Parameters for the one who asks.

Spec: parameters.html, consent.html
"""

from typing import Any

import msgspec

from fhir_server.access.decision import LETTERS
from fhir_server.access.explain import Explanation, Question, explain, simulate
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.foundation.resource import Version
from fhir_server.interactions.explaining.actor import Actor, grant_of
from fhir_server.interactions.explaining.answer import language_of, proof
from fhir_server.interactions.explaining.question import facts_about, patients_of, subject_of
from fhir_server.interactions.request import Request, Runtime


class Asked(msgspec.Struct, frozen=True):
    """What is asked about a resource; `consent` is one that is not saved yet, None when none is tried."""

    actor: Actor
    interaction: str = "read"
    consent: dict[str, Any] | None = None


async def explained(version: Version, asked: Asked, request: Request, runtime: Runtime) -> dict[str, Any]:
    """Return Parameters: the proof as things are, and `after`, the proof as it would be with the consent.

    Raises BadRequest for an actor or interaction that is not known, Forbidden when the asker may not see relations.
    """
    if asked.interaction not in LETTERS:
        raise BadRequest(f"interaction is one of {', '.join(LETTERS)}.")
    subject = await subject_of(version, runtime)
    patients = patients_of(subject)
    facts = await facts_about(patients, request.grant, runtime)
    actor = msgspec.structs.replace(asked.actor, patient_id=patients[0] if patients else "")
    grant = await grant_of(actor, runtime)
    question = Question(grant, asked.interaction, subject, facts, microseconds(runtime.now()))
    language = language_of(request.languages)
    told = [
        parameter("actor", "Reference", {"reference": grant.actor if grant.app is None else grant.app.reference}),
        parameter("interaction", "code", asked.interaction),
    ]
    if grant.profession:
        told.append(parameter("profession", "code", grant.profession))
    if asked.consent is None:
        return parameters_resource([*told, *proof(explain(question), question, language)])
    change = simulate(question, asked.consent)
    told += proof(change.before, question, language)
    told.append(parameter("isChanged", "boolean", change.is_changed))
    told.append(_after(change.after, question, language))
    return parameters_resource(told)


def _after(explanation: Explanation, question: Question, language: str) -> dict[str, Any]:
    return parameter("after", "part", [*proof(explanation, question, language)])
