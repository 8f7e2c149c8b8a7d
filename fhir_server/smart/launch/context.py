"""The launch context: what a token response says besides the token.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token
"""

import re
from typing import Any

import msgspec

from fhir_server.smart.refusal import OAuthRefusal

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}", re.ASCII)
_NAMED_BY = ("reference", "canonical", "identifier")
_LONGEST = 255
_MOST_ITEMS = 50


class LaunchContext(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what an app is started for.

    `user` is the login, user_id or actor of the person for whom it was opened, `app` the client_id that may use it ("":
    any). `patient` and `encounter` are ids; `fhir_context` is SMART's fhirContext. `is_from_host`: an EHR launch.
    `is_without_encounter`: the person was asked and chose none.
    `purpose_of_use` is a code of `access.modes` for an emergency, `reason` what the professional gave for it.
    `is_secret`: a secret connection, in which what he writes is hidden from a minor's representatives.
    """

    user: str = ""
    app: str = ""
    patient: str = ""
    encounter: str = ""
    fhir_context: tuple[dict[str, Any], ...] = ()
    intent: str = ""
    needs_patient_banner: bool = True
    tenant: str = ""
    is_from_host: bool = False
    is_without_encounter: bool = False
    purpose_of_use: str = ""
    reason: str = ""
    is_secret: bool = False


NO_CONTEXT = LaunchContext()


def told(context: LaunchContext, patient_id: str, scopes: tuple[str, ...], style_url: str) -> dict[str, Any]:
    """Return the members that a token response (or an introspection) has for these scopes."""
    is_launch = "launch" in scopes
    values: dict[str, Any] = {}
    if patient_id and any(scope.startswith(("patient/", "launch")) for scope in scopes):
        values["patient"] = patient_id
    if context.encounter and (is_launch or "launch/encounter" in scopes):
        values["encounter"] = context.encounter
    if is_launch:
        host = {"fhirContext": list(context.fhir_context), "intent": context.intent, "tenant": context.tenant}
        values |= {name: value for name, value in host.items() if value}
    if context.purpose_of_use:
        values["purpose_of_use"] = context.purpose_of_use
    if context.is_secret:
        values["secret_connection"] = True
    if is_launch or "patient" in values:
        values["need_patient_banner"] = context.needs_patient_banner
        values["smart_style_url"] = style_url
    return values


def read_context(parameters: dict[str, str]) -> LaunchContext:
    """Read the context that a host software opens a launch with; raises OAuthRefusal `invalid_request`."""
    banner = parameters.get("need_patient_banner", "true")
    if banner not in ("true", "false"):
        raise _wrong("need_patient_banner is true or false.")
    for name in ("intent", "tenant", "user", "app"):
        if len(parameters.get(name, "")) > _LONGEST:
            raise _wrong(f"{name} has {_LONGEST} characters at most.")
    return LaunchContext(
        user=parameters.get("user", ""),
        app=parameters.get("app", ""),
        patient=_id(parameters, "patient", "Patient/"),
        encounter=_id(parameters, "encounter", "Encounter/"),
        fhir_context=_fhir_context(parameters.get("fhirContext", "[]")),
        intent=parameters.get("intent", ""),
        needs_patient_banner=banner == "true",
        tenant=parameters.get("tenant", ""),
        is_from_host=True,
    )


def _id(parameters: dict[str, str], name: str, prefix: str) -> str:
    text = parameters.get(name, "").removeprefix(prefix)
    if text and not _ID.fullmatch(text):
        raise _wrong(f"{name} is an id, such as 1 or {prefix}1.")
    return text


def _fhir_context(text: str) -> tuple[dict[str, Any], ...]:
    try:
        items = msgspec.json.decode(text, type=list[dict[str, Any]])
    except ValueError as error:
        raise _wrong("fhirContext is a JSON array of objects.") from error
    if len(items) > _MOST_ITEMS:
        raise _wrong(f"fhirContext has {_MOST_ITEMS} items at most.")
    for item in items:
        _check_item(item)
    return tuple(items)


def _check_item(item: dict[str, Any]) -> None:
    role, reference = item.get("role"), item.get("reference")
    if not any(item.get(name) for name in _NAMED_BY):
        raise _wrong("An item of fhirContext has a reference, a canonical or an identifier.")
    if "role" in item and (not isinstance(role, str) or not role):
        raise _wrong("The role of a fhirContext item is never empty.")
    found = _REFERENCE.fullmatch(reference) if isinstance(reference, str) else None
    if reference is not None and found is None:
        raise _wrong("A reference of fhirContext is relative: ImagingStudy/1.")
    resource_type = item.get("type") if found is None else found[1]
    if resource_type in ("Patient", "Encounter") and role in (None, "launch"):
        raise _wrong("The patient and the encounter of the launch have parameters of their own.")


def _wrong(description: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_request", description)
