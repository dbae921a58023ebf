"""Values made coarser along a hierarchy: a code's category, a place's province, an age's band.

A hierarchy is a file in deidentify/hierarchies. Level 0 is the value as written, level 1 the first coarser
one, and so on; levels have names too (`chapter`, `province`), which policies may use instead of numbers.

    method   how a value is made coarser
    prefix   a code's first characters, filled up with zeros where the code has a fixed length
    ranges   the same, and at a level with `ranges` the name of the range that holds the category
    date     the beginning of a FHIR date; a quarter as `1984-Q3`
    bands    the band of a number: `60-64`, `[10,20)`; from `pooled_from` on all are one, `90+`

A value that a hierarchy does not know gives None: it is dropped and counted, never passed on.
"""

from __future__ import annotations

import csv
import hashlib
import math
import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from deidentify.account import DropCounter
from deidentify.dates import coarsen
from rwd_platform.core.errors import Problem

if TYPE_CHECKING:
    import pandas as pd

HIERARCHIES = Path(__file__).parent / "hierarchies"
OLDEST_AGE = 90  # 45 CFR 164.514(b)(2)(i)(C): ages of 90 and more are one category

HIERARCHY_UNKNOWN = Problem(
    code="generalise.hierarchy_unknown",
    zh="没有名为 {name} 的泛化层级。",
    en="There is no generalisation hierarchy called {name}.",
    next_zh="可用的层级为 {known}，其定义见 deidentify/hierarchies。",
    next_en="Use one of {known}; they are defined in deidentify/hierarchies.",
)
LEVEL_UNKNOWN = Problem(
    code="generalise.level_unknown",
    zh="泛化层级 {name} 没有第 {level} 级。",
    en="The generalisation hierarchy {name} has no level {level}.",
    next_zh="可用的级别为 {known}。",
    next_en="Its levels are {known}.",
)
PLAN_UNFIT = Problem(
    code="generalise.plan_unfit",
    zh="泛化方案中 {column} 一项不能执行：{why_zh}。",
    en="The generalisation plan cannot be carried out for {column}: {why}.",
    next_zh="每列请写 age-band:N、generalise:层级:级别 或 drop，列名须与表中一致。",
    next_en="For each column write age-band:N, generalise:<hierarchy>:<level> or drop, and name columns as the "
    "table does.",
)

_NUMBER = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_QUARTER = re.compile(r"([0-9]{4})-([0-9]{2})")


@dataclass(frozen=True)
class Level:
    """One level. `fhir` is whether FHIR can express what it gives: a quarter is no FHIR date."""

    name: str
    zh: str
    length: int = 0
    width: int = 0
    ranges: bool = False
    fhir: bool = True


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """A hierarchy as its file declares it. `systems` are the code systems whose codes it knows."""

    name: str
    version: str
    zh: str
    en: str
    method: str
    systems: frozenset[str]
    levels: tuple[Level, ...]
    sha256: str
    pattern: re.Pattern[str] | None = None
    ranges: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)  # a place's name -> its code
    filled_to: int = 0
    top: str | None = None
    least: int | None = None
    pooled_from: int | None = None

    def level(self, text: str) -> int:
        """The number of a level given by number or by name. Raises `generalise.level_unknown`."""
        numbers = {level.name: number for number, level in enumerate(self.levels, 1)}
        if text in numbers:
            return numbers[text]
        if text.isascii() and text.isdigit() and len(text) < 3 and int(text) <= len(self.levels):
            return int(text)
        known = ", ".join(f"{number} {name}" for name, number in numbers.items())
        raise LEVEL_UNKNOWN.error(name=self.name, level=text, known=known)

    def at(self, value: object, level: int) -> str | None:
        """The value at that level; None where the hierarchy does not know the value."""
        if not 0 <= level <= len(self.levels):
            self.level(str(level))
        return _METHODS[self.method](self, value, level)


def load_hierarchies() -> Mapping[str, Hierarchy]:
    """Every hierarchy of the house, by name."""
    return _hierarchies()


def hierarchy_named(name: str) -> Hierarchy:
    """The hierarchy of that name. Raises `generalise.hierarchy_unknown`."""
    known = _hierarchies()
    if name not in known:
        raise HIERARCHY_UNKNOWN.error(name=name, known=", ".join(known))
    return known[name]


