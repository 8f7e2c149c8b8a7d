"""Which addresses an app may be answered at, and which web origins it may call from."""

import pytest

from fhir_server.smart.clients.redirects import Origins, is_accepted

pytestmark = pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc8252#section-7.3")


@pytest.mark.parametrize(
    ("registered", "asked", "accepted"),
    [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", True),
        ("http://127.0.0.1:8765/cb", "http://127.0.0.1:51004/cb", True),
        ("http://[::1]/cb", "http://[::1]:51004/cb", True),
        ("http://localhost/cb", "http://localhost:51004/cb", True),
        ("http://localhost:8765/cb", "http://localhost:51004/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#x", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004@evil.example/cb", False),
        ("http://127.0.0.1/cb", "http://127.0.0.1:x/cb", False),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", False),
        ("http://localhost/cb", "http://localhost.evil.example/cb", False),
        ("http://localhost/cb", "http://localhost:1@evil.example/cb", False),
        ("https://app.example/cb", "https://app.example:444/cb", False),
        ("https://app.example/cb", "https://app.example/cb", True),
        ("https://app.example/cb", "https://APP.example/cb", False),
        ("fr.carnet:/cb", "fr.carnet:/cb", True),
    ],
)
def test_an_address_is_the_registered_one_but_for_the_port_of_this_machine(
    registered: str, asked: str, accepted: bool
) -> None:
    assert is_accepted(asked, [registered]) is accepted


def test_origins_follow_from_redirect_uris() -> None:
    origins = Origins(["https://app.example/cb", "http://127.0.0.1:1/cb", "http://localhost:2/cb", "fr.carnet:/cb"])
    assert "https://app.example" in origins
    assert "http://127.0.0.1:51004" in origins
    assert "http://localhost:2" in origins
    for unknown in (
        "http://localhost:3",
        "https://evil.example",
        "fr.carnet:",
        "http://127.0.0.1.evil.example",
        "null",
    ):
        assert unknown not in origins
    assert "http://localhost:3" in Origins(["http://localhost/cb"])
