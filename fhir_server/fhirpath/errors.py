"""What can go wrong: the text is no expression, or the expression cannot be answered.

Spec: https://hl7.org/fhirpath/N1/#evaluation
"""

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable


class InvalidExpression(BadRequest):
    """The text is no FHIRPath, or names what does not exist; `position` counts characters from 0."""

    def __init__(self, sentence: str, text: str, position: int) -> None:
        self.position = position
        around = text[max(0, position - 20) : position + 20].strip()
        place = f"at character {position + 1}, near '{around}'" if around else "at its end"
        super().__init__(f"The FHIRPath is wrong {place}: {sentence}")


class EvaluationFailed(Unprocessable):
    """The expression has no answer for this input: several items where one may stand, or a type that does not fit."""
