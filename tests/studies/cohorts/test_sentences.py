"""A definition as sentences: what a clinician reads is the whole of what the engine runs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from studies.cohorts.circe import read_circe
from studies.cohorts.definition import Bound, Codes, Group
from studies.cohorts.phrases import words
from studies.cohorts.sentences import sentences
from studies.cohorts.tables import MODELS, load_model
from tests.studies.cohorts.circe_cases import expression, group, related, window
from tests.studies.cohorts.language_cases import HEAD, MODEL, codes, read

CANCER = (
    "{table: condition, codes: {title: {zh: 乳腺癌, en: breast cancer}, system: 'http://hl7.org/fhir/sid/icd-10', "
    "any_of: [C50.9]}, where: {status: confirmed}}"
)
ENTRY = f"entry:\n  title: {{zh: 手术, en: Operation}}\n  events:\n    - {CANCER}\n"
GFR = "{table: measurement, codes: {system: 'http://loinc.org', any_of: [33914-3]}}"
CASES = [
    (
        f"events: {CANCER}, days: [-60, 0]",
        "须满足：起始日前 60 天内（含当日）有确诊的乳腺癌诊断（ICD-10 C50.9）；离开队列的原因记为“无”。",
        "Required: a confirmed diagnosis of breast cancer (ICD-10 C50.9) in the 60 days up to and including the "
        'index date; who leaves is noted as "None".',
    ),
    (
        f"no_events: {CANCER}, days: [-365, -1]",
        "须满足：起始日前 365 天内（不含当日）没有确诊的乳腺癌诊断（ICD-10 C50.9）；离开队列的原因记为“无”。",
        "Required: no confirmed diagnoses of breast cancer (ICD-10 C50.9) in the 365 days before the index date; "
        'who leaves is noted as "None".',
    ),
    (
        f"events: {GFR}, days: [-90, 0], of: last, then: {{value: {{at_least: 30, unit: mL/min}}}}",
        "须满足：起始日前 90 天内（含当日）有测量（LOINC 33914-3），取其最后一次，"
        "其数值至少 30 mL/min；离开队列的原因记为“无”。",
        "Required: the last of the measurements (LOINC 33914-3) in the 90 days up to and including the index date, "
        'with value at least 30 mL/min; who leaves is noted as "None".',
    ),
    (
        "patient: {age: {at_least: 18}, gender: female}",
        "须满足：年龄（周岁）至少 18 岁且性别为女；离开队列的原因记为“无”。",
        'Required: age in completed years at least 18 and gender is female; who leaves is noted as "None".',
    ),
    (
        f"any: [{{events: {GFR}, days: [-30, -10], count: {{at_least: 2, distinct: day}}}}, "
        "{patient: {gender: male}}]",
        "须满足：起始日前 30 天至前 10 天（按不同日期计数）至少有 2 次测量（LOINC 33914-3）；"
        "或者性别为男；离开队列的原因记为“无”。",
        "Required: (counted by different days) at least 2 measurements (LOINC 33914-3) from 30 to 10 days before "
        'the index date; or gender is male; who leaves is noted as "None".',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "zh", "en"), CASES)
def test_a_criterion_reads_as_a_clinician_would_say_it(condition, zh, en):
    """When, how many, of what; codes by the names of their systems; the reason that is noted."""
    cohort = read(f"{HEAD}{ENTRY}require:\n  - {{id: one, reason: {{zh: 无, en: None}}, {condition}}}\n")
    said = {one.id: one for one in sentences(cohort, MODEL)}["one"]
    assert (said.text.zh, said.text.en, said.line) == (zh, en, 8)


RICH = f"""{HEAD}entry:
  title: {{zh: 手术, en: Operation}}
  pick: last
  observed: {{before: 30, after: 3}}
  between: {{from: "2000-01-01", to: "2004-01-01"}}
  events:
    - {{table: condition, codes: {codes("A", "B")}, first: true, where: {{status: [confirmed, other]}}}}
    - {{table: drug_use, codes: [{{list: statins@1}}, {{system: 's', any_of: [Q], except: true}}], pick: first,
       where: {{dose: {{between: [1, 2], unit: mg}}, returned: false, visit.class: IMP}},
       shift: {{start_days: 2, end_days: 7}}}}
