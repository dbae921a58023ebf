"""GB/T 2260: which region a code named, and when; and the names by which addresses begin.

The table is regions.csv; its header names the source.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("regions.csv")
# Entries of the table that head a list and are no place's name.
_HEADINGS = frozenset(
    {"市辖区", "县", "直辖县", "省直辖县级行政区划", "自治区直辖县级行政区划", "台湾居民居住证"}
)
_SUFFIXES = (
    "特别行政区",
    "维吾尔自治区",
    "壮族自治区",
    "回族自治区",
    "自治区",
    "自治州",
    "地区",
    "省",
    "市",
    "盟",
)


class Region(NamedTuple):
    """A code and name of GB/T 2260 and the years in which both were in force; `until` None: still."""

    code: str
    name: str
    since: int
    until: int | None


@cache
def regions() -> Mapping[str, tuple[Region, ...]]:
    """Every code of the table, with its names in the order in which they ended."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        found: dict[str, list[Region]] = {}
        for row in rows:
            until = int(row["until"]) if row["until"] else None
            found.setdefault(row["code"], []).append(
                Region(row["code"], row["name"], int(row["since"]), until)
            )
    return {code: tuple(sorted(named, key=_last_year)) for code, named in found.items()}


def region_of(code: str) -> str | None:
    """The last name of a region's six digits, or None where GB/T 2260 never had the code."""
    named = regions().get(code)
    return named[-1].name if named else None


def was_region(code: str, birth_year: int) -> bool:
    """Whether somebody born in a year can have an id with this code.

    An id is issued at birth or later, so a code that ended before the birth cannot stand in it. The table
    begins in 1980 and ids are older than that, so no code is too new for anybody.
    """
    return any(named.until is None or named.until >= birth_year for named in regions().get(code, ()))


def _last_year(region: Region) -> int:
    return region.until if region.until is not None else 9999


@cache
def place_names() -> Mapping[str, frozenset[str]]:
    """Names by level (`province`, `city`, `county`), full and without 省, 市 and the like.

    Short names of counties are left out: too many are words (和平, 长安, 东方).
    """
    levels: dict[str, set[str]] = {"province": set(), "city": set(), "county": set()}
    for code, named in regions().items():
        level = "province" if code.endswith("0000") else "city" if code.endswith("00") else "county"
        for name in {region.name for region in named} - _HEADINGS:
            levels[level].add(name)
            if level != "county":
                levels[level].add(short_name(name))
    return {level: frozenset(name for name in names if len(name) > 1) for level, names in levels.items()}


def short_name(name: str) -> str:
    """海南 for 海南省, 哈尔滨 for 哈尔滨市; the name itself where nothing would be left of it."""
    for suffix in _SUFFIXES:
        if name.endswith(suffix) and len(name) - len(suffix) >= 2:
            return name.removesuffix(suffix)
    return name
