"""The certificate that a trusted proxy tells."""

import base64
import ssl
from urllib.parse import quote

import pytest

from fhir_server.asgi.certificate import told_by

pytestmark = pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9440#section-2.1")
DER = b"0\x03\x02\x01\x01"
PEM = ssl.DER_cert_to_PEM_cert(DER)


@pytest.mark.parametrize("value", [f":{base64.b64encode(DER).decode()}:", quote(PEM), PEM.replace("\n", "%0A")])
def test_it_is_read_in_each_form(value: str) -> None:
    assert told_by([(b"accept", b"*/*"), (b"client-cert", value.encode())], b"client-cert") == DER


@pytest.mark.parametrize("value", ["", "x", ":%%%:", ":", "-----BEGIN CERTIFICATE-----"])
def test_what_is_unreadable_is_none(value: str) -> None:
    assert told_by([(b"client-cert", value.encode())], b"client-cert") == b""


def test_two_are_none() -> None:
    one = (b"client-cert", f":{base64.b64encode(DER).decode()}:".encode())
    assert told_by([one, one], b"client-cert") == b""