def generalise(value: str | int | float | None, hierarchy: str, level: int) -> str | None:
    """`generalise("C50.9", "icd10", 1)` is `C50`, at level 2 `II`; None for what the hierarchy does not know.

    Raises `generalise.hierarchy_unknown` and `generalise.level_unknown`.
    """
    return hierarchy_named(hierarchy).at(value, level)


def band_of_age(years: int | float | Decimal, width: int) -> int:
    """The lower bound of an age's band; `OLDEST_AGE` for everyone of that age and above."""
    return OLDEST_AGE if years >= OLDEST_AGE else math.floor(years) // width * width


def generalise_frame(
    frame: pd.DataFrame, plan: Mapping[str, str], account: DropCounter, table: str = ""
) -> pd.DataFrame:
    """The frame with its columns made coarser; columns that the plan does not name stay as they are.

    `plan` maps a column to `age-band:N`, `generalise:<hierarchy>:<level>` or `drop`. With `table`, it maps
    `<table>.<column>`, and entries of other tables are left alone. Ages become the whole number at which
    their band begins (90: 90 and above), everything else text; what a hierarchy does not know becomes
    missing, and `account` counts it. A column that says the same exactly goes, unless the plan names it too:
    `value_text` and `ucum_value` beside `value`. Raises `generalise.plan_unfit` before anything is changed.
    """
    prefix = f"{table}." if table else ""
    actions = {
        name.removeprefix(prefix): (name, column_action(name, text))
        for name, text in plan.items()
        if name.startswith(prefix)
    }
    for column, (name, _) in actions.items():
        if column not in frame.columns:
            raise PLAN_UNFIT.error(column=name, why="the table has no such column", why_zh="表中没有该列")
    dropped = [column for column, (_, action) in actions.items() if action is None]
    told = [twin for column in actions for twin in _twins(column) if twin in frame and twin not in actions]
    kept = frame.drop(columns=[*dropped, *told])
    for twin in told:
        account.add(f"{prefix}{twin}", int(frame[twin].notna().sum()))
    for column, (name, action) in actions.items():
        if action is None:
            account.add(name, len(frame))
            continue
        coarse = _coarse_column(frame[column], action)
        account.add(f"{name}: unknown", int((coarse.isna() & frame[column].notna()).sum()))
        kept[column] = coarse
    return kept


def _twins(column: str) -> tuple[str, ...]:
    """The columns that say the same as exactly: as it was written, and converted to one unit."""
    return f"{column}_text", f"ucum_{column}", f"ucum_{column}_text"


ColumnAction = tuple[str, int]  # hierarchy, or "" for an age's band; level, or the band's width


def column_action(column: str, text: str) -> ColumnAction | None:
    """What a plan's text asks for; None for `drop`. Raises `generalise.plan_unfit`, and what `level` does."""
    verb, _, argument = text.partition(":")
    if verb == "age-band" and _width(argument):
        return "", _width(argument)
    if verb == "generalise":
        name, _, level = argument.partition(":")
        return name, hierarchy_named(name).level(level)
    if text != "drop":
        raise PLAN_UNFIT.error(column=column, why=f"{text!r} is no action", why_zh=f"{text!r} 不是已知动作")
    return None


def _width(text: str) -> int:
    """The width of an age band in years, 1 to 30; 0 for what is none."""
    return int(text) if re.fullmatch(r"[1-9]|[12][0-9]|30", text) else 0


def _coarse_column(values: pd.Series[Any], action: ColumnAction) -> pd.Series[Any]:
    import pandas as pd

    name, level = action
    if not name:
        ages = [_number(value) for value in values]
        bands = [None if age is None or age < 0 else band_of_age(age, level) for age in ages]
        return pd.Series(pd.array(bands, dtype="Int64"), index=values.index)
    hierarchy = hierarchy_named(name)
    coarse = {value: hierarchy.at(value, level) for value in values.dropna().unique()}
    return pd.Series([coarse.get(value) for value in values], index=values.index, dtype=object)


# -- the methods -------------------------------------------------------------------------------------


def _text(value: object) -> str:
    return unicodedata.normalize("NFKC", value).strip().upper() if isinstance(value, str) else ""


