"""Operations: one operation, one module; OPERATIONS is the visible table. Spec: operations.html."""

from typing import Final

from fhir_server.interactions.request import Operation

OPERATIONS: Final[tuple[Operation, ...]] = ()
