"""User-access brands: the names, logos and places by which people find this server in an app's list.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html

The operator's file is a Bundle as SMART profiles it, in which `{base}` and `{origin}` stand for our own addresses.
Without a file there is one brand, the server itself.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError, Unprocessable

BRANDS_PATH = "/user-access-brands"
"""Where the Bundle is, below the issuer."""

_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_LAWFUL_REASONS = frozenset({"asked-declined", "asked-unknown"})
_PORTAL = "http://hl7.org/fhir/StructureDefinition/organization-portal"
_VERSION = "http://hl7.org/fhir/StructureDefinition/endpoint-fhir-version"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/organization-type"
Resource = dict[str, Any]


class Brands(msgspec.Struct, frozen=True):
    """The Bundle as it is served, its weak ETag, and the identifier of the brand that stands for this server."""

    content: bytes
    etag: str
    identifier: Mapping[str, str]


def default_brands(name: str, base_url: str, timestamp: str) -> Brands:
    """Return the brand of a server whose operator wrote none; `timestamp` is when it last changed."""
    origin = base_url.removesuffix("/fhir")
    portal = [
        {"url": "portalName", "valueString": name},
        {"url": "portalUrl", "valueUrl": f"{origin}/account"},
        {"url": "portalEndpoint", "valueReference": {"reference": "Endpoint/fhir"}},
    ]
    organization = {
        "resourceType": "Organization",
        "id": "server",
        "extension": [{"url": _PORTAL, "extension": portal}],
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": origin}],
        "active": True,
        "type": [{"coding": [{"system": _CATEGORY, "code": "prov", "display": "Healthcare Provider"}]}],
        "name": name,
        "telecom": [{"system": "url", "value": origin}],
        "endpoint": [{"reference": "Endpoint/fhir"}],
    }
    entries = [(organization, "Organization/server"), (_endpoint(base_url), "Endpoint/fhir")]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": timestamp,
        "entry": [{"fullUrl": f"{base_url}/{place}", "resource": resource} for resource, place in entries],
    }
    return _brands(bundle)


def read_brands(content: bytes, base_url: str) -> Brands:
    """Read the operator's file; raises Unprocessable (422) when it is no Bundle of brands."""
    addressed = content.replace(b"{base}", base_url.encode()).replace(
        b"{origin}", base_url.removesuffix("/fhir").encode()
    )
    try:
        return _brands(fhir_json.parse(addressed))
    except Unprocessable:
        raise
    except FhirError as error:
        raise Unprocessable(f"The brands are no FHIR JSON: {error}") from error


def _endpoint(base_url: str) -> Resource:
    return {
        "resourceType": "Endpoint",
        "id": "fhir",
        "extension": [{"url": _VERSION, "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": {
            "system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type",
            "code": "hl7-fhir-rest",
        },
        "name": "FHIR R4",
        "contact": [{"system": "url", "value": f"{base_url}/.well-known/smart-configuration"}],
        "payloadType": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "code": "none"}]}
        ],
        "address": base_url,
    }


def _brands(bundle: Resource) -> Brands:
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "collection" or "timestamp" not in bundle:
        raise Unprocessable("Brands are a Bundle of type collection, with a timestamp.", "Bundle")
    resources = [entry.get("resource", {}) for entry in bundle.get("entry", ()) if isinstance(entry, dict)]
    organizations = [one for one in resources if one.get("resourceType") == "Organization"]
    endpoints = {f"Endpoint/{one.get('id')}" for one in resources if one.get("resourceType") == "Endpoint"}
    if not organizations or len(organizations) + len(endpoints) != len(resources):
        raise Unprocessable("Brands are Organizations, one at least, and their Endpoints.", "Bundle.entry")
    for organization in organizations:
        _check_brand(organization, endpoints)
    _check_absent_reasons(bundle)
    primary = next((one for one in organizations if _endpoints_of(one) >= endpoints), None)
    if primary is None:
        raise Unprocessable("One brand, the primary, refers to every Endpoint.", "Bundle.entry.resource.endpoint")
    content = fhir_json.format(bundle)
    lasting = fhir_json.format({name: value for name, value in bundle.items() if name != "timestamp"})
    etag = f'W/"{hashlib.sha256(lasting).hexdigest()[:16]}"'
    return Brands(content, etag, _identifier_of(primary, organizations))


def _check_brand(organization: Resource, endpoints: set[str]) -> None:
    name = organization.get("name", "")
    has_site = any(point.get("system") == "url" for point in organization.get("telecom", ()))
    if not name or not has_site:
        raise Unprocessable("A brand has a name, and a telecom of system url: its website.", "Organization")
    if not _endpoints_of(organization) <= endpoints or not _portal_endpoints(organization) <= _endpoints_of(
        organization
    ):
        text = f"The endpoints of {name}, and of its portals among them, are Endpoints of the Bundle."
        raise Unprocessable(text, "Organization.endpoint")


def _endpoints_of(organization: Resource) -> set[str]:
    return {str(one.get("reference")) for one in organization.get("endpoint", ())}


def _portal_endpoints(organization: Resource) -> set[str]:
    portals = [one for one in organization.get("extension", ()) if one.get("url") == _PORTAL]
    parts = [part for portal in portals for part in portal.get("extension", ())]
    return {str(part["valueReference"].get("reference")) for part in parts if part.get("url") == "portalEndpoint"}


def _check_absent_reasons(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _check_absent_reasons(item)
    elif isinstance(node, dict):
        if node.get("url") == _ABSENT_REASON and node.get("valueCode") not in _LAWFUL_REASONS:
            raise Unprocessable(f"Data are absent for {' or '.join(sorted(_LAWFUL_REASONS))} only.", "Bundle")
        for item in node.values():
            _check_absent_reasons(item)


def _identifier_of(primary: Resource, organizations: Sequence[Resource]) -> Mapping[str, str]:
    """Return the identifier that the primary brand, and no other, has; a website's first."""
    known = [_pair(one) for organization in organizations for one in organization.get("identifier", ())]
    own = sorted((_pair(one) for one in primary.get("identifier", ())), key=lambda pair: pair[0] != "urn:ietf:rfc:3986")
    for pair in own:
        if pair[1] and known.count(pair) == 1:
            return {"system": pair[0], "value": pair[1]} if pair[0] else {"value": pair[1]}
    raise Unprocessable("The primary brand has an identifier that no other has.", "Organization.identifier")


def _pair(identifier: Resource) -> tuple[str, str]:
    return str(identifier.get("system", "")), str(identifier.get("value", ""))
