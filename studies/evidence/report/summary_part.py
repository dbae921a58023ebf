"""Pages 1 and 2: what a director reads. Question, answer with its claim level, one figure, what it does not show."""

from __future__ import annotations

from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.forest_plot import ForestLabels, ForestLine, forest
from studies.evidence.report.blocks import Block, Facts, Figure, Paragraph, Points, Text, same, words
from studies.evidence.report.claims_part import claim_of, unsealed
from studies.evidence.report.context import Context, inside
from studies.evidence.report.designs_part import criterion_answer
from studies.evidence.report.withheld_part import apart_notice, main_notice, stands_apart
from studies.planned import PlannedAnalysis
from studies.results import ArdRow

OVERSEAS = "overseas.hazard_ratio"
Hazards = Literal["rejected", "covariates", "accepted"]


def summary(context: Context) -> tuple[Block, ...]:
    answer = lead(context)
    drawn = forest_figure(context)
    return (
        context.heading("summary.question", 2),
        Paragraph(words(context.protocol.question)),
        *([context.heading("summary.answer", 2), *answer] if answer else []),
        *([drawn] if drawn else []),
        *story(context),
        not_shown(context),
        context.heading("signed.title", 2),
        signed(context),
    )


def compared(context: Context) -> list[tuple[PlannedAnalysis, ArdRow]]:
    """The hazard ratios that the forest shows, in the protocol's order."""
    found = []
    for plan in context.planned("forest"):
        for name in plan.compares:
            row = context.row(f"{name}.{context.exposure}.hazard_ratio")
            if row is not None and isinstance(row.value, float):
                found.append((context.protocol.analysis(name), row))
    return found


def _controlled(context: Context) -> list[tuple[PlannedAnalysis, ArdRow]]:
    """Those that control confounding: adjusted first, then weighted."""
    found = [(plan, row) for plan, row in compared(context) if plan.covariates]
    return sorted(found, key=lambda one: one[0].weights != "none")


def lead(context: Context) -> list[Block]:
    """The answer in one sentence, and the overseas trial beside it. A single arm answers by its criterion. Where the
    main result is withheld this is said first, and what is told beside it stands under a label of its own.
    """
    arms = [criterion_answer(context, plan) for plan in context.planned("performance_criterion")]
    single: list[Block] = [*main_notice(context), *(answer for answer in arms if answer is not None)]
    controlled = _controlled(context)
    if not controlled:
        return single
    plan, row = controlled[0]
    claim = claim_of(context, plan)
    place = "text:answer"
    sentence = context.text(
        "answer.agree",
        {**context.ratio(place, row.id), **context.counts(place, row.id)},
        population=context.population(plan),
        claim=claim if claim is not None else context.label("claims.none"),
    )
    tone: Literal["plain", "lead"] = "plain" if single else "lead"
    blocks: list[Block] = [*single, *apart_notice(context, plan), Paragraph(sentence, tone)]
    overseas = context.protocol.overseas
    if overseas is not None and context.row(OVERSEAS):
        inside = isinstance(row.value, float) and overseas.ci_low <= row.value <= overseas.ci_high
        agreement = context.label("agreement.inside" if inside else "agreement.outside")
        numbers = context.ratio(place, OVERSEAS)
        blocks.append(
            context.paragraph("answer.overseas", "plain", numbers, title=overseas.title, agreement=agreement)
        )
    return blocks


def _look(row: ArdRow) -> str:
    if row.ci_low is not None and row.ci_low > 1:
        return "look.raised"
    if row.ci_high is not None and row.ci_high < 1:
        return "look.lowered"
    return "look.unclear"


def forest_figure(context: Context) -> Figure | None:
    rows = compared(context)
    if not rows:
        return None
    lines = [_line(context, place, row, plan.title) for place, (plan, row) in enumerate(rows)]
    overseas = None
    if context.protocol.overseas is not None and (row := context.row(OVERSEAS)):
        overseas = _line(context, len(lines), row, context.protocol.overseas.title)
    names = ("analysis", "counts", "estimate", "better", "worse", "axis")
    labels = ForestLabels(*(context.label(f"forest.{name}") for name in names))
    return context.figure(
        "forest",
        forest(lines, overseas, labels, low_is_better=not context.protocol.outcome.wanted),
        context.text("forest.caption"),
        context.text("forest.alt" if overseas else "forest.alt_alone"),
        context.text("forest.note" if overseas else "sensitivity.without_overseas_note"),
    )


