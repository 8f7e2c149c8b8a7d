"""Engine: the database processes of this machine behind a connection string, for measuring their share.

Found by the ports they listen on, as /proc tells; those of other machines are not measured.
Source: https://man7.org/linux/man-pages/man5/proc.5.html
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORT: Final = 27017


def ports_of(store: str) -> list[int]:
    """Return the ports of a connection string's members on this machine."""
    hosts = re.split(r"[/?]", store.partition("://")[2].rpartition("@")[2])[0].split(",")
    named = [re.fullmatch(r"(\[.*\]|[^:]*)(?::(\d+))?", host) for host in hosts]
    return [int(one[2] or _DEFAULT_PORT) for one in named if one is not None and one[1] in _LOOPBACK]


def processes_on(ports: Iterable[int]) -> list[int]:
    """Return the ids of the processes that listen on ports; only the caller's own, unless he is root."""
    sockets = {f"socket:[{inode}]" for inode in _listening(set(ports))}
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and sockets & _opened(folder):
            found.append(int(folder.name))
    return sorted(found)


def data_bytes(pid: int) -> int:
    """Return the size of the data files that an engine has open."""
    files = {name for name in _opened(Path(f"/proc/{pid}")) if name.endswith(".wt")}
    return sum(Path(name).stat().st_size for name in files if Path(name).exists())


def _listening(ports: set[int]) -> set[str]:
    inodes = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) in ports:
                inodes.add(fields[9])
    return inodes


def _opened(folder: Path) -> set[str]:
    names = set()
    try:
        for link in (folder / "fd").iterdir():
            names.add(str(link.readlink()))
    except OSError:  # it ended meanwhile, or is another user's
        return names
    return names
