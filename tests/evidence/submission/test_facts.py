"""What the files know beside the data, and where they stand."""

from __future__ import annotations

import posixpath

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.submission.facts import (
    DEFINE,
    FOLDER,
    METADATA_REF,
    Oids,
    SubmissionFacts,
    json_path,
    xpt_path,
)
from tests.studies.rotterdam_lock import rotterdam_protocol


@pytest.mark.parametrize(
    "dated", ["", "2026-1-5", "20260105", "2026-02-30", "05.01.2026", "2026-W01-1", "2026-01-05T00:00:00", "x" * 10_000]
)  # fmt: skip
def test_a_date_that_is_no_day_is_refused_with_what_to_do(dated):
    with pytest.raises(PlatformError) as error:
        SubmissionFacts(dated, "lock-1")
    assert error.value.code == "submission.date_unreadable"
    assert "YYYY-MM-DD" in error.value.zh and "YYYY-MM-DD" in error.value.en


def test_the_instant_is_the_days_first_and_claims_no_hour():
    assert SubmissionFacts("2026-01-05", "lock-1").created == "2026-01-05T00:00:00"


def test_each_dataset_has_a_file_in_either_form():
    assert xpt_path("ADSL") == "data/03_data/datasets/xpt/adsl.xpt"
    assert json_path("ADSL") == "data/03_data/datasets/json/adsl.json"


def test_the_reference_of_a_dataset_json_leads_to_the_define():
    found = posixpath.normpath(posixpath.join(posixpath.dirname(json_path("ADSL")), METADATA_REF))
    assert found == DEFINE and DEFINE.startswith(FOLDER)


def test_ids_name_the_study_and_its_version_and_do_not_meet():
    oids = Oids.of(rotterdam_protocol())
    assert (oids.study, oids.version) == ("STDY.rotterdam-hormon", "MDV.rotterdam-hormon.1.0")
    made = [
        oids.study, oids.version, oids.group("ADSL"), oids.item("ADSL", "AGE"), oids.item("ADTTE", "AGE"),
        oids.method("ADSL", "AGE"), oids.codes("AGE"), oids.leaf("ADSL"), oids.file("ADSL"),
    ]  # fmt: skip
    assert len(set(made)) == len(made)
