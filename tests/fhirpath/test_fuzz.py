"""Any text, and any mixture of what the language knows, is answered or refused: nothing else happens."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fhir_server import fhirpath
from fhir_server.fhirpath import Context
from fhir_server.fhirpath.functions import FUNCTIONS
from fhir_server.fhirpath.operators.typing import TypeInfo
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import Temporal
from fhir_server.foundation.operation_outcome import FhirError
from tests.fhirpath.cases import NOW

RESOURCE: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "_issued": {"id": "x"},
    "valueQuantity": {"value": 3, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
    "effectiveDateTime": "2020-02",
    "component": [{"valueString": "a"}, {"valueBoolean": True}, {"valueInteger": 3}],
    "extension": [{"url": "u", "valueDecimal": 1}],
}
CONTEXT = Context(
    now=lambda: NOW,
    resolve=lambda reference: None,
    member_of=lambda item, url: None,
    conforms_to=lambda node, url: True,
    subsumes=lambda one, other: None,
    checks_html=lambda text: True,
    steps=5_000,
)
KINDS = (bool, int, Decimal, str, Quantity, Temporal, TypeInfo, fhirpath.Node)
LEAVES = st.sampled_from(
    [
        "1", "-2", "0", "3.5", "5L", "'a'", "''", "'2020-01-01'", "'('", "true", "{}", "@2020", "@2020-02-29",
        "@T10:30", "@2020-01-01T10:00:00.5+02:00", "1 'mg'", "2 years", "3 'Cel'", "4 'nonsense'", "$this",
        "$index", "$total", "%resource", "value", "component.value", "status", "issued", "effective", "extension",
        "Observation", "String", "FHIR.string", "System.Integer",
    ]
)  # fmt: skip
OPERATORS = st.sampled_from(
    "+ - * / div mod & | < <= > >= = != ~ !~ in contains and or xor implies is as".split()  # noqa: SIM905
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map(" ".join),
        st.tuples(inner, st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=2)).map(
            lambda parts: f"({parts[0]}).{parts[1]}({', '.join(parts[2])})"
        ),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]})[{pair[1]}]"),
    )


EXPRESSIONS = st.recursive(LEAVES, grown, max_leaves=8)


def answer(text: str, *, is_strict: bool = False) -> list[Any] | FhirError:
    try:
        expression = fhirpath.compile(text, root_type="Observation", is_strict=is_strict, is_as_filter=not is_strict)
        return expression(RESOURCE, CONTEXT)
    except FhirError as refusal:
        return refusal


def is_fair(found: list[Any] | FhirError) -> bool:
    """Whether it is a refusal that says why, or items that have values of types that are known."""
    if isinstance(found, FhirError):
        return found.status in (400, 403, 422) and len(str(found)) > 20
    values = [fhirpath.system(item) for item in found]
    return all(value is None or isinstance(value, KINDS) for value in values)


@given(text=EXPRESSIONS, is_strict=st.booleans())
def test_any_mixture_is_answered_or_refused(text: str, is_strict: bool) -> None:
    assert is_fair(answer(text, is_strict=is_strict))


@given(text=st.text(max_size=30) | st.text("abc.()[]{}'`\"@%$1-/*,=|<> \\T:", max_size=30))
def test_any_text_is_answered_or_refused(text: str) -> None:
    assert is_fair(answer(text))