def _prefix(hierarchy: Hierarchy, value: object, level: int) -> str | None:
    code = _text(value)
    code = hierarchy.names.get(code, code)
    if hierarchy.pattern is None or not hierarchy.pattern.fullmatch(code):
        return None
    length = hierarchy.levels[level - 1].length if level else len(code)
    return code[:length].ljust(hierarchy.filled_to, "0") if length else hierarchy.top


def _ranges(hierarchy: Hierarchy, value: object, level: int) -> str | None:
    code = _text(value)
    if hierarchy.pattern is None or not hierarchy.pattern.fullmatch(code):
        return None
    category = code[: hierarchy.levels[0].length]
    found = next((name for name, (low, high) in hierarchy.ranges.items() if low <= category <= high), None)
    if found is None or level == 0:
        return None if found is None else code
    return found if hierarchy.levels[level - 1].ranges else category


def _date(hierarchy: Hierarchy, value: object, level: int) -> str | None:
    text = value.strip() if isinstance(value, str) else ""
    whole = coarsen(text, "year") and text
    if not whole or level == 0:
        return whole or None
    name = hierarchy.levels[level - 1].name
    if name != "quarter":
        return coarsen(whole, name)
    month = _QUARTER.match(whole)
    return f"{month[1]}-Q{(int(month[2]) + 2) // 3}" if month else whole


def _bands(hierarchy: Hierarchy, value: object, level: int) -> str | None:
    number = _number(value)
    if number is None or (hierarchy.least is not None and number < hierarchy.least):
        return None
    if hierarchy.pooled_from is not None and number >= hierarchy.pooled_from and level:
        return f"{hierarchy.pooled_from}+"
    if level == 0:
        return str(value).strip()
    width = hierarchy.levels[level - 1].width
    low = math.floor(number / width) * width
    if hierarchy.pooled_from is None:
        return f"[{low},{low + width})"
    high = min(low + width, hierarchy.pooled_from) - 1
    return f"{low}-{high}"


def _number(value: object) -> Decimal | None:
    """A number, or a text that is one; None for anything else, NaN and infinities among it."""
    if isinstance(value, str):
        value = unicodedata.normalize("NFKC", value).strip()
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    try:
        number = None if value is None or isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:  # pandas' <NA> and other things that are no number
        return None
    return number if number is not None and number.is_finite() else None


_METHODS: Mapping[str, Callable[[Hierarchy, object, int], str | None]] = MappingProxyType(
    {"prefix": _prefix, "ranges": _ranges, "date": _date, "bands": _bands}
)


@cache
def _hierarchies() -> Mapping[str, Hierarchy]:
    found = {file.stem: _read(file) for file in sorted(HIERARCHIES.glob("*.toml"))}
    return MappingProxyType(found)


def _read(file: Path) -> Hierarchy:
    content = file.read_bytes()
    declared = tomllib.loads(content.decode("utf-8"))
    digest = hashlib.sha256(content)
    names: Mapping[str, str] = {}
    if "names" in declared:
        table = (file.parent / declared["names"]).read_bytes()
        digest.update(table)
        names = _names(table.decode("utf-8"), declared["suffixes"])
    return Hierarchy(
        name=declared["name"],
        version=declared["version"],
        zh=declared["zh"],
        en=declared["en"],
        method=declared["method"],
        systems=frozenset(declared["systems"]),
        levels=tuple(Level(**level) for level in declared["levels"]),
        sha256=digest.hexdigest(),
        pattern=re.compile(declared["pattern"]) if "pattern" in declared else None,
        ranges={name: (low, high) for name, (low, high) in declared.get("ranges", {}).items()},
        names=names,
        filled_to=declared.get("filled_to", 0),
        top=declared.get("top"),
        least=declared.get("least"),
        pooled_from=declared.get("pooled_from"),
    )


def _names(table: str, suffixes: list[str]) -> Mapping[str, str]:
    """Names to codes, also without their ending (海口 for 海口市). Of two places of one name, the larger."""
    names: dict[str, str] = {}
    for row in sorted(
        csv.DictReader(table.splitlines()), key=lambda row: (row["code"][2:] != "0000", row["code"])
    ):
        for name in (
            row["name"],
            *(row["name"].removesuffix(end) for end in suffixes if row["name"].endswith(end)),
        ):
            if len(name) > 1:
                names.setdefault(name, row["code"])
    return names
