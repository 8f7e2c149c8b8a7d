"""Every node of the public documents is accounted for; the report tells what is lost; the README's table is true."""

import base64
import gzip
from pathlib import Path

import pytest

import mappings
from mappings.fidelity_report.reasons import NO_RULE
from tests.mappings import coverage, samples

PUBLIC = pytest.mark.skipif(not coverage.DOCUMENTS, reason="the public CDA documents are not beside the project")
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/input.xml"))
SCALE = 95


@PUBLIC
@pytest.mark.parametrize("path", coverage.DOCUMENTS, ids=lambda path: path.stem)
def test_no_node_of_a_public_document_is_unaccounted(path: Path) -> None:
    found = coverage.report(path)
    assert [node for node in found.nodes if node.outcome == "unaccounted"] == []
    assert all(node.detail for node in found.nodes)


@PUBLIC
def test_nearly_every_code_is_a_fhir_element() -> None:
    counts = [coverage.report(path).counts("code") for path in coverage.DOCUMENTS]
    total = sum(sum(count.values()) for count in counts)
    in_fhir = sum(count["kept"] + count["implied"] for count in counts)
    assert total > 10_000
    assert 100 * in_fhir >= SCALE * total


@PUBLIC
def test_the_table_of_the_readme_is_true() -> None:
    assert coverage.written() == coverage.table()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_no_node_of_a_golden_document_is_unaccounted(path: Path) -> None:
    found = mappings.fidelity(path.read_bytes())
    assert [node for node in found.nodes if node.outcome == "unaccounted"] == []


def outcomes(entry: str, text: str = "mots") -> dict[str, mappings.Fidelity]:
    found = mappings.fidelity(samples.document(samples.section(text, f"<entry>{entry}</entry>")))
    return {node.xpath.partition("/entry[1]/")[2]: node for node in found.nodes if "/entry[1]/" in node.xpath}


OBSERVATION = (
    '<observation moodCode="EVN"><templateId root="{}"/><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"/>'
    '<statusCode code="completed"/><value xsi:type="PQ" value="1.80" unit="m"/>{}</observation>'
)


def test_a_kept_node_names_its_place() -> None:
    found = outcomes(OBSERVATION.format("1.2.250.1.213.1.1.3.48", ""))
    code, value = found["observation[1]/code[1]/@code"], found["observation[1]/value[1]/@value"]
    assert (code.outcome, code.detail) == ("kept", "Observation.code.coding[0].code")
    assert (value.outcome, value.detail, value.value) == ("kept", "Observation.valueQuantity.value", "1.80")
    assert code.full_url is not None


PROCEDURE = (
    '<procedure moodCode="EVN"><templateId root="2.999.4"/><code code="ABC1" displayName="{}" '
    'codeSystem="2.999.1"/></procedure>'
)


def test_an_act_that_nobody_maps_is_in_the_narrative_when_its_words_are() -> None:
    display = "procedure[1]/code[1]/@displayName"
    assert outcomes(PROCEDURE.format("mots"))[display].outcome == "narrative"
    found = outcomes(PROCEDURE.format("autre chose"))
    assert {node.outcome for node in found.values()} == {"lost"}


@PUBLIC
@pytest.mark.parametrize("path", coverage.DOCUMENTS, ids=lambda path: path.stem)
def test_every_loss_has_a_rule(path: Path) -> None:
    assert [node for node in coverage.report(path).nodes if node.detail == NO_RULE] == []


def test_a_node_that_cda_does_not_define_is_accounted_for() -> None:
    entry = OBSERVATION.format("1.2.250.1.213.1.1.3.48", "").replace("<code ", '<code inconnu="42bis" ')
    node = outcomes(entry)["observation[1]/code[1]/@inconnu"]
    assert (node.outcome, node.detail) == ("lost", NO_RULE)


