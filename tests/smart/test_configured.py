"""The operator's file of sign-in providers: in words what is wrong, and no secret in it."""

from pathlib import Path

import pytest

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.providers.configured import read_providers

pytestmark = pytest.mark.spec("openid-connect-discovery-1_0.html#ProviderConfig")
PSC = """
[[provider]]
name = "pro-sante-connect"
issuer = "https://psc.example/realm"
client_id = "hopital"
client_secret_variable = "PSC_SECRET"
"""


def test_secrets_come_from_the_environment_or_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of a file\n", encoding="utf-8")
    other = f"""
[[provider]]
name = "identite"
display = "Mon identité"
issuer = "https://id.example"
client_id = "hopital"
client_secret_file = "{tmp_path / "secret"}"
acr_values = ["eidas2"]
"""
    psc, identity = read_providers((PSC + other).encode(), {"PSC_SECRET": "of the environment"})
    assert (psc.display, psc.client_secret, psc.scope) == (
        "Pro Santé Connect",
        "of the environment",
        "openid scope_all",
    )
    assert psc.acr_values == ("eidas1",)
    assert (identity.display, identity.client_secret, identity.acr_values) == ("Mon identité", "of a file", ("eidas2",))
    assert read_providers(b"", {}) == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[provider]", "cannot be read"),
        (PSC + "client_secret = 'x'\n", "client_secret"),
        (PSC.replace("https://psc", "http://psc"), "must be https"),
        (PSC.replace('client_secret_variable = "PSC_SECRET"', ""), "one of them"),
        (PSC + 'client_secret_file = "x"\n', "one of them"),
        (PSC.replace("PSC_SECRET", "ABSENT"), "empty"),
        (PSC.replace("pro-sante-connect", "Pro Santé"), "small letters"),
        (PSC.replace("pro-sante-connect", "code"), "small letters"),
        (PSC + PSC, "of its own"),
    ],
)
def test_a_mistake_is_told_in_words(text: str, told: str) -> None:
    with pytest.raises(Unprocessable, match=told):
        read_providers(text.encode(), {"PSC_SECRET": "s"})
