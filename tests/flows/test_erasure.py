"""After an erasure the patient's rows are in no file on disk, and everything that stays says what happened."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.erase_certificate import certificate_path, ledger_path
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.erase_replay import replay_erasures
from rwd_platform.flows.erase_request import request_erasure, request_seen, vote
from rwd_platform.flows.evidence import assemble_evidence
from rwd_platform.flows.ledger_map import person_map
from rwd_platform.flows.lock_difference import lock_difference
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rejects import reject_file
from rwd_platform.flows.release import request_release
from rwd_platform.flows.release_circles import AUTHORITY
from rwd_platform.flows.rotate_keys import rotate_hospital_key
from rwd_platform.flows.study import lock_data, newest_lock, newest_run, results_of, run_study
from rwd_platform.flows.trace import numbers_of, trace_number
from rwd_platform.flows.vault import open_entry
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.verify_notice import read_notice
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.flows.withdraw import frozen_patients, lift_hold, place_hold
from rwd_platform.flows.withdraw_notices import locks_with, notice_path, notices_of, signature_holds
from rwd_platform.flows.withdraw_uses import check_lock_usable
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import (
    ErasureRequest,
    LockNotice,
    PatientKey,
    Study,
    Upload,
    UploadFile,
    VaultEntry,
)
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from rwd_platform.store.receipts import read_receipt
from tests.conftest import StandingClock
from tests.evidence.fixtures import package_signer
from tests.flows.erasing import (
    INSPECTOR,
    NO_DUTY,
    OFFICERS,
    PLANTED,
    VICTIM,
    WHY,
    approved,
    checked,
    found_on_disk,
    opened,
    packaged,
    pseudonym,
)
from tests.flows.sending import CLERK, CLERK_B, RESEARCHER, actions, bundle, patient, sent

MAY_HOLD_THE_NAME = ("records.db", "records.db-wal", "erasures/")


@pytest.fixture
def home(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "home"))


@pytest.fixture
def platform(home: Path, clock: StandingClock) -> Iterator[Platform]:
    clock.now = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
    found = opened(home, clock)
    yield found
    found.records.engine.dispose()


def refusal(act: object) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        act()  # type: ignore[operator]  # a lambda of the test
    return caught.value


def only_study(platform: Platform) -> Study:
    return platform.records.all(select(Study))[0]


def test_after_an_erasure_the_patient_is_in_no_file_on_disk(platform: Platform) -> None:
    """Every file below home is searched: as it lies there, inflated, and each value of each Parquet file.

    What is left is the lake pseudonym in the records and the papers of the erasure, and nobody can tell who it was.
    """
    study, name = only_study(platform), pseudonym(platform)
    old = newest_lock(platform, study)
    subject = locks_with(platform, CLERK.organisation, [name], [old])[old.id][0]
    before = found_on_disk(platform, [*PLANTED, name, subject])
    assert {"C50.987", "1987-11-23", name, subject} <= before.keys(), "the search would find them"
    others = len(Lake(platform.layout).read("patient")) - 1

    row = approved(platform)
    done = erase(platform, OFFICERS[1], row.id)

    assert (done.state, done.counts["locks"], done.counts["subjects"]) == ("erased", 1, 1)
    after = found_on_disk(platform, [*PLANTED, subject])
    assert after == {}
    named = found_on_disk(platform, [name])[name]
    assert all(path.startswith(MAY_HOLD_THE_NAME) for path in named), named
    assert len(Lake(platform.layout).read("patient")) == others
    assert verify_records(platform.records, platform.log_signer.public_key).ok


def test_the_lock_is_re_issued_without_the_patient_and_says_so(platform: Platform) -> None:
    """The new lock differs by that patient alone; the study goes on with it, and audit still agrees."""
    study, name = only_study(platform), pseudonym(platform)
    old = newest_lock(platform, study)
    tables = open_lock(platform.layout.lock(old.id)).tables
    linked = platform.layout.home.parent / "hard-link"
    os.link(platform.layout.lock(old.id) / "subject.parquet", linked)
    row = approved(platform)
    erase(platform, OFFICERS[1], row.id)

    new = newest_lock(platform, study)
    notice = platform.records.get(LockNotice, (old.id, row.id))
    assert (notice.kind, notice.reissued_as) == ("erased", new.id)
    assert not platform.layout.lock(old.id).exists() and linked.read_bytes() == b"", (
        "other names of a file too"
    )
    found = open_lock(platform.layout.lock(new.id))
    said = found.facts["reissued"]
    assert (said["of"], said["because"], said["subjects_removed"]) == (old.id, "erasure", 1)
    assert len(found.tables["subject"]) == len(tables["subject"]) - 1
    assert found.facts["attrition"][-1]["remaining"] == len(found.tables["subject"])
    assert set(person_map(platform, new.id) or {}) == set(found.tables["subject"]["subject_id"])
    assert locks_with(platform, CLERK.organisation, [name], [new]) == {}
    assert refusal(lambda: check_lock_usable(platform, old.id)).code == "withdrawal.lock_reissued"
    assert all(subjects for subjects in results_of(platform, newest_run(platform, study)).row_sets.values())
    checked(platform)
    assert run_study(platform, RESEARCHER, study.id).lock_id == new.id


def test_everybody_else_is_untouched(platform: Platform) -> None:
    """Their lines keep number and bytes, the hospital's file to correct holds their lines, keys still rotate."""
    upload = platform.records.all(select(Upload).order_by(Upload.received_at))[-1]  # type: ignore[arg-type]  # SQLModel types columns as values
    file = platform.records.all(select(UploadFile).where(UploadFile.upload_id == upload.id))[0]
    before = platform.landing.open(CLERK.organisation, file.sha256).read().split(b"\n")
    row = approved(platform)
    erase(platform, OFFICERS[1], row.id)

    after = platform.landing.open(CLERK.organisation, file.sha256).read().split(b"\n")
    assert len(after) == len(before)
    assert [new for new, old in zip(after, before, strict=True) if VICTIM.encode() not in old] == [
        old for old in before if VICTIM.encode() not in old
    ]
    assert all(not new for new, old in zip(after, before, strict=True) if VICTIM.encode() in old)
    rejected = reject_file(platform, CLERK, upload.id)
    with zipfile.ZipFile(io.BytesIO(rejected)) as archive:
        content = b"".join(archive.read(name) for name in archive.namelist())
    assert b"nobody-in-the-study" in content and VICTIM.encode() not in content
    digests = [line.digest for line in read_receipt(platform.layout.receipt(upload.id)).lines()]
    assert digests.count("") == 3 and len(digests) == 5
    operator = Actor("operator", "operator", "org-operator")
    rotated = rotate_hospital_key(platform, operator, CLERK.organisation)
    assert rotated.new_version == 2 and rotated.rows["patient"] == 29
    checked(platform)
    assert lock_data(platform, RESEARCHER, only_study(platform).id)


