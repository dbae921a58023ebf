"""Adverse events (table T13): the overview, the terms, what was counted apart, and deaths held against the outcome."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.adverse_events import code_rules
from studies.analyses.safety import OVERVIEW, TERM, TERMS
from studies.evidence.report.blocks import Block, Table
from studies.evidence.report.context import Context
from studies.evidence.tables import Part, Result, TableMaker, interval
from studies.planned import PlannedAnalysis
from studies.protocol import ARMS

MOST_TERMS = 60  # lines that a page can carry; the results file has all
_APART = (
    "before_time_zero", "after_observation", "undated", "almost_happened", "repeated_reports", "taken_back",
)  # fmt: skip
_HEADS = ("event", "subjects", "percent", "events", "years", "rate", "onset")


def safety(context: Context) -> list[Block]:
    """Stands where the protocol planned it and the lock held what it needs."""
    made = [block for plan in context.planned("safety") for block in _safety(context, plan)]
    return [context.heading("safety.title", 2), *made] if made else []


def _safety(context: Context, plan: PlannedAnalysis) -> list[Block]:
    arms = [arm for arm in ARMS if context.row(f"{plan.id}.{arm}.subjects")]
    day = Bilingual(str(plan.until), str(plan.until))
    key = "safety.observed_until" if plan.until else "safety.observed"
    blocks: list[Block] = [context.paragraph(key, title=plan.title, day=day)]
    for arm in arms:
        blocks += _spoken(context, plan, arm)
    blocks.append(_overview(context, plan, arms))
    blocks += _by_term(context, plan, arms)
    blocks += _apart(context, plan, arms)
    return [*blocks, *_deaths(context, plan)]


def _spoken(context: Context, plan: PlannedAnalysis, arm: str) -> list[Block]:
    """The arm in a sentence, and whether its zeros can be believed. Nothing where the numbers are withheld."""
    title, stem, place = (
        context.protocol.exposure.arm_title(arm),
        f"{plan.id}.any.{arm}",
        f"text:{plan.id}.{arm}",
    )
    blocks: list[Block] = []
    people = (
        f"{plan.id}.{arm}.subjects"  # registered where it is printed: a number that is not printed is a fault
    )
    if context.row(f"{stem}.upper_limit"):
        none = {
            "n": context.result(place, people, "int"),
            "upper": context.result(place, f"{stem}.upper_limit", "fixed.1"),
        }
        blocks.append(context.paragraph("safety.none", "plain", none, arm=title))
    elif context.row(f"{stem}.affected_percent") and context.row(f"{plan.id}.serious.{arm}.affected"):
        percent = f"{stem}.affected_percent"
        numbers = {
            "n": context.result(place, people, "int"),
            "years": context.result(place, f"{plan.id}.{arm}.person_years", "fixed.1"),
            "with": context.result(place, f"{stem}.affected", "int"),
            "serious": context.result(place, f"{plan.id}.serious.{arm}.affected", "int"),
            "percent": context.result(place, percent, "fixed.1"),
            "low": context.result(place, percent, "fixed.1", "ci_low"),
            "high": context.result(place, percent, "fixed.1", "ci_high"),
        }
        blocks.append(context.paragraph("safety.any", "plain", numbers, arm=title))
    silent = context.row(f"{plan.id}.{arm}.silent_subjects")
    if silent is not None and silent.value:
        numbers = {
            "n": context.result(place, people, "int"),
            "silent": context.result(place, silent.id, "int"),
        }
        blocks.append(context.paragraph("safety.silent", "caution", numbers, arm=title))
    return blocks


def _overview(context: Context, plan: PlannedAnalysis, arms: list[str]) -> Table:
    lines = [(f"{plan.id}.{line}", context.label(f"safety.line.{line}")) for line in OVERVIEW]
    caption = context.text("safety.caption", population=context.population(plan))
    exposure = context.protocol.exposure
    named = context.text("safety.arms", exposed=exposure.exposed, comparator=exposure.comparator_title)
    notes = [named, context.text("safety.note")]
    if context.inputs.is_aggregate:
        notes.append(context.text("safety.note_aggregate"))
    return _table(context, f"safety_{_name(plan)}", lines, arms).table(caption, *notes)


def _by_term(context: Context, plan: PlannedAnalysis, arms: list[str]) -> list[Block]:
    """Nothing where no event has happened, or none that may be told."""
    series = context.series(f"{plan.id}.{TERMS}")
    points = series.points if series else ()
    if not points:
        return []
    lines = []
    for variable, _, code, zh, en in points[:MOST_TERMS]:
        named = Bilingual(f"{zh}（{code}）", f"{en} ({code})") if zh else Bilingual(str(code), str(code))
        title = named if code else context.label("safety.uncoded")
        lines.append((f"{plan.id}.{TERM}.{variable}", title))
    names = code_rules()["code_systems"]
    systems = list(dict.fromkeys(names.get(str(point[1]), str(point[1])) for point in points if point[2]))
    said = Bilingual("、".join(systems) or "—", ", ".join(systems) or "—")
    notes = [context.text("safety.coding", systems=said)]
    if len(points) > MOST_TERMS and context.row(f"{plan.id}.codes"):
        codes = context.result(f"text:{plan.id}.codes", f"{plan.id}.codes", "int")
        shown = Bilingual(str(MOST_TERMS), str(MOST_TERMS))
        notes.insert(0, context.text("safety.most", {"codes": codes}, shown=shown))
    caption = context.text("safety.caption_terms", population=context.population(plan))
    return [_table(context, f"safety_terms_{_name(plan)}", lines, arms).table(caption, *notes)]


def _table(context: Context, key: str, lines: list[tuple[str, Bilingual]], arms: list[str]) -> TableMaker:
    """One line for each event and arm; the event is named in its first."""
    heads = ("safety.event", "median.arm", *(f"safety.{name}" for name in _HEADS[1:]))
    maker = context.maker(key, heads, "llrrrrrr")
    for stem, title in lines:
        for place, arm in enumerate(arms):
            row = f"{stem}.{arm}"
            maker.add(
                title if place == 0 else "",
                context.label(f"safety.arm.{arm}"),
                Result(f"{row}.affected", "int"),
                interval(f"{row}.affected_percent", "fixed.1"),
                Result(f"{row}.adverse_events", "int"),
                Result(f"{row}.person_years", "fixed.1"),
                interval(f"{row}.rate_per_100_person_years", "fixed.1"),
                Result(f"{row}.median_onset", "fixed.1"),
            )
    return maker


def _apart(context: Context, plan: PlannedAnalysis, arms: list[str]) -> list[Block]:
    rows = {(kind, arm): context.row(f"{plan.id}.{kind}.{arm}.reports") for kind in _APART for arm in arms}
    if all(row is not None and row.value == 0 for row in rows.values()):
        return [context.paragraph("safety.apart_none")]
    titles = [context.protocol.exposure.arm_title(arm) for arm in arms]
    maker = context.maker(f"safety_apart_{_name(plan)}", ("safety.kind", *titles), "l" + "r" * len(arms))
    for kind in _APART:
        counts: list[Part] = [Result(f"{plan.id}.{kind}.{arm}.reports", "int") for arm in arms]
        maker.add(context.label(f"safety.apart.{kind}"), *counts)
    return [maker.table(context.text("safety.apart"))]


def _deaths(context: Context, plan: PlannedAnalysis) -> list[Block]:
    if not plan.deaths:
        return [context.paragraph("safety.deaths_not_asked")]
    ids = {name: f"{plan.id}.deaths_{name}.reconciled" for name in ("both", "only_outcome", "only_events")}
    counts = {name: row.value for name, id in ids.items() if (row := context.row(id)) is not None}
    if len(counts) < len(ids):
        return []  # withheld from a reader abroad
    place = f"text:{plan.id}.deaths"
    numbers = {name.removeprefix("only_"): context.result(place, id, "int") for name, id in ids.items()}
    differ = counts["only_outcome"] or counts["only_events"]
    said: list[Block] = [context.paragraph("safety.deaths", "plain", numbers)]
    return [*said, context.paragraph("safety.deaths_differ", "caution")] if differ else said


def _name(plan: PlannedAnalysis) -> str:
    return plan.id.replace(".", "_")