qualify: {{events: {GFR}, days: [null, 0], pick: first}}
require:
  - {{id: a, reason: {{zh: 一, en: one}}, patient: {{age: {{at_least: 18, less_than: 90}}}}}}
  - {{id: b, reason: {{zh: 二, en: two}}, at_least: {{number: 2, of: [
       {{events: {GFR}, days: [-90, 0], of: first, then: {{value: {{more_than: 3, unit: g}}}}}},
       {{events: {CANCER}, days: [-90, -1], count: {{at_least: 2, distinct: code}}, same_visit: true}},
       {{events: {CANCER}, days: [-80, -3], count: {{exactly: 3}}, dates: {{event: end, index: end}}}},
       {{no_events: {CANCER}, days: [null, null], observed_only: false}}]}}}}
  - {{id: c, reason: {{zh: 三, en: three}}, at_most: {{number: 1, of: [
       {{patient: {{gender: {{none_of: [male, other]}}}}}},
       {{events: {{table: visit, where: {{class: {{starts_with: I}}}},
         within: {{events: {GFR}, days: [0, 0]}}}}, days: [-9, 5]}}]}}}}
exclude:
  - {{id: d, reason: {{zh: 四, en: four}}, none: [
       {{events: {CANCER}, days: [0, null]}}, {{patient: {{gender: male}}}}]}}
