"""`fhir-server keys`: the keys that sign tokens; running servers learn of a change within a minute.

Spec: https://www.rfc-editor.org/rfc/rfc7517
"""

import asyncio

from rich.console import Console
from rich.table import Table

from fhir_server.commands.local import authorization_of, opened
from fhir_server.settings import Settings
from fhir_server.smart.keys import RETIRED_FOR, SigningKey


def rotate(settings: Settings, console: Console, *, is_at_once: bool) -> None:
    """Make new signing keys, and retire or forget the former ones."""

    async def work() -> None:
        async with opened(settings) as runtime:
            keys = authorization_of(runtime).keys
            await keys.open()
            await keys.rotate(is_at_once=is_at_once)

    asyncio.run(work())
    if is_at_once:
        console.print("New keys sign from now on. The former are forgotten: everybody signs in again.")
    else:
        hours = int(RETIRED_FOR.total_seconds() // 3600)
        console.print(f"New keys sign from now on. The former are published and verify for {hours} hours.")


def show(settings: Settings, console: Console) -> None:
    """Print the signing keys, without their secrets."""

    async def work() -> list[SigningKey]:
        async with opened(settings) as runtime:
            keys = authorization_of(runtime).keys
            await keys.refresh()
            return keys.stored()

    stored = asyncio.run(work())
    signing = {key.algorithm: key.kid for key in stored}
    table = Table("kid", "algorithm", "made", "signs", title="Keys")
    for key in stored:
        is_signing = signing[key.algorithm] == key.kid
        table.add_row(key.kid, key.algorithm, f"{key.created:%Y-%m-%d %H:%M} UTC", "yes" if is_signing else "")
    console.print(table)
