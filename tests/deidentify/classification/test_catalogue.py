"""The catalogue of classes and levels: everything is in it, and what is not is refused by name."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from sqlmodel import SQLModel

import rwd_platform.records.tables  # noqa: F401 - declares the tables of the control plane
from deidentify.classification import classify, classify_file, load_catalogue
from deidentify.classification.catalogue import FOLDER
from deidentify.project import to_project
from deidentify.pseudonym import Pseudonymiser
from ingestion.derived import DERIVED, columns_of
from ingestion.overseas import overseas_results
from ingestion.views.load import load_views
from rwd_platform.core import columns
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.derived_rows import DEVICE_USE, device_use
from rwd_platform.store.lake import LEDGER, Lake
from rwd_platform.store.layout import Layout

SIX = {
    "personal_attributes",
    "health_status",
    "medical_application",
    "medical_payment",
    "health_resources",
    "public_health",
}


def lake_columns(tmp_path: Path) -> dict[str, list[str]]:
    """Every column of every lake table, as the lake itself would make them from the house's views."""
    lake = Lake(Layout(tmp_path))
    names = [LEDGER]
    for view in load_views():
        lake.define(view.name, [(column.name, column.type) for column in view.columns])
        names.append(view.name)
    return {name: [str(column) for column in lake.read(name).columns] for name in names}


# ---- nothing is forgotten


def test_every_column_of_the_study_store_has_a_class_and_a_level(tmp_path: Path):
    """A view that gains a column fails here until an officer has decided about it."""
    found = lake_columns(tmp_path)
    assert {"patient", "measurement", "outcome_event", LEDGER} <= set(found)
    assert set(found) == set(load_catalogue().zones["lake"].tables)
    for table, names in found.items():
        assert len(names) >= 12, "the columns of every table are among them"
        for name in names:
            assert classify(table, name, "lake").level in range(1, 6)


def locks_made_of_the_lake(tmp_path: Path) -> dict[str, list[str]]:
    """The columns of a lock, as the projection makes them from empty lake tables."""
    lake = Lake(Layout(tmp_path))
    for view in load_views():
        lake.define(view.name, [(column.name, column.type) for column in view.columns])
    import pandas as pd

    tables = {view.name: lake.read(view.name) for view in load_views()}
    tables[DEVICE_USE] = device_use(tables)
    index = pd.DataFrame({columns.PATIENT_ID: [], "index_date": []}, dtype=object)
    locked = to_project(tables, index, Pseudonymiser(b"k" * 32, scope="p"), {}).tables
    return {name: [str(column) for column in frame.columns] for name, frame in locked.items()}


def test_every_column_of_a_lock_has_a_class_and_a_level(tmp_path: Path):
    """What the projection gives today is listed; what it will give tomorrow fails until it is."""
    locked = locks_made_of_the_lake(tmp_path)
    assert {"subject", "measurement"} <= set(locked)
    assert set(locked) == set(load_catalogue().zones["lock"].tables)
    for table, names in locked.items():
        assert columns.SUBJECT_ID in names
        for name in names:
            assert classify(table, name).zone == "lock"


@pytest.mark.parametrize("suffix", ["day", "date", "month"])
def test_a_lock_may_hold_days_shifted_dates_or_months(tmp_path: Path, suffix: str):
    """A protocol chooses one of the three; each is classified for every date of every table."""
    held = {**lake_columns(tmp_path), DEVICE_USE: [one.name for one in columns_of(DEVICE_USE)]}
    for table, names in held.items():
        for name in names:
            if name.endswith("_date") and table != "patient":
                label = classify(table, f"{name.removesuffix('_date')}_{suffix}")
                assert (label.identifier, label.sensitive, label.level) == ("quasi", True, 3)


def test_every_table_of_the_control_plane_is_classified_or_said_to_hold_nothing_personal():
    """A new table, and a new column of an old one, is refused until somebody has looked at it."""
    zone = load_catalogue().zones["records"]
    tables = {name: table for name, table in SQLModel.metadata.tables.items() if name != "alembic_version"}
    assert set(tables) == set(zone.tables) | set(zone.nothing_personal)
    assert not set(zone.tables) & set(zone.nothing_personal)
    for name in zone.tables:
        for column in tables[name].columns:
            classify(name, column.name, "records")


