"""A protocol's cohort in the cohort language, whichever form the protocol was written in."""

from __future__ import annotations

from studies.cohorts.definition import (
    Bound,
    Codes,
    CodeTest,
    Count,
    Entry,
    Events,
    Group,
    Related,
    Rule,
    Test,
    Window,
)
from studies.cohorts.definition import Cohort as Definition
from studies.cohorts.lint import Finding, code_lists_of, finding, lint
from studies.cohorts.reader import CohortReader
from studies.cohorts.tables import load_model
from studies.protocol import Criterion, DefinedCohort, Protocol, Records
from studies.protocol_codes import listed_codes, unsigned
from studies.yaml_reader import Node, refused

MODEL = "lecheng"
# Lint findings that one refusal tells; a definition with more is read again after these are mended.
_TOLD = 8


def definition_of(protocol: Protocol) -> Definition:
    """The cohort as a definition, for sentences, the linter and the engines.

    Of the older form the definition says all but one thing, which no event language can say: a person whose entry
    event has a date of a month or a year that may be earlier than the first full date has no index date. So
    `studies.cohort.index_dates` runs protocols of that form as it always did.
    """
    cohort = protocol.cohort
    if isinstance(cohort, DefinedCohort):
        return cohort.definition
    entry = Entry((_events(cohort.index),), limit="first")
    return Definition(protocol.id, entry, rules=tuple(_rule(one) for one in cohort.criteria))


def read_defined(node: Node, name: str) -> DefinedCohort:
    """The `cohort:` section in language 2. What is wrong in it is told by `check_defined`."""
    definition = CohortReader(load_model(MODEL), listed_codes).cohort(node, name)
    return DefinedCohort(
        source=node.at("source").bilingual(),
        index_title=node.at("entry").at("title").bilingual(),
        definition=definition,
    )


def check_defined(protocol: Protocol, root: Node) -> None:
    """Raises `protocol.refused` with every error that the linter finds, each with its line."""
    found = [one for one in findings(protocol, root) if one.level == "error"]
    if not found:
        return
    more = len(found) - _TOLD
    zh = "；".join(f"第 {one.line} 行：{one.text.zh}（{one.todo.zh}）" for one in found[:_TOLD])
    en = "; ".join(f"line {one.line}: {one.text.en} ({one.todo.en})" for one in found[:_TOLD])
    if more > 0:
        zh, en = f"{zh}；另有 {more} 处", f"{en}; and {more} more"
    raise refused("cohort", zh, en, found[0].line)


def findings(protocol: Protocol, root: Node | None = None) -> tuple[Finding, ...]:
    """What the linter says of a protocol's cohort and exposure: warnings too. Of the older form nothing is said."""
    if not isinstance(protocol.cohort, DefinedCohort):
        return ()
    definition = protocol.cohort.definition
    found = lint(
        definition,
        load_model(MODEL),
        outcomes={source.records.table for source in protocol.outcome.sources},
        unsigned=unsigned(code_lists_of(tuple(definition.all_events()))),
        protocol=True,
        node=root.at("cohort") if root else None,
    )
    last = protocol.exposure.grace_days[1]
    if last <= 0:
        return found
    line = root.at("exposure").at("grace_days").line if root else 0
    return (*found, finding("exposure_after_index", line, {"days": last}))


# -- the older form --------------------------------------------------------------------------------


def _events(records: Records) -> Events:
    codes = frozenset((records.code_system, code) for code in records.codes)
    status = Test("status", "in", records.statuses)
    return Events(records.table, (CodeTest(Codes(records.code_list, codes)),), tests=(status,))


def _rule(criterion: Criterion) -> Rule:
    return Rule(criterion.id, criterion.reason, _group(criterion))


def _group(criterion: Criterion) -> Group:
    if criterion.kind == "gender":
        return Group(about_patient=((Test("patient.gender", "in", criterion.values),),))
    if criterion.kind == "age":
        limits = (("ge", criterion.at_least), ("le", criterion.at_most))
        tests = tuple(
            Test("age", "ge" if key == "ge" else "le", (limit,)) for key, limit in limits if limit is not None
        )
        return Group(about_patient=(tests,))
    assert criterion.records is not None  # noqa: S101 - the reader guarantees it for this kind
    first, last = criterion.days
    related = Related(
        _events(criterion.records),
        (Window(Bound(first, -1), Bound(last, 1)),),
        Count("at_least", 1) if criterion.present else Count("at_most", 0),
        observed=False,
    )
    return Group(related=(related,))
