"""Provisions as people read them: the list, one of them, and each exporter's ledger of a year with what is due.

Counts are exact for privacy officers, regulators and the exporter itself; to anybody else no count is shown here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlmodel import col, select

from rwd_platform.access.permissions import (
    Action,
    can,
    get_visible,
    scope_of,
    visible_organisation,
    visible_rows,
)
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import Role
from rwd_platform.compliance.filings import Deadline, deadlines
from rwd_platform.compliance.forecast import Outlook, Plan, Posting, Threshold, forecast, thresholds
from rwd_platform.compliance.rulepack import NATIONAL, RulePack
from rwd_platform.compliance.series import NO_PACK_ON, pack_in_force
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.instruments import as_instrument
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import decide_provisions, leaving
from rwd_platform.flows.provision_alarms import AlarmSeen, is_about, split_alarms
from rwd_platform.flows.provision_counts import (
    Part,
    YearCount,
    changes_of,
    check_year,
    counted_postings,
    day_of,
    opened_parts,
    year_count,
)
from rwd_platform.flows.release_circles import registered_circles
from rwd_platform.flows.release_ledger import PUBLIC
from rwd_platform.flows.review_anonymity import REVIEWED
from rwd_platform.log.entry import Actor
from rwd_platform.records.lifecycles import ProvisionState, ReleaseState
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import (
    AuditEntry,
    InstrumentRecord,
    Organisation,
    OutputRelease,
    Provision,
)

PAGE_SIZE = 50
OPEN = (ProvisionState.HELD, ProvisionState.BLOCKED, ProvisionState.RESERVED)
FIRST_YEAR, LAST_YEAR = 2000, 2200
_MAY_CHANGE = ("instrument.recorded", "instrument.filed", "instrument.revoked", "party.recorded", REVIEWED)
_EXACT = frozenset({Role.PRIVACY, Role.REGULATOR, Role.HOSPITAL})  # a hospital sees its own provisions alone
_UNDER_WAY = (ReleaseState.REQUESTED, ReleaseState.APPROVED)

PROVISION_SETTLED = Problem(
    code="provision.settled",
    zh="发布 {release} 已有结论，不能再判定。",
    en="Release {release} is settled; its provisions are not decided again.",
    next_zh="需要再次提供时，请重新申请发布。",
    next_en="Ask for a new release to provide it again.",
    http=409,
    exit=Exit.REFUSED,
)


@dataclass(frozen=True)
class ProvisionFilter:
    """What a list looks for; "" asks for everything. `lacks` is a missing duty or an unknown of a decision."""

    exporter: str = ""
    state: str = ""
    lacks: str = ""


@dataclass(frozen=True)
class ExporterYear:
    """One exporter's calendar year.

    count     -- None where the persons on record are damaged: `problem` says so
    outlooks  -- one a threshold, as of today; of a year that is over, as of its last day; none of one to come
    deadlines -- of the papers on file, as of today, whatever the year
    uncounted_plans -- open provisions whose persons are not known yet, so that no forecast has them
    """

    exporter: str
    count: YearCount | None
    outlooks: tuple[Outlook, ...]
    deadlines: tuple[Deadline, ...]
    alarms: tuple[AlarmSeen, ...]
    uncounted_plans: int = 0
    problem: PlatformError | None = None


# -- the list and one of them ------------------------------------------------------------------------------------


def sees_counts(actor: Actor) -> bool:
    """Whether counts of the provisions that the actor may read are shown to them at all."""
    return actor.role in _EXACT


def provisions(
    platform: Platform, actor: Actor, wanted: ProvisionFilter = ProvisionFilter()
) -> list[Provision]:
    """Those that the actor may see, decided last first. Raises 403 for a role that may see none."""
    own = visible_organisation(actor, Action.PROVISION_READ)
    query = select(Provision).order_by(col(Provision.decided_at).desc(), col(Provision.id))
    for column, value in (
        (Provision.organisation_id, own or ""),
        (Provision.organisation_id, wanted.exporter),
        (Provision.state, wanted.state),
    ):
        if value:
            query = query.where(col(column) == value)
    rows = visible_rows(platform.records, actor, Action.PROVISION_READ, platform.records.all(query))
    mine = _of_own_releases(platform, actor, rows)
    return [row for row in mine if not wanted.lacks or wanted.lacks in lacking(row)]


def provision(platform: Platform, actor: Actor, id: str) -> Provision:
    """One of them; absent and hidden raise alike, and leave the same entry."""
    row = get_visible(platform.records, actor, Action.PROVISION_READ, Provision, id)
    with refusals_recorded(platform.records, actor, Action.PROVISION_READ, Provision.__tablename__, id):
        if not _of_own_releases(platform, actor, [row]):
            raise NOT_FOUND.error(kind=Provision.__tablename__, id=id)
    return row


def _of_own_releases(platform: Platform, actor: Actor, rows: Sequence[Provision]) -> list[Provision]:
    """A researcher sees the provisions of releases that are theirs to see; exporters are hospitals, never theirs."""
    if actor.role != Role.RESEARCHER:
        return list(rows)
    wanted = {row.source_id for row in rows}
    releases = platform.records.all(select(OutputRelease).where(col(OutputRelease.id).in_(wanted)))
    seen = {one.id for one in visible_rows(platform.records, actor, Action.RELEASE_READ, releases)}
    return [row for row in rows if row.source_id in seen]


def lacking(row: Provision) -> tuple[str, ...]:
    """What holds it: duties that are not met, what nobody checked, or the rule that could not determine a path."""
    named = (*row.decision.get("missing", ()), *row.decision.get("unknown", ()))
    if named or row.verdict != "HOLD":
        return named
    return tuple(row.decision.get("rules", ())[-1:])


def rested_on(platform: Platform, actor: Actor, paper: InstrumentRecord) -> list[Provision]:
    """The provisions whose last decision rests on the paper, of those that the actor may see."""
    if scope_of(actor, Action.PROVISION_READ) is None:
        return []
    mine = provisions(platform, actor, ProvisionFilter(exporter=paper.organisation_id))
    return [row for row in mine if paper.id in row.papers.get("rests_on", {}).values()]


def decide_again(platform: Platform, actor: Actor, release_id: str) -> list[Provision]:
    """Put a release's provisions to the rules once more, by what is on record now. Each answer is in the log.

    For whoever asks for releases or approves them. Raises `provision.settled` for one that has left or never will.
    """
    asks = scope_of(actor, Action.RELEASE_REQUEST) is not None
    action = Action.RELEASE_REQUEST if asks else Action.RELEASE_APPROVE
    with refusals_recorded(platform.records, actor, action, "output_release", release_id):
        asked = get_visible(platform.records, actor, action, OutputRelease, release_id)
        if asked.state not in _UNDER_WAY:
            raise PROVISION_SETTLED.error(release=release_id)
        return decide_provisions(leaving(platform, actor, asked))


def is_outdated(platform: Platform, row: Provision) -> bool:
    """Whether something that an open provision's answer may rest on was recorded after it was decided."""
    if row.state not in OPEN:
        return False
    with platform.records.reading() as session:
        papers = session.exec(
            select(InstrumentRecord.id).where(InstrumentRecord.organisation_id == row.organisation_id)
        ).all()
        about = (*papers, row.organisation_id, row.recipient_id, row.package_id)
        later = select(AuditEntry.sequence).where(
            col(AuditEntry.action).in_(_MAY_CHANGE),
            col(AuditEntry.object_id).in_(about),
            AuditEntry.at > row.decided_at,
        )
        return session.exec(later.limit(1)).first() is not None


