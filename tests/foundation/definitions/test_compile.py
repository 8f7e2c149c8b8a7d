from pathlib import Path

import msgspec
import pytest

from fhir_server.foundation import definitions
from fhir_server.foundation.definitions import compile as compiler

PACKAGE = Path(__file__).parents[3].parent / "shared/data/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"


@pytest.mark.slow
@pytest.mark.spec("downloads.html")
@pytest.mark.skipif(not PACKAGE.exists(), reason="the official R4 package is not beside the repository")
def test_the_tables_are_what_the_official_package_says():
    tables = compiler.tables(PACKAGE)
    assert [name for name, rows in tables.items() if compiler.text(rows) != definitions.content(name)] == []


def test_the_source_is_named():
    source = msgspec.json.decode(definitions.content(definitions.SOURCE))
    assert (source["package"], source["version"]) == ("hl7.fhir.r4.core", "4.0.1")
    assert len(source["sha256"]) == 64


def test_tables_are_small():
    names = (definitions.STRUCTURES, definitions.CODE_SETS, definitions.SEARCH_PARAMETERS, definitions.INVARIANTS)
    assert sum(len(definitions.content(name)) for name in names) < 1_200_000