def test_the_key_and_the_identity_are_gone_and_nothing_new_comes_in(platform: Platform) -> None:
    """The tombstone stays: a hospital that sends the patient again is told to leave them out."""
    name = pseudonym(platform)
    row = approved(platform)
    erase(platform, OFFICERS[1], row.id)
    key = platform.records.get(PatientKey, (CLERK.organisation, name))
    assert key.destroyed_at and key.wrapped == b""
    assert platform.records.all(select(VaultEntry).where(VaultEntry.patient_id == name)) == []
    with platform.records.reading() as session:
        assert (
            refusal(lambda: open_entry(platform, session, CLERK.organisation, name)).code
            == "records.not_found"
        )
    again = refusal(lambda: sent(platform, {"again.json": json.dumps(patient(VICTIM)).encode()}))
    assert again.code == "vault.key_destroyed"
    assert Lake(platform.layout).read("patient")["patient_id"].eq(name).sum() == 0
    assert refusal(lambda: approved(platform)).code == "erasure.open_already"


def test_the_certificate_is_signed_and_names_what_remains(platform: Platform) -> None:
    row = approved(platform)
    done = erase(platform, OFFICERS[1], row.id)
    content = certificate_path(platform, row.id).read_bytes()
    public = platform.package_signer.public_key
    assert signature_holds(content, public)
    assert not signature_holds(content.replace(b'"locks":1', b'"locks":0'), public)
    facts = json.loads(content)
    assert facts["approved_by"] == sorted(officer.id for officer in OFFICERS)
    assert facts["counts"] == done.counts and facts["counts"]["lines"] == 16
    assert {one["what"] for one in facts["remains"]} == {"record", "results", "things", "backups", "hospital"}
    assert "erasure.erased" in actions(platform) and facts["log"]["entry"] < len(actions(platform))
    text = certificate_path(platform, row.id, ".txt").read_text("utf-8")
    assert "数据删除证明" in text and "How many" not in text
    assert erase(platform, OFFICERS[0], row.id).certificate_sha256 == done.certificate_sha256, "done is done"


def test_a_file_that_cannot_be_cut_goes_whole_and_says_so(platform: Platform) -> None:
    """A Bundle holds several patients in one text: nothing of it is kept rather than something of the patient."""
    content = bundle("collection", patient(VICTIM, gender="female"), patient("another"))
    upload = sent(platform, {"two.json": content})
    row = approved(platform)
    done = erase(platform, OFFICERS[1], row.id)
    assert done.counts["files_whole"] == 1
    file = platform.records.all(select(UploadFile).where(UploadFile.upload_id == upload))[0]
    assert file.problem is not None and file.problem["code"] == "erasure.file_erased"
    assert not platform.landing.holds(CLERK.organisation, file.sha256)
    assert found_on_disk(platform, PLANTED) == {}


