"""Sections 7.5 to 12: analyses, sources, data management, size, limits, protection, adverse events, codes."""

from __future__ import annotations

from collections.abc import Iterator

from rwd_platform.core.text import Bilingual
from studies.evidence.harper.facts import HarperFacts
from studies.evidence.harper.words import Cell, heading, labelled, listed, paragraph, say, stated, table
from studies.evidence.report.blocks import Block, Points, words
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol, Records, Restriction
from studies.protocol_genetics import QUESTIONS

_LIMITS = (
    "largest_smd", "smallest_effective_sample", "smallest_cell", "ph_alpha",
    "smallest_equipoise", "largest_weight", "largest_loss", "detectable_ratio",
)  # fmt: skip
_NAMED = 3  # covariates that are named one by one even where they are all
_ABOVE = (("more_than", ">"), ("at_least", "≥"), ("less_than", "<"), ("at_most", "≤"))


def analysis(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    return [
        heading("h7_5", 2),
        *_analyses(protocol, facts),
        heading("h7_6", 2),
        *_sources(protocol, facts),
        heading("h7_7", 2),
        _lock(protocol),
        heading("h7_8", 2),
        paragraph(say("quality")),
        heading("h7_9", 2),
        _size(protocol, facts),
    ]


def back(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    return [
        heading("h8"),
        Points(tuple(words(one) for one in protocol.limits))
        if protocol.limits
        else paragraph(say("not_in_protocol")),
        heading("h9"),
        *_protection(protocol, facts),
        heading("h10"),
        *_adverse(protocol),
        heading("h11"),
        _references(protocol),
        heading("h12"),
        _codes(protocol),
    ]


# --- 7.5 --------------------------------------------------------------------------------------------


def _analyses(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    heads = ("analysis", "method", "population", "adjusted")
    rows = [_planned(protocol, plan) for plan in protocol.analyses]
    sensitive = [row for row, plan in zip(rows, protocol.analyses, strict=True) if plan.role == "sensitivity"]
    limits = [
        (say(f"limit.{name}"), _number(getattr(protocol.diagnostics, name)))
        for name in _LIMITS
        if getattr(protocol.diagnostics, name) is not None
    ]
    populations = [
        (one.title, listed(_restricted(protocol, each) for each in one.restrictions))
        for one in protocol.populations
    ]
    return [
        table("populations", ("population", "restriction"), populations),
        table("analyses", heads, rows),
        table("sensitivity", heads, sensitive) if sensitive else paragraph(say("sensitivity.none")),
        table("limits", ("limit", "value"), limits),
        labelled([("missing", stated(facts, "missing_data"))]),
    ]


def _planned(protocol: Protocol, plan: PlannedAnalysis) -> tuple[Cell, ...]:
    title = Bilingual(f"{plan.title.zh}（{plan.id}）", f"{plan.title.en} ({plan.id})")
    population = protocol.population(plan.population).title if plan.population else say("unlisted")
    method, role = say(f"method.{plan.method}"), say(f"role.{plan.role}")
    done = Bilingual(f"{method.zh}（{role.zh}）", f"{method.en} ({role.en})")
    return title, done, population, _adjusted(protocol, plan)


def _adjusted(protocol: Protocol, plan: PlannedAnalysis) -> Bilingual:
    """The covariates by name, or that they are all of them: a list that stands in every row is read in none."""
    parts = [protocol.covariate(name).title for name in plan.covariates]
    if len(parts) > _NAMED and set(plan.covariates) == {one.name for one in protocol.covariates}:
        parts = [say("all_covariates", count=str(len(parts)))]
    if plan.weights != "none":
        parts.append(say(f"weights.{plan.weights}"))
    return listed(parts)


def _restricted(protocol: Protocol, one: Restriction) -> Bilingual:
    """A condition as it is written: positive nodes > 0."""
    title = protocol.covariate(one.covariate).title
    limits = [
        f"{sign} {_number(getattr(one, name))}" for name, sign in _ABOVE if getattr(one, name) is not None
    ]
    limits += [f"∈ {{{', '.join(one.one_of)}}}"] if one.one_of else []
    said = " ".join(limits)
    return Bilingual(f"{title.zh} {said}", f"{title.en} {said}")


def _number(value: float) -> str:
    return f"{value:g}"


# --- 7.6 to 7.9 -------------------------------------------------------------------------------------


def _sources(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    rows = [
        (one.hospital, one.agreement or "—", one.consent_version or "—", one.ethics_id or "—")
        for one in facts.basis
    ]
    made: list[Block] = [labelled([("data_source", protocol.cohort.source)])]
    if rows:
        made.append(table("sources", ("hospital", "agreement", "consent", "ethics"), rows))
    return [*made, paragraph(say("software"))]


def _lock(protocol: Protocol) -> Block:
    plan = protocol.lock
    rules = [
        Bilingual(f"{one.title.zh}（{one.date}）", f"{one.title.en} ({one.date})") for one in plan.calendar
    ]
    rows: list[tuple[Cell, Cell]] = [
        (say("lock.dates"), say(f"lock.{plan.dates}")),
        (say("lock.generalised"), listed(f"{column}: {how}" for column, how in plan.generalise)),
        (say("lock.calendar"), listed(rules)),
        (say("lock.free_text"), say("lock.text" if plan.free_text else "lock.no_text")),
    ]
    return table("lock", ("attribute", "definition"), rows)


def _size(protocol: Protocol, facts: HarperFacts) -> Block:
    """What the protocol assumed; where it assumed nothing, a person has to say."""
    rows: list[tuple[Cell, ...]] = []
    for plan in protocol.analyses:
        criterion = plan.criterion
        if not (plan.subjects or criterion):
            continue
        rows.append(
            (
                plan.title,
                str(plan.subjects) if plan.subjects else "—",
                _number(criterion.value) if criterion else "—",
                _number(criterion.alpha) if criterion else "—",
                _number(criterion.assumed) if criterion and criterion.assumed is not None else "—",
            )
        )
    if not rows:
        return paragraph(stated(facts, "study_size"))
    return table("size", ("analysis", "size.subjects", "size.criterion", "size.alpha", "size.assumed"), rows)


# --- 9 to 12 ----------------------------------------------------------------------------------------


def _protection(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    ethics = [
        Bilingual(f"{one.hospital.zh}：{one.ethics_id}", f"{one.hospital.en}: {one.ethics_id}")
        for one in facts.basis
        if one.ethics_id
    ]
    made: list[Block] = [labelled([("ethics", listed(ethics) if ethics else say("not_in_protocol"))])]
    answers = protocol.genetic_resources
    if answers is None:
        return [*made, labelled([("genetics.caption", say("not_in_protocol"))])]
    rows: list[tuple[Cell, Cell]] = [
        (say(f"genetics.{name}"), say(f"said.{getattr(answers, name)}")) for name in QUESTIONS
    ]
    rows.append(
        (say("genetics.parties"), listed(answers.foreign_parties) if answers.foreign_parties else say("none"))
    )
    return [*made, table("genetics", ("genetics.asked", "genetics.answer"), rows)]


def _adverse(protocol: Protocol) -> list[Block]:
    plans = [plan for plan in protocol.analyses if plan.method == "safety"]
    if not plans:
        return [paragraph(say("adverse.none"))]
    made: list[Block] = []
    for plan in plans:
        note = say("adverse.until", day=str(plan.until)) if plan.until else say("adverse.all")
        made.append(paragraph(note))
        rows = [(term.title, term.code_system, term.code) for term in plan.terms]
        if rows:
            made.append(table("adverse", ("adverse.term", "system", "codes"), rows))
    return made


def _references(protocol: Protocol) -> Block:
    found = [
        Bilingual(
            f"{plan.title.zh}：{plan.criterion.source.zh}", f"{plan.title.en}: {plan.criterion.source.en}"
        )
        for plan in protocol.analyses
        if plan.criterion
    ]
    found += [one.source for one in protocol.overseas_series]
    found += [protocol.overseas.source] if protocol.overseas else []
    if not found:
        return paragraph(say("references.none"))
    return Points(tuple(words(one) for one in dict.fromkeys(found)))


def _codes(protocol: Protocol) -> Block:
    rows = [(used, one.table, one.code_system, _all_codes(one)) for used, one in _every_record(protocol)]
    return table("codes", ("used_for", "table_name", "system", "codes"), rows)


def _all_codes(records: Records) -> str:
    """Every code, behind the name of the list that they are from, where they are from one."""
    codes = ", ".join(records.codes)
    return f"{records.code_list}: {codes}" if records.code_list else codes


def _every_record(protocol: Protocol) -> Iterator[tuple[Bilingual, Records]]:
    """Every set of records with what it is for, each once."""
    exposure = protocol.exposure
    yield exposure.exposed, exposure.records
    if exposure.comparator is not None:
        yield exposure.comparator_title, exposure.comparator
    for source in protocol.outcome.sources:
        yield (
            Bilingual(
                f"{protocol.outcome.title.zh}：{source.name}", f"{protocol.outcome.title.en}: {source.name}"
            ),
            source.records,
        )
    for one in protocol.covariates:
        if one.records is not None:
            yield one.title, one.records
