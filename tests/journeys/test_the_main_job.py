"""From three hospitals' files to a signed evidence package, on SQLite: what every step left behind."""

from __future__ import annotations

import io
import json
import random
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from sqlmodel import col, select

from rwd_platform.core.accounting import Accounting
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.journey import RESEARCHER, Journey
from rwd_platform.flows.receipts import account_of, receipt
from rwd_platform.flows.rejects import reject_file, reject_groups
from rwd_platform.flows.trace import numbers_of, trace_number
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import (
    AuditEntry,
    QualityRun,
    TransferRecord,
    UnitIssue,
    Upload,
    UploadFile,
)
from rwd_platform.store.landing import Landing
from rwd_platform.store.lock import open_lock
from rwd_platform.store.receipts import line_digest, read_receipt


@pytest.fixture(scope="module")
def journey(sqlite_journey: Journey) -> Journey:
    return sqlite_journey


def uploads(journey: Journey) -> list[Upload]:
    return list(journey.platform.records.all(select(Upload).order_by(col(Upload.organisation_id))))


def clerk_of(upload: Upload) -> Actor:
    return Actor("clerk", "hospital", upload.organisation_id)


# -- admit -----------------------------------------------------------------------------------------


def test_every_file_adds_up_and_every_planted_defect_has_its_outcome(journey: Journey) -> None:
    """received = accepted + rejected + quarantined + duplicate, and what is missing is what was planted."""
    planted = json.loads((journey.files.manifest).read_text(encoding="utf-8"))["planted"]
    files = journey.platform.records.all(select(UploadFile))
    for file in files:
        assert file.received == file.accepted + file.rejected + file.quarantined + file.duplicate > 0, (
            file.name
        )
    total = Accounting.total(account_of(file) for file in files)
    rejected = [one for one in planted if one["expected"] == "rejected"]
    quarantined = [one for one in planted if one["expected"] == "quarantined"]
    assert (total.rejected, total.quarantined) == (len(rejected), len(quarantined))
    assert total == Accounting.total(journey.accounts.values())


def test_a_planted_defect_is_found_where_it_was_planted(journey: Journey) -> None:
    planted = json.loads(journey.files.manifest.read_text(encoding="utf-8"))["planted"]
    issues = journey.platform.records.all(select(UnitIssue))
    found = {(issue.organisation_id, issue.file, issue.line, issue.outcome) for issue in issues}
    for one in planted:
        if one["expected"] in ("rejected", "quarantined"):
            place = (f"org-hospital-{one['hospital']}", one["file"], one["line"], one["expected"])
            assert place in found, one["kind"]


def test_a_file_sent_twice_is_all_duplicate(journey: Journey) -> None:
    repeats = journey.platform.records.all(select(UploadFile).where(UploadFile.duplicate_of != ""))
    assert len(repeats) == 1
    first = journey.platform.records.get(UploadFile, repeats[0].duplicate_of)
    assert repeats[0].sha256 == first.sha256
    assert repeats[0].duplicate == repeats[0].received == first.received > 0


def test_the_receipt_lets_the_hospital_recompute_every_line_digest(journey: Journey) -> None:
    """The clerk holds the file and the receipt: with the key in it, each digest can be made again."""
    upload = uploads(journey)[0]
    given = receipt(journey.platform, clerk_of(upload), upload.id)
    lines = read_receipt(journey.platform.layout.receipt(upload.id))
    assert given["account"]["received"] == sum(file["account"]["received"] for file in given["files"])
    file = next(one for one in journey.platform.records.all(select(UploadFile)) if one.upload_id == upload.id)
    landing = Landing(journey.platform.layout, journey.platform.keys)
    with landing.open(file.organisation_id, file.sha256) as stream:
        content = io.BufferedReader(stream).read()  # type: ignore[type-var]
    import gzip

    sent = gzip.decompress(content).split(b"\n")
    mine = [line for line in lines.lines() if line.file_sha256 == file.sha256]
    assert mine
    for line in mine:
        assert line.digest == line_digest(lines.digest_keys[file.sha256], sent[line.line - 1])


