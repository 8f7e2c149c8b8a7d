"""Refusals: every error of the server is a FhirError that carries its HTTP status and its OperationOutcome issues.

Spec: operationoutcome.html, http.html#summary

    FhirError
    ├── BadRequest 400          invalid        the request cannot be understood
    │   └── Unparsable 400      structure      the body is no FHIR JSON or XML
    ├── Unauthenticated 401     login          no token, or one that does not hold
    ├── Forbidden 403           forbidden      the grant does not cover this type or interaction
    │   └── InsufficientScope   forbidden      the scopes of the token do not
    ├── NotFound 404            not-found      unknown, or outside the decision
    ├── MethodNotAllowed 405    not-supported
    ├── NotAcceptable 406       not-supported
    ├── Conflict 409            conflict
    │   └── Duplicate 409       duplicate
    ├── Gone 410                deleted
    ├── PreconditionFailed 412  conflict
    │   ├── VersionConflict 412 conflict       If-Match, or another writer was first
    │   └── MultipleMatches 412 multiple-matches
    ├── TooLarge 413            too-long
    ├── UnsupportedMediaType 415 not-supported
    ├── Unprocessable 422       processing     a rule of FHIR or of this server is broken
    ├── TooMany 429             throttled
    ├── TooCostly 403           too-costly
    └── Unavailable 503         transient
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Final

import msgspec

MESSAGE_SYSTEM: Final = "urn:fhir-server:validation-message"
"""The system of the ids of what the validator says."""
_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/operationoutcome"


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """Describe one problem: `expression` holds FHIRPaths, `diagnostics` says how to mend it.

    `message_id` names the sentence in whatever language; `line` and `column` are of the source, from 1, 0 when unknown.
    """

    severity: str
    code: str
    diagnostics: str
    expression: tuple[str, ...] = ()
    details: str = ""
    message_id: str = ""
    line: int = 0
    column: int = 0

    def resource(self) -> dict[str, Any]:
        """Return the OperationOutcome.issue element."""
        element: dict[str, Any] = {"severity": self.severity, "code": self.code}
        if self.message_id:
            element = {"extension": self._extensions(), **element}
            element["details"] = {"coding": [{"system": MESSAGE_SYSTEM, "code": self.message_id}]}
        if self.details:
            element.setdefault("details", {})["text"] = self.details
        element["diagnostics"] = self.diagnostics
        if self.expression:
            element["expression"] = list(self.expression)
        return element

    def _extensions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"url": f"{_EXTENSION}-message-id", "valueCode": self.message_id}]
        if self.line:
            found.append({"url": f"{_EXTENSION}-issue-line", "valueInteger": self.line})
            found.append({"url": f"{_EXTENSION}-issue-col", "valueInteger": self.column})
        return found


def outcome(issues: Sequence[Issue]) -> dict[str, Any]:
    """Return an OperationOutcome resource of one or more issues."""
    return {"resourceType": "OperationOutcome", "issue": [issue.resource() for issue in issues]}


class FhirError(Exception):
    """Refuse a request: `status` is HTTP's, `issues` make the OperationOutcome."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __init__(self, diagnostics: str, *expression: str, issues: Sequence[Issue] = (), code: str = "") -> None:
        super().__init__(diagnostics)
        self.issues = tuple(issues) or (Issue("error", code or self.code, diagnostics, expression),)

    def outcome(self) -> dict[str, Any]:
        """Return the OperationOutcome that tells the caller what is wrong."""
        return outcome(self.issues)


class BadRequest(FhirError):
    """The request cannot be understood."""

    status, code = 400, "invalid"


class Unparsable(BadRequest):
    """The body is no FHIR JSON or XML."""

    code = "structure"


class Unauthenticated(FhirError):
    """There is no token, or the token does not hold."""

    status, code = 401, "login"


class Forbidden(FhirError):
    """The grant does not cover this type or interaction."""

    status, code = 403, "forbidden"


class InsufficientScope(Forbidden):
    """The scopes of the token do not cover this type or interaction. Spec: RFC 6750, section 3.1."""


class TooCostly(FhirError):
    """The request would take more than the server gives to one request."""

    status, code = 403, "too-costly"


class NotFound(FhirError):
    """The resource is unknown, or outside the decision: the two are not told apart."""

    status, code = 404, "not-found"


class MethodNotAllowed(FhirError):
    """The interaction is not offered at this address."""

    status, code = 405, "not-supported"


class NotAcceptable(FhirError):
    """No format that the client accepts is offered."""

    status, code = 406, "not-supported"


class Conflict(FhirError):
    """The request contradicts what is stored."""

    status, code = 409, "conflict"


class Duplicate(Conflict):
    """The request would make a second of what may exist once."""

    code = "duplicate"


class Gone(FhirError):
    """The resource was deleted."""

    status, code = 410, "deleted"


class PreconditionFailed(FhirError):
    """A condition of the request does not hold."""

    status, code = 412, "conflict"


class VersionConflict(PreconditionFailed):
    """The version that the client knows, or that a writer started from, is not the current one."""


class MultipleMatches(PreconditionFailed):
    """Criteria that may match one resource match several."""

    code = "multiple-matches"


class TooLarge(FhirError):
    """The body exceeds a bound of the settings."""

    status, code = 413, "too-long"


class UnsupportedMediaType(FhirError):
    """The body's media type is not offered here."""

    status, code = 415, "not-supported"


class Unprocessable(FhirError):
    """The resource breaks a rule of FHIR or of this server."""

    status, code = 422, "processing"


class TooMany(FhirError):
    """The caller asks too often."""

    status, code = 429, "throttled"


class Unavailable(FhirError):
    """The server, or its store, cannot answer now."""

    status, code = 503, "transient"
