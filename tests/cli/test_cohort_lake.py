"""`rwd cohort check | count | steps | explain | codes`: the house's own definitions, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calling import Rwd

DEFINITION = """
cohort:
  language: 2
  source: {zh: 乐城, en: Lecheng}
  entry:
    title: {zh: 首次手术, en: First operation}
    pick: first
    events:
      - {table: procedure, codes: {list: mastectomy@1}}
  require:
    - id: adult
      reason: {zh: 未满十八周岁, en: Under 18}
      patient: {age: {at_least: 18}}
"""
RELEASE = """#system,http://hl7.org/fhir/sid/icd-9-cm
#release,one
code,status,replaced_by,parent
85.4,active,,
85.41,active,,85.4
"""


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "cohort.yaml"
    path.write_text(DEFINITION, encoding="utf-8")
    return path


def test_a_definition_is_said_in_sentences_and_an_unsigned_list_is_named(rwd: Rwd, written: Path) -> None:
    answer = rwd("cohort", "check", written, "--json")
    assert answer.code == 1
    said = answer.document
    assert "adult" in {one["id"] for one in said["sentences"]}
    assert [one["code"] for one in said["findings"] if one["level"] == "error"] == ["code_list_unsigned"]


def test_a_definition_that_cannot_be_read_is_exit_2_and_names_the_line(rwd: Rwd, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(DEFINITION.replace("table: procedure", "table: nothing"), encoding="utf-8")
    answer = rwd("cohort", "check", wrong, "--json")
    assert answer.code == 2
    assert answer.document["error"]["code"] == "protocol.refused"


def test_the_lists_can_be_seen_and_compared(rwd: Rwd) -> None:
    listed = rwd("cohort", "codes", "list", "--json").document["lists"]
    assert {one["reference"] for one in listed} >= {"breast-cancer@1", "mastectomy@1"}
    shown = rwd("cohort", "codes", "show", "mastectomy@1")
    assert shown.code == 0
    assert "85.48" in shown.stdout.decode()
    assert rwd("cohort", "codes", "diff", "mastectomy@1", "mastectomy@1").code == 0
    changed = rwd("cohort", "codes", "diff", "mastectomy@1", "breast-cancer@1", "--json")
    assert changed.code == 1
    assert len(changed.document["removed"]) == 9
    assert rwd("cohort", "codes", "show", "nothing@1").code == 2


def test_a_new_release_shows_what_it_would_change(rwd: Rwd, written: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text(RELEASE, encoding="utf-8")
    new.write_text(
        RELEASE.replace("85.41,active", "85.41,retired") + "85.49,active,,85.4\n", encoding="utf-8"
    )
    answer = rwd("cohort", "codes", "impact", old, new, written, "--json")
    assert answer.code == 1
    [one] = answer.document["cohorts"]
    system = "http://hl7.org/fhir/sid/icd-9-cm"
    assert one["lists"] == [
        {"name": "mastectomy@1", "added": [[system, "85.49"]], "removed": [[system, "85.41"]]}
    ]
    assert rwd("cohort", "codes", "impact", old, old, written).code == 0


def test_counts_need_a_deployment_and_an_empty_lake_has_every_step(
    rwd: Rwd, home: Path, written: Path
) -> None:
    answer = rwd("cohort", "count", written, "--json")
    assert answer.code == 0
    found = answer.document
    assert [one["id"] for one in found["steps"]][-3:] == ["adult", "exit", "era"]
    assert {one["remaining"] for one in found["steps"]} == {None}
    assert (found["minimum"], found["base"]) == (10, 5)


def test_a_count_of_outcomes_is_refused_by_policy(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    asks = tmp_path / "outcome.yaml"
    asks.write_text(
        DEFINITION.replace("{table: procedure, codes: {list: mastectomy@1}}", "{table: outcome_event}"),
        encoding="utf-8",
    )
    answer = rwd("cohort", "count", asks, "--json")
    assert answer.code == 3
    assert answer.document["error"]["code"] == "feasibility.outcomes"
