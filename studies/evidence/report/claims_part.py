"""How far each result may be claimed: its level, its role, and the gates that kept it from a higher level."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.claims import LEVELS, after_unsealing, claim_rules
from studies.evidence.inputs import SignedBy
from studies.evidence.report.blocks import Block, Text, same, words
from studies.evidence.report.context import Context
from studies.evidence.tables import Part, Result
from studies.planned import PlannedAnalysis
from studies.rounding import decimals_apart


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
    """One line for each judged result. The role stands by itself: not to be the primary analysis is no failure."""
    judged = [plan for plan in context.protocol.analyses if claim_of(context, plan) is not None]
    if not judged:
        return []
    heads = ("forest.analysis", "claims.role", "claims.level", "claims.failed", "claims.not_evaluated")
    maker = context.maker("claims", heads, "lllll")
    for plan in judged:
        level = claim_of(context, plan)
        assert level is not None  # noqa: S101 - chosen by it above
        failed, open_ = _gates(context, plan, "failed"), _gates(context, plan, "not_evaluated")
        maker.add(
            plan.title, context.label(f"planned_role.{plan.role}"), level, _listed(failed), _listed(open_)
        )
    notes = [context.text("claims.note"), *_without_meaning(context, judged)]
    table = maker.table(context.text("claims.caption"), *notes)
    return [context.heading("claims.title", 2), table]


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


def _gates(context: Context, plan: PlannedAnalysis, status: str) -> list[list[Part]]:
    found: list[list[Part]] = []
    for name in claim_rules().by_method.get(plan.method, ()):
        row = context.row(f"{plan.id}.gate.{name}.status")
        if row is not None and row.value == status and name != "role":
            found.append([claim_rules().gates[name].title, *_measured(context, f"{plan.id}.gate.{name}")])
    if status == "failed" and _seen(context) and plan.method in claim_rules().by_method:
        found.append([claim_rules().unsealing.title])
    return found


def _measured(context: Context, stem: str) -> list[Part]:
    """` 0.0501 / 0.0500`: with decimals enough that the two do not look the other way round."""
    measured, limit = context.row(f"{stem}.measured"), context.row(f"{stem}.limit")
    if measured is None or limit is None:
        return []
    found, edge = _number(measured.value), _number(limit.value)
    whole = found.is_integer() and edge.is_integer()
    form = "int" if whole else f"fixed.{decimals_apart(found, edge)}"
    return [" ", Result(measured.id, form), " / ", Result(limit.id, form)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _listed(gates: list[list[Part]]) -> list[Part]:
    parts: list[Part] = []
    for gate in gates:
        parts += [Bilingual("；", "; "), *gate] if parts else gate
    return parts or [same("—")]


def _without_meaning(context: Context, judged: list[PlannedAnalysis]) -> list[Text]:
    """Gates that ask what the main analysis has answered already, each with why."""
    notes = []
    for plan in judged:
        for name in claim_rules().by_method.get(plan.method, ()):
            row = context.row(f"{plan.id}.gate.{name}.status")
            gate = claim_rules().gates[name]
            if row is not None and row.value == "not_applicable" and gate.not_applicable is not None:
                why = gate.not_applicable
                notes.append(
                    words(
                        (
                            f"{plan.title.zh}，“{gate.title.zh}”{why.zh}。",
                            f"{plan.title.en}, '{gate.title.en}': {why.en}.",
                        )
                    )
                )
    return notes
