"""Rules of a Questionnaire that its invariants do not tell: what its conditions point to.

Spec: questionnaire.html, questionnaire-definitions.html#Questionnaire.item.enableWhen.question
"""

from fhir_server.validation.profiles.place import Place, items
from fhir_server.validation.profiles.resources.form import walk
from fhir_server.validation.profiles.run import Run


def check_questionnaire(place: Place, run: Run) -> None:
    """Check that each condition names another question of the form, and none within the item itself."""
    known = {item.get("linkId") for item in walk(place.value.get("item", ()))}
    _check_items(place, known, run)


def _check_items(place: Place, known: set[object], run: Run) -> None:
    for item in items(place, "item", "item"):
        inner = {one.get("linkId") for one in walk(item.value.get("item", ()))}
        for condition in items(item, "enableWhen", "enableWhen"):
            question = condition.value.get("question")
            if question not in known:
                run.add("enable-unknown", condition, question)
            elif question in inner:
                run.add("enable-inner", condition, question)
            elif question == item.value.get("linkId"):
                run.add("enable-itself", condition, question)
        _check_items(item, known, run)
