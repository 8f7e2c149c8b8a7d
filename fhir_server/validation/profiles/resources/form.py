"""A Questionnaire as its answers see it: items by linkId, what an item's extensions say, which items are enabled.

Spec: questionnaire.html, questionnaire-definitions.html#Questionnaire.item.enableWhen
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from fhir_server import fhirpath
from fhir_server.fhirpath.values.quantity import from_fhir
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.validation.profiles.place import Place, items, node_of
from fhir_server.validation.profiles.run import Run

Item = Mapping[str, Any]
ENABLING: Final = "enableWhenExpression"
EXPRESSION_STEPS: Final = 20_000
"""A form may come with its answers, from anybody: what its expressions may take is little."""
_ORDERS: Final = {
    ">": "$this > %wanted",
    "<": "$this < %wanted",
    ">=": "$this >= %wanted",
    "<=": "$this <= %wanted",
}


class Form:
    """Hold a Questionnaire for one validation; `root` is the place of the QuestionnaireResponse."""

    def __init__(self, questionnaire: Mapping[str, Any], root: Place) -> None:
        self.questionnaire = questionnaire
        self.root = root
        self._within: dict[tuple[int, str], list[Place]] | None = None
        self.items = {str(item.get("linkId")): item for item in walk(questionnaire.get("item", ()))}

    def is_enabled(self, item: Item, parent: Place, run: Run) -> bool | None:
        """Tell whether an item takes answers, which its conditions decide; None when that cannot be told."""
        answers = [self._holds(condition, parent, run) for condition in item.get("enableWhen", ())]
        for extension in item.get("extension", ()):
            if extension.get("url", "").endswith(ENABLING) and "valueExpression" in extension:
                answers.append(self._evaluated(extension["valueExpression"], run))
        if not answers:
            return True
        if item.get("enableBehavior", "all") == "any":
            return True if True in answers else None if None in answers else False
        return False if False in answers else None if None in answers else True

    def _evaluated(self, expression: Mapping[str, Any], run: Run) -> bool | None:
        if expression.get("language") != "text/fhirpath":
            return None
        context = replace(run.context, steps=EXPRESSION_STEPS)
        try:
            return fhirpath.compile(str(expression.get("expression"))).is_true(node_of(self.root), context)
        except FhirError:
            return None

    def _holds(self, condition: Mapping[str, Any], parent: Place, run: Run) -> bool | None:
        answers = list(self._answers(str(condition.get("question")), parent))
        key = next((key for key in condition if key.startswith("answer")), "")
        wanted, operator = condition.get(key), condition.get("operator")
        if operator == "exists":
            return bool(answers) is wanted
        if operator == "=":
            return any(is_same(_value(answer), wanted) for answer in answers)
        if operator == "!=":
            # Choice: where there is no answer, nothing differs from one.
            return bool(answers) and not any(is_same(_value(answer), wanted) for answer in answers)
        found = [_compare(_ORDERS.get(str(operator), ""), answer, wanted, run) for answer in answers]
        return True if True in found else None if None in found else False

    def _answers(self, link_id: str, parent: Place) -> Iterator[Place]:
        """Yield the answers of the nearest items of a linkId: beside the item, then further up."""
        if self._within is None:
            self._within = {}
            self._gather(self.root, ())
        here: Place | None = parent
        while here is not None:
            found = self._within.get((id(here.value), link_id))
            if found:
                for one in found:
                    yield from items(one, "answer", "answer")
                return
            here = here.parent if here is not self.root else None

    def _gather(self, place: Place, above: tuple[int, ...]) -> None:
        """Note each item under all that it is within, so that finding one takes no search."""
        assert self._within is not None
        around = (*above, id(place.value))
        for item in items(place, "item", "item"):
            for one in around:
                self._within.setdefault((one, str(item.value.get("linkId"))), []).append(item)
            self._gather(item, around)
            for answer in items(item, "answer", "answer"):
                self._gather(answer, (*around, id(item.value)))


def walk(asked: Sequence[Item]) -> Iterator[Item]:
    """Yield items with all that are below."""
    for item in asked:
        yield item
        yield from walk(item.get("item", ()))


def _value(answer: Place) -> Any:
    return answer.value[value_key(answer.value)] if value_key(answer.value) else None


def value_key(answer: Mapping[str, Any]) -> str:
    """Return the key of a value, such as `valueCoding`; "" when there is none."""
    return next((key for key in answer if key.startswith("value")), "")


def is_same(value: Any, wanted: Any) -> bool:
    """Tell whether an answer is a wanted value: of codings system and code count, of references what is referred to."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        if "code" in wanted or "system" in wanted:
            return all(value.get(key) == wanted.get(key) for key in ("system", "code") if key in wanted)
        return all(value.get(key) == part for key, part in wanted.items() if key != "display")
    return bool(value == wanted) and isinstance(value, bool) is isinstance(wanted, bool)


def _compare(expression: str, answer: Place, wanted: Any, run: Run) -> bool | None:
    if not expression:
        return None
    if isinstance(wanted, dict):
        wanted = from_fhir(wanted.get("value", 0), str(wanted.get("code", "")))
    context = fhirpath.Context(now=run.environment.now, variables={"wanted": [wanted]})
    value = next(items(answer, value_key(answer.value), "value"), None)
    try:
        return None if value is None else fhirpath.compile(expression).is_true(node_of(value), context)
    except FhirError:
        return None


def extension(item: Item, name: str) -> Any:
    """Return the value of an extension whose url ends with a name; None when there is none."""
    return next(iter(extensions(item, name)), None)


def extensions(item: Item, name: str) -> list[Any]:
    """Return the values of all extensions whose url ends with a name."""
    found = [one for one in item.get("extension", ()) if str(one.get("url", "")).endswith(f"/{name}")]
    return [one[key] for one in found if (key := value_key(one))]
