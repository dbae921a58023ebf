"""How strong an unmeasured confounder would have to be to explain a hazard ratio away."""

from __future__ import annotations

from studies.analyses.context import Context, Done, Pen
from studies.outcome import EVENT, TIME
from studies.planned import PlannedAnalysis
from studies.reasons import CannotEstimate, Reason
from studies.statistics.doubt.e_value import e_value

# VanderWeele & Ding (2017): below this share with the event the hazard ratio stands for a risk ratio.
RARE = 0.15

NOT_MADE = Reason(
    "not_made",
    "所依据的分析“{analysis}”没有得出结果。",
    "The analysis that it looks into, '{analysis}', gave no result.",
)


def run(analysis: PlannedAnalysis, context: Context) -> Done:
    """Rows of the estimate and of the limit nearer to 1. Raises `CannotEstimate` where the model gave none."""
    exposure = context.dataset.exposure
    done = context.finished.get(analysis.of)
    wanted = f"{analysis.of}.{exposure}.hazard_ratio"
    row = next((one for one in (done.rows if done else ()) if one.id == wanted), None)
    if row is None or not isinstance(row.value, float) or not row.n or row.events is None:
        raise CannotEstimate(NOT_MADE, analysis=context.protocol.analysis(analysis.of).title)
    rare = row.events / row.n < RARE
    found = e_value(row.value, row.ci_low, row.ci_high, measure="hr_rare" if rare else "hr_common")
    model = context.protocol.analysis(analysis.of)
    pen = Pen(context, analysis.id, model.population, context.variables(model, TIME, EVENT), found.method)
    pen.write("e_value", found.e_value, variable=exposure, n=row.n, events=row.events)
    pen.write("e_value_limit", found.e_value_limit, variable=exposure, n=row.n, events=row.events)
    pen.write("risk_ratio", found.rr, variable=exposure, n=row.n, events=row.events)
    return Done(tuple(pen.rows))