def test_no_line_of_the_catalogue_is_about_something_that_is_not_there(tmp_path: Path):
    """A column that was renamed leaves no label behind that nobody reads."""
    records = {
        (name, column.name) for name, table in SQLModel.metadata.tables.items() for column in table.columns
    }
    lake = {(name, column) for name, names in lake_columns(tmp_path).items() for column in names}
    derived = {(name, column.name) for name in DERIVED for column in columns_of(name)}
    derived |= {("overseas_result", str(name)) for name in overseas_results().columns}
    assert {table for table, _ in derived} == set(load_catalogue().zones["derived"].tables)
    for label in load_catalogue().labels:
        place = (label.table, label.column)
        if label.zone == "records":
            assert place in records, place
        if label.zone == "lake":
            assert place in lake or label.table == "*", place
        if label.zone == "derived":
            assert place in derived, place
        if label.zone == "lake" and label.table == "*":
            assert all((name, label.column) in lake for name in load_catalogue().zones["lake"].tables)


def test_every_reason_is_given_and_every_given_reason_is_used():
    """The comment beside a label is in both languages, and no reason outlives its columns."""
    catalogue = load_catalogue()
    assert {label.reason for label in catalogue.labels} == set(catalogue.reasons)
    for pair in (*catalogue.reasons.values(), *(label.name for label in catalogue.labels)):
        assert any("\u4e00" <= char <= "\u9fff" for char in pair.zh), pair
        assert not any("\u4e00" <= char <= "\u9fff" for char in pair.en), pair


# ---- what is not listed


@pytest.mark.parametrize(
    ("zone", "table", "column"),
    [
        ("lake", "measurement", "home_address"),
        ("lake", "genome", "patient_id"),
        ("lake", "resource", "birth_date"),
        ("lock", "subject", "birth_date"),
        ("lock", "measurement", "patient_id"),
        ("lock", "patient", "gender"),
        ("records", "vault_entry", "plain"),
        ("moon", "patient", "gender"),
        ("lake", "*", "patient_id"),
        ("lock", "", ""),
    ],
)
def test_what_is_not_listed_is_refused_by_name(zone: str, table: str, column: str):
    """Default-deny: a common column does not open an unknown table, and `*` is no table."""
    with pytest.raises(PlatformError) as refused:
        classify(table, column, zone)
    assert refused.value.code == "classification.unlisted"
    assert table in refused.value.en and column in refused.value.zh and refused.value.exit == 3


def test_a_name_as_long_as_a_book_is_cut_in_the_error():
    """Names of columns come from files; an error stays readable."""
    with pytest.raises(PlatformError) as refused:
        classify("x" * 100_000, "y" * 100_000)
    assert len(refused.value.en) < 400


# ---- what the labels say


def test_the_six_classes_and_the_five_levels_are_those_of_the_standard():
    """GB/T 39725-2020 names six classes and five levels, GB/T 43697-2024 three degrees of importance."""
    catalogue = load_catalogue()
    assert set(catalogue.words("classes")) == SIX
    assert list(catalogue.words("levels")) == ["1", "2", "3", "4", "5"]
    assert list(catalogue.words("importance")) == ["general", "important", "core"]
    assert set(catalogue.words("identifiers")) == {"direct", "quasi", "other"}


@pytest.mark.parametrize(
    ("zone", "table", "column", "category", "level", "sensitive", "identifier"),
    [
        ("lake", "patient", "birth_date", "personal_attributes", 4, False, "quasi"),
        ("lake", "condition", "code", "health_status", 3, True, "quasi"),
        ("lake", "drug_exposure", "product_code", "medical_application", 3, True, "quasi"),
        ("lake", "resource", "patient_id", "personal_attributes", 3, False, "other"),
        ("lock", "subject", "age_years", "personal_attributes", 3, False, "quasi"),
        ("lock", "outcome_event", "effective_day", "health_status", 3, True, "quasi"),
        ("records", "vault_entry", "sealed", "personal_attributes", 5, True, "direct"),
        ("records", "user_account", "name", "personal_attributes", 3, False, "direct"),
        ("records", "upload_file", "name", "personal_attributes", 4, True, "direct"),
        ("records", "organisation", "name_zh", "health_resources", 1, False, "other"),
    ],
)
def test_labels_of_columns_that_everybody_asks_about(
    zone: str, table: str, column: str, category: str, level: int, sensitive: bool, identifier: str
):
    """Written by hand beside the catalogue, so that a slip in one of them shows."""
    label = classify(table, column, zone)
    assert (label.category, label.level, label.sensitive, label.identifier) == (
        category,
        level,
        sensitive,
        identifier,
    )


