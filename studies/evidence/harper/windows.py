"""The windows of a protocol around time zero, as facts: what the diagram draws and the tables say.

Days are counted from the index date, both ends included; None is as far as is observed on that side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.cohorts.definition import Cohort as Definition
from studies.cohorts.definition import FixedExit, Rule
from studies.protocol import Protocol
from studies.protocol_definition import definition_of

Kind = Literal["eligibility", "washout", "exposure", "covariates", "observed", "follow_up"]
EndKind = Literal["event", "both", "competing", "censored"]


@dataclass(frozen=True)
class Span:
    """One bar of the diagram."""

    kind: Kind
    label: Bilingual
    first: int | None
    last: int | None


@dataclass(frozen=True)
class End:
    """One way in which follow-up ends. `both`: part of a composite outcome, and competing with the rest of it."""

    kind: EndKind
    label: Bilingual


def spans(protocol: Protocol) -> tuple[Span, ...]:
    """Every window, in the order in which it is applied."""
    definition = definition_of(protocol)
    return (
        *_observed(definition),
        *(span for rule in definition.rules for span in _of_rule(rule)),
        *_washout(protocol),
        Span("exposure", protocol.exposure.title, *protocol.exposure.grace_days),
        *_covariates(protocol),
        Span("follow_up", protocol.outcome.title, 0, _fixed_end(definition)),
    )


def ends(protocol: Protocol) -> tuple[End, ...]:
    """How follow-up ends, one each row of the outcome's decision table."""
    outcome = protocol.outcome
    kinds: dict[tuple[bool, bool], EndKind] = {
        (True, False): "event",
        (True, True): "both",
        (False, True): "competing",
        (False, False): "censored",
    }
    listed = [End(kinds[rule.event, outcome.competes(rule)], rule.reason) for rule in outcome.rules]
    return tuple(dict.fromkeys(listed))


def planned_days(protocol: Protocol) -> tuple[int, ...]:
    """The days of follow-up at which something is planned to be told: landmarks, horizons, limits."""
    found: set[int] = set()
    for plan in protocol.analyses:
        found.update(plan.days)
        found.update(day for day in (plan.tau, plan.until) if day)
        if plan.horizon is not None:
            found.add(plan.horizon.day)
    return tuple(sorted(day for day in found if day > 0))


def _observed(definition: Definition) -> Iterator[Span]:
    before, after = definition.entry.days_before, definition.entry.days_after
    if before or after:
        yield Span("observed", Bilingual("须在观察期内", "Must be observed"), -before, after)


def _of_rule(rule: Rule) -> Iterator[Span]:
    """The windows of a rule on events; what it asks of the patient is judged on the index date."""
    windows = [window for related in rule.group.all_related() for window in related.windows]
    for first, last in dict.fromkeys((one.start.days, one.end.days) for one in windows):
        yield Span("eligibility", rule.reason, first, last)
    if not windows and next(iter(rule.group.all_tests()), None):
        yield Span("eligibility", rule.reason, 0, 0)


def _washout(protocol: Protocol) -> Iterator[Span]:
    """Use in the days before: who has any leaves."""
    if protocol.exposure.washout_days:
        title = protocol.exposure.title
        yield Span("washout", title, -protocol.exposure.washout_days, -1)


def _covariates(protocol: Protocol) -> Iterator[Span]:
    """Covariates that share a window stand in one bar; a column of the subject is known on the index date."""
    grouped: dict[tuple[int, int], list[Bilingual]] = {}
    for one in protocol.covariates:
        grouped.setdefault((0, 0) if one.kind == "subject" else one.days, []).append(one.title)
    for (first, last), titles in grouped.items():
        label = Bilingual("、".join(title.zh for title in titles), "; ".join(title.en for title in titles))
        yield Span("covariates", label, first, last)


def _fixed_end(definition: Definition) -> int | None:
    return definition.exit.days if isinstance(definition.exit, FixedExit) else None
