"""What several workers, dying workers and somebody with access to the database can do: nothing unnoticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.journey import PROTOCOL
from rwd_platform.flows.admit_upload import admit_upload
from rwd_platform.flows.jobs import work_once
from rwd_platform.flows.leases import LeaseLostError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receive_upload import begin_file, close_upload, finish_file, open_upload
from rwd_platform.flows.study import freeze_protocol, frozen_protocol, register_study
from rwd_platform.flows.sweep import sweep_leftovers
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, Job, Study, Upload, UploadFile
from rwd_platform.store.lake import Lake
from rwd_platform.store.recording import until_recorded
from tests.conftest import StandingClock
from tests.flows.sending import CLERK, TERMS, accounts, grade, ndjson, patient, received, rows, sent

RESEARCHER = Actor("r", "researcher", "org-operator")


def test_two_uploads_of_one_source_are_admitted_in_the_order_they_were_received(platform: Platform) -> None:
    """The second worker waits at the source's door; the newer content stays, whoever is faster."""
    older = received(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1", value=2))})
    newer = received(platform, {"b.ndjson": ndjson(grade("g1", value=3))})
    first = threading.Thread(target=admit_upload, args=(platform, CLERK, older))
    first.start()
    first.join()
    admit_upload(platform, CLERK, newer)
    assert rows(platform, "measurement", "value") == [(3.0,)]


def test_an_older_upload_behind_a_newer_one_is_refused_and_on_record_as_failed(
    platform: Platform, clock: StandingClock
) -> None:
    sent(platform, {"p.ndjson": ndjson(patient("p1"))})
    older = received(platform, {"a.ndjson": ndjson(grade("g1", value=2))})
    clock.advance(seconds=1)
    newer = received(platform, {"b.ndjson": ndjson(grade("g1", value=3))})
    admit_upload(platform, CLERK, newer)
    with pytest.raises(PlatformError, match=r"upload\.overtaken"):
        admit_upload(platform, CLERK, older)
    assert platform.records.get(Upload, older).state == "failed"
    assert rows(platform, "measurement", "value") == [(3.0,)]


def test_uploads_are_ordered_by_when_they_were_complete_not_when_they_were_begun(platform: Platform) -> None:
    """A large upload opened in the morning and closed at noon is newer than a small one of eleven."""
    slow = open_upload(platform, CLERK, TERMS)
    sent(platform, {"quick.ndjson": ndjson(patient("p1"))})
    incoming = begin_file(platform, CLERK, slow.id, "slow.ndjson")
    incoming.write(ndjson(grade("g1")))
    finish_file(platform, CLERK, slow.id, "slow.ndjson", incoming)
    close_upload(platform, CLERK, slow.id)
    admit_upload(platform, CLERK, slow.id)
    assert accounts(platform, slow.id) == {"slow.ndjson": (1, 0, 0, 0)}


def test_a_file_whose_last_bytes_come_after_the_close_is_refused_not_lost(platform: Platform) -> None:
    upload = open_upload(platform, CLERK, TERMS)
    first = begin_file(platform, CLERK, upload.id, "a.ndjson")
    first.write(ndjson(patient("p1")))
    finish_file(platform, CLERK, upload.id, "a.ndjson", first)
    late = begin_file(platform, CLERK, upload.id, "late.ndjson")
    late.write(ndjson(patient("p2")))
    close_upload(platform, CLERK, upload.id)
    with pytest.raises(PlatformError, match=r"lifecycle\.not_allowed"):
        finish_file(platform, CLERK, upload.id, "late.ndjson", late)
    assert [file.name for file in platform.records.all(select(UploadFile))] == ["a.ndjson"]


def test_a_worker_that_lost_its_lease_does_not_fail_the_upload(platform: Platform) -> None:
    """Another worker goes on with it: the upload stays as it is, and the job is not touched."""
    upload_id = received(platform, {"a.ndjson": ndjson(patient("p1"))})

    def lost(*_: object) -> None:
        raise LeaseLostError("job")

    with pytest.raises(LeaseLostError):
        admit_upload(platform, CLERK, upload_id, lost)
    assert platform.records.get(Upload, upload_id).state == "admitting"
    admit_upload(platform, CLERK, upload_id)
    assert platform.records.get(Upload, upload_id).state == "admitted"


KILLED = """
import os, sys
from pathlib import Path
from rwd_platform.flows import admit_upload as flow
from rwd_platform.flows.platform import open_platform
from rwd_platform.log.entry import Actor
from rwd_platform.settings import Settings
from rwd_platform.store.lake import Lake

home, upload, at = sys.argv[1:]
platform = open_platform(Settings(home=Path(home), demo=True))
die = lambda *_: os.kill(os.getpid(), 9)
if at == "before the record":
    flow._write_receipt = die
else:
    whole = flow._put_on_record
    flow._put_on_record = lambda *given: (whole(*given), die())
flow.admit_upload(platform, Actor("clerk", "hospital", "org-hospital-a"), upload)
"""


@pytest.mark.parametrize(
    ("at", "stands"), [("before the record", []), ("after the record", [(2.0,)])], ids=["before", "after"]
)
def test_a_killed_worker_leaves_the_upload_in_the_lake_whole_or_not_at_all(
    platform: Platform, at: str, stands: list[tuple[float]]
) -> None:
    """SIGKILL when all tables are written: before the record nothing stands, after it everything does."""
    from rwd_platform.flows.uploads import is_admitted
    from rwd_platform.store.admission_guard import steady_lake

    upload_id = received(platform, {"a.ndjson": ndjson(patient("p1"), grade("g1", value=2))})
    home = str(platform.layout.home)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, home, upload_id, at], check=False, env={**os.environ}
    )
    assert killed.returncode == -9
    with steady_lake(platform.layout, lambda id: is_admitted(platform, id)) as lake:
        found = (
            [tuple(row) for row in lake.read("measurement", ["value"]).to_numpy()]
            if "measurement" in lake.tables()
            else []
        )
    assert found == stands
    if not stands:
        admit_upload(platform, CLERK, upload_id)
        assert accounts(platform, upload_id) == {"a.ndjson": (2, 0, 0, 0)}


