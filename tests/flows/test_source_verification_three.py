"""Three hospitals: two return their sheets and one does not, and what the packages of every later day say of it.

The first round's charts bear the platform out badly. The team closes it and draws again; one hospital returns a sheet
in which everything agrees. Nothing of the first round may be gone.
"""

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
from rwd_platform.demo.patients import demo_patients
from rwd_platform.demo.people import register_organisations
from rwd_platform.demo.resources import resources
from rwd_platform.flows.chart_sheets import return_sheet
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.source_verification import close_round
from rwd_platform.flows.verification_rounds import RoundSeen
from rwd_platform.flows.verify_package import verify_package_at
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import EvidencePackage
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.evidence.sample.made import FilledBy, as_platform, filled
from tests.flows.saying import say_everything
from tests.flows.sending import CLERK, CLERK_B, RESEARCHER, ndjson, sent
from tests.flows.test_evidence_versions import analysed as analyse
from tests.flows.test_evidence_versions import assembled
from tests.flows.test_study import Naming, frozen
from tests.flows.unsealing import settle
from tests.flows.verifying import UNTIL, drawn, every_third_differs, sample, study_of

CLERK_C = Actor("clerk-c", "hospital", "org-hospital-c")
SENDS = {CLERK: range(0, 16), CLERK_B: range(16, 32), CLERK_C: range(32, 46)}
JSON, CSV = "data/04_quality/source_verification.json", "data/04_quality/source_verification.csv"
NUMBERS = "data/06_report/numbers.json"
TABLE = "data/05_results/tables/{}_en.csv"
WHY = "=1+1 丙医院本季度无法查阅病历，先行关闭"  # a formula, were it not made inert
AGAIN = "补充核对完毕，本轮结束"


@dataclass(frozen=True)
class Told:
    """`waits`: two of three sheets are back and the round is open; `first`: it is closed; `second`: after another."""

    platform: Platform
    waits: EvidencePackage
    first: EvidencePackage
    second: EvidencePackage
    aggregate: EvidencePackage
    content: dict[str, bytes]
    values: dict[tuple[str, int], str]

    def file(self, package: EvidencePackage, name: str) -> bytes:
        folder = self.platform.layout.packages / package.file_name.removesuffix(".zip")
        return (folder / name).read_bytes()

    def document(self, package: EvidencePackage, name: str = JSON) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file(package, name))
        return found

    def table(self, package: EvidencePackage, key: str) -> list[list[str]]:
        text = self.file(package, TABLE.format(key)).decode("utf-8-sig")
        return list(csv.reader(io.StringIO(text)))


def give_back(platform: Platform, seen: RoundSeen, clerk: Actor, by: FilledBy) -> bytes:
    content = filled(sample(platform, seen), clerk.organisation, by)
    sheet = next(one for one in seen.sheets if one.organisation_id == clerk.organisation)
    assert return_sheet(platform, clerk, sheet.id, content).accepted
    return content


def of_three(home: Path, clock: StandingClock) -> Platform:
    """Forty-six patients of three hospitals, analysed and unsealed, with everything said that a package asks for."""
    platform = open_platform(Settings(home=home, demo=True), clock)
    register_organisations(platform)
    settle(platform, RESEARCHER, CLERK, CLERK_B, CLERK_C)
    for clerk, places in SENDS.items():
        chosen = [one for n in places for _, one in resources(demo_patients(1)[n], Naming(n))]
        sent(platform, {"all.ndjson": ndjson(*chosen)}, clerk)
    study = frozen(platform)
    analyse(platform, study, clock)
    say_everything(platform, RESEARCHER, study.id)
    return platform


@pytest.fixture(scope="module")
def told(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home, clock = tmp_path_factory.mktemp("three") / "home", StandingClock()
    home.mkdir()
    shutil.copyfile(sqlite_template, home / "records.db")
    platform = of_three(home, clock)
    study, seen = study_of(platform), drawn(platform)
    values = {
        (one.drawn.hospital, one.drawn.place): str(one.values["meno"]) for one in sample(platform, seen).rows
    }
    content = {
        clerk.organisation: give_back(platform, seen, clerk, every_third_differs)
        for clerk in (CLERK, CLERK_B)
    }
    waits = assembled(platform, study)
    close_round(platform, RESEARCHER, study.id, WHY)
    first = assembled(platform, study)
    clock.advance(hours=1)
    give_back(platform, drawn(platform, until="2026-11-01"), CLERK, as_platform)
    close_round(platform, RESEARCHER, study.id, AGAIN)
    second, aggregate = assembled(platform, study), assembled(platform, study, "aggregate")
    yield Told(platform, waits, first, second, aggregate, content, values)
    platform.records.engine.dispose()


def meno_of(lines: list[dict[str, Any]], hospital: str = "") -> dict[str, Any]:
    return next(one for one in lines if (one["variable"], one.get("hospital", "")) == ("meno", hospital))


def pairs_of(told: Told) -> list[tuple[str, str]]:
    """(platform, chart) of both hospitals' menopausal states, from what they wrote."""
    found = []
    for hospital, content in told.content.items():
        for row in list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))[1:]:
            if row[6] == "meno":
                found.append((told.values[hospital, int(row[1])], row[9] or "not_recorded"))
    return found


def test_every_package_verifies_and_each_is_a_version_of_its_own(told: Told) -> None:
    assert [one.version for one in (told.waits, told.first, told.second)] == [1, 2, 3]
    for package in (told.waits, told.first, told.second, told.aggregate):
        path = told.platform.layout.packages / package.file_name
        assert verify_package_at(path, told.platform.package_signer.public_key, None).holds


