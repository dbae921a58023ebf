"""Sections 1 to 6: title page, abstract, amendments, milestones, background, question."""

from __future__ import annotations

from collections.abc import Sequence

from rwd_platform.core.text import Bilingual
from studies.evidence.harper.facts import Amended, HarperFacts
from studies.evidence.harper.words import Cell, heading, labelled, listed, paragraph, say, stated, table
from studies.evidence.report.blocks import Block
from studies.protocol import Protocol


def front(protocol: Protocol, facts: HarperFacts, amendments: Sequence[Amended]) -> list[Block]:
    return [
        *_title_page(protocol, facts),
        *_abstract(protocol),
        *_amendments(amendments),
        *_milestones(protocol, facts),
        *_background(protocol, facts),
        *_question(protocol),
    ]


def _title_page(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    rows: list[tuple[str, Cell]] = [
        ("title", protocol.title),
        ("id", protocol.id),
        ("version", protocol.version),
        ("dated", protocol.dated),
        ("sha", protocol.sha256),
        ("platform", facts.platform),
        *((id, stated(facts, id)) for id in ("registration", "funding", "conflicts")),
    ]
    return [heading("h1"), labelled(rows)]


def _abstract(protocol: Protocol) -> list[Block]:
    rows: list[tuple[str, Cell]] = [
        ("why", protocol.why_real_world_data),
        ("question", protocol.question),
        ("data_source", protocol.cohort.source),
        ("time_zero", protocol.cohort.index_title),
        ("population", protocol.estimand.population),
        ("exposed", protocol.exposure.exposed),
        ("comparator", protocol.exposure.comparator_title),
        ("outcome", protocol.outcome.title),
        ("primary", primary(protocol)),
        ("analyses", say("planned", count=str(len(protocol.analyses)))),
    ]
    return [heading("h2"), labelled(rows)]


def primary(protocol: Protocol) -> Bilingual:
    """The analyses marked as primary, or that none is."""
    found = [plan.title for plan in protocol.analyses if plan.role == "primary"]
    return listed(found) if found else say("no_primary")


def _amendments(amendments: Sequence[Amended]) -> list[Block]:
    if not amendments:
        return [heading("h3"), paragraph(say("amendments.none"))]
    heads = (
        "amendments.number",
        "dated",
        "amendments.section",
        "amendments.change",
        "amendments.reason",
        "amendments.stated",
        "amendments.seen",
    )
    rows = [
        (
            stated.number,
            stated.dated,
            stated.section,
            stated.change,
            stated.reason,
            say(f"said.{stated.outcomes_seen}"),
            say(f"said.{one.data_seen}"),
        )
        for one in amendments
        for stated in (one.stated,)
    ]
    return [heading("h3"), table("amendments", heads, rows)]


def _milestones(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    rows: list[tuple[Cell, Cell]] = [(say("milestones.dated"), protocol.dated)]
    frozen = facts.frozen_before_first_lock
    rows.append(
        (
            say("milestones.frozen"),
            say("said.unknown" if frozen is None else "said.yes" if frozen else "said.no"),
        )
    )
    rows.append((say("registration"), stated(facts, "registration")))
    return [heading("h4"), table("milestones", ("milestones.what", "milestones.when"), rows)]


def _background(protocol: Protocol, facts: HarperFacts) -> list[Block]:
    known = protocol.outcomes_known
    rows: list[tuple[str, Cell]] = [
        ("background", stated(facts, "background")),
        ("why", protocol.why_real_world_data),
        ("prior", protocol.prior_knowledge),
        ("outcomes_known", say(f"known.{known}") if known else say("not_in_protocol")),
    ]
    return [heading("h5"), labelled(rows)]


def _question(protocol: Protocol) -> list[Block]:
    estimand = protocol.estimand
    objective = [
        (say("question"), protocol.question),
        (say("population"), estimand.population),
        (say("exposed"), protocol.exposure.exposed),
        (say("comparator"), protocol.exposure.comparator_title),
        (say("outcome"), protocol.outcome.title),
        (say("measure"), estimand.summary_measure),
        (say("primary"), primary(protocol)),
    ]
    attributes = [
        (say("population"), estimand.population),
        (say("treatment"), estimand.treatment),
        (say("variable"), estimand.variable),
        *((say("event", event=one.event), one.strategy) for one in estimand.intercurrent_events),
        (say("measure"), estimand.summary_measure),
    ]
    heads = ("attribute", "definition")
    return [heading("h6"), table("objectives", heads, objective), table("estimand", heads, attributes)]