def may_decide_again(actor: Actor, release: OutputRelease | None, row: Provision) -> bool:
    """Whether to offer it."""
    if release is None or release.state not in _UNDER_WAY or row.state not in OPEN:
        return False
    actions = (Action.RELEASE_REQUEST, Action.RELEASE_APPROVE)
    return any(can(actor, action, release.organisation_id) for action in actions)


def names_of(platform: Platform) -> dict[str, Bilingual]:
    """What organisations and registered recipients are called, by id."""
    found = {one.id: one.title for one in registered_circles(platform)}
    for row in platform.records.all(select(Organisation)):
        found[row.id] = Bilingual(row.name_zh, row.name_en)
    return {**found, PUBLIC: Bilingual("公众", "the public")}


# -- the ledger of a year ----------------------------------------------------------------------------------------


def ledger_of_year(platform: Platform, actor: Actor, year: int, exporter: str = "") -> list[ExporterYear]:
    """Each exporter that the actor may see and that has papers or provisions; one's own always.

    Raises 403 for a role that may see none; a role to which no count is shown has no ledger either.
    """
    own = visible_organisation(actor, Action.PROVISION_READ)
    if not sees_counts(actor):
        return []
    wanted = own or exporter
    papers = _papers(platform, wanted)
    rows = provisions(platform, actor, ProvisionFilter(exporter=wanted))
    found_in = {*papers, *(row.organisation_id for row in rows), *({own} if own else ())}
    opened = opened_year(platform, year, own or "")
    pack = pack_of_year(platform, year)
    names, at = names_of(platform), thresholds(pack) if pack else ()
    found = split_alarms(platform, opened, at, names)
    today = shanghai_date(platform.clock())
    return [
        _exporter_year(
            one,
            opened.get(one, []),
            [row for row in rows if row.organisation_id == one],
            at,
            (year, today),
            deadlines([as_instrument(paper) for paper in papers.get(one, ())], today),
            tuple(alarm for alarm in found if is_about(alarm.alarm, one, alone=own is not None)),
        )
        for one in sorted(found_in)
    ]


