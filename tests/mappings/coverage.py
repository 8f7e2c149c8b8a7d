"""The fidelity of the conversion over the public documents, as the table of mappings/README.md.

Run `python -m tests.mappings.coverage` to write the table anew.
"""

import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import mappings
from mappings.cda.xml import child, parse

README = Path(mappings.__file__).parent / "README.md"
DOCUMENTS = sorted((Path(__file__).parents[2].parent / "shared" / "data" / "cda").glob("*.xml"))
START, END = "<!-- coverage: start -->\n", "<!-- coverage: end -->\n"
HEAD = (
    "| document type | documents | nodes | kept | implied | narrative | lost | unaccounted | codes in FHIR |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
)


@cache
def report(path: Path) -> mappings.Fidelity:
    return mappings.fidelity(path.read_bytes())


def document_type(path: Path) -> str:
    code = child(parse(path.read_bytes()).document, "code")
    if code is None:
        return "?"
    words = re.sub(r"\s+", " ", code.get("displayName") or "").replace("|", "/")
    return f"{code.get('code')} {words}".strip()


def table() -> str:
    """Write one row a document type, and the sum."""
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for path in DOCUMENTS:
        found, coded = report(path).counts(), report(path).counts("code")
        row = Counter(found)
        row["documents"], row["codes"] = 1, sum(coded.values())
        row["codes in FHIR"] = coded["kept"] + coded["implied"]
        for name in (titles()[document_type(path).split(" ")[0]], "all"):
            kinds[name].update(row)
    names = [*sorted(name for name in kinds if name != "all"), "all"]
    return HEAD + "".join(row_of(name, kinds[name]) for name in names)


@cache
def titles() -> dict[str, str]:
    """Give one title a document code: the first that a document writes."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        found.setdefault(document_type(path).split(" ")[0], document_type(path))
    return found


def row_of(name: str, counts: Counter[str]) -> str:
    share = 100 * counts["codes in FHIR"] / max(counts["codes"], 1)
    outcomes = ("kept", "implied", "narrative", "lost", "unaccounted")
    cells = [counts["documents"], sum(counts[outcome] for outcome in outcomes), *(counts[one] for one in outcomes)]
    return f"| {name} | " + " | ".join(map(str, cells)) + f" | {share:.1f} % |\n"


def written() -> str:
    return README.read_text("utf-8").partition(START)[2].partition(END)[0]


if __name__ == "__main__":
    text = README.read_text("utf-8")
    before, _, rest = text.partition(START)
    README.write_text(before + START + table() + END + rest.partition(END)[2], "utf-8")
