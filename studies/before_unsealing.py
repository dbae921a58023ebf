"""What the second person looks at before results are unsealed: each planned diagnostic in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from studies.results import ArdRow, ResultSet
from studies.sealing import diagnostic_analyses


@dataclass(frozen=True)
class Diagnostic:
    """One planned diagnostic of a run.

    rows                        -- how many results it has; 0 with a `reason` where it could not be computed
    reason                      -- "zh / en", "" where it was computed
    largest_before/after        -- the largest absolute standardised difference, unweighted and weighted
    effective                   -- arm -> effective sample size
    separation, equipoise       -- how well the score tells the arms apart (area under the curve), and the share of
                                   subjects with a preference score of 0.3-0.7
    warnings                    -- "zh / en", each once
    """

    analysis: str
    rows: int
    reason: str = ""
    largest_before: float | None = None
    largest_after: float | None = None
    effective: Mapping[str, float] | None = None
    separation: float | None = None
    equipoise: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        return self.rows > 0 or bool(self.reason)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "warnings": list(self.warnings)}


def diagnostics_of(results: ResultSet, planned: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """The planned diagnostics in the protocol's order, those that are missing among them. `results`: the open part."""
    return tuple(_diagnostic(id, results) for id in diagnostic_analyses(planned))


def _diagnostic(id: str, results: ResultSet) -> Diagnostic:
    rows = [row for row in results.rows if row.analysis == id]
    sizes = {row.group: _number(row) for row in rows if row.statistic == "effective_sample_size"}
    return Diagnostic(
        analysis=id,
        rows=len(rows),
        reason=results.not_done.get(id, ""),
        largest_before=_largest(row for row in rows if row.statistic == "smd_unweighted"),
        largest_after=_largest(row for row in rows if row.statistic == "smd_weighted"),
        effective={arm: size for arm, size in sizes.items() if size is not None} or None,
        separation=_largest(row for row in rows if row.statistic == "area_under_curve"),
        equipoise=_largest(row for row in rows if row.statistic == "equipoise_share"),
        warnings=tuple(dict.fromkeys(one for row in rows for one in row.warnings)),
    )


def _largest(rows: Iterable[ArdRow]) -> float | None:
    return max((abs(value) for row in rows if (value := _number(row)) is not None), default=None)


def _number(row: ArdRow) -> float | None:
    return float(row.value) if isinstance(row.value, int | float) else None
