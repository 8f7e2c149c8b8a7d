"""One answer against its question: its type, its bounds, the options and value sets that it is taken from.

Spec: questionnaire.html, valueset-item-type.html, extension-minvalue.html
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.references import parse_reference
from fhir_server.validation.profiles.place import Place, items, node_of
from fhir_server.validation.profiles.resources.form import Item, extension, extensions, is_same, value_key
from fhir_server.validation.profiles.run import Run, ValueSetName
from fhir_server.validation.profiles.values import bound_check

TYPES: Final[Mapping[str, frozenset[str]]] = {
    **{name: frozenset({name}) for name in ("boolean", "decimal", "integer", "date", "dateTime", "time", "string")},
    "text": frozenset({"string"}),
    "url": frozenset({"uri"}),
    "choice": frozenset({"Coding"}),
    "open-choice": frozenset({"Coding", "string"}),
    "attachment": frozenset({"Attachment"}),
    "reference": frozenset({"Reference"}),
    "quantity": frozenset({"Quantity"}),
    "question": frozenset(),
}
_FULL: Final = "$this.matchesFull(%pattern)"
_OPTIONS: Final = frozenset({"choice", "open-choice"})


def check_answer(item: Item, answer: Place, run: Run, container: Place, questionnaire: Mapping[str, Any]) -> None:
    """Check the value of one answer; `container` is the response, which may contain value sets."""
    key = value_key(answer.value)
    if not key:
        return
    value = next(items(answer, key, "value"))
    found, kind = _type_of(key), str(item.get("type"))
    options = item.get("answerOption", ())
    allowed = TYPES.get(kind, frozenset())
    if kind in _OPTIONS and options:
        allowed = allowed & {"string"} | {_type_of(value_key(option)) for option in options}
    if found not in allowed:
        run.add("answer-type", value, found, item.get("linkId"), ", ".join(sorted(allowed)) or "-")
        return
    _check_bounds(item, value, found, run)
    is_free = kind == "open-choice" and found == "string"
    if options and not is_free and not any(key in one and is_same(value.value, one[key]) for one in options):
        run.add("answer-option", value, item.get("linkId"))
    if "answerValueSet" in item and not is_free:
        _check_value_set(value, _value_set(str(item["answerValueSet"]), questionnaire), run)
    if found == "Attachment":
        _check_attachment(item, value, run)
    elif found == "Reference":
        _check_reference(item, value, run)


def _type_of(key: str) -> str:
    suffix = key.removeprefix("value")
    return suffix if suffix in ("Coding", "Attachment", "Reference", "Quantity") else suffix[:1].lower() + suffix[1:]


def _check_bounds(item: Item, value: Place, found: str, run: Run) -> None:
    for name, message_id, sign in (
        ("minValue", "too-small", 1),
        ("maxValue", "too-large", -1),
        ("sdc-questionnaire-minQuantity", "too-small", 1),
        ("sdc-questionnaire-maxQuantity", "too-large", -1),
    ):
        bound = extension(item, name)
        if isinstance(bound, dict) and not all("code" in one and "system" in one for one in (bound, value.value)):
            run.add("answer-unit", value, item.get("linkId"))
        elif bound is not None:
            bound_check(message_id, sign, bound)(value, run)
    places = extension(item, "maxDecimalPlaces")
    if isinstance(places, int) and isinstance(value.value, Decimal):
        exponent = value.value.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > places:
            run.add("answer-decimals", value, places)
    if isinstance(value.value, str):
        _check_text(item, value, run)


def _check_text(item: Item, value: Place, run: Run) -> None:
    length = len(value.value)
    most, fewest, pattern = item.get("maxLength"), extension(item, "minLength"), extension(item, "regex")
    if isinstance(most, int) and length > most:
        run.add("too-long", value, most, length)
    if isinstance(fewest, int) and length < fewest:
        run.add("too-short", value, fewest, length)
    if isinstance(pattern, str):
        context = fhirpath.Context(variables={"pattern": [pattern]})
        try:
            holds = fhirpath.compile(_FULL).is_true(node_of(value), context)
        except FhirError as error:
            run.add("invariant-unchecked", value, "regex", error)
        else:
            if holds is False:
                run.add("answer-pattern", value, extension(item, "entryFormat") or pattern)


def _value_set(canonical: str, questionnaire: Mapping[str, Any]) -> ValueSetName:
    """Return a value set as it can be asked for: by canonical, or itself when the questionnaire contains it."""
    if not canonical.startswith("#"):
        return canonical
    contained = questionnaire.get("contained", ())
    return next((one for one in contained if one and one.get("id") == canonical[1:]), canonical)


def _check_value_set(value: Place, value_set: ValueSetName, run: Run) -> None:
    coded = value.value
    system, code = (coded.get("system", ""), coded.get("code")) if isinstance(coded, dict) else ("", coded)
    if not isinstance(code, str):
        return
    shown = value_set if isinstance(value_set, str) else value_set.get("url") or value_set.get("id")
    is_member = run.is_member(value_set, system, code)
    if is_member is None:
        run.add("binding-unchecked", value, shown, "required")
    elif not is_member:
        run.add("binding-required", value, shown, f"{system}#{code}" if system else code)


def _check_attachment(item: Item, value: Place, run: Run) -> None:
    allowed, found = extensions(item, "mimeType"), value.value.get("contentType")
    if allowed and found is not None and found not in allowed:
        run.add("answer-content-type", value, found, ", ".join(map(str, allowed)))
    most, data = extension(item, "maxSize"), value.value.get("data")
    size = value.value.get("size", len(data) * 3 // 4 if isinstance(data, str) else 0)
    if most is not None and isinstance(size, int) and size > most:
        run.add("answer-size", value, size, most)


def _check_reference(item: Item, value: Place, run: Run) -> None:
    allowed = extensions(item, "questionnaire-referenceResource")
    reference = value.value.get("reference")
    if not allowed or not isinstance(reference, str):
        return
    target = run.target(reference, value)[1]
    found = target.value["resourceType"] if target else parse_reference(reference).target_type
    if found and found not in allowed:
        run.add("answer-reference", value, found, ", ".join(map(str, allowed)))
