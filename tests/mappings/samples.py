"""Small CDA documents that the tests write themselves."""

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
  <templateId root="1.2.250.1.213.1.1.1.1"/>
  <id root="2.999.1.1" extension="doc-1"/>
  <code code="34133-9" codeSystem="2.16.840.1.113883.6.1" displayName="Synthèse"/>
  <title>Synthèse</title>
  <effectiveTime value="20240301101500+0100"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <setId root="2.999.1"/>
  <versionNumber value="1"/>
"""
PATIENT = """  <recordTarget><patientRole>
    <id root="1.2.250.1.213.1.4.10" extension="279035121518989"/>
    <patient>
      <name><family qualifier="BR">ESSAI</family><given>ALICE BERTHE</given><given qualifier="BR">ALICE</given></name>
      <administrativeGenderCode code="F" codeSystem="2.16.840.1.113883.5.1"/>
      <birthTime value="19790328"/>
    </patient>
  </patientRole></recordTarget>
"""
AUTHOR = """  <author><time value="20240301"/><assignedAuthor>
    <id root="1.2.250.1.71.4.2.1" extension="801234567897"/>
    <code code="G15_10/SM26" codeSystem="1.2.250.1.213.1.1.4.5"/>
    <assignedPerson><name><family>DUPONT</family><given>Jean</given></name></assignedPerson>
  </assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization>
    <id root="1.2.250.1.71.4.2.2" extension="1750803447"/><name>Cabinet</name>
  </representedCustodianOrganization></assignedCustodian></custodian>
"""
TAIL = "</ClinicalDocument>"


def document(body: str = "", head: str = HEAD, patient: str = PATIENT) -> bytes:
    """Write a document around a body."""
    return f"{head}{patient}{AUTHOR}{body}{TAIL}".encode()


def section(text: str = "", entries: str = "", code: str = "11369-6") -> str:
    """Write a structured body of one section."""
    return (
        "<component><structuredBody><component><section>"
        f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><title>Section</title>'
        f"<text>{text}</text>{entries}</section></component></structuredBody></component>"
    )


def resources(conversion, resource_type):  # type: ignore[no-untyped-def]
    """List the resources of a type, in Bundle order."""
    found = [entry["resource"] for entry in conversion.bundle["entry"]]
    return [resource for resource in found if resource["resourceType"] == resource_type]
