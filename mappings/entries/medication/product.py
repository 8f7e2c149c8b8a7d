"""FR-Produit-de-sante to Medication. Source: FRMedicationLMCDAFHIR; IHE PHARM (urn:ihe:pharm:medication).

Choice: the official extensions for the class and the package have no published definition. The class is one more
coding of Medication.code, as the CDA itself writes it in translations; the package is the unit of Medication.amount.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, pq_to_quantity
from mappings.cda.dates import date_only
from mappings.cda.names import words
from mappings.cda.vocabulary import absent_reason
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, absent, compact
from mappings.header.organization import organization


def medication(owner: Element, context: Context) -> Json | None:
    """Convert the product of a consumable or of a supply, and give the reference; None when it says nothing."""
    product = child(owner, "manufacturedProduct")
    material = child(product, "manufacturedMaterial") if product is not None else None
    if product is None or material is None:
        return None
    resource = compact(
        {
            "resourceType": "Medication",
            "identifier": identifiers(children(product, "id")),
            "code": _code(material, context),
            "manufacturer": organization(child(product, "manufacturerOrganization"), context),
            "form": cd_to_codeable_concept(_any(material, "formCode"), context),
            "amount": _amount(material, context),
            "ingredient": _ingredients(material, context),
            "batch": compact(
                {
                    "lotNumber": words(child(material, "lotNumberText")),
                    "expirationDate": date_only(_any(material, "expirationTime"), context),
                }
            ),
        }
    )
    return context.add_at(resource, material) if len(resource) > 1 else None


def required_medication(owner: Element | None, context: Context) -> Json:
    """Convert the product to medicationReference, or to a medicationCodeableConcept that says why there is none."""
    found = medication(owner, context) if owner is not None else None
    return {"medicationReference": found} if found else {"medicationCodeableConcept": absent(_flavor(owner))}


def _flavor(owner: Element | None) -> str:
    material = owner.find("{*}manufacturedProduct/{*}manufacturedMaterial") if owner is not None else None
    code = child(material, "code") if material is not None else None
    flavors = [found.get("nullFlavor") for found in (material, code) if found is not None]
    return absent_reason(next((flavor for flavor in flavors if flavor), None))


def _code(material: Element, context: Context) -> Json:
    converted = cd_to_codeable_concept(child(material, "code"), context)
    name = words(child(material, "name"))
    codings = list(converted.get("coding", []))
    for kind in _every(material, "asSpecializedKind"):
        general = _any(kind, "generalizedMedicineClass")
        found = _concept(_any(general, "code") if general is not None else None, context)
        codings += [coding for coding in found.get("coding", []) if coding not in codings]
    return compact({**converted, "coding": codings, "text": name or converted.get("text")})


def _concept(element: Element | None, context: Context) -> Json:
    return cd_to_codeable_concept(element, context) if element is not None else {}


def _amount(material: Element, context: Context) -> Json:
    """Convert how much a package holds: so many units to one package."""
    content = _any(material, "asContent")
    package = _any(content, "containerPackagedMedicine") if content is not None else None
    if package is None:
        return {}
    held = pq_to_quantity(_any(package, "capacityQuantity"), context)
    kind = _concept(_any(package, "formCode"), context).get("coding", [{}])[0]
    named = {"unit": kind.get("display"), "system": kind.get("system"), "code": kind.get("code")}
    return {"numerator": held, "denominator": compact({"value": 1, **named})} if held else {}


def _ingredients(material: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for outer in _every(material, "ingredient"):
        inner = _any(outer, "ingredient")
        inner = inner if inner is not None else outer
        item = _concept(_any(inner, "code"), context)
        name = words(_any(inner, "name"))
        item = item if "text" in item or not name else {**item, "text": name}
        if not item:
            continue
        is_active = {"ACTI": True, "ACTIB": True, "ACTIM": True, "ACTIR": True, "IACT": False}.get(
            outer.get("classCode") or ""
        )
        strength = _ratio(_any(outer, "quantity"), context)
        found.append(compact({"itemCodeableConcept": item, "isActive": is_active, "strength": strength}))
    return found


def _ratio(element: Element | None, context: Context) -> Json:
    if element is None:
        return {}
    parts = {name: pq_to_quantity(_any(element, name), context) for name in ("numerator", "denominator")}
    return parts if all(parts.values()) else {}


def _any(element: Element, name: str) -> Element | None:
    return next(iter(_every(element, name)), None)


def _every(element: Element, name: str) -> list[Element]:
    """Find children by name in any namespace: documents write pharmaceutical elements in several."""
    return list(element.iterchildren("{*}" + name))
