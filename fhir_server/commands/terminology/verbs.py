"""`fhir-server terminology VERB`: code systems and value sets in the files of their owners."""

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, console, effective, refusals_told

terminology = typer.Typer(
    help="Import and list terminologies: JDV (IHE SVS), LOINC, SNOMED CT, CIM-10, CCAM.", no_args_is_help=True
)


@terminology.command("import")
def terminology_import(
    paths: Annotated[
        list[Path],
        typer.Argument(
            help="JDV and TRE in IHE SVS (.xml) or folders of them; the folder of a LOINC or SNOMED CT (RF2) release; "
            "CIM-10 in ClaML (.xml); CCAM as a table (.csv)."
        ),
    ],
    release: Annotated[
        str, typer.Option(help="Version of the code system, when its files do not tell it: 2.77, 2024 ...")
    ] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Import terminologies; a running server uses them at once. Importing one twice changes nothing.

    You need the licence of whoever owns them: LOINC (https://loinc.org/license), SNOMED CT (your national release
    centre), CIM-10 and CCAM (ATIH, CNAM). Nothing of theirs comes with this server.
    """
    from fhir_server.commands.terminology import importing as verb

    with refusals_told():
        raise typer.Exit(verb.run(effective(config, data=data), paths, release, console))


@terminology.command("list")
def terminology_list(data: Data = None, config: Config = None) -> None:
    """List the large code systems that were imported.

    Each is a file in DATA/terminology: delete it to remove the code system.
    """
    from fhir_server.commands.terminology import importing as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)
