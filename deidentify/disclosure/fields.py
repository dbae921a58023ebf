"""What a result field is: the one table fields.toml, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@dataclass(frozen=True)
class Fields:
    """The whole table."""

    statistics: Mapping[str, Field]
    series: Mapping[str, Field]
    exempt: frozenset[str]  # analyses that quote published results
    exempt_engine: str = ""
    numbered: frozenset[str] = frozenset()  # dimensions whose labels may all be numbers

    def is_exempt(self, row: Row) -> bool:
        """An effect that the protocol quotes: no person of a row set of ours stands behind it."""
        declared = self.statistics.get(row.statistic)
        return (
            row.analysis in self.exempt
            and row.engine == self.exempt_engine
            and not row.row_set
            and declared is not None
            and declared.type == "model_coefficient"
        )


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
    )


def _field(name: str, entry: Mapping[str, Any]) -> Field:
    known = {"type", "minimum", "tail", "zeros", "reveals", "part", "columns"}
    columns = entry.get("columns")
    if (
        set(entry) - known
        or entry["minimum"] not in MINIMA
        or entry.get("zeros", "structural") != "structural"
        or not set((columns or {}).values()) <= set(COLUMN_KINDS)
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
    )