@pytest.mark.parametrize(
    ("before", "after", "path", "outcome"),
    [
        ('unit="m"', 'unit="k"', "value[1]/@unit", "kept"),
        ('value="1.80" unit', 'value="x" unit', "value[1]/@unit", "lost"),
        ('unit="m"', 'nullFlavor="PLANTE"', "value[1]/@nullFlavor", "lost"),
        ("2.16.840.1.113883.6.1", "2.999.3", "code[1]/@codeSystem", "kept"),
        ("2.16.840.1.113883.6.1", "aucun", "code[1]/@codeSystem", "lost"),
        ('moodCode="EVN"', 'moodCode="EVN" negationInd="1"', "@negationInd", "kept"),
        ("</observation>", "<priorityCode/>mot en trop</observation>", "", "lost"),
        ("</observation>", '<effectiveTime value="2024030110"/></observation>', "effectiveTime[1]/@value", "lost"),
    ],
)
def test_the_report_says_what_the_bundle_holds(before: str, after: str, path: str, outcome: str) -> None:
    entry = OBSERVATION.format("1.2.250.1.213.1.1.3.48", "").replace(before, after)
    assert outcomes(entry)[f"observation[1]/{path}".rstrip("/")].outcome == outcome


def test_a_denial_that_the_resource_ignores_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}, "component": [{"x": True}]}
    monkeypatch.setattr("mappings.entries.observations.simple.observation", lambda *_: dict(said))
    entry = OBSERVATION.format("1.2.250.1.213.1.1.3.48", "").replace("<observation", '<observation negationInd="true"')
    assert outcomes(entry)["observation[1]/@negationInd"].outcome == "lost"


def test_a_narrative_that_loses_a_word_is_unaccounted(monkeypatch: pytest.MonkeyPatch) -> None:
    content = samples.document(samples.section("<paragraph>premier dernier</paragraph>"))
    assert [node.outcome for node in mappings.fidelity(content).nodes if node.kind == "narrative"] == ["narrative"]
    shorter = {"status": "generated", "div": "<div>premier</div>"}
    monkeypatch.setattr("mappings.sections.section.narrative", lambda *_: shorter)
    (node,) = [node for node in mappings.fidelity(content).nodes if node.kind == "narrative"]
    assert (node.outcome, node.detail) == ("unaccounted", "Not said: dernier")


def test_a_compressed_file_is_kept_when_its_bytes_are() -> None:
    packed = base64.b64encode(gzip.compress(b"%PDF-1.4", mtime=0)).decode()
    text = f'<text mediaType="application/pdf" representation="B64" compression="GZ">{packed}</text>'
    found = mappings.fidelity(samples.document(f"<component><nonXMLBody>{text}</nonXMLBody></component>"))
    assert [node.outcome for node in found.nodes if node.kind == "file"] == ["kept"]


def test_an_element_that_r4_lacks_is_lost_with_a_reason() -> None:
    found = outcomes(OBSERVATION.format("1.2.250.1.213.1.1.3.48", '<priorityCode code="UR"/>'))
    lost = found["observation[1]/priorityCode[1]/@code"]
    assert (lost.outcome, lost.detail) == ("lost", "The resource made of this act has no element for priorityCode.")


def test_a_value_that_a_converter_drops_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = {"resourceType": "Observation", "status": "final", "code": {"text": "autre"}}
    monkeypatch.setattr("mappings.entries.observations.simple.observation", lambda *_: dict(dropped))
    found = outcomes(OBSERVATION.format("1.2.250.1.213.1.1.3.48", ""))
    assert found["observation[1]/value[1]/@value"].outcome != "kept"
    assert found["observation[1]/code[1]/@code"].outcome != "kept"


def test_a_reference_to_nothing_is_lost() -> None:
    text = '<text><reference value="#nulle-part"/></text>'
    found = outcomes(OBSERVATION.format("1.2.250.1.213.1.1.3.48", text))
    assert found["observation[1]/text[1]/reference[1]/@value"].outcome == "lost"


def test_the_report_is_json_and_html() -> None:
    content = samples.document(samples.section("a &lt; b", f"<entry>{OBSERVATION.format('2.999.4', '')}</entry>"))
    found = mappings.fidelity(content)
    as_json = found.as_json()
    assert as_json["counts"] == found.counts()
    assert len(as_json["nodes"]) == len(found.nodes)
    assert {"xpath", "kind", "value", "outcome", "detail"} <= as_json["nodes"][0].keys()
    page = found.as_html()
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<tr class=") == len(found.nodes)
    assert "a &lt; b" in page
    assert found.share_kept() == (found.counts()["kept"] + found.counts()["implied"]) / len(found.nodes)


def test_what_convert_refuses_is_refused() -> None:
    with pytest.raises(mappings.CdaRefused):
        mappings.fidelity(b"<a/>")
