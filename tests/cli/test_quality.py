"""`rwd quality suite | preview | adopt | series`: what each prints, and by which code it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quality.rules import DRIFT
from quality.suite import load_suites
from rwd_platform.flows.check_quality import thresholds_in_force
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import QualityRun
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese
from tests.flows.questioning import HOSPITAL, settle
from tests.flows.test_quality_thresholds import RULE, TEXT, checked


@pytest.fixture
def platform(rwd: Rwd, home: Path) -> Iterator[Platform]:
    """A deployment in which nothing has been checked yet; its one hospital is on record."""
    opened = open_platform(Settings(home=home, demo=True))
    settle(opened)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Thresholds under which three patients of a hundred without a birth date are too many."""
    path = tmp_path / "thresholds.yaml"
    path.write_text(TEXT.format(mostly=0.99), encoding="utf-8")
    return path


# -- suite --------------------------------------------------------------------------------------------


def test_a_suite_is_written_without_any_deployment(rwd: Rwd) -> None:
    """One document, an expectation or more a rule of rows; with --counts they read a check's counts."""
    of_rows = rwd("quality", "suite", "patient", "--json")
    assert of_rows.code == 0 and of_rows.document["expectations"]
    of_counts = rwd("quality", "suite", "patient", "--counts", "--json")
    named = {one["meta"]["rule"] for one in of_counts.document["expectations"]}
    assert (
        of_counts.code == 0
        and named <= {rule.id for rule in load_suites()["patient"].rules}
        and RULE in named
    )
    assert of_counts.document != of_rows.document


def test_a_suite_in_words_is_the_same_document_on_stdout(rwd: Rwd) -> None:
    """And nothing beside it, so that it can be kept as a file."""
    said = rwd("quality", "suite", "patient")
    assert said.code == 0 and json.loads(said.stdout) == rwd("quality", "suite", "patient", "--json").document


@pytest.mark.parametrize("table", ["patients", "", "患者", "../patient", "x" * 5000])
def test_a_table_without_a_suite_is_malformed_input(rwd: Rwd, table: str) -> None:
    answer = rwd("quality", "suite", table, "--json")
    error = answer.document["error"]
    assert (answer.code, error["code"]) == (2, "quality.no_suite")
    assert "patient" in error["en"] and is_chinese(error["zh"])


# -- check --------------------------------------------------------------------------------------------