def test_a_package_made_earlier_still_verifies_and_shows_the_notice(platform: Platform) -> None:
    """The package is never changed: a signed file beside it, and its page, say what happened since."""
    run = newest_run(platform, only_study(platform))
    package = packaged(platform, run)
    path = platform.layout.packages / package.file_name
    row = approved(platform)
    told = json.loads(notice_path(platform, package.id).read_bytes())["notices"]
    assert [one["kind"] for one in told] == ["withdrawn"]
    erase(platform, OFFICERS[1], row.id)

    verified = verify_package_at(path, package_signer().public_key, None)
    assert verified.holds
    shown = read_notice(path, verified, notice_path(platform, package.id))
    assert [one["kind"] for one in shown.notices] == ["withdrawn", "erased"] and not shown.failures
    content = notice_path(platform, package.id).read_bytes()
    assert signature_holds(content, platform.package_signer.public_key)
    told = json.loads(content)["notices"]
    assert [one["kind"] for one in told] == ["withdrawn", "erased"] and told[1]["cause"] == row.id
    assert all(planted not in content.decode() for planted in (*PLANTED, row.patient_id))
    assert [one["kind"] for one in notices_of(platform, package.id)] == ["withdrawn", "erased"]
    refused = refusal(
        lambda: assemble_evidence(platform, RESEARCHER, run.study_id, "registration", "authority")
    )
    assert refused.code == "withdrawal.lock_reissued", "no new package of results whose lock is gone"

    facts = {"purpose": "再评价", "authorisation": "药监函〔2026〕12号", "encryption": "ab" * 32}
    refused = refusal(
        lambda: request_release(platform, RESEARCHER, package.id, AUTHORITY, "org-authority", facts)
    )
    assert refused.code == "withdrawal.package_reissued" and row.id in refused.zh and row.id in refused.en
    number = next(one["id"] for one in numbers_of(platform, RESEARCHER, package.id) if "ard_id" in one)
    refused = refusal(lambda: trace_number(platform, RESEARCHER, package.id, number))
    assert refused.code == "withdrawal.trace_ended" and row.id in refused.zh
    locks = run.lock_id, newest_lock(platform, only_study(platform)).id
    refused = refusal(lambda: lock_difference(platform, RESEARCHER, run.study_id, *locks))
    assert refused.code == "withdrawal.lock_reissued" and locks[1] in refused.en
    assert actions(platform).count("access.refused") >= 4


# -- who may, and what stands against it ---------------------------------------------------------------


def test_a_hold_refuses_the_same_request_says_why_and_freezes_use(platform: Platform) -> None:
    """Nothing is touched, also where the hold comes after both approvals."""
    name, why = pseudonym(platform), "琼药监函〔2026〕7号要求保全该患者的全部记录"
    row = approved(platform)
    hold = place_hold(platform, INSPECTOR, CLERK.organisation, name, why)
    assert platform.records.get(ErasureRequest, row.id).state == "refused"
    assert refusal(lambda: erase(platform, OFFICERS[1], row.id)).code == "erasure.not_approved"
    refused = refusal(lambda: approved(platform))
    assert refused.code == "erasure.held" and why in refused.zh and refused.exit == 3
    newest = request_seen(
        platform, CLERK, max(one.id for one in platform.records.all(select(ErasureRequest)))
    )
    assert (newest.row.state, newest.row.duties["refused"]) == ("refused", "hold")
    assert (CLERK.organisation, name) in frozen_patients(platform)
    study = only_study(platform)
    assert refusal(lambda: run_study(platform, RESEARCHER, study.id)).code == "withdrawal.lock_frozen"
    assert {"1987-11-23", "C50.987"} <= found_on_disk(platform, PLANTED).keys(), "everything is still there"

    lift_hold(platform, INSPECTOR, hold.id, "案件已结，不再需要保全该患者的记录")
    assert erase(platform, OFFICERS[1], approved(platform).id).state == "erased"
    assert refusal(lambda: place_hold(platform, INSPECTOR, CLERK.organisation, name, why)).code == (
        "hold.erasure_begun"
    )