def exporters(platform: Platform, actor: Actor) -> list[str]:
    """Whom there is something to say about, of those that the actor may see: with provisions, papers, or oneself."""
    own = visible_organisation(actor, Action.PROVISION_READ)
    rows = provisions(platform, actor)
    found = {row.organisation_id for row in rows} | set(_papers(platform, own or ""))
    return sorted(found | ({own} if own else set()))


def pack_of_year(platform: Platform, year: int) -> RulePack | None:
    """The national rules as of the year's last day, or of today while it lasts; None where there were none yet."""
    today = shanghai_date(platform.clock())
    try:
        return pack_in_force(NATIONAL, min(today, date(year, 12, 31)))
    except PlatformError as error:
        if error.problem is NO_PACK_ON:
            return None
        raise


def opened_year(platform: Platform, year: int, alone: str = "") -> dict[str, list[Part] | PlatformError]:
    """What counts in the year by exporter, opened; where something is damaged, the error in its place.

    `alone`: of this exporter and of nobody else.
    """
    found: dict[str, list[Part] | PlatformError] = {}
    for exporter, postings in counted_postings(platform, year).items():
        if alone not in ("", exporter):
            continue
        try:
            check_year(platform, exporter, year)
            found[exporter] = opened_parts(platform, postings)
        except PlatformError as error:
            found[exporter] = error
    return found


def warnings_of_year(
    platform: Platform, actor: Actor, year: int
) -> tuple[dict[str, PlatformError], tuple[AlarmSeen, ...]]:
    """What cannot be counted, by exporter, and the alarms: quicker than the ledgers, for a page that has no counts."""
    own = visible_organisation(actor, Action.PROVISION_READ)
    if not sees_counts(actor):
        return {}, ()
    opened, pack = opened_year(platform, year, own or ""), pack_of_year(platform, year)
    damaged = {exporter: parts for exporter, parts in opened.items() if isinstance(parts, PlatformError)}
    found = split_alarms(platform, opened, thresholds(pack) if pack else (), names_of(platform))
    mine = [one for one in found if own is None or is_about(one.alarm, own, alone=True)]
    return damaged, tuple(mine)


def _exporter_year(
    exporter: str,
    parts: list[Part] | PlatformError,
    rows: Sequence[Provision],
    at: Sequence[Threshold],
    when: tuple[int, date],
    due: tuple[Deadline, ...],
    found: tuple[AlarmSeen, ...],
) -> ExporterYear:
    if isinstance(parts, PlatformError):
        return ExporterYear(exporter, None, (), due, found, problem=parts)
    year, today = when
    plans, unknown = _plans(rows, parts, today) if year == today.year else ([], 0)
    changes = changes_of(parts)
    left = [Posting(one.on, *change) for one, change in zip(parts, changes, strict=True) if one.posted]
    begun = year <= today.year
    outlooks = forecast(at, left, plans, min(today, date(year, 12, 31))) if begun else ()
    return ExporterYear(exporter, year_count(parts, changes), outlooks, due, found, uncounted_plans=unknown)


def _plans(rows: Iterable[Provision], parts: Sequence[Part], on: date) -> tuple[list[Plan], int]:
    """What is open and would count: reserved by its persons, held by the facts of its decision; and how many of them
    have no facts yet.
    """
    plans = [
        Plan(on, len(one.persons.general), len(one.persons.sensitive)) for one in parts if not one.posted
    ]
    unknown = 0
    for row in rows:
        if row.state != ProvisionState.HELD or day_of(row.decided_at).year != on.year:
            continue
        if not row.facts:
            unknown += 1
        elif row.facts["crosses_border"] and _would_count(row):
            persons = row.facts["persons"]
            plans.append(Plan(on, persons["general_only"]["count"], persons["sensitive"]["count"]))
    return plans, unknown


def _would_count(row: Provision) -> bool:
    """What is exempt by Arts 4, 5(1)-(3) or 6, and what is nobody's, is not added; what is undetermined may be."""
    path, rules = row.decision["personal_information_path"], row.decision["rules"]
    return path not in ("EXEMPT", "NO_PI") or "M11" in rules


def _papers(platform: Platform, exporter: str) -> dict[str, list[InstrumentRecord]]:
    query = select(InstrumentRecord).order_by(col(InstrumentRecord.id))
    if exporter:
        query = query.where(InstrumentRecord.organisation_id == exporter)
    found: dict[str, list[InstrumentRecord]] = {}
    for row in platform.records.all(query):
        found.setdefault(row.organisation_id, []).append(row)
    return found
