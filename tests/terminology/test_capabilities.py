from pathlib import Path
from typing import Any

import pytest

from fhir_server.interactions.capabilities import terminology_capabilities
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.tables.write import write_table
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.validate import validate
from tests.terminology.samples import ANIMALS, code_system, held
from tests.terminology.test_tables import Known

LOINC = "http://loinc.org"


@pytest.mark.spec("terminologycapabilities.html")
def test_what_is_held_is_told_and_no_more(tmp_path: Path) -> None:
    stored: list[dict[str, Any]] = [
        code_system(),
        code_system(version="10", language="fr"),
        code_system(url=LOINC, content="not-present"),
    ]
    tables = Tables(tmp_path)
    known = Terminology(held({}), listed=lambda resource_type: stored, tables=tables)
    told = terminology_capabilities("http://x", known.describe(["count", "url"]))
    validate(told, expected_type="TerminologyCapabilities")
    systems = {system["uri"]: system for system in told["codeSystem"]}
    assert systems[ANIMALS] == {
        "uri": ANIMALS,
        "version": [{"code": "2"}, {"code": "10", "language": ["fr"], "isDefault": True}],
        "subsumption": True,
    }
    assert LOINC not in systems
    assert "http://hl7.org/fhir/administrative-gender" in systems
    assert systems["urn:ietf:bcp:13"]["version"] == [{"compositional": True}]
    assert [one["name"] for one in told["expansion"]["parameter"]] == ["count", "url"]
    write_table(tables.path({"url": LOINC}), Known(code_system(url=LOINC, version="2.99")))
    (loinc,) = (system for system in known.describe([])["codeSystem"] if system["uri"] == LOINC)
    assert loinc["version"][0]["code"] == "2.99"
    assert loinc["version"][0]["filter"][0]["code"] == "concept"
