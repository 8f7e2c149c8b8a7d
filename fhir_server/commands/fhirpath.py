"""`fhir-server fhirpath`: evaluate an expression on a file, for people.

Spec: fhirpath.html, http://hl7.org/fhirpath/N1/
"""

from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console

from fhir_server import fhirpath
from fhir_server.foundation import fhir_json, fhir_xml

WRITER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)


def run(expression: str, file: Path, console: Console) -> None:
    """Print each item of the result: where it stands, and its value as JSON."""
    content = file.read_bytes()
    resource = fhir_xml.parse(content) if content.lstrip().startswith(b"<") else fhir_json.parse(content)
    results = fhirpath.evaluate(expression, resource, fhirpath.Context(now=lambda: datetime.now().astimezone()))
    for item in results:
        is_node = isinstance(item, fhirpath.Node)
        value = WRITER.encode(item.value if is_node else item).decode()
        console.print(
            f"[bold]{fhirpath.path(item)}[/bold] {value}" if is_node else value, soft_wrap=True, highlight=False
        )
    if not results:
        console.print("(empty)")
