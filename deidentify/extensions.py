"""Extensions that stay: at an address that the policy lists, and with a value that the address is known to hold.

An address says what is meant; a name fits into any `valueCode`, and a birthday into any `valueInteger`. So each
address has its one element and its closed list of codes, see extension_values.csv. At an address without a row
only a yes or no stays: nothing can be written into one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from deidentify.hl7_names import codes_of, is_extension
from deidentify.transforms import NOTHING, Pass

_FILE = Path(__file__).with_name("extension_values.csv")


def listed_extensions(value: Any, known: frozenset[str], path: str, run: Pass) -> Any:
    """Of a list of extensions, those that the policy knows and whose value is one of theirs; the others count."""
    kept = []
    for one in value if type(value) is list else [value]:
        url = one.get("url") if type(one) is dict else None
        if isinstance(url, str) and url in known and holds_its_value(one):
            kept.append(dict(one))
            continue
        shown = isinstance(url, str) and (url in known or is_extension(url))
        run.dropped.add(f"{path}('{url}')" if shown else f"{path}(unlisted extension)")
    return kept or NOTHING


def holds_its_value(extension: dict[str, Any]) -> bool:
    """Whether an extension has exactly the element that its address is known for, with a value of its list."""
    element, fits = _values().get(extension["url"], _YES_OR_NO)
    return extension.keys() == {"url", element} and fits(extension[element])


@cache
def _values() -> dict[str, tuple[str, Callable[[Any], bool]]]:
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    return {row["url"]: (row["element"], _test_of(row["element"], row["values"])) for row in rows}


def _is_boolean(value: object) -> bool:
    return type(value) is bool


_YES_OR_NO: tuple[str, Callable[[Any], bool]] = ("valueBoolean", _is_boolean)


def _test_of(element: str, values: str) -> Callable[[Any], bool]:
    if element == "valueBoolean":
        return _is_boolean
    if element == "valueInteger":
        least, greatest = map(int, values.split(".."))
        return lambda value: type(value) is int and least <= value <= greatest
    codes = codes_of(values) or frozenset()
    return lambda value: type(value) is str and value in codes
