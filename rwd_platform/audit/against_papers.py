"""Do the parties and the papers that a decision rests on say what the log says of them?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from rwd_platform.audit.findings import Findings
from rwd_platform.audit.logged_acts import Against, LoggedAct, keys_of, load, logged_acts, unlogged
from rwd_platform.core.canonical import sha256_of
from rwd_platform.records.changes import hash_of_row
from rwd_platform.records.tables import InstrumentRecord, LegalParty

PARTY_RECORDED = "party.recorded"
RECORDED, FILED, REVOKED = "instrument.recorded", "instrument.filed", "instrument.revoked"
_PARTY = ("country", "foreign_controlled", "state_organ", "restricted", "checked_on")
_PAPER = ("answer", "replaces", "effective_from", "valid_until", "evidence_sha256")


def compare_papers(session: Session, findings: Findings) -> None:
    _compare_parties(session, findings)
    _compare_instruments(session, findings)


def _compare_parties(session: Session, findings: Findings) -> None:
    newest = {act.id: act for act in logged_acts(session, {PARTY_RECORDED})}
    for id, act in newest.items():
        against = Against(findings, f"legal_party {id}", act.sequence)
        row = load(session, LegalParty, id, against)
        if row is None:
            continue
        for name in _PARTY:
            _hold(against, name, row, act.decision)
        # The entry names no contact and no group: the act wrote this row alone, so the hash of it is the row's.
        if act.new_hash and all(getattr(row, name) == act.decision.get(name) for name in _PARTY):
            against.holds("contact, group_name", hash_of_row(row), act.new_hash)
    for id in keys_of(session, LegalParty.id):
        if id not in newest:
            unlogged(findings, f"legal_party {id}", PARTY_RECORDED)


@dataclass
class _Paper:
    """A paper as the log has it. `ended` is when, and None where an entry ended it without naming the day."""

    recorded: LoggedAct
    filed: str = ""
    filed_by: int = 0
    ended: str | None = ""
    ended_by: int = 0
    decision: Mapping[str, Any] = field(default_factory=dict)


def _compare_instruments(session: Session, findings: Findings) -> None:
    papers = _papers(session)
    for id, paper in papers.items():
        against = Against(findings, f"instrument {id}", paper.recorded.sequence)
        row = load(session, InstrumentRecord, id, against)
        if row is not None:
            _compare_paper(row, paper, against)
    for id in keys_of(session, InstrumentRecord.id):
        if id not in papers:
            unlogged(findings, f"instrument {id}", RECORDED)


def _papers(session: Session) -> dict[str, _Paper]:
    papers: dict[str, _Paper] = {}
    for act in logged_acts(session, {RECORDED, FILED, REVOKED}):
        said = act.decision
        if act.action == RECORDED:
            filed = str(said.get("filed_on", ""))
            papers[act.id] = _Paper(act, filed, act.sequence, "", act.sequence, said)
            before = papers.get(str(said.get("replaces", "")))
            if before is not None:
                starts = (str(one.get("effective_from", "")) for one in (said, before.decision))
                before.ended, before.ended_by = max(starts), act.sequence
        elif act.id in papers and act.action == FILED:
            papers[act.id].filed, papers[act.id].filed_by = str(said.get("filed_on", "")), act.sequence
        elif act.id in papers:
            papers[act.id].ended, papers[act.id].ended_by = said.get("revoked_on"), act.sequence
    return papers


def _compare_paper(row: InstrumentRecord, paper: _Paper, against: Against) -> None:
    said = paper.decision
    against.holds("kind", row.kind, said.get("kind"))
    against.holds("organisation_id", row.organisation_id, said.get("exporter"))
    for name in _PAPER:
        _hold(against, name, row, said)
    against.holds("scope", _sha256(row.scope), paper.recorded.version)
    filed = Against(against.findings, against.name, paper.filed_by)
    filed.holds("filed_on", row.filed_on, paper.filed)
    ended = Against(against.findings, against.name, paper.ended_by)
    if paper.ended is None:
        ended.holds("revoked_on", bool(row.revoked_on), True)
    else:
        ended.holds("revoked_on", row.revoked_on, paper.ended)


def _hold(against: Against, name: str, row: Any, said: Mapping[str, Any]) -> None:
    """Against what the entry says of a field, where it says something: those of before said less."""
    held = getattr(row, name)
    against.holds(name, held, said.get(name, held))


def _sha256(value: Any) -> str:
    try:
        return sha256_of(value)
    except (ValueError, TypeError, RecursionError):
        return ""
