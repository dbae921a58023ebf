"""From a resource as a hospital sends it to the rows of the lake: scrubbed by the lake's policy, then flattened.

Expected rows are written as lines of `column=value`, one line a row; what a line does not name is empty. `~Patient/p1`
stands for the token of that id under the test's key.
"""

from __future__ import annotations

from typing import Any

from deidentify.policy import load_policy
from deidentify.pseudonym import Pseudonymiser
from deidentify.scrub import scrub
from ingestion.validate import check
from ingestion.views import flatten, load_views
from rwd_platform.core.units import Place, Unit

PSEUDONYMS = Pseudonymiser(b"t" * 32, "his")
BASE = "https://rwd-platform.example/CodeSystem/"


def lake_rows(resource: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows by table that a valid resource leaves in the lake."""
    assert check(Unit(Place("x", 1), b"", resource)) == ()
    scrubbed = scrub(resource, load_policy("lake"), PSEUDONYMS).resource
    assert scrubbed is not None
    assert check(Unit(Place("x", 1), b"", scrubbed)) == ()
    return {flat.table: [dict(row) for row in flat.rows] for flat in flatten(scrubbed, load_views())}


def expected(text: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the text, each with every column of `rows`, empty where the text names none."""
    names = list(rows[0]) if rows else []
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        cells: dict[str, Any] = dict.fromkeys(names)
        for cell in line.split():
            name, _, value = cell.partition("=")
            cells[name] = _value(value.replace("@", BASE))
        found.append(cells)
    return found


def _value(text: str) -> Any:
    if text.startswith("~"):
        kind, _, id = text[1:].partition("/")
        return PSEUDONYMS.token(kind, id)
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("#"):  # a number
        return float(text[1:]) if "." in text else int(text[1:])
    return text


def coded(system: str, code: str) -> dict[str, Any]:
    address = system if ":" in system else BASE + system
    return {"coding": [{"system": address, "code": code}]}


def quantity(value: Any, code: str) -> dict[str, Any]:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": code}
