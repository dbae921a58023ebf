"""A log that is whole, beside records that somebody changed behind it."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

import pytest
from sqlmodel import Session, SQLModel, delete

from rwd_platform.audit.against_records import verify_deployment
from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.audit.verify import LogVerification, verify_log
from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import (
    AnalysisRun,
    AuditCheckpoint,
    AuditDetail,
    AuditEntry,
    AuditNode,
    DataLockRecord,
    EvidencePackage,
    Organisation,
    QualityRun,
    Study,
)
from rwd_platform.signing.ed25519 import Signer

WHO = Actor("u", "researcher", "org")
PROTOCOL = "id: P-1\n# 方案\n"
CONTENT: dict[str, Any] = {"format_version": 1, "facts": {"project": "P-1"}, "tables": {}}
LOCK = f"L-{sha256_of(CONTENT)}"
RESULTS = {"rows": [{"id": "r1", "value": 0.69}], "not_done": []}
T = "2026-11-02T08:00:00Z"


@pytest.fixture
def deployment(records_sqlite: Records, log_signer: Signer) -> Records:
    """A study that went the whole way, with the acts that the flows leave."""
    records = records_sqlite
    protocol_sha256 = sha256_hex(PROTOCOL.encode())
    study = Study(
        id="study-1", organisation_id="org", project_id="P-1", title_zh="题", title_en="t", protocol=PROTOCOL,
        protocol_sha256=protocol_sha256, state="registered", registered_at=T,
    )  # fmt: skip
    of = {"organisation_id": "org", "project_id": "P-1", "study_id": "study-1", "made_at": T}

    def write(action: str, object: Object, *rows: SQLModel) -> None:
        records.write(*rows, audit=Act(WHO, action, object))

    write("study.registered", Object("study", "study-1", protocol_sha256), study)
    study.state = "frozen"
    write("study.frozen", Object("study", "study-1", protocol_sha256), study)
    quality = QualityRun(id="q-1", organisation_id="org", made_at=T, verdict="admit", report={})
    write("quality.checked", Object("quality", "q-1"), quality)
    manifest = {"id": LOCK, "content": CONTENT, "files": {}, "seal": ""}
    write(
        "study.locked",
        Object("lock", LOCK),
        DataLockRecord(id=LOCK, quality_run_id="q-1", manifest=manifest, **of),
    )
    results_sha256 = sha256_of(RESULTS)
    run = AnalysisRun(id="run-1", lock_id=LOCK, results_sha256=results_sha256, results=RESULTS, **of)
    write("study.analysed", Object("run", "run-1", results_sha256), run)
    package = EvidencePackage(
        id="EP-1", run_id="run-1", purpose="registration", version=1, audience="authority", file_name="p.zip",
        sha256="ab" * 32, bytes=1, state="assembled", **of,
    )  # fmt: skip
    write("package.assembled", Object("package", "EP-1", "ab" * 32), package)
    make_checkpoint(records, log_signer, "test")
    return records


def verified(records: Records, log_signer: Signer) -> LogVerification:
    found = verify_deployment(records, public_key=log_signer.public_key)
    assert found.ok is (not found.findings)
    for finding in found.findings:
        assert finding.zh and finding.en and "{" not in finding.zh + finding.en
    return found


def behind_the_log(records: Records, statement: str) -> None:
    """As somebody with the file does it: no program of ours, no foreign keys."""
    with sqlite3.connect(str(records.engine.url.database)) as connection:
        connection.execute(statement)
    connection.close()


def test_a_study_that_went_the_whole_way_verifies(deployment: Records, log_signer: Signer) -> None:
    assert verified(deployment, log_signer).ok


def test_a_deployment_without_anything_verifies(records_sqlite: Records, log_signer: Signer) -> None:
    found = verified(records_sqlite, log_signer)
    assert (found.ok, found.size) == (True, 0)


OTHER_CONTENT = json.dumps({"id": LOCK, "content": {"format_version": 2}})
CHANGED = [
    ("UPDATE study SET protocol = 'id: P-2'", {"study study-1 protocol"}),
    ("UPDATE study SET protocol_sha256 = 'ff'", {"study study-1 protocol_sha256"}),
    (
        "UPDATE data_lock SET manifest = '{}'",
        {f"data_lock {LOCK} manifest.id", f"data_lock {LOCK} manifest.content"},
    ),
    (f"UPDATE data_lock SET manifest = '{OTHER_CONTENT}'", {f"data_lock {LOCK} manifest.content"}),
    (
        "UPDATE data_lock SET manifest = '[]'",
        {f"data_lock {LOCK} manifest.id", f"data_lock {LOCK} manifest.content"},
    ),
    ("UPDATE data_lock SET manifest = 'no json'", {f"data_lock {LOCK} JSON"}),
    ("UPDATE analysis_run SET results = replace(results, '0.69', '0.61')", {"analysis_run run-1 results"}),
    ("UPDATE analysis_run SET results = '{\"n\": 9007199254740993}'", {"analysis_run run-1 results"}),
    ("UPDATE analysis_run SET results_sha256 = ''", {"analysis_run run-1 results_sha256"}),
    ("UPDATE evidence_package SET sha256 = 'cd'", {"evidence_package EP-1 sha256"}),
]


@pytest.mark.parametrize(
    ("statement", "fields"), CHANGED, ids=[one[0].replace(":", " ")[:60] for one in CHANGED]
)
def test_a_record_changed_behind_the_log_is_named_with_its_field(
    deployment: Records, log_signer: Signer, statement: str, fields: set[str]
) -> None:
    """The log itself stays whole; only the comparison finds it, and says which record and field."""
    behind_the_log(deployment, statement)
    assert verify_log(deployment, public_key=log_signer.public_key).ok
    found = verified(deployment, log_signer)
    assert {finding.rule for finding in found.findings} == {"record_changed"}
    said = [re.search(r"The field (\S+) of (.+) is not", one.en) for one in found.findings]
    assert {f"{match[2]} {match[1]}" for match in said if match} == fields
    assert all(
        match and match[1] in one.zh and match[2] in one.zh
        for match, one in zip(said, found.findings, strict=True)
    )


@pytest.mark.parametrize("table", ["study", "data_lock", "analysis_run", "evidence_package"])
def test_a_record_that_vanished_is_named(deployment: Records, log_signer: Signer, table: str) -> None:
    behind_the_log(deployment, f"DELETE FROM {table}")
    found = verified(deployment, log_signer).findings
    assert {one.rule for one in found} == {"record_missing"}
    assert all(table in one.zh and table in one.en for one in found)


def test_a_record_that_no_act_made_is_named(deployment: Records, log_signer: Signer) -> None:
    """A row put in beside the log: results for which no entry of an analysis stands."""
    behind_the_log(
        deployment,
        "INSERT INTO analysis_run"
        " (id, organisation_id, project_id, study_id, lock_id, made_at, results_sha256, results)"
        " SELECT 'run-2', organisation_id, project_id, study_id, lock_id, made_at, results_sha256, results"
        " FROM analysis_run",
    )
    (finding,) = verified(deployment, log_signer).findings
    assert (
        finding.rule == "record_unlogged"
        and "analysis_run run-2" in finding.en
        and "study.analysed" in finding.zh
    )


OPEN = {"rows": [], "not_done": {}}
SEALED = b"sealed bytes"


@pytest.fixture
def sealed(deployment: Records) -> Records:
    """A second run, of which only the open part can be read."""
    first = deployment.get(AnalysisRun, "run-1")
    run = AnalysisRun(
        **{
            **first.model_dump(),
            "id": "run-2",
            "results": OPEN,
            "sealed_part": SEALED,
            "sealed_analyses": ["all.crude"],
        }
    )
    said = {"open_sha256": sha256_of(OPEN), "sealed_sha256": sha256_hex(SEALED)}
    deployment.write(
        run, audit=Act(WHO, "study.analysed", Object("run", "run-2", run.results_sha256), decision=said)
    )
    return deployment


def test_a_sealed_run_verifies_before_and_after_it_is_unsealed(sealed: Records, log_signer: Signer) -> None:
    """Before, by its open part and the sealed bytes; afterwards by the whole, which the first entry named already."""
    assert verified(sealed, log_signer).ok
    run = sealed.get(AnalysisRun, "run-2")
    run.results, run.sealed_part, run.unsealed_at = RESULTS, None, T
    sealed.write(run, audit=Act(WHO, "results.unsealed", Object("run", "run-2", run.results_sha256)))
    assert verified(sealed, log_signer).ok


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ('results = \'{"rows": [], "not_done": {"x": 1}}\'', {"open_sha256"}),
        ("sealed_part = x'00'", {"sealed_sha256"}),
        (f"results = '{json.dumps(RESULTS)}'", {"open_sha256"}),
        # Opened behind the log: the row is what was computed, and nobody was asked.
        (f"results = '{json.dumps(RESULTS)}', sealed_part = NULL", {"results.unsealed"}),
        (f"results = '{json.dumps(RESULTS)}', sealed_part = NULL, unsealed_at = '{T}'", {"results.unsealed"}),
        ("sealed_part = NULL", {"results", "results.unsealed"}),
    ],
)
def test_a_sealed_run_that_was_changed_or_opened_behind_the_log_is_named(
    sealed: Records, log_signer: Signer, statement: str, said: set[str]
) -> None:
    behind_the_log(sealed, f"UPDATE analysis_run SET {statement} WHERE id = 'run-2'")
    findings = verified(sealed, log_signer).findings
    assert len(findings) == len(said) and all("run-2" in one.en for one in findings)
    assert all(any(word in one.en for one in findings) for word in said)


def test_a_study_whose_state_was_moved_on_behind_the_log_is_named(
    records_sqlite: Records, log_signer: Signer
) -> None:
    """Frozen, says the row; nobody froze it, says the log."""
    study = Study(
        id="study-1", organisation_id="org", project_id="P-1", title_zh="题", title_en="t", protocol=PROTOCOL,
        protocol_sha256=sha256_hex(PROTOCOL.encode()), state="registered", registered_at=T,
    )  # fmt: skip
    act = Act(WHO, "study.registered", Object("study", "study-1", study.protocol_sha256))
    records_sqlite.write(study, audit=act)
    make_checkpoint(records_sqlite, log_signer, "test")
    assert verified(records_sqlite, log_signer).ok
    behind_the_log(records_sqlite, "UPDATE study SET state = 'frozen'")
    (finding,) = verified(records_sqlite, log_signer).findings
    assert finding.rule == "record_unlogged" and "study.frozen" in finding.en


@pytest.mark.parametrize("only", [Organisation, Study], ids=["an organisation", "a study"])
def test_an_emptied_log_beside_records_is_found(
    records_sqlite: Records, log_signer: Signer, only: type
) -> None:
    """All four tables of the log are deleted: what is left looks like a log that has not begun, but records have."""
    rows: dict[type, SQLModel] = {
        Organisation: Organisation(id="org", kind="hospital", name_zh="甲", name_en="A"),
        Study: Study(
            id="study-1", organisation_id="org", project_id="P-1", title_zh="题", title_en="t", protocol=PROTOCOL,
            protocol_sha256="", state="registered", registered_at=T,
        ),
    }  # fmt: skip
    records_sqlite.write(rows[only], audit=Act(WHO, "thing.made", Object("thing", "1")))
    make_checkpoint(records_sqlite, log_signer, "test")
    _empty(records_sqlite, (AuditEntry, AuditNode, AuditDetail, AuditCheckpoint))
    assert verify_log(records_sqlite, public_key=log_signer.public_key).ok, "the log alone cannot tell"
    found = verified(records_sqlite, log_signer)
    assert [one.rule for one in found.findings] == ["emptied"]
    assert str(only.__tablename__) in found.findings[0].zh  # type: ignore[attr-defined]


def _empty(records: Records, tables: tuple[type[SQLModel], ...]) -> None:
    with Session(records.engine) as session:
        for table in tables:
            session.exec(delete(table))
        session.commit()
