"""Changes: a log in the store that tells every server process which canonical resources were written.

Spec: resource.html#canonical, references.html#canonical
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec

from fhir_server.storage.store import Reader, Transaction

CANONICAL_TYPES: Final = frozenset(
    {
        "CodeSystem",
        "ConceptMap",
        "ImplementationGuide",
        "NamingSystem",
        "Questionnaire",
        "SearchParameter",
        "StructureDefinition",
        "ValueSet",
    }
)
"""The types whose resources take effect on others: they validate, translate, are searched by."""
_KIND: Final = "canonicals"
_KEY: Final = "changes"
_KEPT: Final = 500


class Changes(msgspec.Struct, frozen=True, array_like=True):
    """Hold the log: `epoch` counts all changes, `references` are those of the last ones, the newest last."""

    epoch: int = 0
    references: tuple[str, ...] = ()

    def since(self, epoch: int) -> tuple[str, ...] | None:
        """Return what changed after an epoch, each once; None when that is longer ago than the log goes back."""
        count = self.epoch - epoch
        if count < 0 or count > len(self.references):
            return None
        return tuple(dict.fromkeys(self.references[len(self.references) - count :]))


class Canonicals(Protocol):
    """What interactions ask of the definitions that take effect in this process."""

    async def ready(self) -> None:
        """Return once the definitions of the store are here, which is a while after the start."""
        ...

    async def refresh(self) -> None:
        """Take note of every change that is in the store now."""
        ...

    def resolve(self, canonical: str, resource_type: str = "") -> Mapping[str, Any] | None:
        """Return the resource that `url` or `url|version` names, to be read and not changed; None when unknown."""
        ...


async def note_change(transaction: Transaction, reference: str) -> None:
    """Write into the log that a canonical resource has a new version, or was deleted."""
    log = await changes(transaction)
    references = (*log.references[1 - _KEPT :], reference)
    await transaction.put_record(_KIND, _KEY, msgspec.json.encode(Changes(log.epoch + 1, references)))


async def changes(reader: Reader) -> Changes:
    """Return the log."""
    record = await reader.record(_KIND, _KEY)
    return Changes() if record is None else msgspec.json.decode(record, type=Changes)
