"""A QuestionnaireResponse against its Questionnaire: which items it has, how often, and what they answer.

Spec: questionnaireresponse.html, questionnaire.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fhir_server.validation.profiles.place import Place, container_place, items
from fhir_server.validation.profiles.resources.answers import check_answer
from fhir_server.validation.profiles.resources.form import Form, Item, extension, is_same, value_key
from fhir_server.validation.profiles.run import Run

COMPLETE: Final = frozenset({"completed", "amended"})
"""Only then must all be there that is required."""


def check_questionnaire_response(place: Place, run: Run) -> None:
    """Check the items and answers of a response; say when its Questionnaire is not here."""
    canonical = place.value.get("questionnaire")
    if not isinstance(canonical, str):
        return
    asked = Place(canonical, place, "questionnaire", "questionnaire")
    found = _questionnaire(asked, run)
    if found is None:
        run.add("questionnaire-unknown", asked, canonical)
    elif found.get("resourceType") != "Questionnaire":
        run.add("canonical-type", asked, canonical, found.get("resourceType"), "Questionnaire")
    else:
        _check_period(place, found, run)
        Response(Form(found, place), run).check(found.get("item", ()), place)


def _questionnaire(asked: Place, run: Run) -> Mapping[str, Any] | None:
    if asked.value.startswith("#"):
        target = run.target(asked.value, asked)[1]
        return target.value if target is not None else None
    resolve = run.environment.profiles.resolve
    return resolve(asked.value, "Questionnaire") or resolve(asked.value, "")


def _check_period(place: Place, questionnaire: Mapping[str, Any], run: Run) -> None:
    authored, period = place.value.get("authored"), questionnaire.get("effectivePeriod", {})
    if not isinstance(authored, str):
        return
    at = Place(authored, place, "authored", "authored")
    for key, is_outside in (("start", authored < period.get("start", "")), ("end", authored > period.get("end", "~"))):
        if is_outside:
            run.add("answer-period", at, authored, period[key])


class Response:
    """Check one response."""

    def __init__(self, form: Form, run: Run) -> None:
        self._form = form
        self._run = run
        self._is_complete = form.root.value.get("status") in COMPLETE

    def check(self, asked: Sequence[Item], parent: Place) -> None:
        """Check the items of an object against those that the questionnaire has there."""
        order = {str(item.get("linkId")): index for index, item in enumerate(asked)}
        given: dict[str, list[Place]] = {}
        last = 0
        for place in items(parent, "item", "item"):
            link_id = str(place.value.get("linkId"))
            if link_id not in order:
                known = link_id in self._form.items
                self._run.add("answer-elsewhere" if known else "answer-unknown-item", place, link_id)
                continue
            if order[link_id] < last:
                self._run.add("answer-order", place, link_id)
            last = max(last, order[link_id])
            given.setdefault(link_id, []).append(place)
        for item in asked:
            self._check_item(item, given.get(str(item.get("linkId")), []), parent)

    def _check_item(self, item: Item, places: list[Place], parent: Place) -> None:
        is_enabled = self._form.is_enabled(item, parent, self._run)
        link_id = str(item.get("linkId"))
        if is_enabled is False:
            self._forbid("answer-disabled", ("answer",), places, link_id)
            return
        if not places and is_enabled and item.get("required"):
            self._missing(Place(None, parent, "item", "item"), link_id)
        if item.get("type") == "group":
            self._check_groups(item, places)
        elif item.get("type") == "display":
            self._forbid("answer-display", ("answer", "item"), places, link_id)
        else:
            self._check_questions(item, places)

    def _forbid(self, message_id: str, keys: tuple[str, ...], places: list[Place], link_id: str) -> None:
        for place in places:
            if any(key in place.value for key in keys):
                self._run.add(message_id, place, link_id)

    def _missing(self, place: Place, link_id: str) -> None:
        if self._is_complete:
            self._run.add("answer-missing", place, link_id)

    def _check_groups(self, item: Item, places: list[Place]) -> None:
        link_id = str(item.get("linkId"))
        if len(places) > 1 and not item.get("repeats"):
            self._run.add("answer-repeated", places[1], link_id)
        self._forbid("answer-group", ("answer",), places, link_id)
        for place in places:
            self.check(item.get("item", ()), place)

    def _check_questions(self, item: Item, places: list[Place]) -> None:
        link_id = str(item.get("linkId"))
        if len(places) > 1:
            self._run.add("answer-item-repeated", places[1], link_id)
        for place in places:
            answers = list(items(place, "answer", "answer"))
            if not answers and item.get("required"):
                self._missing(place, link_id)
            self._check_number(item, place, answers)
            for answer in answers:
                check_answer(item, answer, self._run, container_place(self._form.root), self._form.questionnaire)
                self.check(item.get("item", ()), answer)

    def _check_number(self, item: Item, place: Place, answers: list[Place]) -> None:
        link_id, count = str(item.get("linkId")), len(answers)
        if count > 1 and not item.get("repeats"):
            self._run.add("answer-repeated", answers[1], link_id)
        fewest, most = extension(item, "questionnaire-minOccurs"), extension(item, "questionnaire-maxOccurs")
        if isinstance(most, int) and count > most:
            self._run.add("answer-too-many", place, link_id, most, count)
        if isinstance(fewest, int) and 0 < count < fewest:
            self._run.add("answer-too-few", place, link_id, fewest, count)
        if count > 1:
            for answer in answers:
                if _is_exclusive(item, answer.value):
                    self._run.add("answer-exclusive", answer, link_id)


def _is_exclusive(item: Item, answer: Mapping[str, Any]) -> bool:
    key = value_key(answer)
    return any(
        key in option
        and is_same(answer[key], option[key])
        and extension(option, "questionnaire-optionExclusive") is True
        for option in item.get("answerOption", ())
    )
