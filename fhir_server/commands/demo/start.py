"""Start the demo: make its store anew, populate it, say what to click and what to curl, serve."""

import asyncio
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from rich.console import Console

from fhir_server.app import Deployment
from fhir_server.commands import serve
from fhir_server.commands.demo.guide import Guide, tell
from fhir_server.commands.demo.people import add_people
from fhir_server.commands.demo.seal import REPOSITORY, make_seal
from fhir_server.commands.demo.software import APP, LABORATORY, register_software
from fhir_server.commands.identity.clients import write_private
from fhir_server.commands.local import OPERATOR, authorization_of, call, opened
from fhir_server.commands.packaging import packages
from fhir_server.commands.population import Population
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.smart.configuration import REGISTRATION_PATH
from fhir_server.storage.store import Search

MARK = ".fhir-server-demo"
STRANGERS = 8


def run(settings: Settings, console: Console) -> None:
    """Make the demo and serve it until told to stop."""
    folder = Path(settings.data) / "demo"
    make_folder(folder)
    brands = folder / "brands.json"
    brands.write_bytes(_file("brands.json"))
    settings = replace(settings, data=str(folder), brands=settings.brands or str(brands), name=_name(settings))
    settings = replace(settings, xds_repository=settings.xds_repository or REPOSITORY)
    listener = serve.bind(settings)
    deployment = replace(serve.deployment_of(settings, listener), is_sandbox=True)
    with console.status("Making the population…"):
        guide = asyncio.run(populate(deployment, folder))
    write_private(folder / "demo.json", msgspec.to_builtins(guide))
    serve.announce(deployment, console)
    tell(guide, console)
    packages.ensure(settings, console)
    serve.run(deployment, listener)


def make_folder(folder: Path) -> None:
    """Make the demo's own folder anew; refuse to touch a folder that no demo made."""
    if folder.exists() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise SettingsRefused(f"{folder} holds files that no demo made: name another folder with --data.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    (folder / MARK).touch()


async def populate(deployment: Deployment, folder: Path) -> Guide:
    """Store the population, the clients and the users, and return what a person needs to use them."""
    async with opened(deployment.settings) as runtime:
        if (await runtime.store.search(Search("", limit=1))).versions:
            raise SettingsRefused("The store holds resources already: give the demo an empty one.")
        for name in ("population.json", "sandbox.json"):
            await _transact(runtime, fhir_json.parse(_file(name)))
        for bundle in Population(seed=7).bundles(STRANGERS, observations=10):
            await _transact(runtime, bundle)
        authorization = authorization_of(runtime, deployment.origin)
        await authorization.open()
        software = await register_software(authorization, folder)
        people = await add_people(authorization.users)
        seal = await make_seal(runtime.store, folder)
    for name in ("biologie.xml", "vaccination.xml"):
        (folder / name).write_bytes(_file(name))
    return Guide(
        base=deployment.base_url,
        folder=str(folder),
        is_open=deployment.settings.open,
        people=people,
        software=software,
        laboratory=LABORATORY.client_id,
        laboratory_scope=" ".join(LABORATORY.scopes),
        laboratory_key=str(folder / "laboratoire-horizon.jwk.json"),
        app=APP.client_id,
        app_redirect_uri=APP.redirect_uris[0],
        system_token=next(one.token for one in software if one.token),
        registration=f"{deployment.origin}{REGISTRATION_PATH}",
        launch=f"{deployment.origin}/oauth/launch",
        documents=tuple(str(folder / name) for name in ("biologie.xml", "vaccination.xml")),
        xds=f"{deployment.origin}/xds",
        xds_repository=deployment.settings.xds_repository,
        seal=str(seal),
    )


def _name(settings: Settings) -> str:
    return "Espace de démonstration" if settings.name == Settings().name else settings.name


def _file(name: str) -> bytes:
    return resources.files("fhir_server.commands.demo").joinpath(name).read_bytes()


async def _transact(runtime: Runtime, bundle: dict[str, Any]) -> None:
    await call(runtime, Request("transaction", OPERATOR, resource=bundle, prefer_return="minimal"))
