"""All files of a submission together: complete, the same each time, and agreeing with each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from rwd_platform.core.errors import PlatformError
from studies.dataset import StudyDataset
from studies.evidence.submission import datasets, files
from studies.evidence.submission.facts import DEFINE, FOLDER, json_path, xpt_path
from tests.evidence.submission.made import (
    FACTS,
    by_pyreadstat,
    emptied,
    hostile,
    rotterdam,
    rotterdam_files,
    rotterdam_table,
    valve,
    valve_files,
)
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import dataset, small_protocol
from tests.studies.valve import protocol as valve_protocol

ROOT = Path(__file__).parents[3]


def test_the_files_are_those_that_the_folder_is_to_have():
    assert list(rotterdam_files().files) == [
        "data/03_data/data_dictionary.csv",
        "data/03_data/data_guide_en.docx",
        "data/03_data/data_guide_zh.docx",
        "data/03_data/datasets/json/adsl.json",
        "data/03_data/datasets/json/adtte.json",
        "data/03_data/datasets/xpt/adsl.xpt",
        "data/03_data/datasets/xpt/adtte.xpt",
        "data/03_data/define.xml",
    ]
    assert {xpt_path("ADAE"), json_path("ADAE")} <= set(valve_files().files)


@pytest.mark.parametrize(
    ("made", "protocol", "first"),
    [(rotterdam, rotterdam_protocol, rotterdam_files), (valve, valve_protocol, valve_files)],
    ids=["rotterdam", "valve"],
)
def test_a_second_build_has_the_same_bytes_in_every_file(made, protocol, first):
    again = files(made(), protocol(), FACTS)
    assert again.losses == first().losses
    assert {name: again.files[name] == content for name, content in first().files.items()} == dict.fromkeys(
        first().files, True
    )


def test_another_process_with_another_hash_seed_makes_the_same_bytes():
    """Order that came from a set would show here."""
    program = (
        "import hashlib;from tests.evidence.submission.made import valve_files;"
        "print(hashlib.sha256(b''.join(valve_files().files.values())).hexdigest())"
    )
    seen = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
                       env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


@pytest.mark.parametrize("made", [rotterdam_files, valve_files], ids=["rotterdam", "valve"])
def test_both_forms_of_a_dataset_have_the_same_rows_variables_and_numbers(made):
    for path in (one for one in made().files if one.endswith(".xpt")):
        frame, _ = by_pyreadstat(made().files[path])
        document = json.loads(made().files[path.replace("xpt", "json")])
        assert list(frame.columns) == [one["name"] for one in document["columns"]]
        assert len(frame) == document["records"] == len(document["rows"])
        for place, one in enumerate(document["columns"]):
            if one["dataType"] != "string":
                mine = [row[place] for row in document["rows"]]
                theirs = [None if number != number else number for number in frame[one["name"]]]
                assert mine == theirs


@pytest.mark.parametrize("made", [rotterdam_files, valve_files], ids=["rotterdam", "valve"])
def test_the_oids_of_each_dataset_json_are_those_of_the_define(made):
    define = etree.fromstring(made().files[DEFINE])
    oids = set(define.xpath("//@OID"))
    for path in (one for one in made().files if one.endswith(".json")):
        document = json.loads(made().files[path])
        wanted = {document["itemGroupOID"], document["studyOID"], document["metaDataVersionOID"]}
        assert wanted | {one["itemOID"] for one in document["columns"]} <= oids


def test_the_losses_are_those_of_all_datasets_in_their_order():
    assert [one.dataset for one in rotterdam_files().losses] == sorted(
        one.dataset for one in rotterdam_files().losses
    )
    assert {one.dataset for one in rotterdam_files().losses} == {"ADSL", "ADTTE"}


def test_a_cohort_that_nobody_entered_gives_every_file():
    made = files(datasets(emptied(rotterdam_table()), rotterdam_protocol()), rotterdam_protocol(), FACTS)
    assert set(made.files) == set(rotterdam_files().files)
    assert all(made.files.values())
    for name in ("ADSL", "ADTTE"):
        assert len(by_pyreadstat(made.files[xpt_path(name)])[0]) == 0
    assert {one.kind for one in made.losses} <= {"name", "label"}


def changed(**columns) -> tuple:
    given = dataset(6)
    frame = given.frame.assign(**columns)
    return datasets(StudyDataset(frame, (), given.lineage, given.exposure), small_protocol())


def test_a_subject_id_that_cannot_be_kept_stops_everything():
    ids = [f"病人{place}" for place in range(6)]
    with pytest.raises(PlatformError) as error:
        files(changed(subject_id=ids), small_protocol(), FACTS)
    assert error.value.code == "submission.subject_id_not_kept" and "病人" not in error.value.zh


def test_long_subject_ids_are_the_same_in_both_forms():
    ids = [f"{place:064x}" * 3 for place in range(6)]
    made = files(changed(subject_id=ids), small_protocol(), FACTS).files
    document = json.loads(made[json_path("ADSL")])
    assert (
        by_pyreadstat(made[xpt_path("ADSL")])[0]["USUBJID"].tolist()
        == [row[1] for row in document["rows"]]
        == ids
    )


def test_hostile_values_and_titles_pass_through_every_form():
    site = "=1+1<script>&\"'" + "海" * 200
    given = dataset(6)
    frame = given.frame.assign(site_id=site)
    made = files(
        datasets(StudyDataset(frame, (), given.lineage, given.exposure), hostile()), hostile(), FACTS
    )
    document = json.loads(made.files[json_path("ADSL")])
    assert {row[3] for row in document["rows"]} == {site}
    kinds = {one.kind: one.count for one in made.losses if one.dataset == "ADSL" and one.variable == "SITEID"}
    assert kinds == {"replaced": 6, "cut": 6}
    etree.fromstring(made.files[DEFINE])


def test_nothing_of_the_machine_is_in_any_file():
    for content in valve_files().files.values():
        assert b"/tmp" not in content and b"/root" not in content and b"/home" not in content


def test_all_paths_are_below_the_datas_folder():
    assert all(one.startswith(FOLDER) and ".." not in one for one in valve_files().files)


def test_reading_the_package_loads_no_heavy_library():
    """The web process may import it: pyreadstat, lxml, docx and cryptography come when a file is made."""
    program = (
        "import sys, studies.evidence.submission;"
        "print([one for one in ('pyreadstat', 'lxml', 'docx', 'matplotlib', 'lifelines') if one in sys.modules])"
    )
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
