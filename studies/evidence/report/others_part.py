"""The effects that no other table or figure has shown: nothing that was planned and run stays out of the report.

Which they are is read from the register of printed numbers, not from the plans that could have named them: an
analysis that a forest, a specification or a curve already prints is not printed twice, and one that all of them pass
over stands here. Those without an estimate stand here with their reason.
"""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.evidence.report.blocks import Block, Text
from studies.evidence.report.context import Context
from studies.evidence.tables import NONE, Cell, Part, Result, interval
from studies.planned import PlannedAnalysis
from studies.reasons import in_language

_FORMS = {"hazard_ratio": "fixed.3", "difference": "fixed.1", "chi_square": "fixed.2"}
_METHODS = {"cox": "hazard_ratio", "rmst": "difference", "log_rank": "chi_square"}
"""The methods that give one effect or one test, and the statistic that says it."""


def others(context: Context) -> list[Block]:
    """Called after every other part of the results: only then it is known what these have printed."""
    printed = {number.ard_id for number in context.book.numbers if number.field == "value"}
    left = [
        plan
        for plan in context.protocol.analyses
        if plan.method in _METHODS
        and _row(context, plan) not in printed
        and not _said_elsewhere(context, plan)
    ]
    if not left:
        return []
    heads = (
        "forest.analysis",
        "others.population",
        "others.effect",
        "others.estimate",
        "cox.p",
        "others.counts",
    )
    maker = context.maker("others", heads, "lllrrr")
    notes: list[Text] = []
    for plan in left:
        maker.add(plan.title, context.protocol.population(plan.population).title, *_cells(context, plan))
        notes += _remarks(context, plan)
    table = maker.table(context.text("others.caption"), context.text("others.note"), *notes)
    return [context.heading("others.title", 2), table]


def _row(context: Context, plan: PlannedAnalysis) -> str:
    """The id of the row that says the effect, whether the run gave it or not."""
    part = f"{context.exposure}." if plan.method == "cox" else ""
    return f"{plan.id}.{part}{_METHODS[plan.method]}"


def _said_elsewhere(context: Context, plan: PlannedAnalysis) -> bool:
    """A specification names each of its ways, also those without a result; restricted means say why in their part."""
    if context.row(_row(context, plan)) is not None:
        return False
    named = any(plan.id in one.compares for one in context.planned("specification"))
    return named or f"{plan.id}.difference" in context.inputs.results.not_done


def _cells(context: Context, plan: PlannedAnalysis) -> tuple[Cell, ...]:
    id = _row(context, plan)
    row = context.row(id)
    effect = context.label(f"others.{_METHODS[plan.method]}")
    if row is None or row.value is None:
        # Withheld is not the same as without a result; in an aggregate package the remark beneath says which.
        known = plan.id in context.inputs.results.not_done and not context.inputs.is_aggregate
        return effect, context.label("specification.not_done") if known else NONE, NONE, NONE
    form = _FORMS[row.statistic]
    limits = row.ci_low is not None and row.ci_high is not None
    estimate: list[Part] = interval(id, form) if limits else [Result(id, form)]
    if plan.method == "log_rank":
        degrees = Result(f"{plan.id}.degrees", "int")
        estimate += [Bilingual("（", " ("), degrees, Bilingual(" 自由度）", " df)")]
    p_value = Result(f"{id.rpartition('.')[0]}.p_value", "p")
    counts: list[Part] = [Result(id, "int", "n"), " / ", Result(id, "int", "events")]
    return effect, estimate, p_value, counts


def _remarks(context: Context, plan: PlannedAnalysis) -> list[Text]:
    """What the run says of the effect: its warnings, or why there is none."""
    row = context.row(_row(context, plan))
    reason = context.inputs.results.not_done.get(plan.id)
    said = [] if row is None else list(row.warnings)
    return [
        context.text(
            "limits.warning",
            title=plan.title,
            warning=Bilingual(in_language(one, "zh"), in_language(one, "en")),
        )
        for one in [*said, *([reason] if reason is not None else [])]
    ]