def test_rejects_are_grouped_by_reason_and_can_be_sent_again(journey: Journey) -> None:
    """The clerk downloads what was kept out as a zip with exactly those lines."""
    for upload in uploads(journey):
        groups = reject_groups(journey.platform, clerk_of(upload), upload.id)
        account = journey.accounts[upload.organisation_id]
        kept_out = account.rejected + account.quarantined
        assert bool(groups) == bool(kept_out)
        archive = zipfile.ZipFile(io.BytesIO(reject_file(journey.platform, clerk_of(upload), upload.id)))
        lines = 0
        for name in archive.namelist():
            content = archive.read(name).rstrip(b"\r\n")
            lines += len(content.split(b"\n")) - (1 if name.endswith(".csv") else 0)
        assert lines == kept_out


def test_another_hospital_sees_neither_receipt_nor_rejects(journey: Journey) -> None:
    upload = uploads(journey)[0]
    stranger = Actor("clerk", "hospital", "org-hospital-c")
    for flow in (receipt, reject_groups, reject_file):
        with pytest.raises(PlatformError) as refused:
            flow(journey.platform, stranger, upload.id)  # type: ignore[operator]
        assert refused.value.http == 404


# -- quality, lock, results ------------------------------------------------------------------------


def test_the_implausible_value_is_held_back_and_nobody_is_lost(journey: Journey) -> None:
    lock = open_lock(journey.platform.layout.lock(journey.run.lock_id))
    assert len(lock.tables["subject"]) == 2982
    assert lock.facts["rows_held_back_by_quality"] == {"measurement": 1}
    nodes = lock.tables["measurement"].query("code == 'positive-nodes'")
    assert len(nodes) == 2982
    assert nodes["value"].max() == 34


def test_the_quality_run_has_a_scorecard_for_every_hospital(journey: Journey) -> None:
    run = journey.platform.records.all(select(QualityRun))[-1]
    assert run.verdict == "admit"
    assert [card["organisation_id"] for card in run.report["scorecard"]["hospitals"]] == [
        None, "org-hospital-a", "org-hospital-b", "org-hospital-c",
    ]  # fmt: skip


GOLDEN = {  # R survival 3.5-3 on the same data; the table of the first milestone
    "all.crude.hormon.hazard_ratio": (1.299442102, 1.120688621, 1.506707343),
    "restricted.crude.hormon.hazard_ratio": (0.8419565244, 0.7216947856, 0.9822584326),
    "restricted.adjusted.hormon.hazard_ratio": (0.6695251692, 0.5694320940, 0.7872123067),
    "restricted.weighted.hormon.hazard_ratio": (0.6632101871, 0.5641086471, 0.7797216983),
    "overseas.hazard_ratio": (0.694884327, 0.5438440546, 0.8878725874),
}


@pytest.mark.parametrize(("id", "expected"), GOLDEN.items())
def test_the_files_of_three_hospitals_give_the_numbers_of_r(
    journey: Journey, id: str, expected: tuple[float, float, float]
) -> None:
    """Export, admission, de-identification and lock change no number: 1e-6 relative, limits included."""
    row = next(row for row in journey.run.results["rows"] if row["id"] == id)
    assert (row["value"], row["ci_low"], row["ci_high"]) == pytest.approx(expected, rel=1e-6)


# -- the package -----------------------------------------------------------------------------------


def test_the_package_verifies_with_the_trusted_key_and_not_with_another(journey: Journey) -> None:
    key = journey.platform.package_signer.public_key
    assert verify_package_at(journey.package_path, key, None).holds
    assert not verify_package_at(journey.package_path, bytes(32), None).holds


