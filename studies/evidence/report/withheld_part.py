"""What an aggregate edition was asked and does not tell: it says so itself, first, and whose edition has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rwd_platform.core.text import Bilingual
from studies.evidence.inputs import PackageInputs
from studies.evidence.report.blocks import Paragraph, Text
from studies.evidence.report.context import Context, inside
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.results import Series

_START_AND_ONE = 2  # points: the start, at which nobody had the event, and one day that is told


def main_analyses(protocol: Protocol) -> list[PlannedAnalysis]:
    """What the protocol's question is answered by: its primary analyses. Where none is named so the criterion of a
    single arm, else the comparison that controls confounding, adjusted before weighted.
    """
    primary = [plan for plan in protocol.analyses if plan.role == "primary"]
    criteria = [plan for plan in protocol.analyses if plan.method == "performance_criterion"]
    if primary or criteria:
        return primary or criteria
    named = [
        protocol.analysis(name)
        for forest in protocol.analyses
        if forest.method == "forest"
        for name in forest.compares
    ]
    return sorted((plan for plan in named if plan.covariates), key=lambda plan: plan.weights != "none")[:1]


def withheld_main(inputs: PackageInputs) -> list[PlannedAnalysis]:
    """Of the main analyses those that were done and that this edition does not tell."""
    return [plan for plan in main_analyses(inputs.protocol) if plan.id in inputs.withheld]


def stands_apart(inputs: PackageInputs, plan: PlannedAnalysis) -> bool:
    """A result that must not be read as the answer, because the answer is withheld."""
    return bool(withheld_main(inputs)) and plan.id not in {one.id for one in main_analyses(inputs.protocol)}


def main_notice(context: Context) -> list[Paragraph]:
    """One box for all main results that are withheld; nothing where none is."""
    closed = withheld_main(context.inputs)
    if not closed:
        return []
    return [context.paragraph("answer.withheld", "lead", titles=_listed([plan.title for plan in closed]))]


def apart_notice(context: Context, plan: PlannedAnalysis) -> list[Paragraph]:
    """The label under which another result stands in the place of the answer."""
    if not stands_apart(context.inputs, plan):
        return []
    role = context.label(f"planned_role.{plan.role}")
    return [context.paragraph("answer.apart", "plain", title=plan.title, role=role)]


def without_curve(context: Context, series: Mapping[str, Series | None]) -> list[str]:
    """Arms whose curve has no day left but its start: by the rule of an aggregate edition, not by the data."""
    if not context.inputs.is_aggregate:
        return []
    return [arm for arm, curve in series.items() if curve is not None and len(curve.points) < _START_AND_ONE]


def curve_withheld(context: Context, arms: Sequence[str]) -> Bilingual | None:
    """What the figure itself says of these arms."""
    if not arms:
        return None
    text = context.text("curve.withheld", arms=_arms(context, arms))
    return Bilingual(text.plain("zh"), text.plain("en"))


def why_no_curve(context: Context, arms: Sequence[str], key: str) -> list[Text]:
    """The note under the figure and its table; `key` says by which rule."""
    return [context.text(key, arms=_arms(context, arms))] if arms else []


def _arms(context: Context, arms: Sequence[str]) -> Bilingual:
    titles = [context.protocol.exposure.arm_title(arm) for arm in arms]
    return Bilingual("、".join(f"“{one.zh}”" for one in titles), ", ".join(f"'{one.en}'" for one in titles))


def of_limits(context: Context) -> list[Text]:
    """The authors' limits are of the whole study: they may promise what this edition does not tell."""
    if not context.inputs.withheld or not context.protocol.limits:
        return []
    return [context.text("limits.whole_study")]


def _listed(titles: list[Bilingual]) -> Bilingual:
    return Bilingual("；".join(one.zh for one in titles), "; ".join(inside(one).en for one in titles))
