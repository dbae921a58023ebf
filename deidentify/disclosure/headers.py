"""The columns of a table by the names that people give them: headers.csv, read once."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.names import folded

HEADERS = Path(__file__).parent / "headers.csv"
LANGUAGES = ("zh", "en")
NEAREST = 8
_LONGEST = 60
_UNIT = re.compile(r"(?P<name>.+?)\s*\((?P<unit>[^()]{0,12})\)")


@cache
def names_of_statistics(path: Path = HEADERS) -> Mapping[str, str]:
    """Folded name -> statistic, of every line. Raises ValueError for a line that would make a header two things."""
    statistics = load_fields().statistics
    known = {folded(name): name for name in statistics}
    for place, (statistic, language, name) in _lines(path):
        if statistic not in statistics or language not in LANGUAGES or not folded(name):
            raise ValueError(f"headers.csv, line {place}: no statistic, language and name")
        if known.setdefault(folded(name), statistic) != statistic:
            raise ValueError(f"headers.csv, line {place}: this name stands for another statistic")
    return known


def statistic_of(header: str) -> str | None:
    """The statistic that a column's header means; None for a dimension, or for what nobody declared."""
    known, name = names_of_statistics(), folded(header)
    if name in known:
        return known[name]
    match = _UNIT.fullmatch(name)
    found = known.get(match["name"]) if match else None
    # `人数 (%)` is two numbers in one cell, or a share under the name of a count: nobody can tell which.
    if match and found and "%" in match["unit"]:
        declared = load_fields().statistics[found]
        if declared.of and not declared.per:  # `死亡率(%)`: of persons, not of time
            return "percent"
        return found if declared.type in ("share", "time_to_event") else None
    return found


@cache
def first_names(language: str) -> Mapping[str, str]:
    """Statistic -> what it is called in that language, where headers.csv says so."""
    first: dict[str, str] = {}
    for _, (statistic, written_in, name) in _lines(HEADERS):
        if written_in == language:
            first.setdefault(statistic, name)
    return first


def nearest_statistics(header: str, language: str, most: int = NEAREST) -> tuple[str, ...]:
    """The names in that language that look most like the header, one a statistic, the nearest first."""
    asked = folded(header[:_LONGEST])
    names = {
        name: statistic for _, (statistic, written_in, name) in _lines(HEADERS) if written_in == language
    }
    near = sorted(names, key=lambda name: -SequenceMatcher(None, asked, folded(name)).ratio())
    first: dict[str, str] = {}
    for name in near:
        first.setdefault(names[name], name)
    return tuple(first.values())[:most]


@cache
def shown_statistics(language: str) -> str:
    """All statistics with the first name of each in that language, for an error."""
    first = first_names(language)
    shown = (f"{name} ({first[name]})" if name in first else name for name in load_fields().statistics)
    return ", ".join(shown)


def _lines(path: Path) -> Iterable[tuple[int, Sequence[str]]]:
    """Line number and fields, without comments and the header."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = [(place, line) for place, line in enumerate(file, start=1) if not line.startswith("#")]
    for place, line in lines[1:]:
        fields = next(csv.reader([line]))
        if len(fields) != 3:
            raise ValueError(f"headers.csv, line {place}: three fields are needed")
        yield place, fields
