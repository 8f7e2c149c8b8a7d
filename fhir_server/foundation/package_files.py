"""The files of a FHIR package, a .tgz or a folder, read within bounds.

Spec: https://hl7.org/fhir/packages.html
"""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from fhir_server.foundation.operation_outcome import Unprocessable

MAX_FILES: Final = 50_000
MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_PACKAGE_BYTES: Final = 1024 * 1024 * 1024
FOLDERS: Final = frozenset({"package", "package/example", "package/examples"})
"""The folders whose resources count; packages also carry schemas, tests and what their publisher left."""
IDLE: Final = frozenset({"package/openapi", "package/other", "package/tests", "package/xml"})
"""The folders where publishers leave what is no resource."""
Passed = Callable[[str], None]
"""Told the folder of a JSON file that is passed over, where a resource might be expected."""


class UnreadablePackage(Unprocessable):
    """The file is no FHIR package, or exceeds a bound."""


def read_files(path: Path, passed: Passed = lambda folder: None) -> Iterator[tuple[str, bytes]]:
    """Yield the path below `package/` and the content of each JSON file; raise UnreadablePackage (422)."""
    return _read_folder(path, passed) if path.is_dir() else _read_archive(path, passed)


def _read_archive(path: Path, passed: Passed) -> Iterator[tuple[str, bytes]]:
    try:
        with gzip.open(path) as plain, tarfile.open(fileobj=_Bounded(plain), mode="r|") as archive:  # type: ignore[call-overload]
            for count, member in enumerate(archive):
                _check(path, member.name, member.size, count)
                if member.isfile() and _counts(member.name, passed):
                    content = archive.extractfile(member)
                    if content is not None:
                        yield member.name.removeprefix("package/"), content.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise UnreadablePackage(f"{path.name} cannot be read as a package ({error}): get it again.") from None


def _read_folder(path: Path, passed: Passed) -> Iterator[tuple[str, bytes]]:
    base = path / "package" if (path / "package" / "package.json").is_file() else path
    total = 0
    for count, file in enumerate(sorted(base.rglob("*.json"))):
        name = f"package/{file.relative_to(base).as_posix()}"
        if file.is_symlink() or not file.is_file() or not _counts(name, passed):
            continue
        size = file.stat().st_size
        total += size
        _check(path, name, size, count)
        if total > MAX_PACKAGE_BYTES:
            raise _too_large(path)
        yield name.removeprefix("package/"), file.read_bytes()


def _counts(name: str, passed: Passed) -> bool:
    folder, _, file = name.rpartition("/")
    if not file.endswith(".json") or file.startswith("."):
        return False
    if folder not in FOLDERS | IDLE:
        passed(folder)
    return folder in FOLDERS


def _check(path: Path, name: str, size: int, count: int) -> None:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        raise UnreadablePackage(f"{path.name} names a file outside of itself, '{name[:100]}': do not trust it.")
    if size > MAX_FILE_BYTES or count >= MAX_FILES:
        raise _too_large(path)


def _too_large(path: Path) -> UnreadablePackage:
    return UnreadablePackage(
        f"{path.name} holds more than {MAX_FILES} files, a file of more than {MAX_FILE_BYTES} bytes, or"
        f" {MAX_PACKAGE_BYTES} bytes in all: it is refused.",
        code="too-long",
    )


class _Bounded:
    """Let a tar reader have no more than a bound: its headers, too, may claim any size."""

    def __init__(self, plain: gzip.GzipFile) -> None:
        self._plain = plain
        self._left = MAX_PACKAGE_BYTES

    def read(self, size: int) -> bytes:
        content = self._plain.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise OSError("it unpacks to more than a package may hold")
        return content
