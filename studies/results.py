"""Results as data: one row a number (ARD), one series a curve. Reports are rendered only from these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rwd_platform.core.canonical import sha256_of

FORMAT_VERSION = 1

Value = float | int | str | None


@dataclass(frozen=True)
class ArdRow:
    """One number, and everything a reviewer needs to recompute it.

    id         -- stable and readable, e.g. `restricted.crude.hormon.hazard_ratio`; unique in a run
    analysis   -- the planned analysis in the protocol that it answers
    method     -- in words with its options: "Cox, Efron ties, model-based SE"
    group      -- arm, level or "" for all
    variable   -- the analysis variable it describes
    statistic  -- `hazard_ratio`, `median`, `n`, `smd`, ... (docs/reference/statistics.md)
    value      -- None means "not reached" or "not estimable"; `warnings` says which
    unit       -- `days`, `%`, `years`, "" for none
    ci_low/high -- at `ci_level` (0.95), None where the statistic has none
    n, events  -- the subjects and events behind it; None where events have no meaning
    variables  -- the analysis variables that went in (for tracing a number to its source lines)
    row_set    -- which subjects went in: a key of `ResultSet.row_sets`
    data_hash  -- of the analysis rows that went in
    """

    id: str
    analysis: str
    method: str
    group: str
    variable: str
    statistic: str
    value: Value
    unit: str = ""
    ci_low: float | None = None
    ci_high: float | None = None
    ci_level: float | None = None
    n: int | None = None
    events: int | None = None
    variables: tuple[str, ...] = ()
    row_set: str = ""
    data_hash: str = ""
    engine: str = ""
    engine_version: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Series:
    """Points of a figure: `columns` name what each point holds, units in the names (`time_days`)."""

    id: str
    analysis: str
    columns: tuple[str, ...]
    points: tuple[tuple[Value, ...], ...]
    row_set: str = ""


@dataclass(frozen=True)
class ResultSet:
    """All results of one run. `row_sets` maps a name to the sorted subject ids that were analysed."""

    study: str
    protocol_sha256: str
    lock_id: str
    rows: tuple[ArdRow, ...]
    series: tuple[Series, ...] = ()
    row_sets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    not_done: Mapping[str, str] = field(default_factory=dict)  # planned analysis -> why

    def row(self, id: str) -> ArdRow:
        return self._by_id[id]

    @property
    def _by_id(self) -> dict[str, ArdRow]:
        return {row.id: row for row in self.rows}

    def as_dict(self) -> dict[str, Any]:
        """JSON, in a stable order. Row sets leave as count and hash only: ids stay in the lock."""
        return {
            "format_version": FORMAT_VERSION,
            "study": self.study,
            "protocol_sha256": self.protocol_sha256,
            "lock_id": self.lock_id,
            "rows": [
                {**asdict(row), "variables": list(row.variables), "warnings": list(row.warnings)}
                for row in self.rows
            ],
            "series": [
                {**asdict(one), "columns": list(one.columns), "points": [list(point) for point in one.points]}
                for one in self.series
            ],
            "row_sets": {
                name: {"subjects": len(ids), "sha256": sha256_of(sorted(ids))}
                for name, ids in sorted(self.row_sets.items())
            },
            "not_done": dict(self.not_done),
        }

    @staticmethod
    def from_dict(stored: Mapping[str, Any], row_sets: Mapping[str, Sequence[str]]) -> ResultSet:
        """What `as_dict` wrote, with the row sets that stayed in the enclave."""
        return ResultSet(
            study=stored["study"],
            protocol_sha256=stored["protocol_sha256"],
            lock_id=stored["lock_id"],
            rows=tuple(
                ArdRow(**{**row, "variables": tuple(row["variables"]), "warnings": tuple(row["warnings"])})
                for row in stored["rows"]
            ),
            series=tuple(
                Series(
                    **{**one, "columns": tuple(one["columns"]), "points": tuple(map(tuple, one["points"]))}
                )
                for one in stored["series"]
            ),
            row_sets=row_sets,
            not_done=stored["not_done"],
        )
