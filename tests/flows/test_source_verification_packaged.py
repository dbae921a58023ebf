"""From the draw to the package: what the charts say stands in the next version, and the version says that it is new."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.chart_sheets import return_sheet
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.source_verification import close_round
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.records.tables import EvidencePackage
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.flows.saying import say_everything
from tests.flows.sending import CLERK, RESEARCHER, sent
from tests.flows.test_evidence_versions import analysed as analyse
from tests.flows.test_evidence_versions import assembled
from tests.flows.test_study import frozen, thirty_patients
from tests.flows.unsealing import settle
from tests.flows.verifying import UNTIL, chart, drawn, every_third_differs, sample, study_of

JSON, CSV = "data/04_quality/source_verification.json", "data/04_quality/source_verification.csv"
ENOUGH = "医院已全部核对完毕，本轮结束"
RULE = "data/08_trace/sample_rule.json"


@dataclass(frozen=True)
class Told:
    """Packages before one sheet came back and once its round was closed; its content, and our values by place."""

    platform: Platform
    first: EvidencePackage
    second: EvidencePackage
    again: EvidencePackage
    aggregate: EvidencePackage
    content: bytes
    sheet: str
    values: dict[int, str]

    def file(self, package: EvidencePackage, name: str) -> bytes | None:
        path = self.platform.layout.packages / package.file_name.removesuffix(".zip") / name
        return path.read_bytes() if path.exists() else None

    def document(self, package: EvidencePackage, name: str) -> dict[str, Any]:
        content = self.file(package, name)
        assert content is not None, name
        found: dict[str, Any] = json.loads(content)
        return found


@pytest.fixture(scope="module")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Thirty patients of one hospital whose charts differ in ten menopausal states."""
    home, clock = tmp_path_factory.mktemp("verified") / "home", StandingClock()
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    platform = open_platform(Settings(home=home, demo=True), clock)
    register_organisations(platform)
    sent(platform, {"all.ndjson": thirty_patients()})
    study = frozen(platform)
    analyse(platform, study, clock)
    settle(platform, RESEARCHER, CLERK)
    say_everything(platform, RESEARCHER, study.id)
    seen = drawn(platform)
    content = chart(platform, seen, every_third_differs)
    first = assembled(platform, study_of(platform))
    return_sheet(platform, CLERK, seen.sheets[0].id, content)
    close_round(platform, RESEARCHER, study.id, ENOUGH)
    second = assembled(platform, study_of(platform))
    yield Told(
        platform,
        first,
        second,
        assembled(platform, study_of(platform)),
        assembled(platform, study_of(platform), "aggregate"),
        content,
        seen.sheets[0].id,
        {one.drawn.place: str(one.values["meno"]) for one in sample(platform, seen).rows},
    )
    platform.records.engine.dispose()


def meno_of(told: Told) -> dict[str, Any]:
    lines = told.document(told.second, JSON)["lines"]
    found: dict[str, Any] = next(one for one in lines if (one["variable"], one["hospital"]) == ("meno", ""))
    return found


def test_a_sheet_that_comes_back_makes_another_version_and_the_same_again_is_the_same(told: Told) -> None:
    assert (told.first.version, told.second.version) == (1, 2)
    assert (told.again.id, told.again.version) == (told.second.id, 2), "nothing new came back"
    for package in (told.first, told.second, told.aggregate):
        path = told.platform.layout.packages / package.file_name
        assert verify_package_at(path, told.platform.package_signer.public_key, None).holds


def test_a_drawn_round_alone_puts_nothing_into_a_package(told: Told) -> None:
    assert told.file(told.first, JSON) is None and told.file(told.first, CSV) is None
    assert told.document(told.first, RULE)["charts_known_until"] == ""


