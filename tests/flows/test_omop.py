"""A lock goes out as OMOP into the enclave alone, on record, and the same each time."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlmodel import select

from rwd_platform.core.clock import as_text
from rwd_platform.flows.omop import export_lake, export_omop, forget_exports
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, LockNotice, QualityRun, Study
from rwd_platform.store.lock import write_lock
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER, actions
from tests.flows.test_study import PROTOCOL, refusal
from tests.studies.omop.locks import ROWS, lock, row

STRANGER = Actor("other", "researcher", "org-somewhere")


def locked(
    platform: Platform, tables: dict[str, pd.DataFrame], project: str = "by-shift"
) -> tuple[Study, str]:
    """A frozen study with a lock of these tables, as `lock_data` puts it on record."""
    text = PROTOCOL.replace("id: rotterdam-hormon", f"id: {project}") + "\nlock: {dates: shift}\n"
    study = freeze_protocol(platform, RESEARCHER, register_study(platform, RESEARCHER, text).id, "approved")
    made = write_lock(
        platform.layout, tables, {"project": project, "dates": "shifted backward", "attrition": []}
    )
    at = as_text(platform.clock())
    records: list[QualityRun | DataLockRecord] = [
        QualityRun(id=f"q-{project}", organisation_id="org-operator", made_at=at, verdict="admit", report={}),
        DataLockRecord(id=made.id, organisation_id="org-operator", project_id=project, study_id=study.id,
                       quality_run_id=f"q-{project}", made_at=at, manifest=dict(made.manifest)),
    ]  # fmt: skip
    for one in records:
        platform.records.write(one, audit=Act(RESEARCHER, "seed.written", Object("seed", one.id)))
    return study, made.id


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    rows: dict[str, list[dict[str, Any]]] = {name: [row(name), row(name, "s2")] for name in ROWS}
    rows["visit"].append(row("visit", status="cancelled"))
    return lock(rows)


def test_a_lock_is_written_with_its_account_and_both_reads_are_on_record(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    study, lock_id = locked(platform, tables)
    made = export_omop(platform, RESEARCHER, study.id)
    assert made.path == platform.layout.results / "omop" / lock_id and made.report.adds_up
    told = json.loads((made.path / "report.json").read_bytes())
    assert told == json.loads(json.dumps(made.report.as_dict()))
    for name, rows in told["tables"].items():
        assert pq.read_table(made.path / f"{name}.parquet").num_rows == rows
    (visits,) = [one for one in told["sources"] if one["source"] == "visit"]
    assert (visits["rows"], visits["handed_on"]) == (3, {"visit_occurrence": 2})
    assert "合计相符" in (made.path / "report.zh.txt").read_text(encoding="utf-8")
    assert "add up" in (made.path / "report.en.txt").read_text(encoding="utf-8")
    assert actions(platform)[-2:] == ["study.omop_started", "study.omop_exported"]
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "study.omop_exported"))
    decision = json.loads(entry.body)["decision"]
    assert decision["rows"] == told["tables"] and decision["vocabulary"] == "none"


def test_observation_periods_are_derived_on_the_lock_s_own_dates(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    """From the first contact to death: on the day of everything here, the last visit ends three days later."""
    tables["measurement"]["value"] = "10-20"  # generalised
    study, _ = locked(platform, tables)
    path = export_omop(platform, RESEARCHER, study.id).path
    periods = pq.read_table(path / "observation_period.parquet").to_pylist()
    assert [
        (one["person_id"], str(one["observation_period_start_date"]), str(one["observation_period_end_date"]))
        for one in periods
    ] == [(1, "2024-05-06", "2024-05-06"), (2, "2024-05-06", "2024-05-06")]


def test_the_same_lock_is_exported_byte_by_byte_the_same_and_replaced_whole(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    study, _ = locked(platform, tables)
    first = export_omop(platform, RESEARCHER, study.id)
    before = {file.name: file.read_bytes() for file in first.path.iterdir()}
    (first.path / "stray.parquet").write_bytes(b"left by somebody")
    again = export_omop(platform, RESEARCHER, study.id)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == before
    assert not list(platform.layout.tmp.glob("omop-*"))


def test_no_pseudonym_of_the_project_and_no_token_is_in_an_export(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    for name in ROWS:
        tables[name] = tables[name].assign(source_row=[f"token{n}" for n in range(len(tables[name]))])
    named = {
        name: table.replace({"subject_id": {"s1": "secret-1", "s2": "secret-2"}})
        for name, table in tables.items()
    }
    study, _ = locked(platform, named)
    for file in export_omop(platform, RESEARCHER, study.id).path.glob("*.parquet"):
        text = str(pq.read_table(file).to_pylist())
        assert "secret-" not in text and "token" not in text, file.name


def test_the_lake_is_never_exported_and_the_refusal_is_on_record(platform: Platform) -> None:
    assert refusal(lambda: export_lake(platform, RESEARCHER)).code == "omop.lake_stays"
    assert actions(platform)[-1] == "access.refused"


@pytest.mark.parametrize("actor", [CLERK, REGULATOR, STRANGER], ids=lambda actor: actor.id)
def test_nobody_but_the_study_s_team_exports(
    platform: Platform, tables: dict[str, pd.DataFrame], actor: Actor
) -> None:
    study, lock_id = locked(platform, tables)
    code = refusal(lambda: export_omop(platform, actor, study.id)).code
    assert code in ("access.not_allowed", "records.not_found")
    assert not (platform.layout.results / "omop" / lock_id).exists()
    assert "study.omop_started" not in actions(platform)


def test_a_lock_of_days_is_refused_and_nothing_is_written(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    tables["subject"] = tables["subject"].rename(columns={"index_date": "index_quarter"})
    study, lock_id = locked(platform, tables)
    assert refusal(lambda: export_omop(platform, RESEARCHER, study.id)).code == "omop.dates_not_days"
    assert actions(platform)[-1] == "access.refused"
    assert not (platform.layout.results / "omop" / lock_id).exists()


def test_a_study_without_a_lock_is_refused(platform: Platform) -> None:
    text = PROTOCOL + "\nlock: {dates: shift}\n"
    study = register_study(platform, RESEARCHER, text)
    assert refusal(lambda: export_omop(platform, RESEARCHER, study.id)).code == "study.not_locked"


def test_a_lock_that_was_re_issued_after_an_erasure_is_not_exported_again(
    platform: Platform, tables: dict[str, pd.DataFrame]
) -> None:
    """And what was exported of it before goes with it."""
    study, lock_id = locked(platform, tables)
    path = export_omop(platform, RESEARCHER, study.id).path
    notice = LockNotice(lock_id=lock_id, cause="erasure-1", organisation_id="org-operator", project_id="by-shift",
                        kind="erased", reissued_as="L-new", noted_at=as_text(platform.clock()))  # fmt: skip
    platform.records.write(notice, audit=Act(RESEARCHER, "seed.written", Object("seed", "notice")))
    forget_exports(platform.layout, [lock_id, "L-other"])
    forget_exports(platform.layout, [lock_id])
    assert not path.exists()
    assert refusal(lambda: export_omop(platform, RESEARCHER, study.id)).code == "withdrawal.lock_reissued"