def test_while_the_round_is_open_a_package_says_so_and_shows_no_agreement(told: Told) -> None:
    found = told.document(told.waits)
    assert found["open_round"] == {"number": 1, "charts_known_until": UNTIL, "issued": 3, "returned": 2}
    assert found["number"] is None and found["lines"] == found["sheets"] == found["other_rounds"] == []
    assert len(told.file(told.waits, CSV).decode().splitlines()) == 1, "the heads alone"
    numbers = told.document(told.waits, NUMBERS)["numbers"]
    assert not [one for one in numbers if one["file"] == JSON]
    assert "still open" in told.file(told.waits, "data/06_report/report.json").decode()


def test_the_next_version_tells_both_hospitals_and_says_that_the_third_returned_none(told: Told) -> None:
    found = told.document(told.first)
    assert [one["hospital"] for one in found["sheets"]] == [CLERK.organisation, CLERK_B.organisation]
    assert [one["sha256"] for one in found["sheets"]] == [sha256_hex(one) for one in told.content.values()]
    assert (found["issued"], found["returned"], found["outstanding"]) == (3, 2, [CLERK_C.organisation])
    assert (found["rows"], found["open_round"], found["other_rounds"]) == (32, None, [])
    by_hospital = [meno_of(found["lines"], one)["compared"] for one in told.content]
    assert by_hospital == [16, 16] and meno_of(found["lines"])["compared"] == 32
    assert CLERK_C.organisation not in {one["hospital"] for one in found["lines"]}
    ((number, _until, returned, issued, absent, why),) = told.table(told.first, "verification_rounds")[1:]
    assert (number, returned, issued, absent) == ("1", "2", "3", "Demo Hospital C")
    assert why == f"'{WHY}", "no formula where somebody opens it"


def test_kappa_of_both_hospitals_together_is_that_of_statsmodels(told: Told) -> None:
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    pairs, meno = pairs_of(told), meno_of(told.document(told.first)["lines"])
    names = sorted({name for pair in pairs for name in pair})
    table = np.zeros((len(names), len(names)))
    for mine, theirs in pairs:
        table[names.index(mine), names.index(theirs)] += 1
    assert meno["kappa"]["kappa"] == pytest.approx(cohens_kappa(table).kappa, abs=5e-7)
    assert meno["agreed"] == sum(mine == theirs for mine, theirs in pairs) < len(pairs) == 32


def test_after_drawing_again_the_first_round_s_share_and_kappa_are_in_file_and_report(told: Told) -> None:
    before, after = told.document(told.first), told.document(told.second)
    assert (after["number"], after["closed_because"], after["returned"]) == (2, AGAIN, 1)
    assert meno_of(after["lines"])["share"] == 1.0, "the one sheet of the second round finds nothing"
    (other,) = after["other_rounds"]
    assert {name: other[name] for name in other} == {name: before[name] for name in other}, "whole, as it was"
    assert (other["number"], other["closed_because"]) == (1, WHY)
    meno = meno_of(other["lines"])
    shown = next(
        row for row in told.table(told.second, "verification_earlier") if row[1] == meno["title"]["en"]
    )
    share = f"{meno['share']:.1%} ({meno['lower']:.1%}–{meno['upper']:.1%})"
    kappa = "{kappa:.2f} ({lower:.2f}–{upper:.2f})".format(**meno["kappa"])
    assert shown == ["1", meno["title"]["en"], str(meno["compared"]), str(meno["agreed"]), share, kappa]
    numbers = told.document(told.second, NUMBERS)["numbers"]
    place = other["lines"].index(meno)
    pointers = {one["pointer"] for one in numbers if one["place"].startswith("table:verification_earlier:")}
    stem = f"/other_rounds/0/lines/{place}"
    assert {f"{stem}/share", f"{stem}/kappa/kappa", f"{stem}/compared", f"{stem}/agreed"} <= pointers
    listed = csv.DictReader(io.StringIO(told.file(told.second, CSV).decode("utf-8-sig")))
    mine = {row["round"]: row for row in listed if (row["variable"], row["organisation_id"]) == ("meno", "")}
    assert float(mine["1"]["share"]) == meno["share"] and float(mine["2"]["share"]) == 1.0


def test_an_aggregate_package_counts_both_rounds_and_tells_no_hospital(told: Told) -> None:
    """32 rows and 16 of the same: both are told, for they lie 16 apart. The eleven or twelve who differ are not few."""
    found = told.document(told.aggregate)
    (other,) = found["other_rounds"]
    assert [(one["number"], one["rows"]) for one in (found, other)] == [(2, 16), (1, 32)]
    assert not found["all_returned"] and not other["all_returned"]
    text = json.dumps(found, ensure_ascii=False)
    assert "org-hospital" not in text and "SV-" not in text and "丙医院" not in text
    wrong = sum(mine != theirs for mine, theirs in pairs_of(told))
    assert meno_of(other["lines"])["agreed"] == (32 - wrong if wrong >= 11 else None)
    age = next(one for one in other["lines"] if one["variable"] == "age")
    assert (age["compared"], age["agreed"]) == (32, 32)
    assert [row[:2] for row in told.table(told.aggregate, "verification_rounds")[1:]] == [
        ["2", "16"],
        ["1", "32"],
    ]