def test_a_check_in_words_counts_every_status_and_names_what_failed(
    rwd: Rwd, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ "admit" alone says nothing: a rule that fails is named with its text in both languages, and which spoke of
    nothing is counted. Progress goes to stderr; beside JSON nothing but the document changes.
    """

    def counted(where: Platform, who: Actor, begins: Callable[[str], None]) -> QualityRun:
        begins("patient")
        return checked(where, failing=30)

    monkeypatch.setattr("rwd_platform.flows.check_quality.check_quality", counted)
    told = rwd("quality", "check")
    lines = told.stdout.decode().splitlines()
    rules = sum(len(suite.rules) for suite in load_suites().values())
    drifting = sum(rule.kind in DRIFT for suite in load_suites().values() for rule in suite.rules)
    assert f"{drifting:>7,}  不适用 · not applicable" in lines and f"{1:>7,}  未通过 · fail" in lines
    assert f"{rules - drifting - 1:>7,}  通过 · pass" in lines
    failing = next(number for number, line in enumerate(lines) if line.startswith(f"✗ {RULE}  {HOSPITAL}"))
    assert "30/100" in lines[failing]
    assert is_chinese(lines[failing + 1]) and lines[failing + 2].strip().isascii()
    assert (told.code, lines[-1]) == (1, "隔离 · quarantine")
    assert "patient" in told.stderr

    answer = rwd("quality", "check", "--json")
    assert answer.code == 1 and answer.document["gate"]["verdict"] == "quarantine"
    assert "… patient" not in answer.stderr


# -- preview and adopt --------------------------------------------------------------------------------


def test_a_preview_ends_with_1_when_a_verdict_would_change_and_keeps_nothing(
    rwd: Rwd, platform: Platform, file: Path
) -> None:
    checked(platform)
    found = rwd("quality", "preview", file, "--json")
    assert found.code == 1
    (change,) = [one for one in found.document if (one["rule"], one["organisation_id"]) == (RULE, HOSPITAL)]
    assert (change["table"], change["before"], change["after"]) == ("patient", "pass_with_rows", "fail")
    words = rwd("quality", "preview", file)
    assert words.code == 1 and f"{RULE}\t{HOSPITAL}\tpass_with_rows -> fail" in words.stdout.decode()
    assert thresholds_in_force(platform) is None


def test_thresholds_that_change_nothing_end_with_0_and_an_empty_list(
    rwd: Rwd, platform: Platform, file: Path
) -> None:
    checked(platform)
    file.write_text(TEXT.format(mostly=0.95), encoding="utf-8")
    answer = rwd("quality", "preview", file, "--json")
    assert (answer.code, answer.document) == (0, [])


def test_adopted_thresholds_are_in_force_and_end_with_1_where_the_gate_holds_back(
    rwd: Rwd, platform: Platform, file: Path
) -> None:
    checked(platform)
    answer = rwd("quality", "adopt", file, "--json")
    assert (answer.code, answer.document["gate"]["verdict"]) == (1, "quarantine")
    in_force = thresholds_in_force(platform)
    assert in_force is not None and in_force.rules == {RULE: {"mostly": 0.99}}
    assert rwd("quality", "preview", file, "--json").document == [], "judged by them already"

    file.write_text(TEXT.format(mostly=0.95), encoding="utf-8")
    relaxed = rwd("quality", "adopt", file)
    assert (relaxed.code, relaxed.stdout) == (0, b"admit\n")


@pytest.mark.parametrize("verb", ["preview", "adopt"])
def test_without_a_check_there_is_nothing_to_judge(
    rwd: Rwd, platform: Platform, file: Path, verb: str
) -> None:
    answer = rwd("quality", verb, file, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, "quality.no_run")
    assert "rwd quality check" in answer.document["error"]["next_en"]


BAD = {
    "empty": (b"", "quality.thresholds_malformed"),
    "not a thresholds file": (b"format_version: 1\nrules: {}\n", "quality.thresholds_malformed"),
    "a list": (b"- 1\n", "quality.thresholds_malformed"),
    "not YAML": (b"rules: {", "quality.thresholds_malformed"),
    "a share above 1": (TEXT.format(mostly=1.5).encode(), "quality.thresholds_malformed"),
    "no number": (TEXT.format(mostly="many").encode(), "quality.thresholds_malformed"),
    "a rule nobody knows": (
        TEXT.format(mostly=0.9).replace("birth_date_present", "born").encode(),
        "quality.thresholds_malformed",
    ),
    "not UTF-8": ("who: 赵".encode("gbk"), "cli.not_text"),
    "bombs": (b"a: &a [x,x]\nb: &b [*a,*a]\n" + b"c: [*b,*b]\n" * 3, "quality.thresholds_malformed"),
}


@pytest.mark.parametrize("verb", ["preview", "adopt"])
@pytest.mark.parametrize("what", BAD)
def test_a_bad_thresholds_file_is_named_and_judges_nothing(
    rwd: Rwd, platform: Platform, file: Path, verb: str, what: str
) -> None:
    content, code = BAD[what]
    checked(platform)
    file.write_bytes(content)
    answer = rwd("quality", verb, file, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (2, code)
    assert thresholds_in_force(platform) is None


@pytest.mark.parametrize("verb", ["preview", "adopt"])
def test_a_file_that_is_not_there_and_a_folder_are_wrong_use(
    rwd: Rwd, platform: Platform, tmp_path: Path, verb: str
) -> None:
    missing = rwd("quality", verb, tmp_path / "none.yaml", "--json")
    assert (missing.code, missing.document["error"]["code"]) == (2, "cli.file_missing")
    folder = rwd("quality", verb, tmp_path, "--json")
    assert (folder.code, folder.document["error"]["code"]) == (2, "cli.is_folder")
    assert rwd("quality", verb).code == 2, "no file was named at all"


# -- series -------------------------------------------------------------------------------------------


def test_a_series_has_a_point_for_every_check_oldest_first(rwd: Rwd, platform: Platform) -> None:
    checked(platform, 3)
    checked(platform, 9)
    answer = rwd("quality", "series", "--rule", RULE, "--json")
    assert answer.code == 0
    points = {
        one["organisation_id"]: [point["failing"] for point in one["points"]] for one in answer.document
    }
    assert points == {None: [3, 9], HOSPITAL: [3, 9]}
    words = rwd("quality", "series", "--rule", RULE).stdout.decode()
    assert f"{RULE}\t{HOSPITAL}\tfail\t91/100\t2" in words and f"{RULE}\t-\t" in words


def test_several_rules_are_named_one_by_one_and_without_any_all_are_shown(
    rwd: Rwd, platform: Platform
) -> None:
    checked(platform)
    other = next(rule.id for rule in load_suites()["visit"].rules)
    two = rwd("quality", "series", "--rule", RULE, "--rule", other, "--json").document
    assert {one["rule"] for one in two} == {RULE, other}
    every = rwd("quality", "series", "--json").document
    assert {one["rule"] for one in every} == {
        rule.id for suite in load_suites().values() for rule in suite.rules
    }


@pytest.mark.parametrize("rule", ["none.such", "", "' or 1=1 --"])
def test_a_rule_that_no_check_knew_has_no_series(rwd: Rwd, platform: Platform, rule: str) -> None:
    """Nothing was ever asked about it: an empty list, and no mistake."""
    checked(platform)
    answer = rwd("quality", "series", "--rule", rule, "--json")
    assert (answer.code, answer.document) == (0, [])


def test_before_the_first_check_there_is_no_series(rwd: Rwd, platform: Platform) -> None:
    answer = rwd("quality", "series", "--json")
    assert (answer.code, answer.document) == (0, [])