def test_a_protocol_changed_in_the_database_after_the_freeze_stops_everything(platform: Platform) -> None:
    """Text, record and log must agree; whoever edits one of them is found before any result is made."""
    study = register_study(platform, RESEARCHER, PROTOCOL.read_text(encoding="utf-8"))
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    assert frozen_protocol(platform, platform.records.get(Study, study.id)).id == study.project_id
    with platform.records.engine.begin() as connection:
        connection.execute(text("UPDATE study SET protocol = replace(protocol, '0.694884327', '0.71')"))
    with pytest.raises(PlatformError, match=r"study\.protocol_changed"):
        frozen_protocol(platform, platform.records.get(Study, study.id))
    with platform.records.engine.begin() as connection:  # also when the stored hash is changed with it
        changed = platform.records.get(Study, study.id)
        from rwd_platform.core.canonical import sha256_hex

        connection.execute(
            text("UPDATE study SET protocol_sha256 = :sha"), {"sha": sha256_hex(changed.protocol.encode())}
        )
    with pytest.raises(PlatformError, match=r"study\.protocol_changed"):
        frozen_protocol(platform, platform.records.get(Study, study.id))


def test_a_study_is_frozen_once_and_a_project_registered_once(platform: Platform) -> None:
    text_of_protocol = PROTOCOL.read_text(encoding="utf-8")
    study = register_study(platform, RESEARCHER, text_of_protocol)
    with pytest.raises(PlatformError, match=r"study\.already_registered"):
        register_study(platform, RESEARCHER, text_of_protocol)
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    with pytest.raises(PlatformError, match=r"lifecycle\.not_allowed"):
        freeze_protocol(platform, RESEARCHER, study.id, "again")
    frozen = platform.records.all(select(AuditEntry).where(AuditEntry.action == "study.frozen"))
    assert len(frozen) == 1


def test_a_quarantined_file_sent_again_is_judged_again(platform: Platform) -> None:
    """The advice was to send the patient first and then this again: it must work."""
    orphan = {"g.ndjson": ndjson(grade("g1", value=2))}
    assert accounts(platform, sent(platform, orphan)) == {"g.ndjson": (0, 0, 1, 0)}
    sent(platform, {"p.ndjson": ndjson(patient("p1"))})
    assert accounts(platform, sent(platform, orphan)) == {"g.ndjson": (1, 0, 0, 0)}
    assert accounts(platform, sent(platform, orphan)) == {"g.ndjson": (0, 0, 0, 1)}


def test_an_unreadable_file_twice_in_one_upload_adds_up(platform: Platform) -> None:
    upload_id = sent(platform, {"a.json": b"", "b.json": b"", "good.ndjson": ndjson(patient("p1"))})
    assert accounts(platform, upload_id) == {
        "a.json": (0, 1, 0, 0), "b.json": (0, 0, 0, 1), "good.ndjson": (1, 0, 0, 0),
    }  # fmt: skip


def test_what_nobody_recorded_is_swept_and_what_is_on_record_stays(platform: Platform) -> None:
    """A worker killed between writing and recording leaves files that no record names."""
    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    lost = platform.landing.begin("org-hospital-a")
    lost.write(b"never recorded")
    landed = lost.finish()
    lock = platform.layout.locks / "L-nobody"
    lock.mkdir(parents=True)
    (lock / "subject.parquet").write_bytes(b"rows")
    blobs = sorted(platform.layout.landing.glob("*/*/*.raw"))
    with until_recorded(platform.layout):
        assert sweep_leftovers(platform)["landing"] == 0, "somebody may be about to record it"
        os.utime(lock, (0, 0))
        assert sweep_leftovers(platform)["locks"] == 1, "not what has lain there for an hour"
    lock.mkdir()
    removed = sweep_leftovers(platform)
    assert (removed["landing"], removed["locks"]) == (1, 1)
    left = sorted(platform.layout.landing.glob("*/*/*.raw"))
    assert [path for path in blobs if path not in left] == [
        Path(one) for one in blobs if landed.sha256 in one.name
    ]
    swept = platform.records.all(select(AuditEntry).where(AuditEntry.action == "store.swept"))
    assert json.loads(swept[-1].body)["decision"]["locks"] == 1


def test_a_job_whose_work_breaks_says_so_without_the_values(
    platform: Platform, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id = received(platform, {"a.ndjson": ndjson(patient("p1"))})

    number = "".join(["110101", "19900101", "1234"])  # not as one text, which the trace would show as code

    def breaks(*_: object) -> None:
        raise RuntimeError(f"secret value {number}")

    monkeypatch.setattr(Lake, "replace_upload", breaks)
    job = work_once(platform, "w")
    assert job is not None and job.state == "failed" and job.problem is not None
    assert "RuntimeError" in job.problem["en"]
    assert number not in caplog.text + json.dumps(job.problem, ensure_ascii=False)
    assert platform.records.get(Upload, upload_id).state == "failed"
    assert platform.records.get(Job, job.id).finished_at
