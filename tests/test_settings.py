"""Settings: defaults, file, environment, command line; an unknown key refuses to start."""

from pathlib import Path

import pytest

from fhir_server.settings import Settings, SettingsRefused, descriptions, find_mistakes, load


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "fhir-server.toml"
    file.write_text('port = 1111\nworkers = 2\nname = "Hôpital"\n', encoding="utf-8")
    settings, sources = load(file, {"FHIR_SERVER_PORT": "2222", "FHIR_SERVER_WORKERS": "3"}, workers=4, data=None)
    assert (settings.port, settings.workers, settings.name, settings.data) == (2222, 4, "Hôpital", "./data")
    assert (sources["port"], sources["workers"], sources["name"], sources["data"]) == (
        "environment",
        "command line",
        str(file),
        "default",
    )


def test_lists_and_tables_come_from_the_environment_too(tmp_path: Path) -> None:
    file = tmp_path / "fhir-server.toml"
    file.write_text('packages = ["a.tgz"]\n[profiles]\nPatient = "http://x/p"\n', encoding="utf-8")
    settings, _ = load(file, {})
    assert (settings.packages, settings.profiles) == (("a.tgz",), {"Patient": "http://x/p"})
    given = {
        "FHIR_SERVER_PACKAGES": "b.tgz,c@1.0.0",
        "FHIR_SERVER_PROFILES": "Patient=http://x/p?a=b, Basic=http://x/q",
    }
    settings, _ = load(file, given)
    assert settings.packages == ("b.tgz", "c@1.0.0")
    assert settings.profiles == {"Patient": "http://x/p?a=b", "Basic": "http://x/q"}


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text("port = 1111\n", encoding="utf-8")
    assert load(None, {"FHIR_SERVER_CONFIG": str(file)})[0].port == 1111


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "prot is not a setting. Did you mean port?"),
        ("port = 'x'", "Expected `int`, got `str` - at `$.port`"),
        ("port = 70000", "Expected `int` <= 65535"),
        ("port = ", "is not TOML"),
        ('log_level = "loud"', "log_level"),
    ],
)
def test_a_wrong_file_refuses_to_start(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "fhir-server.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsRefused) as refused:
        load(file, {})
    assert said in str(refused.value)


def test_an_unknown_variable_refuses_to_start() -> None:
    with pytest.raises(SettingsRefused, match=r"FHIR_SERVER_PROT names no setting\. Did you mean port"):
        load(None, {"FHIR_SERVER_PROT": "1"})


def test_a_file_that_is_not_there_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="cannot be read"):
        load(tmp_path / "absent.toml", {})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(open=True, host="0.0.0.0"), "open needs a loopback host"),
        (Settings(public_url="fhir.example.fr"), "must start with https://"),
        (Settings(public_url="https://fhir.example.fr/fhir"), "without /fhir"),
        (Settings(count_default=100, count_maximum=10), "greater than count_maximum"),
    ],
)
def test_combinations_that_are_not_safe_are_told(settings: Settings, said: str) -> None:
    assert [mistake for mistake in find_mistakes(settings) if said in mistake]


def test_defaults_have_no_mistake() -> None:
    assert find_mistakes(Settings()) == []


def test_every_setting_says_what_it_is_for() -> None:
    texts = descriptions()
    assert set(texts) == set(Settings.__struct_fields__)
    assert all(len(text) > 20 for text in texts.values())
