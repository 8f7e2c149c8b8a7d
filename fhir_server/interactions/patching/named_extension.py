"""Named extension: a path of JSON Patch that names an extension by its URL, as the DMP's guide writes it.

Choice: `/extension[url:'https://...']/valueBoolean` is no JSON Pointer, and RFC 6902 knows no other path. The guide
PDSm4DMP (TD3.3d) sends it all the same, and archiving should work with software that follows it. `add` and `replace`
set the value, and make the extension when there is none; `remove` takes it away. Other operations refuse such a path.
Spec: RFC 6902, https://interop.esante.gouv.fr/ig/fhir/pdsm (mise à jour)
"""

import re
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.patching.change import Inapplicable, Resource

_QUOTES: Final = "'\"“”‘’"
_PATH: Final = re.compile(
    rf"/extension\[url:\s*[{_QUOTES}](?P<url>[^{_QUOTES}]+)[{_QUOTES}]\]/(?P<name>value[A-Z][A-Za-z0-9]*)"
)
SETTING: Final = ("add", "replace")

NamedExtension = tuple[str, str]
"""(url, name of the value element)"""


def named_extension(operation: str, path: Any, place: str) -> NamedExtension | None:
    """Return what a path names when it names an extension by URL. Raises BadRequest for an operation that cannot."""
    if not isinstance(path, str) or not path.startswith("/extension["):
        return None
    match = _PATH.fullmatch(path)
    if match is None or operation not in (*SETTING, "remove"):
        raise BadRequest(
            f"{place}: no JSON Pointer. An extension is named by its place (/extension/0/valueBoolean), or by "
            "/extension[url:'...']/valueBoolean with add, replace or remove; a FHIRPath Patch names it by FHIRPath.",
            place,
        )
    return match["url"], match["name"]


def change_extension(resource: Any, operation: str, named: NamedExtension, value: Any) -> Any:
    """Set, or take away, the value of an extension. Raises Inapplicable when there is none to take away."""
    if not isinstance(resource, dict):
        raise Inapplicable("There is no resource to extend.")
    url, name = named
    extensions: list[Resource] = resource.get("extension", [])
    rest = [extension for extension in extensions if extension.get("url") != url]
    if operation in SETTING:
        resource["extension"] = [*rest, {"url": url, name: value}]
        return resource
    if len(rest) == len(extensions):
        raise Inapplicable(f"The resource has no extension {url[:200]}.")
    resource["extension"] = rest
    if not rest:
        del resource["extension"]
    return resource
