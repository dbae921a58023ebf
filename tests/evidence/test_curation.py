"""The curation plan, the consents and the table of what is missing: written from facts, readable, and of no patient."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import random
import re
from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.text import Bilingual
from studies.evidence.aggregate import SMALLEST_CELL, cell_of
from studies.evidence.curation import BAND, consents, curation_plan, missing_file
from studies.evidence.inputs import PackageInputs, Source
from studies.missingness import Missing
from studies.protocol import Protocol, load_protocol
from tests.evidence.fixtures import PROTOCOL, rotterdam_inputs_without_results, with_changes
from tests.studies.rotterdam_lock import rotterdam_protocol

RULE = {
    "id": "age_plausible", "kahn": "plausibility", "severity": "error", "limit": 0.05,
    "zh": "年龄合理", "en": "Age is plausible",
}  # fmt: skip
QUALITY: dict[str, Any] = {"checks": {"rules": [RULE]}}
DEIDENTIFIED: dict[str, Any] = {
    "policy": {"name": "lake", "version": "1.0", "sha256": "a" * 64},
    "project": {
        "pseudonyms": "project",
        "dates": "days",
        "age": "years at index",
        "generalised": {"subject.zip": "drop", "subject.birth": "year"},
    },
    "dropped": {"Patient.name": 2982},
}


def valve() -> Protocol:
    return load_protocol(PROTOCOL.with_name("valve.yaml").read_text(encoding="utf-8"))


def plan(protocol: Protocol | None = None, **facts: Any) -> str:
    held = {"quality": QUALITY, "deidentified": DEIDENTIFIED, **facts}
    return curation_plan(protocol or rotterdam_protocol(), held["quality"], held["deidentified"]).decode()


def cells(line: str) -> list[str]:
    """A row of a table as GitHub's Markdown reads it: a backslash escapes the sign after it, a bare | ends a cell."""
    found, cell, signs = [], "", iter(line.strip()[1:])
    for sign in signs:
        if sign == "|":
            found.append(cell.strip())
            cell = ""
        else:
            cell += next(signs, "") if sign == "\\" else sign
    assert not cell.strip(), "every row ends with its sign"
    return found


def tables(text: str) -> list[list[list[str]]]:
    """All tables, each with its head and rows; the line of dashes is left out."""
    made = [part.splitlines() for part in re.findall(r"(?:^\|.*\n)+", text, re.M)]
    return [[cells(line) for line in one if not set(line) <= set("|-")] for one in made]


def aggregate() -> PackageInputs:
    return with_changes(rotterdam_inputs_without_results(), audience="aggregate")


def missing(subjects: int, gone: int, title: str = "变量") -> Missing:
    return Missing("size", Bilingual(title, title), subjects, gone, subjects, gone, 0, 0)


def rows(content: bytes) -> list[dict[str, str]]:
    assert content.startswith(b"\xef\xbb\xbf"), "a spreadsheet reads the Chinese"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


# The plan


@pytest.mark.parametrize("protocol", [rotterdam_protocol, valve])
def test_the_plan_names_every_variable_rule_and_policy(protocol: Any) -> None:
    one = protocol()
    variables, outcome, rules, protection = tables(plan(one))
    assert len({len(row) for row in variables}) == 1
    named = [row[0] for row in variables[1:]]
    expected = [one.exposure.title, *[one.outcome.title] * len(one.outcome.sources)]
    expected += [each.title for each in one.covariates]
    assert named == [f"{title.zh} · {title.en}" for title in expected]
    assert len(outcome) == 1 + len(one.outcome.rules)
    assert rules[1:] == [["`age_plausible`", "plausibility", "error", "0.05", "年龄合理 · Age is plausible"]]
    told = dict(row[:2] for row in protection[1:])
    assert told["策略哈希 · SHA-256"] == f"`{'a' * 64}`" and told["`subject.birth`"] == "year"
    assert one.sha256 in plan(one) and one.dated in plan(one)


def test_the_plan_is_the_same_each_time_and_follows_from_the_protocol() -> None:
    assert plan() == plan() and plan() != plan(valve())
    assert plan() != plan(quality={"checks": {"rules": [{**RULE, "limit": 0.1}]}})


def test_the_plan_counts_nobody() -> None:
    """It goes to every recipient: what was dropped and how many rows a rule saw stay outside."""
    counted = {"checks": {"rules": [{**RULE, "rows": 48213, "failed": 77131}]}, "facts": {"rows": 48213}}
    text = plan(quality=counted, deidentified={**DEIDENTIFIED, "dropped": {"Patient.name": 48213}})
    assert text == plan() and "48213" not in text and "Patient.name" not in text


def test_without_rules_or_policy_the_tables_are_there_and_empty() -> None:
    _, _, rules, protection = tables(plan(quality={}, deidentified={}))
    assert len(rules) == 1 and protection[1] == ["去标识策略 · De-identification policy", ""]


