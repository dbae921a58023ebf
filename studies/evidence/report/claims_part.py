"""How far each result may be claimed: its level, its role, and each of its conditions with what was found."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.claims import LEVELS, after_unsealing, claim_rules
from studies.evidence.inputs import SignedBy
from studies.evidence.report.blocks import Block, Text
from studies.evidence.report.context import Context
from studies.evidence.tables import NONE, Cell, Part, Result
from studies.planned import PlannedAnalysis
from studies.rounding import decimals_apart

# How a condition's number is printed: its form, the fewest decimals, and on which side of the limit it has to lie.
_NUMBERS = {
    "balance": ("fixed", 2, "≤"),
    "overlap": ("percent", 1, "≥"),
    "effective_sample": ("fixed", 1, "≥"),
    "weights": ("percent", 1, "≤"),
    "hazards": ("fixed", 3, "≥"),
    "detectable": ("fixed", 2, "≥"),
    "loss": ("percent", 1, "≤"),
    "power": ("percent", 1, "≥"),
    "factors": ("int", 0, "≤"),
    "conflict": ("fixed", 3, "≥"),
    "type_one_error": ("fixed", 3, "≤"),
}


def claim_of(context: Context, plan: PlannedAnalysis) -> Bilingual | None:
    """The level's name; None for an analysis that is not judged.

    The run's level, lowered where outcomes had been seen before unsealing: the run could not know that.
    """
    row = context.row(f"{plan.id}.claim_level")
    if row is None:
        return None
    level = after_unsealing(str(row.value), outcomes_seen=_seen(context))
    return claim_rules().levels[level]


def _seen(context: Context) -> bool:
    declared = context.inputs.unsealing
    return declared is not None and declared.outcomes_seen


def claims(context: Context) -> list[Block]:
    """One line for each judged result, then each of its conditions. The role stands by itself: not to be the primary
    analysis is no failure.
    """
    judged = [plan for plan in context.protocol.analyses if claim_of(context, plan) is not None]
    if not judged:
        return []
    maker = context.maker("claims", ("forest.analysis", "claims.role", "claims.level"), "lll")
    for plan in judged:
        level = claim_of(context, plan)
        assert level is not None  # noqa: S101 - chosen by it above
        maker.add(plan.title, context.label(f"planned_role.{plan.role}"), level)
    table = maker.table(context.text("claims.caption"), context.text("claims.note"))
    return [context.heading("claims.title", 2), table, *_conditions(context, judged)]


def unsealed(context: Context) -> list[tuple[Text, Text]]:
    """Who opened the results and what was known then. Accounts and times stand in a file of their own (ADR 0004)."""
    one = context.inputs.unsealing
    if one is None:
        return []
    said = _declared(context)
    by = context.text("unsealed.by", asked=_person(context, one.asked), agreed=_person(context, one.agreed))
    return [(context.text("signed.unsealed"), by), (context.text("unsealed.knowledge"), said)]


def _declared(context: Context) -> Text:
    """What was declared, what the platform knows beside it, and what follows."""
    one = context.inputs.unsealing
    assert one is not None  # noqa: S101 - the caller looked
    key = "seen_withheld" if one.seen and context.inputs.is_aggregate else one.knowledge
    texts = [context.text(f"unsealed.{key}", seen=Bilingual(one.seen, one.seen))]
    if one.seen_before:
        texts.append(context.text("unsealed.seen_before"))
    if one.outcomes_seen:
        highest = after_unsealing(LEVELS[-1], outcomes_seen=True)
        texts.append(context.text("unsealed.lowers", level=claim_rules().levels[highest]))
    zh = tuple(span for text in texts for span in text.zh)
    en = tuple(span for place, text in enumerate(texts) for span in ((" ", *text.en) if place else text.en))
    return Text(zh, en)


def _person(context: Context, signed: SignedBy) -> Bilingual:
    key = f"person.{signed.role}"
    return context.label(key) if context.phrases.keys(key) else Bilingual(signed.role, signed.role)


# -- the conditions ------------------------------------------------------------------------------------------------


def _conditions(context: Context, judged: list[PlannedAnalysis]) -> list[Block]:
    """Of every judged result: what was looked at with its limit, what was found, and whether the condition holds."""
    heads = ("forest.analysis", "claims.condition", "claims.found", "claims.status")
    maker = context.maker("conditions", heads, "llrl")
    for plan in judged:
        of = [name for name in _asked(plan) if context.row(f"{plan.id}.gate.{name}.status") is not None]
        lines = [_line(context, f"{plan.id}.gate.{name}", name) for name in of]
        if _seen(context) and plan.method in claim_rules().by_method:
            lines.append((context.label("condition.unsealing"), NONE, context.label("claims.failed")))
        for place, (condition, found, status) in enumerate(lines):
            maker.add("" if place else plan.title, condition, found, status)
    if not maker.rows:
        return []
    notes = [*_without_meaning(context, judged), *_never_more(context, judged)]
    return [maker.table(context.text("claims.conditions"), *notes)]


def _asked(plan: PlannedAnalysis) -> list[str]:
    return [name for name in claim_rules().by_method.get(plan.method, ()) if name != "role"]


def _line(context: Context, stem: str, name: str) -> tuple[Cell, Cell, Cell]:
    status = context.label(f"claims.{context.book.row(f'{stem}.status').value}")
    measured, limit = _value(context, f"{stem}.measured"), _value(context, f"{stem}.limit")
    key = f"condition.{name}"
    title = context.label(key) if context.phrases.keys(key) else claim_rules().gates[name].title
    if name not in _NUMBERS:
        return title, NONE, status
    kind, least, sign = _NUMBERS[name]
    form = _form(kind, least, measured, limit)
    condition: list[Part] = [title]
    if limit is not None:
        condition += [f" {sign}\u00a0", Result(f"{stem}.limit", form)]
    return condition, NONE if measured is None else Result(f"{stem}.measured", form), status


def _value(context: Context, ard_id: str) -> float | None:
    row = context.row(ard_id)
    return float(row.value) if row is not None and isinstance(row.value, int | float) else None


def _form(kind: str, least: int, measured: float | None, limit: float | None) -> str:
    """With decimals enough that what was found and the limit do not look the other way round."""
    if kind == "int":
        return kind
    inside = 2 if kind == "percent" else 0
    if measured is None or limit is None:
        return f"{kind}.{least}"
    return f"{kind}.{decimals_apart(measured, limit, least + inside) - inside}"


def _without_meaning(context: Context, judged: list[PlannedAnalysis]) -> list[Text]:
    """Conditions that ask what the main analysis has answered already, each with why."""
    notes = []
    for plan in judged:
        for name in _asked(plan):
            row = context.row(f"{plan.id}.gate.{name}.status")
            why = claim_rules().gates[name].not_applicable
            if row is not None and row.value == "not_applicable" and why is not None:
                notes.append(context.text("limits.warning", title=plan.title, warning=why))
    return notes


def _never_more(context: Context, judged: list[PlannedAnalysis]) -> list[Text]:
    fixed = any(plan.method in claim_rules().fixed for plan in judged)
    return [context.text("claims.no_conditions")] if fixed else []