limit: first
exit: {{exposure: [{CANCER}], gap_days: 30, extra_days: 4, supply_days: 9}}
censor: [{GFR}]
era_gap_days: 12
window: {{from: "2001-01-01", to: "2002-01-01"}}
"""
OTHERS: dict[str, tuple[Any, ...]] = {
    "operator": ("all", "any", "at_least", "at_most", "exactly", "ge", "gt", "eq", "in", "not_in", "starts"),
    "pick": ("all", "first", "last"), "limit": ("all", "first", "last"), "of": ("all", "first", "last"),
    "qualify_limit": ("all", "first", "last"), "event": ("start", "end"), "index": ("start", "end"),
    "start_from": ("start", "end"), "end_from": ("start", "end"), "side": ("start", "end"),
    "table": ("procedure", "imaging"), "column": ("status", "instrument", "code"), "distinct": ("visit", "code", ""),
}  # fmt: skip
SILENT = ("line", "name")  # a place in a text, and the cohort's own name, are not conditions


def changed(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Copies of a definition that differ in one leaf, each with the name of that leaf."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for one in dataclasses.fields(value):
            if one.name in SILENT and not isinstance(value, Codes):
                continue
            for leaf, other in changed(getattr(value, one.name), one.name):
                if not _means_the_same(value, leaf, one.name, other):
                    yield f"{type(value).__name__}.{leaf}", dataclasses.replace(value, **{one.name: other})
    elif isinstance(value, tuple):
        for at, one in enumerate(value):
            for leaf, other in changed(one, field):
                again = (*value[:at], other, *value[at + 1 :])
                yield leaf, type(value)(*again) if hasattr(value, "_fields") else again
    elif isinstance(value, frozenset):
        yield field, value | {("s", "another")}
        yield field, frozenset(sorted(value)[1:])
    elif isinstance(value, bool):
        yield field, not value
    elif isinstance(value, int | float):
        yield field, value + 1
    elif isinstance(value, str):
        others = OTHERS.get(field, (f"{value}x",))
        yield from ((field, other) for other in others if other != value and _alike(value, other, others))


def _alike(value: str, other: str, others: tuple[Any, ...]) -> bool:
    """Operators are changed into ones that take as many values."""
    ones, sets, groups = {"ge", "gt", "eq", "starts"}, {"in", "not_in"}, {"all", "any", "at_least", "at_most"}
    kinds = [ones, sets, groups | {"exactly"}]
    return "ge" not in others or any({value, other} <= kind for kind in kinds)


def _means_the_same(owner: Any, leaf: str, field: str, other: Any) -> bool:
    """Changes of the text of a definition that change nothing of what it says."""
    if isinstance(owner, Bound):
        return field == "side"  # of a bound in days; that of an open one is its place in the window
    if isinstance(owner, Group):
        parts = len(owner.related) + len(owner.about_patient) + len(owner.groups)
        if field == "operator":
            return (
                parts == 0 or other == "exactly" or (parts == 1 and {owner.operator, other} == {"all", "any"})
            )
        return field == "number" and owner.operator in ("all", "any")
    return field == "operator" and hasattr(owner, "distinct") and other in ("all", "any")


def test_nothing_of_a_definition_is_left_unsaid():
    """Whatever leaf of the definition is changed, the sentences change, in both languages."""
    cohort = read(RICH)
    said = sentences(cohort, MODEL)
    tried = 0
    for leaf, other in changed(cohort):
        again = sentences(other, MODEL)
        zh, en = (
            [(one.id, one.text[at]) for one in again] != [(one.id, one.text[at]) for one in said]
            for at in (0, 1)
        )
        # A reason and a title are written in each language by themselves; all else is said in both.
        assert (zh or en) if leaf.endswith(("Rule.reason", "Codes.name")) else (zh and en), leaf
        tried += 1
    assert tried > 250


def test_every_part_of_a_definition_has_its_sentence_and_its_line():
    """The editor shows sentence and YAML side by side."""
    said = sentences(read(RICH), MODEL)
    assert [one.id for one in said] == [
        "cohort.entry", "cohort.qualify", "a", "b", "c", "d", "cohort.limit", "cohort.exit", "cohort.censor.1",
        "cohort.era", "cohort.window",
    ]  # fmt: skip
    lines = {one.id: one.line for one in said}
    assert (lines["cohort.entry"], lines["a"], lines["d"]) == (9, 15, 26)


def test_neither_language_stands_for_the_other():
    """Words of ours are translated; codes, and what a definition says itself, stand as written."""
    for one in sentences(read(RICH), MODEL):
        assert any("\u4e00" <= letter <= "\u9fff" for letter in one.text.zh)
        assert not any("\u4e00" <= letter <= "\u9fff" for letter in one.text.en), one.text.en


def test_a_circe_definition_is_said_too():
    """The words come from the definition, not from its text; it has no lines."""
    drug = {"DrugExposure": {"CodesetId": 2}}
    text = json.dumps(
        expression(
            {"ConditionOccurrence": {"CodesetId": 1}},
            limit="First",
            AdditionalCriteria=group("ALL", related(drug, window(-30, 0))),
        )
    )
    said = sentences(read_circe(text, None, "case"), load_model("omop"))
    assert "30 days up to and including the index date" in said[1].text.en
    assert "诊断记录" in said[0].text.zh and all(one.line == 0 for one in said)


def test_a_long_list_is_named_counted_and_told_apart_from_any_other():
    """Nobody reads a thousand codes; a digest shows that two lists of one name differ."""
    listed = codes(*(f"C{number}" for number in range(40)))
    query = f"{{table: condition, codes: {listed}}}"
    text = f"{HEAD}entry:\n  title: {{zh: 甲, en: A}}\n  events: [{query}]\n"
    one, other = (sentences(read(each), MODEL)[0].text for each in (text, text.replace("C39", "C40")))
    assert "40 codes in all" in one.en and "共 40 个代码" in one.zh and one.en != other.en


@pytest.mark.parametrize("model", MODELS)
def test_every_table_of_a_model_has_words(model):
    """In both languages, one and several."""
    for name in load_model(model).events:
        zh, single, several = words()["tables"][name]
        assert any("\u4e00" <= letter <= "\u9fff" for letter in zh) and single and several != zh


def test_no_two_values_of_a_column_share_a_word():
    """Else a change of the value would not change the sentence."""
    for kind in ("values", "adjectives"):
        for column, known in words()[kind].items():
            for language in (0, 1):
                said = [each[language] for each in known.values()]
                assert len(set(said)) == len(said), column
    tables = words()["tables"]
    assert len({one[0] for one in tables.values()}) == len({one[1] for one in tables.values()}) == len(tables)