@pytest.mark.parametrize(
    "words",
    ["a | b", "a \\| b", "a \\", "\\\\| x", "|", "| --- |", "a\n| b |\n## c", "# a", "`a`|`b`", "<b>|</b>"],
)
def test_words_with_the_signs_of_a_table_stay_in_their_cell(words: str) -> None:
    one = rotterdam_protocol()
    title = Bilingual(words, words)
    protocol = dataclasses.replace(
        one, title=title, exposure=dataclasses.replace(one.exposure, title=title)
    )  # fmt: skip
    rule = {**RULE, "zh": words, "en": words}
    text = plan(protocol, quality={"checks": {"rules": [rule]}})
    variables, _, rules, _ = tables(text)
    line = " ".join(words.split())
    assert variables[1][0] == f"{line} · {line}" and len(variables[1]) == 5
    assert rules[1][4] == " ".join(f"{words} · {words}".split()) and len(rules[1]) == 5
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 5, "nothing written becomes a heading"


@settings(max_examples=80)
@given(st.text(min_size=1).filter(str.strip))
def test_any_words_stay_in_their_cell(words: str) -> None:
    text = plan(quality={"checks": {"rules": [{**RULE, "zh": words, "en": "x"}]}})
    (row,) = [line for line in text.splitlines() if line.startswith("| `age_plausible`")]
    assert cells(row)[4] == " ".join(f"{words} · x".split()) and len(cells(row)) == 5


# Consents


def test_the_two_consents_stand_apart() -> None:
    source = Source("org-1", Bilingual("医院", "Hospital"), (), "DA-1", "entrusted", "ICF-2", "EC-9")
    said = Bilingual("用药前取得，由医院保存。", "Taken before use, kept by the hospital.")
    made = json.loads(consents([source], {"product_consent": said, "gap": said}))
    assert made["use_of_data"] == [
        {
            "organisation_id": "org-1", "name": {"zh": "医院", "en": "Hospital"}, "agreement": "DA-1",
            "consent_version": "ICF-2", "ethics_id": "EC-9", "platform_role": "entrusted",
        }
    ]  # fmt: skip
    assert made["unlicensed_product"] == {"stated": {"zh": said.zh, "en": said.en}, "held_by": "hospital"}


def test_what_was_not_given_is_null_and_not_a_blank() -> None:
    made = json.loads(consents([Source("org-1", Bilingual("医院", "Hospital"), ())], {}))
    (one,) = made["use_of_data"]
    assert {one[name] for name in ("agreement", "consent_version", "ethics_id", "platform_role")} == {None}
    assert made["unlicensed_product"] is None
    assert json.loads(consents([], {}))["use_of_data"] == []


# What is missing


def test_an_authority_gets_counts_by_arm() -> None:
    one = Missing("size", Bilingual("大小", "Size"), 100, 7, 40, 3, 55, 4)
    (row,) = rows(missing_file([one], rotterdam_inputs_without_results(), SMALLEST_CELL))
    assert row == {
        "variable": "size", "title_zh": "大小", "title_en": "Size", "subjects": "100", "missing": "7",
        "exposed": "40", "exposed_missing": "3", "comparator": "55", "comparator_missing": "4",
    }  # fmt: skip


def test_an_aggregate_reader_gets_a_band_and_no_count() -> None:
    (row,) = rows(missing_file([missing(2982, 1)], aggregate(), cell_of(aggregate())))
    assert row == {
        "variable": "size", "title_zh": "变量", "title_en": "变量",
        "missing_percent_from": "0", "missing_percent_to": "5",
    }  # fmt: skip


def band(subjects: int, gone: int, cell: int) -> tuple[int, int]:
    (row,) = rows(missing_file([missing(subjects, gone)], aggregate(), cell))
    return int(row["missing_percent_from"]), int(row["missing_percent_to"])


@settings(max_examples=150)
@given(subjects=st.integers(0, 3000), cell=st.integers(1, 60), data=st.data())
def test_a_band_holds_the_share_and_is_as_wide_as_the_cell(
    subjects: int, cell: int, data: st.DataObject
) -> None:
    gone = data.draw(st.integers(0, subjects))
    low, high = band(subjects, gone, cell)
    assert 0 <= low < high <= 100 and low % BAND == high % BAND == 0
    assert low * subjects <= 100 * gone <= high * subjects
    assert high - low == 100 or (high - low) * subjects >= 100 * cell, "as many people as the cell at least"


@pytest.mark.parametrize(
    "subjects", [1, 9, 10, 11, 19, 20, 27, 33, 40, 66, 75, 99, 100, 120, 199, 200, 201, 500]
)
def test_whoever_knows_the_rule_learns_no_fewer_people_than_the_cell(subjects: int) -> None:
    """All numbers of missing people that come to one band: they are many, and no band overlaps another."""
    told: dict[tuple[int, int], list[int]] = defaultdict(list)
    for gone in range(subjects + 1):
        told[band(subjects, gone, SMALLEST_CELL)].append(gone)
    bands = sorted(told)
    assert bands[0][0] == 0 and bands[-1][1] == 100
    assert all(one[1] == other[0] for one, other in pairwise(bands))
    assert len(bands) == 1 or min(len(some) for some in told.values()) >= SMALLEST_CELL


def test_the_order_of_variables_is_kept_and_titles_are_words_to_a_spreadsheet() -> None:
    chance = random.Random(5)
    signs = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'a"b', "a,b", "a\nb", "大小"]
    chance.shuffle(signs)
    for inputs in (rotterdam_inputs_without_results(), aggregate()):
        found = rows(missing_file([missing(100, 1, one) for one in signs], inputs, SMALLEST_CELL))
        assert [row["title_zh"].removeprefix("'") for row in found] == signs
        assert not any(row[name][:1] in ("=", "+", "-", "@", "\t") for row in found for name in row)
