"""The report on one exporter's provisions in a calendar year: what a regulator asks for in one document.

It is made from the records and the log alone, so that the same records give the same bytes and the same SHA-256,
whoever asks and in whatever form. No person is in it: neither a patient nor anybody who worked on it. Producing it is
one entry of the log.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select

from rwd_platform.access.permissions import Action, check_can
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.compliance.forecast import thresholds
from rwd_platform.compliance.instruments import kind_of
from rwd_platform.compliance.person_sets import PersonSet, distinct
from rwd_platform.compliance.rulepack import RulePack
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_alarms import is_about, split_alarms
from rwd_platform.flows.provision_counts import Part, changes_of, day_of, year_count
from rwd_platform.flows.provision_departures import Departure, departures, involved
from rwd_platform.flows.provision_log import covering_checkpoint, entries_about, refused_answers
from rwd_platform.flows.provision_view import (
    names_of,
    opened_year,
    pack_of_year,
    sees_counts,
)
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.posting_hash import hash_of_facts
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import (
    InstrumentRecord,
    LegalParty,
    Organisation,
    Provision,
    ReleaseVote,
)

FORMAT_VERSION = 2  # 2: what left is counted whether or not it added persons to the two counts
DISCLAIMER = Bilingual("决策支持，非法律意见", "Decision support, not legal advice")
MONTHS = range(1, 13)
_LEFT = (ProvisionState.POSTED, ProvisionState.RECALLED, ProvisionState.DELETED)
_STOPPED = (ProvisionState.HELD, ProvisionState.BLOCKED)
# Which facts of a decision rest on a paper that the report lists, and under which heading.
_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "mechanisms": ("standard_contract", "certification", "security_assessment", "legal_basis", "zone_opinion"),
    "impact_assessments": ("impact_assessment",),
    "approvals": (
        "ethics_approval", "judicial_approval", "hgr_cooperation", "hgr_report", "hgr_backup", "hgr_review",
        "hgr_exit_certificate",
    ),
}  # fmt: skip

REPORT_EXACT = Problem(
    code="provision.report_exact",
    zh="年度报告含准确人数，只提供给隐私专员、监管人员和提供方本身。",
    en="The yearly report holds exact counts; it is for privacy officers, regulators and the exporter itself.",
    next_zh="需要时请向隐私专员索取。",
    next_en="Ask a privacy officer for it.",
    http=403,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class Report:
    """`content` is JSON; `sha256` is over its canonical form (RFC 8785)."""

    content: Mapping[str, Any]
    sha256: str


def report(platform: Platform, actor: Actor, year: int, exporter: str) -> Report:
    """Make it, and write down that it was made.

    Raises 403 for a role that may see no counts, 404 for an exporter that is another's or not on record, and
    `provision.posting_damaged` where persons on record cannot be counted: half a report would be a wrong one.
    """
    shown = exporter if len(exporter) <= 80 and exporter.isprintable() else "?"
    with refusals_recorded(platform.records, actor, Action.PROVISION_READ, "provision_report", shown):
        check_can(actor, Action.PROVISION_READ, exporter, kind="organisation", id=shown)
        if not sees_counts(actor):
            raise REPORT_EXACT.error()
        organisation = platform.records.find(Organisation, exporter)
        if organisation is None:
            raise NOT_FOUND.error(kind="organisation", id=shown)
        content = _content(platform, organisation, year)
    made = Report(content, sha256_of(content))
    about = Object("provision_report", f"{exporter}/{year}", made.sha256)
    platform.records.record(Act(actor, "provision.reported", about, purpose=str(year)))
    return made


def _content(platform: Platform, exporter: Organisation, year: int) -> dict[str, Any]:
    opened = opened_year(platform, year)
    parts = opened.get(exporter.id, [])
    if isinstance(parts, PlatformError):
        raise parts
    rows, names, pack = _rows(platform, exporter.id, year), names_of(platform), pack_of_year(platform, year)
    left, changes = [one for one in rows if one.state in _LEFT], changes_of(parts)
    gone = departures(platform, left, parts, changes)
    entries = entries_about(platform, {row.id for row in rows}, year)
    return {
        "format_version": FORMAT_VERSION,
        "year": year,
        "exporter": _party(platform, exporter.id, names),
        "totals": _totals(parts, changes, rows, gone),
        "months": _months(gone),
        "recipients": _recipients(platform, parts, gone, names),
        "paths": _paths(rows, left, pack),
        "papers": _papers(platform, left),
        "provisions": [_line(one, votes) for one, votes in _voted(platform, gone)],
        "stopped": [_stopped(row) for row in rows if row.state in _STOPPED],
        "answers_refused": refused_answers(entries),
        "recalls": [_ended(row) for row in rows if row.state in _LEFT and row.state != ProvisionState.POSTED],
        "alarms": _alarms(platform, opened, exporter.id, names, pack),
        "rule_packs": _packs(rows, pack),
        "log": covering_checkpoint(platform, entries),
        "disclaimer": DISCLAIMER._asdict(),
    }


def _rows(platform: Platform, exporter: str, year: int) -> list[Provision]:
    """The provisions of the year: those counted in it, and otherwise those decided or ended in it."""
    query = select(Provision).where(Provision.organisation_id == exporter).order_by(col(Provision.id))
    return [row for row in platform.records.all(query) if _is_of(row, year)]


def _is_of(row: Provision, year: int) -> bool:
    if row.year:
        return row.year == year
    return day_of(row.decided_at).year == year


def _party(platform: Platform, id: str, names: Mapping[str, Bilingual]) -> dict[str, Any]:
    """Who it is, and what is on record about the legal entity; nothing of it where nobody looked."""
    row = platform.records.find(LegalParty, id)
    said = ("country", "foreign_controlled", "state_organ", "restricted", "checked_on")
    return {
        "id": id,
        "name": names.get(id, Bilingual(id, id))._asdict(),
        "status": {name: getattr(row, name) for name in said} if row is not None else None,
    }


# -- counts ------------------------------------------------------------------------------------------------------


def _totals(
    parts: Sequence[Part],
    changes: Sequence[tuple[int, int]],
    rows: Sequence[Provision],
    gone: Sequence[Departure],
) -> dict[str, Any]:
    """What left, whoever was in it; and what of it, and of what is reserved, the thresholds count."""
    count = year_count(parts, changes)
    return {
        "provided": involved(gone),
        "posted": {"general": count.posted_general, "sensitive": count.posted_sensitive},
        "reserved": {"general": count.reserved_general, "sensitive": count.reserved_sensitive},
        "states": dict(sorted(Counter(str(row.state) for row in rows).items())),
    }


def _months(gone: Sequence[Departure]) -> list[dict[str, Any]]:
    """What left in each month, and by how much it changed the two counts. General may fall."""
    by_month = {month: [one for one in gone if one.on.month == month] for month in MONTHS}
    return [
        {
            "month": month,
            **involved(found),
            "new_general": sum(one.added[0] for one in found),
            "new_sensitive": sum(one.added[1] for one in found),
        }
        for month, found in by_month.items()
    ]


def _recipients(
    platform: Platform, parts: Sequence[Part], gone: Sequence[Departure], names: Mapping[str, Bilingual]
) -> list[dict[str, Any]]:
    """Distinct persons to each, all of them and those that count; who went to two recipients is one of each."""
    sets: dict[str, list[PersonSet]] = defaultdict(list)
    for one in parts:
        if one.posted:
            sets[one.provision.recipient_id].append(one.persons)
    provided: dict[str, list[Departure]] = defaultdict(list)
    for each in gone:
        provided[each.row.recipient_id].append(each)
    return [
        {
            **_party(platform, id, names),
            **involved(provided[id]),
            **dict(zip(("general", "sensitive"), distinct(sets[id]), strict=True)),
        }
        for id in sorted(provided)
    ]


def _paths(
    rows: Sequence[Provision], left: Sequence[Provision], pack: RulePack | None
) -> list[dict[str, Any]]:
    decided = Counter(row.decision["personal_information_path"] for row in rows)
    provided = Counter(row.decision["personal_information_path"] for row in left)
    words = pack.personal_information_paths if pack else {}
    return [
        {
            "path": path,
            "name": words.get(path, Bilingual(path, path))._asdict(),
            "decided": decided[path],
            "provided": provided[path],
        }
        for path in sorted(decided)
    ]


# -- papers, approvals, what was held ----------------------------------------------------------------------------


def _papers(platform: Platform, left: Sequence[Provision]) -> dict[str, list[dict[str, Any]]]:
    """What the provisions that left rested on, under the headings that are asked for."""
    used = Counter(id for row in left for id in set(row.papers.get("rests_on", {}).values()))
    found: dict[str, list[dict[str, Any]]] = {heading: [] for heading in (*_HEADINGS, "others")}
    for id in sorted(used):
        row = platform.records.find(InstrumentRecord, id)
        if row is not None:
            heading = next((name for name, own in _HEADINGS.items() if row.kind in own), "others")
            found[heading].append(_paper(row, used[id]))
    return found


def _paper(row: InstrumentRecord, provisions: int) -> dict[str, Any]:
    said = (
        "id",
        "kind",
        "number",
        "version",
        "answer",
        "effective_from",
        "valid_until",
        "filed_on",
        "revoked_on",
    )
    return {
        **{name: getattr(row, name) for name in said},
        "name": kind_of(row.kind).name._asdict(),
        "provisions": provisions,
    }  # fmt: skip


def _voted(platform: Platform, gone: Sequence[Departure]) -> Iterable[tuple[Departure, int]]:
    """Each provision that left with the number of officers who had approved its release."""
    sources = {one.row.source_id for one in gone}
    votes = Counter(
        one.release_id
        for one in platform.records.all(select(ReleaseVote).where(col(ReleaseVote.approved).is_(True)))
        if one.release_id in sources
    )
    return [(one, votes[one.row.source_id]) for one in gone]


def _line(one: Departure, votes: int) -> dict[str, Any]:
    """One provision that left. `general` and `sensitive` are of its own persons, new or not, counted or not."""
    posting = one.posting
    return {
        **_of(one.row),
        "posted_at": posting.posted_at if posting else "",
        "counted": bool(posting and posting.counted),
        "general": posting.general if posting else 0,
        "sensitive": posting.sensitive if posting else 0,
        "new_general": one.added[0],
        "new_sensitive": one.added[1],
        "why_not_added": one.why_not_added,
        "approvals": votes,
    }


def _stopped(row: Provision) -> dict[str, Any]:
    return {
        **_of(row),
        "verdict": row.verdict,
        "missing": list(row.decision["missing"]),
        "unknown": list(row.decision.get("unknown", ())),
    }


def _of(row: Provision) -> dict[str, Any]:
    return {
        "id": row.id,
        "recipient": row.recipient_id,
        "purpose": row.purpose,
        "mode": row.mode,
        "state": str(row.state),
        "path": row.decision["personal_information_path"],
        "genetic_resources_path": row.decision["genetic_resources_path"],
        "rules": list(row.decision["rules"]),
        "decided_at": row.decided_at,
        "facts_sha256": hash_of_facts(row),
    }


def _ended(row: Provision) -> dict[str, Any]:
    """Asked back, and deleted by the recipient's own letter. The reason somebody wrote stays in the records."""
    letter = row.papers.get("deletion", {})
    return {
        "id": row.id,
        "recipient": row.recipient_id,
        "state": str(row.state),
        "at": row.ended_at,
        "deleted_on": letter.get("confirmed_on", ""),
        "letter_sha256": letter.get("letter_sha256", ""),
    }


def _alarms(
    platform: Platform,
    opened: Mapping[str, list[Part] | PlatformError],
    exporter: str,
    names: Mapping[str, Bilingual],
    pack: RulePack | None,
) -> list[dict[str, Any]]:
    """About this exporter alone: a report is given to one, and others' counts are not theirs to read."""
    own = {exporter: opened.get(exporter, [])}
    return [
        {"kind": one.alarm.kind, "threshold": one.alarm.threshold, **one.text._asdict()}
        for one in split_alarms(platform, own, thresholds(pack) if pack else (), names)
        if is_about(one.alarm, exporter, alone=True)
    ]


def _packs(rows: Sequence[Provision], pack: RulePack | None) -> list[dict[str, Any]]:
    """Which packs decided; in a year without decisions the one that was in force."""
    used = Counter(tuple(sorted(row.decision["rule_pack"].items())) for row in rows)
    if not used and pack is not None:
        named = {"id": pack.id, "version": pack.version, "sha256": pack.sha256}
        return [{**named, "provisions": 0}]
    return [{**dict(one), "provisions": used[one]} for one in sorted(used)]
