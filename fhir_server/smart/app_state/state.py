"""A state: the Basic resource that an app keeps, and the rules that one must meet.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#create
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import TooLarge, Unprocessable

LARGEST_BYTES = 262_144
SUBJECTS = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person")
_MEMBERS = frozenset({"resourceType", "id", "meta", "language", "code", "subject", "extension"})
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


class State(msgspec.Struct, frozen=True):
    """What an app keeps; `code` is "system|code", `subject` an absolute reference, or "" for global configuration."""

    code: str
    subject: str
    resource: dict[str, Any]

    @property
    def system(self) -> str:
        """Return the system of its code."""
        return self.code.rpartition("|")[0]

    @property
    def place(self) -> str:
        """Return where all states with its code and subject are kept."""
        return place_of(self.code, self.subject)


def place_of(code: str, subject: str) -> str:
    """Return where the states with a code and a subject are kept."""
    return hashlib.sha256(f"{code}\n{subject}".encode()).hexdigest()


def read_state(content: bytes, base_url: str) -> State:
    """Read a state that an app sends; raises BadRequest (400), TooLarge (413) or Unprocessable (422)."""
    if len(content) > LARGEST_BYTES:
        raise TooLarge(f"A state has {LARGEST_BYTES // 1024} KB at most.")
    resource = fhir_json.parse(content)
    if resource.get("resourceType") != "Basic":
        raise Unprocessable("A state is a Basic resource.", "Basic")
    for name in resource:
        if name not in _MEMBERS:
            raise Unprocessable(f"A state has {', '.join(sorted(_MEMBERS))}, and would not keep {name[:64]}.", "Basic")
    if not isinstance(resource.get("meta", {}), dict):
        raise Unprocessable("meta is an object.", "Basic.meta")
    return State(_code(resource), _subject(resource, base_url), {**resource, "extension": _extensions(resource)})


def _code(resource: Mapping[str, Any]) -> str:
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    coding = codings[0] if isinstance(codings, list) and len(codings) == 1 else None
    if not isinstance(coding, dict):
        raise Unprocessable("A state has exactly one coding.", "Basic.code.coding")
    system, value = coding.get("system"), coding.get("code")
    if not isinstance(system, str) or not isinstance(value, str) or not system or not value or "|" in value:
        raise Unprocessable("The coding of a state has a system and a code.", "Basic.code.coding[0]")
    return f"{system}|{value}"


def _subject(resource: Mapping[str, Any], base_url: str) -> str:
    if "subject" not in resource:
        return ""
    subject = resource["subject"]
    reference = subject.get("reference") if isinstance(subject, dict) else None
    rest = reference.removeprefix(f"{base_url}/") if isinstance(reference, str) else ""
    resource_type, _, resource_id = rest.partition("/")
    if rest == reference or resource_type not in SUBJECTS or not _ID.fullmatch(resource_id):
        text = f"The subject of a state is absolute: {base_url}/TYPE/ID, the type one of {', '.join(SUBJECTS)}."
        raise Unprocessable(text, "Basic.subject.reference")
    return str(reference)


def _extensions(resource: Mapping[str, Any]) -> list[Any]:
    extensions = resource.get("extension", [])
    if not isinstance(extensions, list):
        raise Unprocessable("extension is a list.", "Basic.extension")
    for index, extension in enumerate(extensions):
        is_known = isinstance(extension, dict) and set(extension) == {"url", "valueString"}
        if not is_known or not all(isinstance(value, str) and value for value in extension.values()):
            place = f"Basic.extension[{index}]"
            raise Unprocessable("An extension of a state has a url and a valueString, and nothing else.", place)
    return extensions
