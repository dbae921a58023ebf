"""Sections 7.1 to 7.4: design, diagram, time zero, inclusion and exclusion, variables."""

from __future__ import annotations

from collections.abc import Iterator

from rwd_platform.core.text import Bilingual
from studies.cohorts.sentences import sentences
from studies.cohorts.tables import load_model
from studies.evidence.harper.diagram import days_words
from studies.evidence.harper.windows import ends, planned_days, spans
from studies.evidence.harper.words import Cell, heading, listed, paragraph, say, table, texts
from studies.evidence.report.blocks import Block, Figure, words
from studies.protocol import Covariate, OutcomeRule, Protocol, Records
from studies.protocol_definition import MODEL, definition_of

DIAGRAM = "design_diagram"


def methods(protocol: Protocol) -> list[Block]:
    return [
        heading("h7"),
        heading("h7_1", 2),
        *_design(protocol),
        heading("h7_2", 2),
        Figure(DIAGRAM, words(say("diagram.caption")), words(say("diagram.alt"))),
        heading("h7_3", 2),
        *_setting(protocol),
        heading("h7_4", 2),
        *_exposure(protocol),
        *_outcome(protocol),
        _follow_up(protocol),
        _covariates(protocol),
    ]


def _design(protocol: Protocol) -> list[Block]:
    if not protocol.target_trial:
        return [paragraph(say("trial.none"))]
    rows = [(row.element, row.trial, row.emulation) for row in protocol.target_trial]
    return [table("trial", ("trial.element", "trial.trial", "trial.emulation"), rows)]


def _setting(protocol: Protocol) -> list[Block]:
    """The cohort's own sentences: nothing of the definition is left unsaid."""
    definition = definition_of(protocol)
    rules = {rule.id for rule in definition.rules}
    told = sentences(definition, load_model(MODEL))
    zero = [(say("time_zero"), protocol.cohort.index_title)]
    zero += [(_named(one.id), one.text) for one in told if one.id not in rules]
    windows: dict[str, list[Bilingual]] = {}
    for span in spans(protocol):
        if span.kind == "eligibility":
            windows.setdefault(span.label.en, []).append(days_words(span.first, span.last))
    reasons = {rule.id: rule.reason.en for rule in definition.rules}
    rows = [(one.id, one.text, listed(windows.get(reasons[one.id], ()))) for one in told if one.id in rules]
    made: list[Block] = [table("zero", ("attribute", "definition"), zero)]
    if rows:
        made.append(table("rules", ("id_of_rule", "rules.rule", "rules.window"), rows))
    return [*made, *_excluded(protocol)]


def _named(id: str) -> Bilingual:
    """What a sentence of the cohort is about: its entry, its exit, its censoring events."""
    part = ".".join(id.split(".")[:2])
    return say(part) if part in texts() else say("definition")


def _excluded(protocol: Protocol) -> list[Block]:
    exposure = protocol.exposure
    rows: list[tuple[Cell, Cell]] = []
    if exposure.washout_days:
        what = say("excluded.washout", exposure=exposure.title)
        rows.append((what, days_words(-exposure.washout_days, -1)))
    if exposure.contradicting_statuses:
        statuses = ", ".join(exposure.contradicting_statuses)
        rows.append((say("excluded.contradiction", statuses=statuses), days_words(*exposure.grace_days)))
    if not rows:
        return [paragraph(say("excluded.none"))]
    return [table("excluded", ("excluded.what", "window"), rows)]


def _exposure(protocol: Protocol) -> list[Block]:
    exposure = protocol.exposure
    window = days_words(*exposure.grace_days)
    comparator = (
        (say("no_record"), say("unlisted"), say("unlisted"))
        if exposure.comparator is None
        else _records(exposure.comparator)
    )
    rows = [
        (exposure.exposed, *_records(exposure.records), window),
        (exposure.comparator_title, *comparator, window),
    ]
    return [table("exposure", ("arm", "table_name", "codes", "statuses", "window"), rows)]


def _records(records: Records) -> tuple[Cell, Cell, Cell]:
    """Table, codes (or the list they are from) and statuses."""
    return records.table, codes_of(records), ", ".join(records.statuses) or "—"


def codes_of(records: Records) -> str:
    """The codes, or the name of the list that they come from."""
    return records.code_list or ", ".join(records.codes)


def _outcome(protocol: Protocol) -> list[Block]:
    outcome = protocol.outcome
    sources = [
        (
            one.name,
            one.records.table,
            codes_of(one.records),
            ", ".join(one.event_values),
            ", ".join(one.free_values),
        )
        for one in outcome.sources
    ]
    heads = ("outcome.source", "table_name", "codes", "outcome.event_values", "outcome.free_values")
    rows = [
        (str(place), _conditions(rule), rule.time_of, _result(protocol, rule), rule.reason)
        for place, rule in enumerate(outcome.rules, 1)
    ]
    decided = ("number", "decisions.when", "decisions.time", "decisions.result", "decisions.meaning")
    return [table("outcome", heads, sources), table("decisions", decided, rows)]


def _conditions(rule: OutcomeRule) -> Bilingual:
    states = {"event": say("decisions.event"), "free": say("outcome.is_free")}
    parts: Iterator[Bilingual] = (
        Bilingual(f"{name}：{states[state].zh}", f"{name}: {states[state].en}") for name, state in rule.when
    )
    said = listed(parts)
    if rule.earlier is None:
        return said
    order = say("decisions.earlier", first=rule.earlier[0], second=rule.earlier[1])
    return Bilingual(f"{said.zh}，{order.zh}", f"{said.en}, {order.en}")


def _result(protocol: Protocol, rule: OutcomeRule) -> Bilingual:
    if protocol.outcome.competes(rule):
        return say("decisions.both" if rule.event else "decisions.competing")
    return say("decisions.event" if rule.event else "decisions.censored")


def _follow_up(protocol: Protocol) -> Block:
    kinds = {
        "event": say("decisions.event"),
        "both": say("decisions.both"),
        "competing": say("decisions.competing"),
        "censored": say("decisions.censored"),
    }
    days = ", ".join(str(day) for day in planned_days(protocol)) or "—"
    rows: list[tuple[Cell, Cell]] = [(say("follow.start"), say("follow.start_on"))]
    for one in ends(protocol):
        kind = kinds[one.kind]
        rows.append(
            (Bilingual(f"{say('follow.end').zh}：{kind.zh}", f"{say('follow.end').en}: {kind.en}"), one.label)
        )
    rows.append((say("follow.days"), days))
    return table("follow", ("attribute", "definition"), rows)


def _covariates(protocol: Protocol) -> Block:
    rows = []
    for one in protocol.covariates:
        source = one.records.table if one.records else f"subject.{one.column}"
        codes = codes_of(one.records) if one.records else "—"
        days = (0, 0) if one.kind == "subject" else one.days
        rows.append((one.title, _type(one), source, codes, days_words(*days)))
    return table("covariates", ("covariate", "kind", "table_name", "codes", "window"), rows)


def _type(one: Covariate) -> Bilingual:
    if one.type == "levels":
        levels = [
            Bilingual(f"{level.title.zh} ({level.code})", f"{level.title.en} ({level.code})")
            for level in one.levels
        ]
        return say("kind.levels", levels=listed(levels))
    if one.type == "record":
        return say("kind.record")
    return say("kind.number", unit=Bilingual(f"（{one.unit}）", f" ({one.unit})") if one.unit else "")
