"""Ordinary jobs of fhir-kit-client, a client from npm, against an open server in a process of its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands.test_serve import serving

PACKAGE = "fhir-kit-client@2.0.3"
SCRIPT = Path(__file__).parent / "fhir_kit.mjs"
SECONDS = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds the client."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not here: the client is one of theirs")
    folder = tmp_path_factory.mktemp("npm")
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), PACKAGE]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not bring {PACKAGE} within {SECONDS} seconds")
    if done.returncode:
        pytest.skip(f"npm does not bring {PACKAGE}: {done.stderr.strip()[-200:]}")
    shutil.copy(SCRIPT, folder)
    return folder


def test_fhir_kit_does_its_ordinary_jobs(installed: Path, tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node is not None
    with serving(tmp_path, "--open") as base:
        done = subprocess.run(
            [node, SCRIPT.name, base], cwd=installed, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.findall(r"^  async (\w+)\(\)", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE)
    assert done.stdout.split() == steps
    assert len(steps) == 13
