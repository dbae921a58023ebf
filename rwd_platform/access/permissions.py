"""One table says who may do what, and to whose things. What it does not list is refused.

A thing of another organisation looks exactly like one that does not exist: the same error, the same
words. Whoever may not do a thing at all learns that, whether the thing exists or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from sqlmodel import SQLModel

from rwd_platform.access.policy import is_open_from_abroad
from rwd_platform.access.projects import closed_projects, inspected_project
from rwd_platform.access.refusals import record_refusal
from rwd_platform.access.roles import ROLE_NAMES, Role
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.log.entry import Actor
from rwd_platform.records.records import NOT_FOUND, Records

Row = TypeVar("Row", bound=SQLModel)

NOT_ALLOWED = Problem(
    code="access.not_allowed",
    zh="“{role_zh}”角色不能执行“{action}”。",
    en="The role “{role}” may not do “{action}”.",
    next_zh="如确有需要，请联系平台管理员调整角色。",
    next_en="If you need it, ask the platform's administrator about your role.",
    http=403,
    exit=Exit.REFUSED,
)


FROM_ABROAD = Problem(
    code="access.from_abroad",
    zh="您正从境外访问平台，或所属机构在境外（或尚未登记所在地），不能执行“{action}”。",
    en="You use the platform from abroad, or your organisation is abroad or nobody recorded where it is: “{action}” is"
    " closed.",
    next_zh="数据从境外查看即为出境。请由研究团队向您的机构申请发布，获准后可在此下载；机构在境内的，请隐私专员登记其所在地。",
    next_en="What is seen from abroad has left the country. Let the study's team ask for a release to your organisation"
    " and download it here; if it is in mainland China, let a privacy officer record so.",
    http=403,
    exit=Exit.REFUSED,
)


class Action(StrEnum):
    """`noun.verb`, as a person would say it."""

    UPLOAD_CREATE = "upload.create"
    UPLOAD_READ = "upload.read"
    REJECT_DOWNLOAD = "reject.download"
    RECEIPT_READ = "receipt.read"
    QUALITY_READ = "quality.read"
    QUALITY_JUDGE = "quality.judge"
    STUDY_READ = "study.read"
    STUDY_REGISTER = "study.register"
    STUDY_FREEZE = "study.freeze"
    STUDY_LOCK = "study.lock"
    STUDY_RUN = "study.run"
    RESULTS_READ = "results.read"
    RESULTS_UNSEAL_REQUEST = "results.unseal_request"
    RESULTS_UNSEAL_APPROVE = "results.unseal_approve"
    PACKAGE_READ = "package.read"
    PACKAGE_DOWNLOAD = "package.download"
    PACKAGE_VERIFY = "package.verify"
    PACKAGE_ASSEMBLE = "package.assemble"
    PACKAGE_ASK = "package.ask"
    PACKAGE_ANSWER = "package.answer"
    VERIFICATION_DRAW = "verification.draw"
    VERIFICATION_FILL = "verification.fill"
    TRANSFER_READ = "transfer.read"
    TRANSFER_DECIDE = "transfer.decide"
    LOG_READ = "log.read"
    LOG_REVIEW = "log.review"
    TRACE_READ = "trace.read"
    JOB_READ = "job.read"
    POLICY_READ = "policy.read"
    RISK_READ = "risk.read"
    RISK_RUN = "risk.run"
    RELEASE_REQUEST = "release.request"
    RELEASE_READ = "release.read"
    RELEASE_APPROVE = "release.approve"
    BREAK_GLASS_REQUEST = "break_glass.request"
    BREAK_GLASS_READ = "break_glass.read"
    BREAK_GLASS_APPROVE = "break_glass.approve"
    BREAK_GLASS_OPEN = "break_glass.open"
    TEXT_PREPARE = "text.prepare"
    TEXT_REVIEW = "text.review"
    KEY_ROTATE = "key.rotate"
    COHORT_COUNT = "cohort.count"
    COHORT_EXPLAIN = "cohort.explain"
    WITHDRAWAL_RECORD = "withdrawal.record"
    WITHDRAWAL_READ = "withdrawal.read"
    ERASURE_REQUEST = "erasure.request"
    ERASURE_APPROVE = "erasure.approve"
    HOLD_PLACE = "hold.place"
    HOLD_LIFT = "hold.lift"
    STORE_MAINTAIN = "store.maintain"
    QUESTION_READ = "question.read"
    QUESTION_ASK = "question.ask"
    QUESTION_ANSWER = "question.answer"
    QUESTION_CLOSE = "question.close"
    FITNESS_ASSESS = "fitness.assess"
    LINKAGE_COUNT = "linkage.count"
    LINKAGE_READ = "linkage.read"
    PARTY_RECORD = "party.record"
    INSTRUMENT_RECORD = "instrument.record"
    INSTRUMENT_READ = "instrument.read"
    PROVISION_READ = "provision.read"
    PROVISION_RECALL = "provision.recall"
    DISCLOSURE_READ = "disclosure.read"
    PEOPLE_READ = "people.read"
    PEOPLE_MANAGE = "people.manage"
    CLIENT_MANAGE = "client.manage"
    MEMBER_MANAGE = "member.manage"
    INSPECTION_GRANT = "inspection.grant"


class Scope(StrEnum):
    """Whose things: those of one's own organisation, anybody's, or of the one project that was granted."""

    OWN_ORGANISATION = "own_organisation"
    ANY = "any"
    GRANTED = "granted"


_OWN, _ANY, _GRANTED = Scope.OWN_ORGANISATION, Scope.ANY, Scope.GRANTED

PERMISSIONS: Mapping[Role, Mapping[Action, Scope]] = {
    # Sends files, learns what became of them, mends and sends again.
    Role.HOSPITAL: {
        Action.UPLOAD_CREATE: _OWN,
        Action.UPLOAD_READ: _OWN,
        Action.REJECT_DOWNLOAD: _OWN,  # holds the identified lines that the hospital itself sent
        Action.RECEIPT_READ: _OWN,
        Action.QUALITY_READ: _OWN,
        Action.LOG_READ: _OWN,
        Action.JOB_READ: _OWN,
        Action.POLICY_READ: _OWN,  # the policies are everybody's; what was dropped is its own uploads'
        Action.COHORT_COUNT: _OWN,
        Action.COHORT_EXPLAIN: _OWN,  # rows of its own patients, which it sent itself
        Action.BREAK_GLASS_REQUEST: _OWN,
        Action.BREAK_GLASS_READ: _OWN,
        Action.BREAK_GLASS_OPEN: _OWN,
        Action.WITHDRAWAL_RECORD: _OWN,  # it alone knows who the patient is, and took the consent
        Action.WITHDRAWAL_READ: _OWN,
        Action.ERASURE_REQUEST: _OWN,
        Action.QUESTION_READ: _OWN,
        Action.QUESTION_ANSWER: _OWN,
        Action.VERIFICATION_FILL: _OWN,  # looks drawn rows up in its own charts
        Action.INSTRUMENT_RECORD: _OWN,  # its contracts, consents and approvals are its own papers
        Action.INSTRUMENT_READ: _OWN,
        Action.PROVISION_READ: _OWN,  # what left of its patients, to whom
        Action.TRANSFER_READ: _OWN,
        Action.TRANSFER_DECIDE: _OWN,  # the exporter asks before anything is prepared; nothing leaves by the answer
        Action.DISCLOSURE_READ: _OWN,  # where one patient's data went, for the patient who asks
    },
    # Works on pseudonymised data of its own studies; never sees an upload.
    Role.RESEARCHER: {
        Action.QUALITY_READ: _ANY,  # a scorecard of counts; a study draws on several hospitals
        Action.COHORT_COUNT: _ANY,  # rounded counts without outcomes; a single patient of the lake is not theirs to see
        Action.STUDY_READ: _OWN,
        Action.STUDY_REGISTER: _OWN,
        Action.STUDY_FREEZE: _OWN,
        Action.STUDY_LOCK: _OWN,
        Action.STUDY_RUN: _OWN,
        Action.RESULTS_READ: _OWN,
        Action.RESULTS_UNSEAL_REQUEST: _OWN,
        Action.RESULTS_UNSEAL_APPROVE: _OWN,  # of what somebody else asked for
        Action.PACKAGE_READ: _OWN,
        Action.PACKAGE_DOWNLOAD: _OWN,
        Action.PACKAGE_VERIFY: _OWN,
        Action.PACKAGE_ASSEMBLE: _OWN,
        Action.PACKAGE_ANSWER: _OWN,
        Action.VERIFICATION_DRAW: _OWN,  # asks; what stands on a sheet is the hospital's to see
        Action.TRANSFER_READ: _OWN,
        Action.TRANSFER_DECIDE: _OWN,
        Action.LOG_READ: _OWN,
        Action.TRACE_READ: _OWN,
        Action.JOB_READ: _OWN,
        Action.POLICY_READ: _OWN,
        Action.RISK_READ: _OWN,
        Action.RISK_RUN: _OWN,
        Action.RELEASE_REQUEST: _OWN,
        Action.RELEASE_READ: _OWN,
        Action.TEXT_PREPARE: _OWN,
        Action.QUESTION_READ: _ANY,  # a rule, counts and what was said; the places in files are the hospital's
        Action.QUESTION_ASK: _ANY,
        Action.QUESTION_CLOSE: _ANY,
        Action.FITNESS_ASSESS: _OWN,
        Action.MEMBER_MANAGE: _OWN,  # of a study that they registered themselves (flows/members.py)
        Action.LINKAGE_READ: _ANY,  # rounded counts of sources, no person
        Action.INSTRUMENT_READ: _ANY,  # what a release still lacks, to ask for it
        Action.PROVISION_READ: _ANY,  # of hospitals, for their own releases: flows/provision_view.py
    },
    # Reads and re-computes everything that evidence rests on; changes nothing.
    Role.REGULATOR: {
        Action.RECEIPT_READ: _ANY,
        Action.QUALITY_READ: _ANY,
        Action.STUDY_READ: _ANY,
        Action.RESULTS_READ: _ANY,
        Action.PACKAGE_READ: _ANY,
        Action.PACKAGE_DOWNLOAD: _ANY,
        Action.PACKAGE_VERIFY: _ANY,
        Action.PACKAGE_ASK: _ANY,  # about what was released to their own organisation
        Action.TRANSFER_READ: _ANY,
        Action.LOG_READ: _ANY,
        Action.TRACE_READ: _ANY,
        Action.POLICY_READ: _ANY,
        Action.RISK_READ: _ANY,
        Action.RELEASE_READ: _ANY,
        Action.BREAK_GLASS_REQUEST: _ANY,  # an inspector's question about one patient's chart
        Action.QUESTION_READ: _ANY,
        Action.BREAK_GLASS_READ: _OWN,  # the requests of its own people
        Action.BREAK_GLASS_OPEN: _ANY,
        Action.WITHDRAWAL_READ: _ANY,
        Action.LINKAGE_READ: _ANY,
        Action.HOLD_PLACE: _ANY,  # evidence of an inspection must not be erased under it
        Action.HOLD_LIFT: _ANY,
        Action.INSTRUMENT_READ: _ANY,
        Action.PROVISION_READ: _ANY,
    },
    # Decides, with a second officer, what leaves and whose identity may be seen; uploads and analyses nothing.
    Role.PRIVACY: {
        Action.RECEIPT_READ: _ANY,
        Action.QUALITY_READ: _ANY,
        Action.STUDY_READ: _ANY,
        Action.RESULTS_UNSEAL_APPROVE: _ANY,  # sees the diagnostics of a request, and no result
        Action.PACKAGE_READ: _ANY,
        Action.PACKAGE_VERIFY: _ANY,
        Action.TRANSFER_READ: _ANY,
        Action.TRANSFER_DECIDE: _ANY,
        Action.LOG_READ: _ANY,
        Action.POLICY_READ: _ANY,
        Action.RISK_READ: _ANY,
        Action.RISK_RUN: _ANY,
        Action.RELEASE_READ: _ANY,
        Action.RELEASE_APPROVE: _ANY,
        Action.BREAK_GLASS_READ: _ANY,
        Action.BREAK_GLASS_APPROVE: _ANY,
        Action.TEXT_REVIEW: _ANY,
        Action.WITHDRAWAL_RECORD: _ANY,  # of a patient who turned to the platform
        Action.WITHDRAWAL_READ: _ANY,
        Action.ERASURE_APPROVE: _ANY,
        Action.LINKAGE_COUNT: _ANY,
        Action.LINKAGE_READ: _ANY,
        Action.HOLD_PLACE: _ANY,
        Action.HOLD_LIFT: _ANY,
        Action.INSPECTION_GRANT: _ANY,
        Action.PARTY_RECORD: _ANY,
        Action.INSTRUMENT_RECORD: _ANY,
        Action.INSTRUMENT_READ: _ANY,
        Action.PROVISION_READ: _ANY,
        Action.PROVISION_RECALL: _ANY,
        Action.DISCLOSURE_READ: _ANY,  # for a patient who turned to the platform
    },
    # Keeps the machines running: sees states and counts, no results and no patient's line.
    Role.OPERATOR: {
        Action.UPLOAD_READ: _ANY,
        Action.RECEIPT_READ: _ANY,
        Action.QUALITY_READ: _ANY,
        Action.QUALITY_JUDGE: _ANY,  # sets thresholds, with a name and a reason; locks nothing itself
        Action.STUDY_READ: _ANY,
        Action.LOG_READ: _ANY,
        Action.JOB_READ: _ANY,
        Action.POLICY_READ: _ANY,
        Action.KEY_ROTATE: _ANY,
        Action.STORE_MAINTAIN: _ANY,
        Action.QUESTION_READ: _ANY,
        Action.LINKAGE_COUNT: _ANY,
        Action.LINKAGE_READ: _ANY,
    },
    # Keeps accounts, roles, second factors, systems' keys and members; reads no data at all, and not the log.
    Role.SECURITY: {
        Action.PEOPLE_READ: _ANY,
        Action.PEOPLE_MANAGE: _ANY,
        Action.CLIENT_MANAGE: _ANY,
        Action.MEMBER_MANAGE: _ANY,
    },
    # Reads the whole log and answers for having read it; nothing else.
    Role.AUDITOR: {
        Action.LOG_READ: _ANY,
        Action.LOG_REVIEW: _ANY,
    },
    # Looks after what studies plan and whether people who left are out; no result, no chart.
    Role.ETHICS: {
        Action.STUDY_READ: _ANY,
        Action.WITHDRAWAL_READ: _ANY,
        Action.INSTRUMENT_RECORD: _ANY,  # its own approvals and no other kind: flows/instruments.py
        Action.INSTRUMENT_READ: _ANY,
    },
    # Reads one project for some days, by a privacy officer's leave. Every one of these is a door that only reads.
    Role.INSPECTOR: {
        Action.STUDY_READ: _GRANTED,
        Action.RESULTS_READ: _GRANTED,
        Action.PACKAGE_READ: _GRANTED,
        Action.TRACE_READ: _GRANTED,
        Action.RISK_READ: _GRANTED,
    },
}


def scope_of(actor: Actor, action: Action | str) -> Scope | None:
    """Whose things the actor may do this to; None for nobody's. An unknown role or action is None.

    So is, for somebody who is abroad, whatever policy.toml does not open from there.
    """
    if actor.abroad and not is_open_from_abroad(str(action)):
        return None
    try:
        return PERMISSIONS[Role(actor.role)].get(Action(action))
    except ValueError:
        return None


def can(actor: Actor, action: Action | str, organisation_id: str) -> bool:
    """May the actor do this to something of that organisation? A row of a project is asked about with `can_see`."""
    scope = scope_of(actor, action)
    if scope is Scope.ANY:
        return True
    return scope is Scope.OWN_ORGANISATION and bool(organisation_id) and organisation_id == actor.organisation


def check_can(
    actor: Actor, action: Action | str, organisation_id: str, *, kind: str = "object", id: str = ""
) -> None:
    """Raises 403 for what the role may never do, and 404 for a thing that is somebody else's.

    `kind` and `id` name the thing as NOT_FOUND would; `get_visible` fills them in by itself.
    """
    check_may(actor, action)
    if not can(actor, action, organisation_id):
        raise NOT_FOUND.error(kind=kind, id=id)


def check_may(actor: Actor, action: Action | str) -> Scope:
    """The scope, for lists and new things; raises 403 when the role may never do this."""
    scope = scope_of(actor, action)
    if scope is None and actor.abroad and scope_of(replace(actor, abroad=""), action) is not None:
        raise FROM_ABROAD.error(action=action)
    if scope is None:
        role_zh, role = _role_names(actor.role)
        raise NOT_ALLOWED.error(role=role, role_zh=role_zh, action=action)
    return scope


def visible_organisation(actor: Actor, action: Action | str) -> str | None:
    """The organisation that a list must be limited to; None for no limit. Raises 403 like `check_may`."""
    return None if check_may(actor, action) is Scope.ANY else actor.organisation


def can_see(records: Records, actor: Actor, action: Action | str, row: SQLModel) -> bool:
    """May the actor do this to this row: by its organisation, and by its project where it belongs to one?"""
    return bool(visible_rows(records, actor, action, [row]))


def visible_rows(records: Records, actor: Actor, action: Action | str, rows: Iterable[Row]) -> list[Row]:
    """Those of the rows that the actor may do this to. A role that may never do it sees none."""
    scope, found = scope_of(actor, action), list(rows)
    if scope is None or not found:
        return []
    if scope is Scope.GRANTED:
        project = inspected_project(records, actor)
        return [row for row in found if project and getattr(row, "project_id", "") == project]
    mine = [row for row in found if can(actor, action, str(getattr(row, "organisation_id", "")))]
    if scope is Scope.ANY or not any(getattr(row, "project_id", "") for row in mine):
        return mine
    closed = closed_projects(records, actor)
    return [row for row in mine if getattr(row, "project_id", "") not in closed]


def get_visible(records: Records, actor: Actor, action: Action | str, table: type[Row], id: Any) -> Row:
    """The row if the actor may do this to it; absent and hidden raise the same error, and leave the same entry."""
    kind = str(table.__tablename__)
    try:
        check_may(actor, action)
        row = records.get(table, id)
        if not can_see(records, actor, action, row):
            raise NOT_FOUND.error(kind=kind, id=str(id))
    except PlatformError as error:
        record_refusal(records, actor, str(action), kind, str(id), error)
        raise
    return row


def _role_names(role: str) -> tuple[str, str]:
    try:
        return ROLE_NAMES[Role(role)]
    except ValueError:
        return (role, role)
