"""Labels documents: what travels with a lock, and with an evidence package.

A table has the level of its highest column. Three things raise labels beyond the catalogue (levels.toml):
subjects who were under 14 at index, or whose age is not known, make everything sensitive; codes of certain
diseases make their column level 5; very many persons make a table of health records important.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from deidentify.classification.catalogue import (
    PACKAGE,
    Catalogue,
    Label,
    classify,
    classify_file,
    load_catalogue,
)
from rwd_platform.core.columns import SUBJECT_ID

FORMAT_VERSION = 1
_NUMBER = re.compile(r"[0-9]{1,3}")
_ICD10 = re.compile(r"[A-Z][0-9]{2}")
_BELOW = re.compile(r"\s*(?:<|＜|≤|under|below|不满|小于)")


def labels_of(tables: Mapping[str, Any], zone: str = "lock") -> dict[str, Any]:
    """The labels document of some tables; its canonical JSON is the same for the same content.

    `tables` gives data frames by name, or only lists of column names; then nothing is counted and `subjects`
    is None. A column that the catalogue does not list raises `classification.unlisted`.

    level, importance and sensitive of the whole are those of its highest table; `subjects` has count, under_14
    and age_unknown, and says whether ages were years, bands (`ages`: who may be under 14 counts) or absent.
    """
    catalogue = load_catalogue()
    labels = {
        name: [classify(name, column, zone) for column in _columns(tables[name])] for name in sorted(tables)
    }
    subjects = _subjects(tables, catalogue.meanings["minor"])
    minors = subjects is not None and subjects["under_14"] + subjects["age_unknown"] > 0
    described = {}
    special: list[dict[str, str]] = []
    for name, columns in labels.items():
        found = _special(name, tables[name], catalogue)
        special += [{"zh": one["zh"], "en": one["en"]} for one in found]
        raised = [_raised(label, found, minors) for label in columns]
        described[name] = _table(raised, _is_important(tables[name], raised, catalogue))
    return {
        "format_version": FORMAT_VERSION,
        "catalogue": catalogue.identity(),
        "meaning": catalogue.about._asdict(),
        "zone": zone,
        **_highest(described.values()),
        "subjects": subjects,
        "special": special,
        "tables": described,
    }


def labels_of_package(
    file_names: Iterable[str], audience: str, lock_labels: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The labels document of an evidence package: a label a file, and those of the lock's tables.

    `lock_labels` is the lock's own document. An aggregate package holds no rows, so that it goes without the
    lock's tables and without its counts of subjects.
    """
    catalogue = load_catalogue()
    files = {name: classify_file(name, audience).as_dict() for name in sorted(file_names)}
    document = {
        "format_version": FORMAT_VERSION,
        "catalogue": catalogue.identity(),
        "meaning": catalogue.about._asdict(),
        "zone": PACKAGE,
        "audience": audience,
        **_highest(files.values()),
        "files": files,
    }
    if lock_labels is not None and audience == "authority":
        document["lock"] = dict(lock_labels)
    return document


def _columns(table: Any) -> list[str]:
    return [str(column) for column in getattr(table, "columns", table)]


def _has_rows(table: Any) -> bool:
    return hasattr(table, "columns")


def _table(labels: list[Label], important: bool) -> dict[str, Any]:
    columns = {
        label.column: {**label.as_dict(), **({"importance": "important"} if important else {})}
        for label in labels
    }
    return {
        **_highest(columns.values()),
        "classes": sorted({label.category for label in labels}),
        "columns": columns,
    }


def _highest(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The strictest of each axis; level 1 and general where there is nothing."""
    found = list(parts)
    order = list(load_catalogue().meanings["importance"])
    return {
        "level": max((part["level"] for part in found), default=1),
        "importance": max((part["importance"] for part in found), key=order.index, default=order[0]),
        "sensitive": any(part["sensitive"] for part in found),
    }


def _raised(label: Label, special: list[Mapping[str, Any]], minors: bool) -> Label:
    levels = [one["level"] for one in special if one["column"] == label.column]
    return replace(label, level=max([label.level, *levels]), sensitive=label.sensitive or minors)


def _subjects(tables: Mapping[str, Any], minor: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many subjects, and how many of them are, or may be, too young. None where no row was given."""
    table = tables.get(minor["table"])
    if table is None or not _has_rows(table):
        return None
    if minor["column"] not in table.columns:
        return {"count": len(table), "under_14": 0, "age_unknown": len(table), "ages": "absent"}
    lowest = [_lowest_age(value) for value in table[minor["column"]].tolist()]
    under, bands = minor["under_years"], any(is_band for _, is_band in lowest)
    return {
        "count": len(table),
        "under_14": sum(age is not None and age < under for age, _ in lowest),
        "age_unknown": sum(age is None for age, _ in lowest),
        "ages": "bands" if bands else "years",
    }


def _lowest_age(value: Any) -> tuple[int | None, bool]:
    """The youngest that this age can be, and whether it is a band: 17 -> 17; "10-14" -> 10; "<18" -> 0."""
    text = str(value)
    number = _NUMBER.search(text)
    if number is None:  # None, NaN, <NA>, "unknown"
        return None, False
    if isinstance(value, int | float):
        return int(value), False
    return (0 if _BELOW.match(text) else int(number.group())), True


def _special(name: str, table: Any, catalogue: Catalogue) -> list[Mapping[str, Any]]:
    """The rules of levels.toml whose codes occur in this table's rows."""
    rules = [rule for rule in catalogue.meanings["special"] if rule["table"] == name]
    if not rules or not _has_rows(table):
        return []
    return [rule for rule in rules if rule["column"] in table.columns and _occurs(rule, table)]


def _occurs(rule: Mapping[str, Any], table: Any) -> bool:
    wanted = [rule["column"], rule["system_column"]]
    if rule["system_column"] not in table.columns:
        wanted = wanted[:1]  # whose codes they are is not known any more: each is taken at its word
    for code, *system in table[wanted].drop_duplicates().itertuples(index=False):
        if system and system[0] not in rule["systems"]:
            continue
        block = _ICD10.match(str(code).upper())
        if block and rule["from"] <= block.group() <= rule["to"]:
            return True
    return False


def _is_important(table: Any, labels: list[Label], catalogue: Catalogue) -> bool:
    rule = catalogue.meanings["important"]
    if not _has_rows(table) or not any(label.category in rule["classes"] for label in labels):
        return False
    return SUBJECT_ID in table.columns and table[SUBJECT_ID].nunique() >= rule["persons"]
