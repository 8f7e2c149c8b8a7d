import pytest

from fhir_server.foundation.references import LiteralReference, parse_reference

OURS = ("http://us/fhir",)


@pytest.mark.spec("references.html#literal")
@pytest.mark.parametrize(
    ("text", "kind", "parts"),
    [
        ("#", "fragment", {}),
        ("#org", "fragment", {"fragment": "org"}),
        ("Patient/1", "relative", {"target_type": "Patient", "target_id": "1"}),
        ("Patient/1/_history/2", "relative", {"target_type": "Patient", "target_id": "1", "version_id": "2"}),
        ("Patient/1#x", "relative", {"target_type": "Patient", "target_id": "1", "fragment": "x"}),
        ("http://us/fhir/Patient/a-b.c", "relative", {"target_type": "Patient", "target_id": "a-b.c"}),
        (
            "https://them/a/Patient/1/_history/9",
            "absolute",
            {"target_type": "Patient", "target_id": "1", "version_id": "9", "base_url": "https://them/a"},
        ),
        ("urn:uuid:9d1ec1ae-0000-4000-8000-000000000000", "urn", {}),
        ("urn:oid:1.2.3", "urn", {}),
        ("Patient?identifier=a|b/c", "conditional", {"target_type": "Patient", "query": "identifier=a|b/c"}),
        ("http://us/fhir/Patient?name=x", "conditional", {"target_type": "Patient", "query": "name=x"}),
        ("Pacient/1", "other", {}),
        ("Patient", "other", {}),
        ("Patient/", "other", {}),
        ("Patient/1/2", "other", {}),
        ("Patient/a b", "other", {}),
        ("ftp://them/Patient/1", "other", {}),
        ("http://them/page.html", "other", {}),
        ("", "other", {}),
    ],
)
def test_a_reference_says_which_resource_it_names(text, kind, parts):
    parts = parts or ({"fragment": ""} if kind == "fragment" else {})
    assert parse_reference(text, OURS) == LiteralReference(text, kind, **parts)
