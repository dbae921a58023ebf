"""Do provisions and the persons posted by them say what the log says of them?

The counters that a threshold is held against are the postings: one that is gone, counts no more or counts in another
year lets the next release pass. Every entry that decides about a provision pins its row and its posting; those that
end one move both on. Entries from before they pinned everything are held to what they do say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlmodel import Session

from rwd_platform.audit.against_releases import (
    HELD,
    RECALLED,
    REFUSED,
    RELEASED,
    RETURNED,
    VOTED_DOWN,
    WITHDRAWN,
)
from rwd_platform.audit.findings import Findings
from rwd_platform.audit.logged_acts import Against, LoggedAct, keys_of, load, logged_acts, unlogged
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.posting_hash import hash_of_facts, posting_in_the_log
from rwd_platform.records.tables import PersonPosting, Provision

DECIDED, DELETED = "transfer.decided", "provision.deletion_confirmed"
_ENDS = frozenset({REFUSED, RETURNED, VOTED_DOWN, WITHDRAWN})
_ACTIONS = {DECIDED, DELETED, RELEASED, HELD, RECALLED, *_ENDS}
_BY_VERDICT = {"ALLOW": ProvisionState.RESERVED, "HOLD": ProvisionState.HELD, "BLOCK": ProvisionState.BLOCKED}
_OPEN = frozenset(_BY_VERDICT.values())
_DECISION = (
    "personal_information_path",
    "genetic_resources_path",
    "rules",
    "missing",
    "unknown",
    "rule_pack",
)


@dataclass(frozen=True)
class _Expected:
    """Where the log leaves a provision: `moved` is the entry that did, `decided` the one that `line` stands in."""

    id: str
    source: str
    state: ProvisionState
    line: Mapping[str, Any]
    decided: int
    moved: int

    def moved_to(self, state: ProvisionState, act: LoggedAct) -> _Expected:
        return replace(self, state=state, moved=act.sequence)


@dataclass
class _Ledger:
    """The provisions as the log has them so far; `sources` says of rows which release they are of."""

    sources: Mapping[str, str]
    known: dict[str, _Expected] = field(default_factory=dict)
    by_source: dict[str, set[str]] = field(default_factory=dict)

    def of(self, source: str) -> list[_Expected]:
        return [self.known[id] for id in sorted(self.by_source.get(source, ()))]

    def keep(self, one: _Expected) -> None:
        self.known[one.id] = one
        self.by_source.setdefault(one.source, set()).add(one.id)

    def decide(self, id: str, line: Mapping[str, Any], act: LoggedAct, source: str) -> None:
        try:
            state = ProvisionState(line["state"]) if "state" in line else _BY_VERDICT[str(line["verdict"])]
        except (ValueError, KeyError):
            return
        if act.action == RELEASED:
            state = ProvisionState.POSTED
        self.keep(_Expected(id, source, state, line, act.sequence, act.sequence))


def compare_provisions(session: Session, findings: Findings) -> None:
    sources = {id: str(source) for id, source in keys_of(session, Provision.id, Provision.source_id)}
    ledger = _Ledger(sources)
    for act in logged_acts(session, _ACTIONS):
        _follow(ledger, act)
    for one in ledger.known.values():
        _compare(session, one, findings)
    for id in sources:
        if id not in ledger.known:
            unlogged(findings, f"provision {id}", DECIDED)
    for id in keys_of(session, PersonPosting.provision_id):
        if id not in ledger.known or not _has_posting(ledger.known[id]):
            unlogged(findings, f"person_posting {id}", DECIDED)


# -- what the log says -------------------------------------------------------------------------------------------


def _follow(ledger: _Ledger, act: LoggedAct) -> None:
    """Carry one entry out on the ledger."""
    if act.action == DECIDED:
        if act.type == "provision":
            ledger.decide(act.id, act.decision, act, _source(ledger, act.id, act.decision))
    elif act.action == DELETED:
        if act.id in ledger.known:
            ledger.keep(ledger.known[act.id].moved_to(ProvisionState.DELETED, act))
    elif act.action in _ENDS:
        _move(ledger, act, _OPEN, ProvisionState.CANCELLED)
    elif act.action == RECALLED:
        _move(ledger, act, {ProvisionState.POSTED}, ProvisionState.RECALLED)
    else:
        for id, line in _lines(ledger, act):
            ledger.decide(id, line, act, act.id)
        if act.action == RELEASED:  # an entry from before it named them: what was reserved has left
            _move(ledger, act, {ProvisionState.RESERVED}, ProvisionState.POSTED)


def _source(ledger: _Ledger, id: str, line: Mapping[str, Any]) -> str:
    return str(line["source"]) if "source" in line else ledger.sources.get(id, "")


def _move(
    ledger: _Ledger,
    act: LoggedAct,
    states: frozenset[ProvisionState] | set[ProvisionState],
    to: ProvisionState,
) -> None:
    for one in ledger.of(act.id):
        if one.state in states:
            ledger.keep(one.moved_to(to, act))


def _lines(ledger: _Ledger, act: LoggedAct) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The provisions that an entry about a release names: by id, or before that by their exporter."""
    by_exporter = {one.line.get("exporter"): one.id for one in ledger.of(act.id)}
    for line in act.decision.get("provisions", ()):
        if isinstance(line, Mapping):
            id = line.get("provision") or by_exporter.get(line.get("exporter"))
            if id:
                yield str(id), line