def test_health_is_sensitive_and_a_direct_identifier_is_never_public():
    """PIPL art. 28: health of one person. What tells about rows of people is never level 1 or 2 and sensitive."""
    for label in load_catalogue().labels:
        if label.sensitive:
            assert label.level >= 3, label
        if label.identifier == "direct":
            assert label.level >= 3, label
        if label.level == 1:
            assert not label.sensitive and label.identifier != "direct", label
    lock_or_lake = [one for one in load_catalogue().labels if one.zone in ("lake", "lock")]
    assert not [one for one in lock_or_lake if one.identifier == "direct"], "no direct identifier downstream"


def test_files_of_a_package_are_labelled_for_the_package_they_are_in():
    """The same table of results is level 3 for the authority and level 2 after suppression."""
    table = "data/05_results/tables/attrition_zh.csv"
    assert (classify_file(table, "authority").level, classify_file(table, "aggregate").level) == (3, 2)
    assert classify_file("data/08_trace/lineage.csv.gz", "authority").sensitive
    assert classify_file("data/05_results/labels.json", "aggregate").table == "data/05_results/labels.json"
    for path, audience in (
        ("data/08_trace/lineage.csv.gz", "aggregate"),  # row by row: there must be none
        ("data/08_trace/subjects.csv", "authority"),
        ("patients.xlsx", "authority"),
        ("data/05_results/ard.json", "everybody"),
        ("../data/05_results/ard.json", "authority"),
    ):
        with pytest.raises(PlatformError) as refused:
            classify_file(path, audience)
        assert refused.value.code == "classification.unlisted"


# ---- a faulty catalogue


def copy_with(tmp_path: Path, name: str, old: bytes, new: bytes) -> Path:
    folder = tmp_path / "catalogue"
    shutil.copytree(FOLDER, folder)
    content = (folder / name).read_bytes()
    assert old in content
    (folder / name).write_bytes(content.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("catalogue.csv", b"health_status,3,general,yes,quasi", b"health_status,6,general,yes,quasi"),
        ("catalogue.csv", b"health_status,3,general,yes,quasi", b"health,3,general,yes,quasi"),
        ("catalogue.csv", b"health_status,3,general,yes,quasi", b"health_status,3,general,maybe,quasi"),
        ("catalogue.csv", b"health_status,3,general,yes,quasi", b"health_status,3,,yes,quasi"),
        ("catalogue.csv", b"lock,subject,gender", b"lock,patient,gender"),
        ("catalogue.csv", b"lock,subject,gender", b"lock,subject,age_years"),
        ("catalogue.csv", b"zone,table,column", b"table,zone,column"),
        ("catalogue.csv", b",half\n", b",no-such-reason\n"),
        ("catalogue.csv", b",half\n", b"\n"),
        ("catalogue.csv", b",half\n", b",half,one field more\n"),
        ("catalogue.csv", b"\xe8", b"\xff"),
        ("levels.toml", b"[classes.public_health]", b"[classes.public_health"),
        ("reasons.toml", b"\xe4", b"\xff"),
    ],
)
def test_a_faulty_catalogue_labels_nothing(tmp_path: Path, name: str, old: bytes, new: bytes):
    """An unknown level, a doubled column, a missing reason, another encoding: named, and nothing is labelled."""
    with pytest.raises(PlatformError) as refused:
        load_catalogue(copy_with(tmp_path, name, old, new))
    assert refused.value.code == "classification.malformed" and name in refused.value.en


def test_a_missing_file_of_the_catalogue_is_named(tmp_path: Path):
    """A copy that lost a file is not an empty catalogue."""
    folder = tmp_path / "catalogue"
    shutil.copytree(FOLDER, folder)
    (folder / "zones.toml").unlink()
    with pytest.raises(PlatformError, match=r"zones\.toml"):
        load_catalogue(folder)


def test_the_catalogue_is_named_by_its_content(tmp_path: Path):
    """A changed label is another catalogue; the same files anywhere are the same one."""
    same = tmp_path / "same"
    shutil.copytree(FOLDER, same)
    changed = copy_with(tmp_path, "catalogue.csv", b"lock,subject,gender,personal_attributes,2",
                        b"lock,subject,gender,personal_attributes,3")  # fmt: skip
    assert load_catalogue(same).sha256 == load_catalogue().sha256
    assert load_catalogue(changed).sha256 != load_catalogue().sha256
    with (FOLDER / "catalogue.csv").open(encoding="utf-8", newline="") as stream:
        assert len(load_catalogue().labels) == sum(1 for _ in csv.DictReader(stream)) > 300
