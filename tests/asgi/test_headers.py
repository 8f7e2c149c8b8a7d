"""What clients accept, send and prefer. Spec: http.html#mime-type."""

import pytest

from fhir_server.asgi.headers import (
    FORM,
    JSON,
    NATIVE,
    XML,
    body_format,
    by_name,
    negotiate,
    negotiate_binary,
    preferences,
)
from fhir_server.foundation.operation_outcome import NotAcceptable, UnsupportedMediaType


@pytest.mark.spec("http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "format_parameter", "expected"),
    [
        (b"", "", JSON),
        (b"*/*", "", JSON),
        (b"application/fhir+json", "", JSON),
        (b"application/json;charset=UTF-8", "", JSON),
        (b"application/fhir+xml", "", XML),
        (b"text/xml", "", XML),
        (b"application/fhir+xml;q=0.5, application/fhir+json", "", JSON),
        (b"text/html, application/fhir+xml;q=0.9, */*;q=0.1", "", XML),
        (b"application/fhir+json; fhirVersion=4.0", "", JSON),
        (b"application/fhir+xml", "json", JSON),
        (b"", "xml", XML),
        (b"", "application/fhir+xml", XML),
        (b"", "application/fhir xml", XML),
        (b"text/html", "json", JSON),
    ],
)
def test_mime_type_chosen(accept: bytes, format_parameter: str, expected: str) -> None:
    assert negotiate(accept, format_parameter) == expected


@pytest.mark.spec("http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "format_parameter"),
    [
        (b"text/html", ""),
        (b"application/fhir+json; fhirVersion=3.0", ""),
        (b"application/fhir+json;q=0", ""),
        (b"", "turtle"),
        (b"application/fhir+json", "ttl"),
    ],
)
def test_mime_type_not_offered_is_406(accept: bytes, format_parameter: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accept, format_parameter)


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (b"", NATIVE),
        (b"*/*", NATIVE),
        (b"application/pdf", NATIVE),
        (b"text/xml", NATIVE),
        (b"application/fhir+json", JSON),
        (b"application/json", NATIVE),
        (b"application/fhir+xml", XML),
    ],
)
def test_binary_is_native_unless_fhir_is_named(accept: bytes, expected: str) -> None:
    assert negotiate_binary(accept, "") == expected


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize(
    ("accept", "format_parameter", "stored", "expected"),
    [
        (b"", "", "application/pdf", NATIVE),
        (b"application/*", "", "application/pdf", NATIVE),
        (b"application/json", "", "application/json", NATIVE),
        (b"application/json", "", "application/pdf", JSON),
        (b"application/xml", "", "application/pdf", XML),
        (b"application/xml", "", "application/xml;charset=utf-8", NATIVE),
        (b"image/png, application/fhir+json;q=0.5", "", "application/pdf", JSON),
        (b"image/png, */*;q=0.1", "", "application/pdf", NATIVE),
        (b"image/png", "application/pdf", "application/pdf", NATIVE),
        (b"application/pdf", "xml", "application/pdf", XML),
    ],
)
def test_binary_is_what_the_client_accepts_of_it(
    accept: bytes, format_parameter: str, stored: str, expected: str
) -> None:
    assert negotiate_binary(accept, format_parameter, stored) == expected


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize(("accept", "format_parameter"), [(b"image/png", ""), (b"", "image/png"), (b"text/*", "")])
def test_binary_that_is_nothing_the_client_accepts_is_406(accept: bytes, format_parameter: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate_binary(accept, format_parameter, "application/pdf")


@pytest.mark.spec("http.html#mime-type")
def test_body_types() -> None:
    assert body_format(b"") == JSON
    assert body_format(b"application/fhir+json; charset=utf-8") == JSON
    assert body_format(b"application/xml") == XML
    assert body_format(b"application/x-www-form-urlencoded") == FORM
    for refused in (b"text/plain", b"application/fhir+json; charset=latin-1", b"application/fhir+json;fhirVersion=5.0"):
        with pytest.raises(UnsupportedMediaType):
            body_format(refused)


@pytest.mark.spec("http.html#prefer")
def test_preferences() -> None:
    assert preferences(b"") == ("", False)
    assert preferences(b"return=minimal") == ("minimal", False)
    assert preferences(b"handling=lenient; return=OperationOutcome") == ("OperationOutcome", True)
    assert preferences(b"respond-async, handling=strict, return=everything") == ("", False)


@pytest.mark.spec("http.html#prefer")
def test_headers_that_come_twice_are_one_list() -> None:
    sent = [(b"prefer", b"return=minimal"), (b"accept", b"text/html"), (b"prefer", b"handling=lenient"), (b"a", b"1")]
    headers = by_name([*sent, (b"accept", b"application/fhir+xml")])
    assert preferences(headers[b"prefer"]) == ("minimal", True)
    assert negotiate(headers[b"accept"], "") == XML
    assert headers[b"a"] == b"1"
