"""A stored version of a resource, and what the server writes into it.

Spec: resource.html
"""

from datetime import datetime

import msgspec


class Version(msgspec.Struct, frozen=True, gc=False):
    """Hold one stored version of one resource.

    `content` is the JSON text exactly as it is served (empty when `is_deleted`); `last_updated` is aware UTC with
    millisecond precision. `depositor` is the actor that created the resource (`Practitioner/1`, `Device/lab`), never
    changed by later versions; empty when the server runs open.
    """

    resource_type: str
    resource_id: str
    version_id: int
    last_updated: datetime
    content: bytes
    is_deleted: bool = False
    depositor: str = ""

    @property
    def reference(self) -> str:
        """Return the relative reference, `Patient/1`."""
        return f"{self.resource_type}/{self.resource_id}"