def test_the_package_names_the_sheet_by_its_hash_and_the_day_up_to_which_charts_were_read(told: Told) -> None:
    found = told.document(told.second, JSON)
    assert found["of_this_lock"] and found["outstanding"] == [] and found["other_rounds"] == []
    assert (found["number"], found["closed_because"], found["open_round"]) == (1, ENOUGH, None)
    assert found["sheets"] == [
        {"hospital": CLERK.organisation, "sheet": told.sheet, "sha256": sha256_hex(told.content)}
    ]
    assert found["charts_known_until"] == told.document(told.second, RULE)["charts_known_until"] == UNTIL


def test_kappa_in_the_package_is_that_of_statsmodels_on_what_was_written_into_the_sheet(told: Told) -> None:
    """The pairs come from the file itself and the platform's values, not from what computed the package's kappa."""
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    rows = list(csv.reader(io.StringIO(told.content.decode("utf-8-sig"))))[1:]
    pairs = [(told.values[int(row[1])], row[9] or "not_recorded") for row in rows if row[6] == "meno"]
    names = sorted({name for pair in pairs for name in pair})
    table = np.zeros((len(names), len(names)))
    for mine, theirs in pairs:
        table[names.index(mine), names.index(theirs)] += 1
    expected, meno = cohens_kappa(table), meno_of(told)
    assert meno["kappa"]["kappa"] == pytest.approx(expected.kappa, abs=5e-7)
    assert meno["kappa"]["se"] == pytest.approx(expected.std_kappa, abs=5e-7)
    assert (meno["compared"], meno["agreed"], meno["not_recorded"]) == (30, 20, 1)
    content = told.file(told.second, CSV)
    assert content is not None
    listed = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    assert float(next(row for row in listed if row["variable"] == "meno")["kappa"]) == meno["kappa"]["kappa"]


def test_the_report_has_the_table_and_each_of_its_numbers_is_registered(told: Told) -> None:
    for package, columns in ((told.second, 7), (told.aggregate, 3)):
        numbers = told.document(package, "data/06_report/numbers.json")["numbers"]
        mine = [one for one in numbers if one["place"].startswith("table:verification:")]
        assert mine and {one["file"] for one in mine} == {JSON}
        table = told.file(package, "data/05_results/tables/verification_en.csv")
        assert table is not None
        rows = list(csv.reader(io.StringIO(table.decode("utf-8-sig"))))
        assert len(rows) == 12 and {len(row) for row in rows} == {columns}
    numbers = told.document(told.first, "data/06_report/numbers.json")["numbers"]
    assert not [one for one in numbers if one["place"].startswith("table:verification:")]


def test_what_changed_since_the_first_version_is_what_came_back(told: Told) -> None:
    found = told.document(told.second, "data/00_index/changes.json")
    tables = [
        f"data/05_results/tables/{key}_{language}.csv"
        for key in ("verification", "verification_rounds")
        for language in ("en", "zh")
    ]
    assert found["files"]["added"] == [CSV, JSON, *sorted(tables)] and not found["files"]["removed"]
    assert found["same"]["results_sha256"] and found["same"]["lock_id"]
    assert not found["results"]["added"] and not found["results"]["changed"]


def test_the_contents_find_the_part_once_it_is_there(told: Told) -> None:
    states = []
    for package in (told.first, told.second):
        parts = told.document(package, "data/00_index/contents.json")["parts"]
        states.append(next(one for one in parts if one["id"] == "source_verification"))
    assert states[0] != states[1] and JSON in json.dumps(states[1])


def test_an_aggregate_package_tells_counts_of_all_together_and_no_hospital(told: Told) -> None:
    found = told.document(told.aggregate, JSON)
    assert CLERK.organisation not in json.dumps(found) and told.file(told.aggregate, CSV) is None
    assert told.sheet not in json.dumps(found) and sha256_hex(told.content) not in json.dumps(found)
    assert {name for one in found["lines"] for name in one} == {"variable", "asked", "compared", "agreed"}
    meno = next(one for one in found["lines"] if one["variable"] == "meno")
    assert meno["agreed"] is None, "ten of thirty who differ are few"
