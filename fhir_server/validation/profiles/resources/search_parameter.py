"""Rules of a SearchParameter: its expression can be evaluated, and it keeps to what it is derived from.

Spec: searchparameter.html, searchparameter-definitions.html#SearchParameter.derivedFrom
"""

from fhir_server import fhirpath
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run


def check_search_parameter(place: Place, run: Run) -> None:
    """Check expression and derivation of a search parameter."""
    expression = place.value.get("expression")
    if isinstance(expression, str):
        try:
            fhirpath.compile(expression, is_as_filter=True)
        except FhirError as error:
            run.add("expression", Place(expression, place, "expression", "expression"), error)
    derived = place.value.get("derivedFrom")
    known = run.environment.profiles.resolve(derived, "SearchParameter") if isinstance(derived, str) else None
    if known is None:
        return
    if known.get("type") != place.value.get("type"):
        run.add("derived-type", Place(None, place, "type", "type"), place.value.get("type"), derived, known.get("type"))
    foreign = set(place.value.get("base", ())) - set(known.get("base", ()))
    if foreign and not {"Resource", "DomainResource"} & set(known.get("base", ())):
        run.add("derived-base", Place(None, place, "base", "base"), ", ".join(sorted(foreign)), derived)
