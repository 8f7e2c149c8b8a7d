"""The four functions that a face of document sharing stands on."""

from typing import Any

import msgspec
import pytest

from fhir_server.documents.sharing.levels import PDSM_COMPREHENSIVE
from fhir_server.documents.sharing.registry import find, publish, retrieve, update_metadata
from fhir_server.documents.sharing.submission import Document, Part, Submission
from fhir_server.foundation.operation_outcome import VersionConflict
from fhir_server.interactions.request import Request, Runtime
from tests.documents.conftest import LABORATORY
from tests.documents.sharing.submissions import INS, NUMBER, PDF, PDSM, document, label, submission_set

pytestmark = pytest.mark.anyio
CRITERIA = (("patient.identifier", f"{INS}|{NUMBER}"), ("status", "current"))


async def test_published_found_retrieved_and_changed(runtime: Runtime, record: str) -> None:
    request = Request("transaction", msgspec.structs.replace(LABORATORY, is_operator=True), base_url="http://x/fhir")
    entry = Part(document("1.2.250.1.999.1"), "the document", "urn:uuid:1")
    parts = (Document(entry, PDF, "application/pdf"),)
    asked = Submission(PDSM_COMPREHENSIVE, Part(submission_set("urn:uuid:1"), "the set"), parts)
    published = await publish(request, runtime, asked)
    assert published.patient == record
    (found,) = await find(request, runtime, "DocumentReference", CRITERIA)
    assert f"DocumentReference/{found['id']}" == published.documents[0]
    assert await retrieve(request, runtime, found) == (PDF, "application/pdf")
    archived: dict[str, Any] = {"url": f"{PDSM}/pdsm-ext-is-archived", "valueBoolean": True}
    changed = {**found, "securityLabel": [label("MASQUE_PS")], "extension": [archived]}
    assert (await update_metadata(request, runtime, changed)).version_id == 2
    with pytest.raises(VersionConflict):
        await update_metadata(request, runtime, changed)
