"""The erasure of one patient, as one call that may be cut off anywhere and called again.

    1  what has to go is found and listed; the key is out of use, so that nothing new comes in
    2  the ledger says that the patient is erased, for every restore after this
    3  files as received, receipts, lake, locks, results, lists of names; each step safe to do again
    4  the rows of the control plane, the key itself among them, and the pages that held them
    5  notices, the entry in the log, the certificate

Use is frozen before it begins (record_withdrawal), so that nobody sees a state in between. Admissions of the
hospital wait for it, and nobody reads several tables of the lake while they are rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sqlmodel import select

from rwd_platform.core.clock import as_text, shanghai_date
from rwd_platform.flows import withdraw_problems as problems
from rwd_platform.flows.erase_certificate import note_in_ledger, write_certificate
from rwd_platform.flows.erase_duties import still_hold
from rwd_platform.flows.erase_locks import clean_results, destroy_old_locks, reissue_locks
from rwd_platform.flows.erase_plan import (
    PLAN_DAMAGED,
    Plan,
    Progress,
    drop_plan,
    dying_key,
    kept_plan,
    make_plan,
    names_asked,
    stored_path,
)
from rwd_platform.flows.erase_records import erase_from_rotations, erase_rows, key_out_of_use, rewrite_pages
from rwd_platform.flows.erase_request import KIND, place_of, standing_approvals
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.segment_upload import segment_upload
from rwd_platform.flows.uploads import admitted_uploads, is_admitted
from rwd_platform.flows.withdraw import hold_on, record_withdrawal, retention
from rwd_platform.flows.withdraw_charts import every_chart
from rwd_platform.flows.withdraw_notices import write_notices
from rwd_platform.log.entry import Act, Actor, Entry, Object
from rwd_platform.records.lifecycles import ERASURE, ErasureState, check_transition
from rwd_platform.records.tables import AuditEntry, ErasureRequest, Upload, UploadFile
from rwd_platform.store.admission_guard import one_admission, quiet_lake
from rwd_platform.store.erasing import blank_digests, blank_patient, empty, erase_from_table
from rwd_platform.store.receipts import read_receipt


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


def erase(platform: Platform, actor: Actor, request_id: str, progress: Progress = _silent) -> ErasureRequest:
    """Erase, or go on where an earlier call was cut off. An erased request is left as it is.

    Raises `erasure.not_approved`, `erasure.held`, `erasure.retained` before anything is touched.
    """
    row = platform.records.get(ErasureRequest, request_id)
    if row.state == ErasureState.ERASED and row.certificate_sha256:
        return row
    if row.state != ErasureState.ERASED:
        with _nobody_admits(platform, row.organisation_id):
            _begin(platform, actor, row)
            plan = _planned(platform, actor, request_id, progress)
            _do_steps(platform, actor, request_id, plan, progress)
            _finish(platform, actor, plan)
    progress("certificate", 0, 0)
    return _certify(platform, actor, request_id)


@contextmanager
def _nobody_admits(platform: Platform, organisation_id: str) -> Iterator[None]:
    """Hold every source system of the hospital: an admission that came between would bring rows back."""
    uploads = platform.records.all(select(Upload).where(Upload.organisation_id == organisation_id))
    with ExitStack() as guards:
        for source in sorted({upload.source_system for upload in uploads}):
            guards.enter_context(one_admission(platform.layout, organisation_id, source))
        yield


def _begin(platform: Platform, actor: Actor, row: ErasureRequest) -> None:
    if row.state == ErasureState.ERASING:
        return
    with platform.records.transaction(
        audit=Act(actor, "erasure.begun", Object(KIND, row.id), reason=row.reason)
    ) as session:
        row = session.get_one(ErasureRequest, row.id)
        approvals = standing_approvals(session, row.id)
        if row.state != ErasureState.APPROVED or len(approvals) < retention().approvals:
            raise problems.NOT_APPROVED.error(request=row.id)
        hold = hold_on(platform, session, place_of(platform, row))
        if hold is not None:
            raise problems.HELD.error(at=hold.placed_at, reason=hold.reason)
        rules = still_hold(row.duties, shanghai_date(platform.clock()))
        if rules:
            raise problems.RETAINED.error(rules=", ".join(rules))
        row.state = check_transition(ERASURE, KIND, row.id, ErasureState(row.state), ErasureState.ERASING)
        session.add(row)


def _planned(platform: Platform, actor: Actor, request_id: str, progress: Progress) -> Plan:
    """The list of what goes. Until it is on record, with the key out of use, it is made anew each time."""
    row = platform.records.get(ErasureRequest, request_id)
    if row.step:
        plan = kept_plan(platform, request_id)
        if plan is None:
            raise PLAN_DAMAGED.error(request=request_id)
        return plan
    for upload in admitted_uploads(platform, row.organisation_id):
        segment_upload(
            platform, actor, upload.id
        )  # a file whose admission was cut off can still be cut by lines
    _keep_frozen(platform, actor, row)
    plan = make_plan(platform, row, progress)
    act = Act(actor, "erasure.planned", Object(KIND, request_id), decision=counts_of(plan))
    with platform.records.transaction(audit=act) as session:
        row = session.get_one(ErasureRequest, request_id)
        row.step, row.counts, row.patient_id = "plan", counts_of(plan), plan.names[0]
        session.add(row)
        key_out_of_use(session, plan, as_text(platform.clock()))
    return plan


def _keep_frozen(platform: Platform, actor: Actor, row: ErasureRequest) -> None:
    """A chart that came after the request stays, for nobody has looked at it; and what froze it goes now."""
    asked = {(row.organisation_id, name) for name in names_asked(platform, row)}
    with platform.records.reading() as session:
        later = every_chart(session, asked) - asked
    for place in sorted(later):
        record_withdrawal(platform, actor, place, row.reason, row.requested_at[:10], "", replayed=True)


def counts_of(plan: Plan) -> dict[str, int]:
    """From the list and not from the work: a call that was cut off counts nothing twice, and misses nothing."""
    return {
        "lake_rows": sum(plan.lake_rows.values()),
        "lines": sum(file.units for file in plan.files),
        "files_cut": sum(file.cut for file in plan.files),
        "files_whole": sum(not file.cut for file in plan.files),
        "things": sum(file.things for file in plan.files),
        "units_named_beside": sum(file.named_beside for file in plan.files if file.cut),
        "receipt_digests": len(plan.digests),
        "locks": len(plan.locks),
        "subjects": sum(map(len, plan.locks.values())),
        "runs": len(plan.runs),
    }


# -- the steps -----------------------------------------------------------------------------------------


def _note(platform: Platform, _actor: Actor, plan: Plan) -> None:
    note_in_ledger(platform, platform.records.get(ErasureRequest, plan.request_id), plan)


def _files(platform: Platform, _actor: Actor, plan: Plan) -> None:
    find = dying_key(platform)
    for one in plan.files:
        path = stored_path(platform, platform.records.get(UploadFile, one.file_id))
        if one.cut:
            blank_patient(path, platform.keys, plan.organisation_id, plan.names, find, one.of_nobody)
        elif path.is_file():
            empty(path)
            path.unlink()
    platform.landing.sweep()


def _receipts(platform: Platform, _actor: Actor, plan: Plan) -> None:
    uploads = platform.records.all(select(Upload).where(Upload.organisation_id == plan.organisation_id))
    for upload in uploads:
        path = platform.layout.receipt(upload.id)
        if path.is_file():
            blank_digests(read_receipt(path), frozenset(plan.digests))


def _lake(platform: Platform, _actor: Actor, plan: Plan) -> None:
    unnamed = [(system, kind, id) for system, kind, id in plan.unnamed]
    with quiet_lake(platform.layout, lambda id: is_admitted(platform, id)) as lake:
        for table in lake.tables():
            erase_from_table(lake, table, plan.organisation_id, plan.names, unnamed)
        lake.sweep()


def _locks(platform: Platform, actor: Actor, plan: Plan) -> None:
    reissue_locks(platform, actor, plan)


def _old_locks(platform: Platform, _actor: Actor, plan: Plan) -> None:
    destroy_old_locks(platform, plan)


def _results(platform: Platform, _actor: Actor, plan: Plan) -> None:
    clean_results(platform, plan)


def _names(platform: Platform, _actor: Actor, plan: Plan) -> None:
    erase_from_rotations(platform, plan)


Step = Callable[[Platform, Actor, Plan], None]
# Old locks go after every new one stands; the lists of names after everything that is found by them.
STEPS: tuple[tuple[str, Step], ...] = (
    ("ledger", _note),
    ("files", _files),
    ("receipts", _receipts),
    ("lake", _lake),
    ("locks", _locks),
    ("old_locks", _old_locks),
    ("results", _results),
    ("names", _names),
)


def _do_steps(platform: Platform, actor: Actor, request_id: str, plan: Plan, progress: Progress) -> None:
    done = platform.records.get(ErasureRequest, request_id).step
    order = [name for name, _ in STEPS]
    first = order.index(done) + 1 if done in order else 0
    for number, (name, step) in enumerate(STEPS[first:], start=first):
        progress(name, number, len(STEPS) + 1)
        step(platform, actor, plan)
        act = Act(actor, "erasure.step_done", Object(KIND, request_id), purpose=name)
        with platform.records.transaction(audit=act) as session:
            row = session.get_one(ErasureRequest, request_id)
            row.step = name
            session.add(row)


def _finish(platform: Platform, actor: Actor, plan: Plan) -> None:
    """The rows and the key go, and with them the last way back; then the pages, the list, and the state."""
    row = platform.records.get(ErasureRequest, plan.request_id)
    if row.step != "rows":
        act = Act(actor, "erasure.key_destroyed", Object(KIND, plan.request_id))
        with platform.records.transaction(audit=act) as session:
            erase_rows(platform, session, plan)
            row = session.get_one(ErasureRequest, plan.request_id)
            row.step = "rows"
            session.add(row)
    rewrite_pages(platform.records.engine)
    write_notices(platform)
    act = Act(actor, "erasure.erased", Object(KIND, plan.request_id), decision=counts_of(plan))
    with platform.records.transaction(audit=act) as session:
        row = session.get_one(ErasureRequest, plan.request_id)
        row.state = check_transition(ERASURE, KIND, row.id, ErasureState(row.state), ErasureState.ERASED)
        row.erased_at = as_text(platform.clock())
        session.add(row)


def _certify(platform: Platform, actor: Actor, request_id: str) -> ErasureRequest:
    """The certificate names the log's entry, so it comes after it; a call cut off between makes it now."""
    from rwd_platform.audit.checkpoints import make_checkpoint

    drop_plan(platform, request_id)
    row = platform.records.get(ErasureRequest, request_id)
    entries = platform.records.all(
        select(AuditEntry).where(AuditEntry.action == "erasure.erased", AuditEntry.object_id == request_id)
    )
    checkpoint = make_checkpoint(platform.records, platform.log_signer, "erasure")
    entry = Entry(entries[-1].sequence, entries[-1].body)
    sha256 = write_certificate(platform, row, entry, checkpoint.note)
    act = Act(actor, "erasure.certified", Object(KIND, request_id, sha256))
    with platform.records.transaction(audit=act) as session:
        row = session.get_one(ErasureRequest, request_id)
        row.certificate_sha256 = sha256
        session.add(row)
    return row
