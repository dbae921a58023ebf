"""A number of a package, followed home: result, subjects, variables, and the lines that a hospital sent."""

from __future__ import annotations

import json
import zipfile

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.receipts import files_of
from rwd_platform.flows.release_votes import release_act
from rwd_platform.flows.trace import NUMBERS, numbers_of, trace_number
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import (
    AnalysisRun,
    DataLockRecord,
    EvidencePackage,
    OutputRelease,
    QualityRun,
    Study,
)
from studies.results import ArdRow, ResultSet
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER, actions, ndjson, patient, sent

OWN = {"organisation_id": RESEARCHER.organisation, "project_id": "P"}
ROW = ArdRow("all.n", "all", "count", "", "age", "n", 2, variables=("age",), row_set="all")


@pytest.fixture
def package(platform: Platform) -> str:
    """A package of one number over two subjects: three lines of one file, of which two are about the variable."""
    upload_id = sent(platform, {"a.ndjson": ndjson(patient("p1"), patient("p2"), patient("p3"))})
    sha256 = files_of(platform, upload_id)[0].sha256
    results = json.loads(
        json.dumps(ResultSet("P", "", "L", (ROW,), row_sets={"all": ("s1", "s2")}).as_dict())
    )
    rows = [("s1", "age", 1), ("s2", "age", 2), ("s2", "weight", 3), ("s3", "age", 3)]
    lineage = pd.DataFrame(rows, columns=["subject_id", "variable", "source_line"])
    lineage["source_file_sha256"], lineage["line_digest"] = sha256, "d"
    lineage["organisation_id"] = "org-hospital-a"
    _put(platform, results, lineage)
    return "EP-1"


def _put(platform: Platform, results: dict[str, object], lineage: pd.DataFrame) -> None:
    place = platform.layout.results / "run"
    place.mkdir(parents=True)
    (place / "row_sets.json").write_text(json.dumps({"all": ["s1", "s2"]}))
    lineage.to_parquet(place / "lineage.parquet", index=False)
    platform.layout.packages.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(platform.layout.packages / "EP-1.zip", "w") as archive:
        archive.writestr(f"EP-1/{NUMBERS}", json.dumps({"numbers": [{"id": "n1", "ard_id": "all.n"}]}))
    common = {"protocol": "", "protocol_sha256": "", "title_zh": "", "title_en": "", "registered_at": ""}
    quality = QualityRun(id="q", organisation_id="org-operator", made_at="", verdict="admit", report={})
    study = Study(id="s", state="analysed", **OWN, **common)
    lock = DataLockRecord(id="L", study_id="s", quality_run_id="q", made_at="", manifest={}, **OWN)
    run = AnalysisRun(
        id="run", study_id="s", lock_id="L", made_at="", results_sha256="", results=results, **OWN
    )
    made = EvidencePackage(
        id="EP-1", study_id="s", run_id="run", purpose="registration", version=1, audience="authority",
        file_name="EP-1.zip", sha256="", bytes=0, state="assembled", made_at="", **OWN,
    )  # fmt: skip
    released = OutputRelease(
        id="release-1", package_id="EP-1", product="", recipient_kind="competent_authority",
        circle=REGULATOR.organisation, content_sha256=made.sha256, conditions={}, verdict={"outcome": "pass"},
        state="released", requested_by="", requested_at="", **OWN,
    )  # fmt: skip
    for row in (quality, study, lock, run, made):
        platform.records.write(row, audit=Act(RESEARCHER, "test.prepared", Object("row", str(row.id))))
    platform.records.write(released, audit=release_act(RESEARCHER, "release.released", released))


def test_a_number_leads_to_the_lines_behind_it_and_to_no_others(platform: Platform, package: str) -> None:
    """Only the subjects that went in, and only the variables that it was made of."""
    trace = trace_number(platform, REGULATOR, package, "n1")
    assert (trace.subjects, trace.lines, trace.variables) == (2, 2, ("age",))
    assert [(line.file, line.line) for line in trace.sample] == [("a.ndjson", 1), ("a.ndjson", 2)]
    (one,) = trace.by_file
    assert (one.organisation_zh, one.file, one.lines) == ("演示医院甲", "a.ndjson", 2)
    assert trace.result["value"] == 2


def test_the_sample_is_short_and_the_counts_are_whole(platform: Platform, package: str) -> None:
    trace = trace_number(platform, REGULATOR, package, "n1", sample=1)
    assert (len(trace.sample), trace.lines) == (1, 2)


def test_following_a_number_is_in_the_log(platform: Platform, package: str) -> None:
    trace_number(platform, REGULATOR, package, "n1")
    assert actions(platform)[-1] == "trace.read"


def test_a_number_that_is_not_in_the_package_is_said_to_be_so(platform: Platform, package: str) -> None:
    with pytest.raises(PlatformError) as raised:
        trace_number(platform, REGULATOR, package, "n2")
    assert raised.value.code == "trace.number_unknown"
    assert [one["id"] for one in numbers_of(platform, REGULATOR, package)] == ["n1"]


def test_a_hospital_follows_no_number(platform: Platform, package: str) -> None:
    for act in (
        lambda: trace_number(platform, CLERK, package, "n1"),
        lambda: numbers_of(platform, CLERK, package),
    ):
        with pytest.raises(PlatformError) as raised:
            act()
        assert raised.value.code == "access.not_allowed"
