"""What a result field is: the one table fields.toml, read once."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deidentify.disclosure.names import folded

if TYPE_CHECKING:
    from deidentify.disclosure.read import Row

FIELDS = Path(__file__).parent / "fields.toml"
MINIMA = ("value", "share", "n", "tail", "at_risk", "total", "dof", "never", "none")
COLUMN_KINDS = ("open", "count", "at_risk", "reveals")


@dataclass(frozen=True)
class Field:
    """A statistic, or a kind of series. fields.toml says what each attribute means."""

    name: str
    type: str
    minimum: str
    tail: float = 0.5
    structural_zeros: bool = False
    reveals: bool = False
    part: bool = True
    columns: Mapping[str, str] | None = None  # of a series; None: any
    of: str = ""  # of a rate: the statistic whose value it is a rate of
    gives: str = ""  # and what rate times that counts
    per: float = 0.0  # the unit of the rate; 0: the file does not say
    words: frozenset[str] = (
        frozenset()
    )  # the texts that its value may be; any other text is looked at by a person


@dataclass(frozen=True)
class Fields:
    """The whole table."""

    statistics: Mapping[str, Field]
    series: Mapping[str, Field]
    exempt: frozenset[str]  # analyses that quote published results
    exempt_engine: str = ""
    numbered: frozenset[str] = frozenset()  # dimensions whose labels may all be numbers
    time_units: Mapping[str, int] = field(default_factory=dict)  # every name of a unit of time -> its days
    quoted: frozenset[float] = frozenset()  # the numbers that the protocol on record quotes

    def is_exempt(self, row: Row) -> bool:
        """An effect that the protocol quotes: no person of a row set of ours stands behind it."""
        declared = self.statistics.get(row.statistic)
        return (
            row.analysis in self.exempt
            and row.engine == self.exempt_engine
            and not row.row_set
            and declared is not None
            and declared.type == "model_coefficient"
            and row.number in self.quoted
            and {row.ci_low, row.ci_high} - {None} <= self.quoted
        )

    def step(self, unit: str, days: int) -> int:
        """Of what whole number of such units a quantile has to be a multiple; 0 for what is no unit of time."""
        own = self.time_units.get(folded(unit).rstrip("."), 0)
        return math.ceil(days / own) if own else 0


@cache
def load_fields(path: Path = FIELDS) -> Fields:
    """The table. Raises ValueError for a line that says nothing we know: a typing error must not open a gate."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return Fields(
        statistics={name: _field(name, entry) for name, entry in document["statistics"].items()},
        series={name: _field(name, {"minimum": "n", **entry}) for name, entry in document["series"].items()},
        exempt=frozenset(document["exempt"]["analyses"]),
        exempt_engine=document["exempt"]["engine"],
        numbered=frozenset(document["numbered"]["dimensions"]),
        time_units={
            folded(name): unit["days"] for unit in document["time_units"].values() for name in unit["names"]
        },
    )


def with_quoted(numbers: Collection[float]) -> Fields:
    """The table, and the numbers that the protocol on record quotes from a publication."""
    return replace(load_fields(), quoted=frozenset(map(float, numbers)))


def _field(name: str, entry: Mapping[str, Any]) -> Field:
    known = {"type", "minimum", "tail", "zeros", "reveals", "part", "columns", "of", "gives", "per", "words"}
    columns = entry.get("columns")
    if (
        set(entry) - known
        or entry["minimum"] not in MINIMA
        or entry.get("zeros", "structural") != "structural"
        or not set((columns or {}).values()) <= set(COLUMN_KINDS)
        or bool(entry.get("of")) != bool(entry.get("gives"))
    ):
        raise ValueError(f"fields.toml: {name} is not declared as the table's head says")
    return Field(
        name=name,
        type=entry["type"],
        minimum=entry["minimum"],
        tail=float(entry.get("tail", 0.5)),
        structural_zeros="zeros" in entry,
        reveals=bool(entry.get("reveals", False)),
        part=bool(entry.get("part", True)),
        columns=columns,
        of=entry.get("of", ""),
        gives=entry.get("gives", ""),
        per=float(entry.get("per", 0.0)),
        words=frozenset(entry.get("words", ())),
    )
