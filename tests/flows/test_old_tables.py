"""A lake whose tables were made before they gained columns: everything that reads them works before the next upload.

Its tables have the columns of version 1.0.0 alone, and no table that came later is there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from ingestion.views import columns_of_version, load_views, tables_of
from rwd_platform.flows.catalogue import count_tables
from rwd_platform.flows.check_quality import check_quality
from rwd_platform.flows.cohorts import count_cohort
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.risk import refresh_lake_risk
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study
from rwd_platform.records.tables import Upload
from rwd_platform.store.lake import LEDGER, Lake
from rwd_platform.store.lock import open_lock
from tests.conftest import StandingClock
from tests.flows.homes import copied, made
from tests.flows.sending import CLERK, RESEARCHER, grade, ndjson, patient, sent
from tests.flows.test_study import PROTOCOL, thirty_patients

NEW_COLUMNS = """
cohort:
  language: 2
  source: {zh: 乐城, en: Lecheng}
  entry:
    title: {zh: 首次手术, en: First operation}
    pick: first
    events:
      - {table: procedure, codes: {system: "http://hl7.org/fhir/sid/icd-9-cm", any_of: ["85.4"]}}
  exclude:
    - id: treated
      reason: {zh: 已用药, en: Treated}
      days: [null, 0]
      events: {table: drug_use, where: {returned: false, days_supply: {at_least: 1}, intent: order}}
"""


def as_of_version_1(platform: Platform) -> None:
    """Take away what the tables gained since."""
    from deltalake import DeltaTable, write_deltalake

    views = load_views()
    lake, first, gained = Lake(platform.layout), columns_of_version(views), tables_of(views)
    for table in lake.tables():
        folder = lake.folder_of(table)
        if table not in first:
            if table != LEDGER:
                shutil.rmtree(folder.parent)
            continue
        newer = {column.name for column in gained[table].columns} - set(first[table])
        rows = DeltaTable(folder).to_pyarrow_table()
        old = rows.select([name for name in rows.column_names if name not in newer])
        write_deltalake(folder, old, mode="overwrite", schema_mode="overwrite")


def thirty_in_old_tables(platform: Platform) -> None:
    sent(platform, {"all.ndjson": thirty_patients()})
    as_of_version_1(platform)
    assert "visit_id" not in columns_stored(platform, "condition")


@pytest.fixture(scope="module")
def home(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("old") / "home", sqlite_template, thirty_in_old_tables)


@pytest.fixture
def old(home: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    with copied(home, tmp_path / "home", clock) as platform:
        yield platform


def test_quality_and_a_lock_read_it(old: Platform) -> None:
    """And the lock of a protocol of version 1 has the columns that it had."""
    assert check_quality(old, RESEARCHER).verdict != "quarantine"
    study = register_study(old, RESEARCHER, PROTOCOL)
    freeze_protocol(old, RESEARCHER, study.id, "approved")
    lock = open_lock(old.layout.lock(lock_data(old, RESEARCHER, study.id).id))
    assert len(lock.tables["subject"]) > 10 and "visit_id" not in lock.tables["condition"]


def test_cohorts_risk_and_the_catalogue_read_it(old: Platform) -> None:
    """A condition on a column that is not there yet finds nobody."""
    counted = count_cohort(old, RESEARCHER, NEW_COLUMNS)
    assert {step.id: step.remaining for step in counted.steps}["treated"] == 30
    (upload,) = old.records.all(select(Upload))
    assert refresh_lake_risk(old, CLERK, upload.id) is not None
    tables = count_tables(old, RESEARCHER, lambda *_: None).content["tables"]
    (condition,) = tables["condition"].values()
    assert condition["rows"] == 30 and not condition["filled"].get("visit_id")


def test_the_next_upload_brings_the_columns(old: Platform) -> None:
    """In the same commit as its rows; what was there says nothing in them."""
    assert "category_code" not in columns_stored(old, "measurement")
    sent(old, {"more.ndjson": ndjson(patient("new"), grade("new", of="new"))})
    assert "category_code" in columns_stored(old, "measurement")


def columns_stored(platform: Platform, table: str) -> set[str]:
    from deltalake import DeltaTable

    return {field.name for field in DeltaTable(Lake(platform.layout).folder_of(table)).schema().fields}