def _line(context: Context, place: int, row: ArdRow, title: Bilingual) -> ForestLine:
    at = f"figure:forest:{place}"
    ratio, counts = context.ratio(at, row.id), context.counts(at, row.id)
    value, low, high = (float(one) for one in (row.value, row.ci_low, row.ci_high) if isinstance(one, float))
    return ForestLine(
        title, value, low, high, (ratio["hr"], ratio["low"], ratio["high"]), counts["n"], counts["events"]
    )


def story(context: Context) -> list[Block]:
    """How the estimate moved from the crude comparison to the controlled ones, and whether hazards are proportional."""
    rows = compared(context)
    points: list[Text] = []
    for place, (plan, row) in enumerate(rows):
        numbers = context.ratio(f"text:story.{place}", row.id)
        points.append(
            context.text(
                _story_key(plan, rows[0][0]),
                numbers,
                title=inside(plan.title),
                look=context.label(_look(row)),
                kind=context.label(f"weights.{plan.weights}"),
            )
        )
    hazards = proportional_hazards(context)
    if hazards:
        points.append(hazards)
    apart = bool(rows) and stands_apart(context.inputs, rows[0][0])
    heading = context.heading("summary.story_apart" if apart else "summary.story", 2)
    return [heading, Points(tuple(points))] if points else []


def _story_key(plan: PlannedAnalysis, first: PlannedAnalysis) -> str:
    if plan.weights != "none":
        return "story.weighted"
    if plan.covariates:
        return "story.adjusted"
    return "story.crude" if plan.population == first.population else "story.restricted"


def hazards_of(context: Context, plan: PlannedAnalysis) -> Hazards | None:
    """What the tests of proportional hazards say; None where there are none. The exposure's own one decides whether
    its effect changes over time: that of all terms together may reject for a covariate alone.
    """
    rows = (context.row(f"{plan.id}.ph.{term}.p_value") for term in (context.exposure, "global"))
    alpha = context.protocol.diagnostics.ph_alpha
    own, of_all = (row.value if row is not None else None for row in rows)
    if not (isinstance(own, float) and isinstance(of_all, float)):
        return None
    if own < alpha:
        return "rejected"
    return "covariates" if of_all < alpha else "accepted"


def tested(context: Context) -> tuple[PlannedAnalysis, Hazards] | None:
    """Of the analyses whose proportional hazards were tested the one that fares worst, the last of those alike."""
    order: tuple[Hazards, ...] = ("accepted", "covariates", "rejected")
    each = [(plan, hazards_of(context, plan)) for plan in context.planned("cox")]
    known = [(plan, found) for plan, found in each if found is not None]
    return max(reversed(known), key=lambda one: order.index(one[1]), default=None)


def proportional_hazards(context: Context) -> Text | None:
    test = tested(context)
    if test is None:
        return None
    plan, found = test
    place = "text:story.ph"
    numbers = {
        name: context.result(place, id, context.p_form(id, context.protocol.diagnostics.ph_alpha, "p_is"))
        for name, id in (
            ("global_p", f"{plan.id}.ph.global.p_value"),
            ("p", f"{plan.id}.ph.{context.exposure}.p_value"),
        )
    }
    return context.text(f"story.ph_{found}", numbers, title=inside(plan.title))


def not_shown(context: Context) -> Points:
    keys = ["not_shown.demo.data", "not_shown.demo.key"] if context.inputs.demo else []
    keys.append("not_shown.causal")
    test = tested(context)
    if test and test[1] == "rejected":
        keys.append("not_shown.ph")
    if context.protocol.overseas is not None:
        keys.append("not_shown.agreement")
    if context.inputs.is_aggregate:
        keys.append("not_shown.aggregate")
    # What the authors hold to be the first limit of their study stands on the first page.
    first = [words(one) for one in context.protocol.limits[:1]]
    return Points((*first, *(context.text(key) for key in keys)), context.text("not_shown"), "caution")


def signed(context: Context) -> Facts:
    signer = context.inputs.signer
    lock = context.inputs.results.lock_id  # "" where a package holds no results
    rows = (
        (context.text("signed.by"), same(signer.name)),
        (context.text("signed.meaning"), context.text("meaning.signature" if lock else "meaning.file_set")),
        (context.text("signed.key"), same(signer.public_key.hex())),
        *unsealed(context),
        *([(context.text("signed.lock"), same(lock))] if lock else []),
        (context.text("signed.protocol"), same(context.protocol.sha256)),
    )
    return Facts(rows)
