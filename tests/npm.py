"""Files of npm packages that tests need; who lacks npm is told loudly that tests are skipped."""

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest


def unpacked(package: str, name: str, folder: Path) -> str:
    """One file of an npm package, NAME@VERSION; skips when npm is absent or cannot fetch it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"NO NPM: install npm to run the tests that need {package}")
    done = subprocess.run([npm, "pack", "--silent", package], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"NO {package}: npm could not fetch it: {done.stderr[-300:]}")
    with tarfile.open(folder / f"{package.removeprefix('@').replace('/', '-').replace('@', '-')}.tgz") as archive:
        member = archive.extractfile(f"package/{name}")
        assert member is not None
        return member.read().decode()