@pytest.mark.parametrize(
    ("duties", "code"),
    [
        ({**NO_DUTY, "medical-record": "2041-03-01"}, "erasure.retained"),
        ({**NO_DUTY, "device-vigilance": "9999-12-31"}, "erasure.retained"),
        ({**NO_DUTY, "medical-record": ""}, "erasure.duties_unanswered"),
        ({**NO_DUTY, "medical-record": "2041-02-30"}, "erasure.duties_unanswered"),
        ({**NO_DUTY, "a rule of nobody": "no"}, "erasure.duties_unanswered"),
        ({}, "erasure.duties_unanswered"),
    ],
)
def test_a_duty_to_retain_refuses_and_freezes(platform: Platform, duties: dict[str, str], code: str) -> None:
    """A rule without an answer is no permission; a duty that holds freezes the use all the same."""
    refused = refusal(
        lambda: request_erasure(platform, CLERK, VICTIM, reason="consent-withdrawn", duties=duties)
    )
    assert refused.code == code
    assert bool(frozen_patients(platform)) is (code == "erasure.retained")


def test_a_duty_that_has_ended_stands_against_nothing(platform: Platform) -> None:
    duties = {**NO_DUTY, "trial-records": "2026-11-19"}
    row = request_erasure(platform, CLERK, VICTIM, reason="storage-period-over", duties=duties)
    assert row.state == "requested"


def test_two_people_approve_and_neither_asked(platform: Platform) -> None:
    row = request_erasure(platform, CLERK, VICTIM, reason="consent-withdrawn", duties=NO_DUTY)
    assert refusal(lambda: vote(platform, CLERK, row.id, True, WHY)).code == "access.not_allowed"
    assert refusal(lambda: vote(platform, OFFICERS[0], row.id, True, "同意")).code == "withdrawal.text_unfit"
    assert vote(platform, OFFICERS[0], row.id, True, WHY).state == "requested"
    assert refusal(lambda: erase(platform, OFFICERS[0], row.id)).code == "erasure.not_approved"
    assert refusal(lambda: vote(platform, OFFICERS[0], row.id, True, WHY)).code == "erasure.voted"
    assert vote(platform, OFFICERS[1], row.id, True, WHY).state == "approved"
    assert refusal(lambda: vote(platform, OFFICERS[1], row.id, True, WHY)).code == "erasure.voted"


def test_one_no_refuses(platform: Platform) -> None:
    row = request_erasure(platform, CLERK, VICTIM, reason="unlawful", duties=NO_DUTY)
    assert vote(platform, OFFICERS[0], row.id, False, WHY).state == "refused"
    assert refusal(lambda: vote(platform, OFFICERS[1], row.id, True, WHY)).code == "erasure.decided"


@pytest.mark.parametrize("named", ["nobody", "", "  ", "p1.intl.1.zzzz", VICTIM.upper(), "../" + VICTIM])
def test_a_patient_whom_nobody_knows_is_not_repeated(platform: Platform, named: str) -> None:
    refused = refusal(lambda: request_erasure(platform, CLERK, named, reason="unlawful", duties=NO_DUTY))
    assert refused.code == "withdrawal.patient_unknown"
    assert not named.strip() or named not in refused.en + refused.zh


def test_another_hospital_cannot_reach_the_patient(platform: Platform) -> None:
    """Neither by id nor by the pseudonym; and it does not see the request."""
    row = approved(platform)
    for named in (VICTIM, pseudonym(platform)):
        refused = refusal(
            lambda named=named: request_erasure(platform, CLERK_B, named, reason="unlawful", duties=NO_DUTY)  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
        )
        assert refused.code == "withdrawal.patient_unknown"
    assert refusal(lambda: request_seen(platform, CLERK_B, row.id)).code == "records.not_found"


# -- backups -------------------------------------------------------------------------------------------


def test_a_restored_backup_replays_the_erasures(prepared: Path, platform: Platform, tmp_path: Path) -> None:
    """The ledger is kept beside the backups: whoever was erased since is erased again, before anybody reads."""
    row = approved(platform)
    erase(platform, OFFICERS[1], row.id)
    ledger = Path(shutil.copyfile(ledger_path(platform), tmp_path / "ledger.jsonl"))

    restored = opened(Path(shutil.copytree(prepared, tmp_path / "restored")))
    try:
        assert found_on_disk(restored, PLANTED), "the backup is of before"
        operator = restored.operator("restore")
        assert replay_erasures(restored, operator, ledger) == [row.id]
        assert found_on_disk(restored, PLANTED) == {}
        assert restored.records.get(ErasureRequest, row.id).state == "erased"
        assert replay_erasures(restored, operator, ledger) == [], "done again it finds nothing"
        ledger.write_bytes(ledger.read_bytes().replace(b"consent-withdrawn", b"purpose-ended"))
        assert refusal(lambda: replay_erasures(restored, operator, ledger)).code == "erasure.ledger_damaged"
        missing = tmp_path / "nowhere"
        assert refusal(lambda: replay_erasures(restored, operator, missing)).code == "erasure.ledger_missing"
    finally:
        restored.records.engine.dispose()
