"""The forest plot: the planned hazard ratios one below the other, and the overseas result to compare with."""

from __future__ import annotations

from studies.analyses.context import Context, Done, points
from studies.planned import PlannedAnalysis
from studies.reasons import NOTHING_TO_COMPARE, CannotEstimate
from studies.results import Series, Value

COLUMNS = ("result", "title_zh", "title_en", "n", "events", "hazard_ratio", "ci_low", "ci_high")
OVERSEAS = "overseas"


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """A series of rows that exist; a comparison that could not be done is in `not_done` under its own id."""
    lines: list[tuple[Value, ...]] = []
    for name in analysis.compares:
        done = context.finished.get(name)
        wanted = f"{name}.{context.dataset.exposure}.hazard_ratio"
        for row in done.rows if done else ():
            if row.id == wanted:
                title = context.protocol.analysis(name).title
                lines.append(
                    (row.id, title.zh, title.en, row.n, row.events, row.value, row.ci_low, row.ci_high)
                )
    if not lines:
        raise CannotEstimate(NOTHING_TO_COMPARE)
    overseas = context.protocol.overseas
    if overseas is not None:
        lines.append(
            (
                f"{OVERSEAS}.hazard_ratio",
                overseas.title.zh,
                overseas.title.en,
                overseas.subjects,
                overseas.events,
                overseas.hazard_ratio,
                overseas.ci_low,
                overseas.ci_high,
            )
        )
    return Done((), (Series(f"{analysis.id}.lines", analysis.id, COLUMNS, points(lines)),))