def test_the_verifier_inside_the_package_needs_nothing_but_python(journey: Journey, tmp_path: Path) -> None:
    with zipfile.ZipFile(journey.package_path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("09_audit/verify.py"))
        verifier = tmp_path / "verify.py"
        verifier.write_bytes(archive.read(name))
    key = journey.platform.package_signer.public_key.hex()
    command = [sys.executable, "-I", "-S", str(verifier), str(journey.package_path), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("flips", [20, pytest.param(200, marks=pytest.mark.long)])
def test_a_flipped_bit_anywhere_in_the_archive_is_found(journey: Journey, tmp_path: Path, flips: int) -> None:
    """Random positions of the archive: each time the answer is no, and it names a place.

    The packages of tests/evidence, made from the same results, are flipped at 200 positions in every run.
    """
    content = bytearray(journey.package_path.read_bytes())
    target = tmp_path / journey.package_path.name
    positions = random.Random(200)
    key = journey.platform.package_signer.public_key
    for _ in range(flips):
        at, bit = positions.randrange(len(content)), 1 << positions.randrange(8)
        content[at] ^= bit
        target.write_bytes(content)
        verification = verify_package_at(target, key, None)
        content[at] ^= bit
        assert not verification.holds, f"a flipped bit at {at} was not found"
        assert all(failure.place and failure.en for failure in verification.failures)


@pytest.mark.parametrize("every", [8, pytest.param(1, marks=pytest.mark.long)])
def test_a_changed_file_in_the_folder_is_named(journey: Journey, tmp_path: Path, every: int) -> None:
    """Every file in the long form; tests/evidence does so with its own packages in every run."""
    with zipfile.ZipFile(journey.package_path) as archive:
        archive.extractall(tmp_path)
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    key = journey.platform.package_signer.public_key
    assert verify_package_at(folder, key, None).holds
    for path in sorted(p for p in folder.rglob("*") if p.is_file())[::every]:
        content = bytearray(path.read_bytes())
        if not content:
            continue
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        verification = verify_package_at(folder, key, None)
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert not verification.holds, path.name
        assert any(path.name in failure.place for failure in verification.failures), path.name


def test_the_lock_gives_the_packages_numbers_again(journey: Journey) -> None:
    lock = journey.platform.layout.lock(journey.run.lock_id)
    assert verify_package_at(journey.package_path, None, lock).rerun == "reproduced"


def test_every_number_of_the_report_leads_to_lines_that_hospitals_sent(journey: Journey) -> None:
    regulator = Actor("inspector", "regulator", "org-authority")
    numbers = numbers_of(journey.platform, regulator, journey.package.id)
    assert len(numbers) > 100
    results = {row["id"] for row in journey.run.results["rows"]}
    statistics = [number for number in numbers if "ard_id" in number]
    assert {number["ard_id"] for number in statistics} <= results
    others = [number for number in numbers if "ard_id" not in number]
    assert others and all(number["pointer"].startswith("/") for number in others)
    assert trace_number(journey.platform, regulator, journey.package.id, others[0]["id"]).result is None
    main = next(
        number for number in statistics
        if any(row["id"] == number["ard_id"] and row["statistic"] == "hazard_ratio" and row["n"] == 1546
               for row in journey.run.results["rows"])
    )  # fmt: skip
    trace = trace_number(journey.platform, regulator, journey.package.id, main["id"])
    assert trace.subjects == 1546
    assert trace.lines > 1546
    assert {one.organisation_zh for one in trace.by_file} == {
        "演示医院甲",
        "演示医院乙",
        "演示医院丙",
    }
    one = trace.sample[0]
    receipts = read_receipt(journey.platform.layout.receipt(one.upload_id))
    assert any(
        (line.file_sha256, line.line, line.digest, line.outcome)
        == (one.file_sha256, one.line, one.digest, "accepted")
        for line in receipts.lines()
    )


def test_the_package_for_abroad_holds_nothing_about_a_single_patient(journey: Journey) -> None:
    path = journey.platform.layout.packages / journey.aggregate.file_name
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        numbers = json.loads(archive.read(next(n for n in names if n.endswith("numbers.json"))))
    assert not [name for name in names if "lineage" in name]
    assert "line_digest" not in json.dumps(numbers)


# -- leaving, and the log --------------------------------------------------------------------------


def test_the_aggregate_may_leave_and_the_rows_may_not(journey: Journey) -> None:
    answers = {one.title_en: one for one in journey.platform.records.all(select(TransferRecord))}
    aggregate = answers["The aggregate package to a sponsor abroad"]
    rows = answers["Row-level data to a sponsor abroad"]
    assert aggregate.verdict == "ALLOW"
    assert (rows.verdict, rows.decision["missing"]) == ("HOLD", ["SC_OR_CERT_NOT_IN_FORCE"])
    assert rows.facts["persons"]["sensitive"]["count"] == 2982


def test_every_step_left_its_entry_in_the_log(journey: Journey) -> None:
    actions = {entry.action for entry in journey.platform.records.all(select(AuditEntry))}
    assert actions >= {
        "upload.opened", "upload.file_received", "upload.received", "upload.admission_started", "upload.admitted",
        "quality.checked", "study.registered", "study.frozen", "study.locked", "study.analysed",
        "package.assembled", "transfer.decided",
    }  # fmt: skip


def test_the_log_is_whole(journey: Journey) -> None:
    verification = verify_records(journey.platform.records, journey.platform.log_signer.public_key)
    assert verification.ok, verification.findings
    assert verification.size > 20


def test_a_lock_before_the_freeze_is_refused_and_the_refusal_is_in_the_log(
    journey: Journey, tmp_path: Path
) -> None:
    """Outcomes are sealed until the protocol is frozen."""
    from rwd_platform.demo.journey import PROTOCOL
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.flows.study import lock_data, register_study
    from rwd_platform.settings import Settings

    platform = open_platform(Settings(home=tmp_path / "home", demo=True))
    study = register_study(platform, RESEARCHER, PROTOCOL.read_text(encoding="utf-8"))
    with pytest.raises(PlatformError, match=r"study\.outcomes_sealed"):
        lock_data(platform, RESEARCHER, study.id)
    assert "study.lock_refused" in {entry.action for entry in platform.records.all(select(AuditEntry))}


@pytest.mark.long  # a whole journey more
def test_the_same_work_in_another_folder_gives_the_same_bytes(journey: Journey, tmp_path: Path) -> None:
    """All files are identical, save those that the package itself marks volatile."""
    from tests.journeys.conftest import journey_in

    again = journey_in(tmp_path / "elsewhere")
    assert again.package.id == journey.package.id
    assert again.run.lock_id == journey.run.lock_id
    assert_same_package(journey, again)


def assert_same_package(first: Journey, second: Journey) -> None:
    with zipfile.ZipFile(first.package_path) as one, zipfile.ZipFile(second.package_path) as other:
        assert one.namelist() == other.namelist()
        facts = json.loads(one.read(next(n for n in one.namelist() if n.endswith("00_index/package.json"))))
        differing = {name.split("/", 1)[1] for name in one.namelist() if one.read(name) != other.read(name)}
    assert differing <= set(facts["files"]["volatile"])
    for left in sorted(first.files.folder.rglob("*")):
        if left.is_file():
            right = second.files.folder / left.relative_to(first.files.folder)
            assert left.read_bytes() == right.read_bytes(), left.name


def test_the_package_unpacks_where_a_reader_has_only_a_file_manager(journey: Journey, tmp_path: Path) -> None:
    copy = tmp_path / "package.zip"
    shutil.copy(journey.package_path, copy)
    with zipfile.ZipFile(copy) as archive:
        assert archive.testzip() is None
        assert all(not name.startswith("/") and ".." not in name for name in archive.namelist())
        index = next(name for name in archive.namelist() if name.endswith("00_index/index.html"))
        page = archive.read(index).decode()
    asks_the_network = re.findall(
        r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//|url\(["']?https?:""", page
    )
    assert asks_the_network == [], "the page must open without a network"