# -- the rows beside it ------------------------------------------------------------------------------------------


def _compare(session: Session, one: _Expected, findings: Findings) -> None:
    against = Against(findings, f"provision {one.id}", one.decided)
    row = load(session, Provision, one.id, against)
    if row is not None:
        Against(findings, f"provision {one.id}", one.moved).holds("state", row.state, str(one.state))
        _compare_row(row, one, against)
    if _has_posting(one):
        _compare_posting(session, one, findings)


def _compare_row(row: Provision, one: _Expected, against: Against) -> None:
    line, cancelled = one.line, one.state == ProvisionState.CANCELLED
    against.holds("verdict", row.verdict, line.get("verdict"))
    against.holds("organisation_id", row.organisation_id, line.get("exporter"))
    against.holds("recipient_id", row.recipient_id, line.get("recipient"))
    against.holds("source_id", row.source_id, one.source)
    against.holds("year", row.year, 0 if cancelled else line.get("year", row.year))
    against.holds("facts", _facts_of(row), line.get("facts_sha256"))
    held = row.decision if isinstance(row.decision, dict) else {}
    against.holds("decision", [held.get(name) for name in _DECISION], [line.get(name) for name in _DECISION])


def _facts_of(row: Provision) -> str:
    try:
        return hash_of_facts(row)
    except (ValueError, TypeError, RecursionError):
        return ""


def _has_posting(one: _Expected) -> bool:
    """Persons are kept from the moment they are reserved, and for good once they have left."""
    if one.state == ProvisionState.CANCELLED:
        return False
    return (
        one.line.get("posting") is not None if "posting" in one.line else one.line.get("verdict") == "ALLOW"
    )


def _compare_posting(session: Session, one: _Expected, findings: Findings) -> None:
    against = Against(findings, f"person_posting {one.id}", one.decided)
    row, said = load(session, PersonPosting, one.id, against), one.line.get("posting")
    if row is None or not isinstance(said, Mapping):
        return
    try:
        held = posting_in_the_log(row)
    except (ValueError, TypeError):  # sealed bytes that are none
        held = {}
    differing = [
        name
        for name in ("year", "counted", "crosses_border", "sealed_sha256")
        if held.get(name) != said.get(name)
    ]
    for name in differing:
        against.holds(name.removesuffix("_sha256"), held.get(name), said.get(name))
    if not differing:  # the entry names no other field, so that it tells no number of persons
        against.holds("general, sensitive, posted_at", held.get("sha256"), said.get("sha256"))
