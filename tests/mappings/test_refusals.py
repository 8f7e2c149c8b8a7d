"""What convert refuses, and what it must not stumble over."""

import pytest

import mappings
from mappings import CdaRefused
from tests.mappings import samples

GOOD = samples.document(samples.section("<paragraph>Été</paragraph>"))


def refusal(content: bytes, **bounds: int) -> CdaRefused:
    with pytest.raises(CdaRefused) as caught:
        mappings.convert(content, **bounds)
    assert caught.value.diagnostics
    return caught.value


def test_broken_xml_tells_line_and_column() -> None:
    refused = refusal(GOOD.replace(b"</title>", b"</titre>", 1))
    assert refused.code == "structure"
    assert refused.location is not None
    assert refused.location.startswith("line 7, column ")


@pytest.mark.parametrize(
    "prolog",
    [
        b"<!DOCTYPE ClinicalDocument>",
        b'<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        b'<!DOCTYPE d SYSTEM "file:///etc/passwd">',
        b"<!-- > --><?a b?>\n<!DOCTYPE d>",
    ],
)
def test_a_document_type_is_refused(prolog: bytes) -> None:
    declaration, root = GOOD.split(b"\n", 1)
    assert refusal(declaration + b"\n" + prolog + root).code == "security"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_a_document_type_is_seen_in_every_encoding(encoding: str) -> None:
    text = GOOD.decode().replace('encoding="UTF-8"', 'encoding="UTF-16"').replace("?>", "?><!DOCTYPE d>", 1)
    assert refusal(text.encode(encoding)).code == "security"


def test_an_undeclared_entity_is_refused() -> None:
    assert refusal(GOOD.replace(b"<title>", b"<title>&lol;")).code == "structure"


def test_too_large_is_refused_before_parsing() -> None:
    assert refusal(b"<not xml", max_bytes=3).code == "too-long"


def test_too_deep_is_refused() -> None:
    deep = "<content>" * 150 + "</content>" * 150
    assert refusal(samples.document(samples.section(deep))).code == "too-costly"
    assert refusal(GOOD, max_depth=4).code == "too-costly"


@pytest.mark.parametrize(
    "content", [b"<a/>", b"<ClinicalDocument/>", b'<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"/>']
)
def test_another_root_is_refused(content: bytes) -> None:
    assert refusal(content).code == "structure"


@pytest.mark.parametrize("content", [b"", b"   ", b"\0\0", b"\xff\xfe<"])
def test_no_xml_at_all_is_refused(content: bytes) -> None:
    assert refusal(content).code == "structure"


def test_without_patient_identifier_or_document_id_is_refused() -> None:
    assert refusal(samples.document(patient="")).code == "required"
    no_id = samples.PATIENT.replace(
        '<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>', '<id nullFlavor="UNK"/>'
    )
    assert "patientRole/id" in refusal(samples.document(patient=no_id)).diagnostics
    no_document_id = samples.HEAD.replace('<id root="2.999.1.1" extension="doc-1"/>', "")
    assert "ClinicalDocument/id" in refusal(samples.document(head=no_document_id)).diagnostics


def narrative_of(content: bytes) -> str:
    composition = samples.resources(mappings.convert(content), "Composition")[0]
    return str(composition["section"][0]["text"]["div"])


def test_encodings_marks_comments_and_instructions_do_not_matter() -> None:
    expected = narrative_of(GOOD)
    text = GOOD.decode()
    assert "Été" in expected
    latin = text.replace('encoding="UTF-8"', 'encoding="ISO-8859-1"').encode("latin-1")
    assert narrative_of(latin) == expected
    assert narrative_of(b"\xef\xbb\xbf" + GOOD) == expected
    assert narrative_of(text.replace("UTF-8", "UTF-16").encode("utf-16")) == expected
    commented = text.replace("Été", "Ét<!-- x --><?y z?>é").replace("<title>", "<!-- t --><title>")
    assert narrative_of(commented.encode()) == expected


def test_bytes_in_another_encoding_than_declared_are_read_and_reported() -> None:
    conversion = mappings.convert(GOOD.decode().encode("latin-1"))
    assert "Été" in str(conversion.bundle)
    assert any("encoding" in issue.diagnostics for issue in conversion.issues)


def test_a_style_sheet_that_holds_the_document_is_opened() -> None:
    root = GOOD.split(b"\n", 1)[1]
    sheet = b'<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:template match="/"/>'
    conversion = mappings.convert(sheet + root + b"</xsl:stylesheet>")
    assert conversion.document.source.media_type == "application/xslt+xml"
    assert conversion.document.document_id == "2.999.1.1^doc-1"


def test_a_file_larger_than_the_parser_s_own_bound_is_carried() -> None:
    data = "QUJD" * 3_000_000
    text = f'<text mediaType="application/pdf" representation="B64">{data}</text>'
    body = f"<component><nonXMLBody>{text}</nonXMLBody></component>"
    conversion = mappings.convert(samples.document(body))
    assert samples.resources(conversion, "Binary")[0]["data"] == data


def test_issues_of_many_kinds_are_bounded() -> None:
    entries = "".join(
        f'<entry><substanceAdministration moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.45"/>'
        f'<effectiveTime value="wrong{number}"/></substanceAdministration></entry>'
        for number in range(1200)
    )
    conversion = mappings.convert(samples.document(samples.section("a", entries)))
    assert len(conversion.issues) == 1001
    assert conversion.issues[-1].count > 1
