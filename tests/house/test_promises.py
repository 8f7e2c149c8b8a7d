"""What the README promises is there, and what is there is in the README."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from fhir_server.__main__ import application
from fhir_server.settings import Settings, descriptions

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(header: str) -> dict[str, list[str]]:
    """The cells of the README table with this header, by the first one."""
    lines = README.partition(header)[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {row[0].strip("`"): row[1:] for row in cells}


def verbs(application: typer.Typer, before: str = "") -> Iterator[tuple[str, str]]:
    """Each verb with the first sentence of its help."""
    for command in application.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        yield f"{before}{name}", (command.callback.__doc__ or "").strip().splitlines()[0]
    for group in application.registered_groups:
        assert group.typer_instance is not None
        yield from verbs(group.typer_instance, f"{before}{group.name} ")


def test_every_setting_is_in_the_readme_as_it_is() -> None:
    told = rows("| setting | default | meaning |")
    assert list(told) == list(Settings.__struct_fields__)
    defaults = Settings()
    for name, text in descriptions().items():
        value = getattr(defaults, name)
        value = () if value == {} else value
        shown = {"": "empty", (): "none"}.get(value, str(value).lower() if isinstance(value, bool) else str(value))
        assert told[name] == [f"`{shown}`", text]


def test_every_verb_is_in_the_readme() -> None:
    told = rows("| verb | what it does |")
    assert told == {name: [text.replace("|", "\\|")] for name, text in verbs(application)}


@pytest.mark.parametrize(("name", "text"), list(verbs(application)))
def test_every_verb_teaches(name: str, text: str) -> None:
    assert len(text) > 20, f"{name} does not say what it does"
    assert text.endswith("."), f"{name}: its help is a sentence"


def test_every_file_that_the_readme_names_exists() -> None:
    names = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py|\.json)?)`", README)
    assert len(names) > 15
    for name in names:
        assert (ROOT / name).exists() or (ROOT / "fhir_server" / name).exists(), name


def test_the_french_page_gives_the_same_commands() -> None:
    french = (ROOT / "LISEZMOI.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", french, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        assert block in README


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    assert "README.md" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    block = README.partition("<!-- test-command -->")[2].partition("```sh\n")[2].partition("```")[0]
    assert len(block.strip().splitlines()) == 1
    assert "pytest" in block
