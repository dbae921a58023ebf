"""What a submission's dataset is: its rows, and everything that is said about each variable.

Names and English labels keep the limits of the SAS transport format (8 letters, 40 bytes, ASCII), so that one set of
metadata serves XPT, Dataset-JSON and Define-XML. What a limit took away stands beside it: `title`, `long_name`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.spelling import label_of

DataType = Literal["text", "integer", "float"]
Origin = Literal["Collected", "Derived", "Assigned", "Predecessor"]
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,7}")
NOTHING = Bilingual("", "")
_FORMATS = {"text": "", "integer": "8.", "float": "BEST12."}


@dataclass(frozen=True)
class Code:
    """A coded value and what it means. `spelt` is how XPT writes a value that is Chinese; else the value itself."""

    value: str
    meaning: Bilingual
    spelt: str = ""


@dataclass(frozen=True)
class CodeList:
    """`id` names it in Define-XML. A list of the same id is the same list in every dataset."""

    id: str
    title: Bilingual
    codes: tuple[Code, ...]
    numeric: bool = False

    def spellings(self) -> tuple[Code, ...]:
        """Every value that either file may hold, once: the Chinese of a Dataset-JSON and the English of XPT."""
        found: dict[str, Code] = {}
        for code in self.codes:
            found.setdefault(code.value, code)
        for code in self.codes:
            if code.spelt:
                found.setdefault(code.spelt, replace(code, value=code.spelt, spelt=""))
        return tuple(found.values())


@dataclass(frozen=True)
class AdamVariable:
    """
    name       -- at most 8 of A-Z, 0-9 and _, a letter first
    title      -- the whole label; `label` is what fits: its English has at most 40 ASCII characters
    length     -- text: characters of the longest value, at least 1; numbers: 8 bytes
    origin     -- of Define-XML 2.1; `predecessor` names the variable of an origin of that kind
    derivation -- in words; empty where nothing was derived
    source     -- columns of the analysis table, or names of its lineage, that a cell goes home by; () for a constant
    long_name  -- what the protocol calls the covariate or the population; "" for the other variables
    shortened  -- `name` is a short one that cannot be told from the long one
    english    -- of Chinese values that no code list holds, how XPT writes each
    """

    name: str
    title: Bilingual
    type: DataType
    origin: Origin
    source: tuple[str, ...] = ()
    derivation: Bilingual = NOTHING
    codes: CodeList | None = None
    predecessor: str = ""
    long_name: str = ""
    shortened: bool = False
    english: Mapping[str, str] = field(default_factory=dict)
    length: int = 8

    @property
    def label(self) -> Bilingual:
        return Bilingual(self.title.zh, label_of(self.title.en))

    @property
    def spelt(self) -> Mapping[str, str]:
        """Chinese value -> the English that stands for it in XPT, where the protocol knows one, as yet unfitted."""
        coded = {one.value: one.meaning.en for one in self.codes.codes if one.spelt} if self.codes else {}
        return {**self.english, **coded}

    @property
    def display_format(self) -> str:
        """A SAS format; "" for text."""
        return _FORMATS[self.type]


@dataclass(frozen=True, eq=False)
class AdamDataset:
    """One dataset. `frame` has the variables as columns, in order: text as str ("" is missing), Int64, float64."""

    name: str
    title: Bilingual
    structure: Bilingual
    adam_class: str
    subclass: str
    keys: tuple[str, ...]
    variables: tuple[AdamVariable, ...]
    frame: pd.DataFrame

    @property
    def label(self) -> Bilingual:
        return Bilingual(self.title.zh, label_of(self.title.en))

    def variable(self, name: str) -> AdamVariable:
        return next(one for one in self.variables if one.name == name)

    def key_sequence(self, name: str) -> int | None:
        """From 1; None for what is no key."""
        return self.keys.index(name) + 1 if name in self.keys else None


@dataclass
class Sheet:
    """A dataset being made, column by column."""

    rows: int
    variables: list[AdamVariable] = field(default_factory=list)
    columns: dict[str, Any] = field(default_factory=dict)

    def add(self, variable: AdamVariable, values: Iterable[Any]) -> None:
        """Raises ValueError for a name that no transport file could have, or that is there already."""
        if not NAME.fullmatch(variable.name) or variable.name in self.columns:
            raise ValueError(f"not a name for a further variable: {variable.name}")
        column = _typed(variable.type, list(values))
        if len(column) != self.rows:
            raise ValueError(f"{variable.name} has {len(column)} values for {self.rows} rows")
        if variable.type == "text":
            variable = replace(variable, length=max([1, *map(len, column)]))
        self.variables.append(variable)
        self.columns[variable.name] = column

    def constant(self, variable: AdamVariable, value: Any) -> None:
        self.add(variable, [value] * self.rows)

    def dataset(
        self, name: str, title: Bilingual, structure: Bilingual, kind: tuple[str, str], keys: Sequence[str]
    ) -> AdamDataset:
        frame = pd.DataFrame(self.columns)
        return AdamDataset(name, title, structure, *kind, tuple(keys), tuple(self.variables), frame)


def _typed(data_type: DataType, values: list[Any]) -> Any:
    """Text without what UTF-8 cannot write; numbers that are finite, or missing."""
    if data_type == "text":
        texts = ["" if _missing(one) else str(one).encode("utf-8", "replace").decode() for one in values]
        return pd.Series(texts, dtype="object")
    if data_type == "integer":
        return pd.array([None if _missing(one) else int(one) for one in values], dtype="Int64")
    numbers = np.array([np.nan if _missing(one) else float(one) for one in values], dtype="float64")
    return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan), dtype="float64")


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float | np.floating) and np.isnan(value))
