"""Level, verdicts and the report in words: what passes, what does not, and what would help."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from deidentify.risk.attack import Attack, AttackReport, Rate
from deidentify.risk.fingerprint import Fingerprint
from deidentify.risk.measures import Measures, measure
from deidentify.risk.population import Journalist, population_uniqueness
from deidentify.risk.quasi import WithoutColumn
from deidentify.risk.render import as_html, as_markdown
from deidentify.risk.report import Findings, RiskReport, Subject, risk_report, risk_report_of
from deidentify.risk.residual import Residual
from deidentify.risk.verdict import load_levels
from rwd_platform.core.text import Bilingual
from tests.deidentify.risk.tables import SWEENEY, opened

SUBJECT = Subject("file", "t.csv", Bilingual("表", "table"))
CLEAN = Residual(records=100, columns=4, found={})


def measures(sizes: dict[int, int], *, l: int = 3, t: float = 0.1) -> Measures:  # noqa: E741
    records = sum(size * count for size, count in sizes.items())
    return Measures(records, ("age", "sex"), "diagnosis", False, sizes, l, float(l), t)


UNSEEN = Fingerprint(
    persons=100, with_events=90, undated=0, items=5, rare_items=0, rare_below=11, by_rare_item=0.0,
    by_all_events=0.1, by_events={1: 0.0, 2: 0.0, 3: 0.0}, exact=True, persons_looked_at=90, seed=1,
)  # fmt: skip
HARMLESS = AttackReport((Attack("linkage", Rate(5000, 10000), Rate(5200, 10000)),), 10000, 10000, 1, False)
DONE = {"fingerprint": UNSEEN, "attacks": HARMLESS}


def report(sizes: dict[int, int], *, residual: Residual | None = CLEAN, **found: object) -> RiskReport:
    given = {key: found.pop(key) for key in ("l", "t") if key in found}
    return risk_report(SUBJECT, Findings(measures(sizes, **given), residual=residual, **{**DONE, **found}))  # type: ignore[arg-type]  # of several kinds


# class sizes -> verdicts of public, controlled, enclave; the widest that passes; the level of GB/T 42460
SIZES: list[tuple[dict[int, int], str, str, int]] = [
    ({20: 5}, "pass pass pass", "public", 3),
    ({19: 5, 20: 1}, "fail pass fail", "controlled", 3),
    ({11: 3}, "fail pass fail", "controlled", 3),
    ({10: 3, 500: 1}, "fail fail pass", "enclave", 3),
    ({5: 1, 500: 2}, "fail fail pass", "enclave", 3),
    ({4: 1, 500: 2}, "fail fail fail", "none", 2),
    ({5: 10}, "fail fail fail", "none", 2),
    ({1: 1}, "fail fail fail", "none", 2),
]


@pytest.mark.parametrize(("sizes", "verdicts", "widest", "level"), SIZES, ids=lambda value: repr(value))
def test_each_sharing_form_has_its_threshold(
    sizes: dict[int, int], verdicts: str, widest: str, level: int
) -> None:
    """Public asks for 20 in every class, controlled for 11 (0.09 is 1/11), the enclave for 5 and a mean risk
    of 0.05: classes of 19 have a mean of 0.0526 and fail there, though their smallest class is large."""
    found = report(sizes)
    assert " ".join(form.verdict for form in found.forms) == verdicts
    assert (found.verdict, found.level) == (widest, level)


def test_a_class_of_one_diagnosis_fails_outside_and_is_reviewed_inside() -> None:
    found = {form.form: form.verdict for form in report({20: 5}, l=1).forms}
    assert found == {"public": "fail", "controlled": "fail", "enclave": "review"}


def test_a_distant_class_is_reviewed() -> None:
    found = report({20: 5}, t=0.36)
    assert {form.verdict for form in found.forms} == {"review"}
    assert (found.verdict, found.level) == ("none", 2), "what waits for a person has not passed"


def test_a_residual_identifier_makes_it_level_1_whatever_the_classes_say() -> None:
    found = report({20: 5}, residual=Residual(100, 4, {"note": {"mobile": 2}}))
    assert (found.level, found.legal_state, found.verdict) == (1, "identified", "none")
    change = found.forms[0].change
    assert change is not None and "note" in change.en and "note" in change.zh


def test_what_was_not_looked_at_is_not_passed() -> None:
    assert {form.verdict for form in report({20: 5}, residual=None).forms} == {"review"}


def test_a_declared_direct_identifier_is_level_1() -> None:
    found = risk_report(SUBJECT, Findings(measures({20: 5}), residual=CLEAN), direct_identifiers=["name"])
    assert (found.level, found.verdict) == (1, "none")
    assert "name" in as_markdown(found, "en")


def test_only_aggregates_are_level_4() -> None:
    found = risk_report(SUBJECT, Findings(measures({20: 5}), residual=CLEAN), aggregate=True)
    assert (found.level, found.legal_state) == (4, "aggregate")


def test_nothing_is_ever_called_anonymous() -> None:
    """Whoever holds the key can go back (PIPL art. 73): the best that rows of people can be is de-identified."""
    states = {report(sizes).legal_state for sizes, *_ in SIZES}
    assert states == {"de-identified"}
    told = json.dumps(report({20: 5}).as_dict(), ensure_ascii=False)
    assert re.findall("[^“]匿名", told) == [] and re.findall("(?<!never called )anonymous", told) == []


# -- what would help -------------------------------------------------------------------------------


def change_of(found: RiskReport, form: str) -> str:
    (one,) = [one for one in found.forms if one.form == form]
    return "" if one.change is None else one.change.en


def test_few_records_in_small_classes_are_proposed_to_be_left_out() -> None:
    assert change_of(report({1: 3, 50: 10}), "public").startswith("leaving out 3 records")


def test_many_are_not_left_out_but_the_column_that_helps_most_is_generalised() -> None:
    """Without age no class is below 20; without sex all still are."""
    without = (WithoutColumn("sex", {2: 50}), WithoutColumn("age", {50: 2}))
    found = report({1: 100}, without=without)
    assert change_of(found, "public").startswith("generalise “age” (at most, leave it out)")


def test_where_one_column_is_not_enough_the_first_step_is_named() -> None:
    without = (WithoutColumn("sex", {1: 100}), WithoutColumn("age", {10: 8, 20: 1}))
    told = change_of(report({1: 100}, without=without), "public")
    assert "“age” first" in told and "80 records remain" in told and "instead of 100" in told


def test_where_no_column_helps_that_is_said_with_what_to_do_instead() -> None:
    """Everybody stays alone whichever column goes: naming a first column would be advice that does nothing."""
    without = (WithoutColumn("sex", {1: 100}), WithoutColumn("age", {1: 98, 2: 1}))
    for form in report({1: 100}, without=without).forms:
        assert form.change is not None
        assert "no single change" in form.change.en and form.words.en in form.change.en
        for step in ("generalise several", "leave out", "more guarded form", "aggregates"):
            assert step in form.change.en
        assert "没有任何一项单独的改动" in form.change.zh and "汇总结果" in form.change.zh
        assert '"' not in form.change.zh


@pytest.mark.parametrize("sizes", [sizes for sizes, *_ in SIZES], ids=repr)
def test_no_form_that_does_not_pass_is_left_without_advice(sizes: dict[int, int]) -> None:
    """Whatever is known of the columns."""
    least = (WithoutColumn("sex", sizes), WithoutColumn("age", {max(sizes): 1}))
    for without in ((), least[:1], least):
        for form in report(sizes, without=without, t=0.9).forms:
            assert form.change is not None and form.change.zh and form.change.en


def test_what_passes_needs_no_change() -> None:
    assert change_of(report({20: 5}), "public") == ""


# -- fingerprint and attacks -----------------------------------------------------------------------

FINGERPRINT = Fingerprint(
    persons=100, with_events=90, undated=2, items=5, rare_items=2, rare_below=11, by_rare_item=0.04,
    by_all_events=0.8, by_events={1: 0.1, 2: 0.4, 3: 0.7}, exact=True, persons_looked_at=90, seed=1,
)  # fmt: skip


def test_a_rare_device_fails_publicly_though_the_classes_are_large() -> None:
    """k = 20 on what stands still says nothing about what happened: 4 % are known by their device and its day."""
    found = {form.form: form.verdict for form in report({20: 5}, fingerprint=FINGERPRINT).forms}
    assert found == {"public": "fail", "controlled": "pass", "enclave": "pass"}


def test_an_attack_that_clearly_beats_its_control_group_is_reviewed() -> None:
    attacks = AttackReport((Attack("linkage", Rate(60, 100), Rate(20, 100)),), 100, 100, 1, False)
    found = {form.form: form.verdict for form in report({20: 5}, attacks=attacks).forms}
    assert found == {"public": "review", "controlled": "review", "enclave": "pass"}


UNDONE = [
    ({"attacks": None}, "excess"),
    ({"fingerprint": None}, "fingerprint"),
    ({"attacks": AttackReport((Attack("linkage", Rate(9, 10), Rate(10, 10)),), 10, 10, 1, False)}, "excess"),
    ({"attacks": AttackReport((), 10, 10, 1, False)}, "excess"),
]


@pytest.mark.parametrize(("found", "rule"), UNDONE, ids=["attacks", "fingerprint", "undefined", "none"])
def test_a_check_that_was_not_done_or_has_no_answer_is_reviewed(found: dict[str, object], rule: str) -> None:
    """Public and controlled ask for it and wait for a person; the enclave's threshold asks for nothing."""
    forms = {form.form: form for form in report({20: 5}, **found).forms}
    assert {name: form.verdict for name, form in forms.items()} == {
        "public": "review", "controlled": "review", "enclave": "pass",
    }  # fmt: skip
    (reason,) = [one for one in forms["public"].reasons if one.rule == rule]
    assert reason.verdict == "review" and "0.0%" not in reason.words.en + reason.words.zh
    assert any(one.rule == rule for one in forms["enclave"].reasons), "what was not done is always said"


def test_a_defined_attack_does_not_hide_an_undefined_one() -> None:
    both = AttackReport((*HARMLESS.attacks, Attack("inference", Rate(9, 10), Rate(10, 10))), 10, 10, 1, False)
    reasons = [one for one in report({20: 5}, attacks=both).forms[0].reasons if one.rule == "excess"]
    assert sorted(one.verdict for one in reasons) == ["pass", "review"]


def test_a_sensitive_quasi_identifier_leaves_l_and_t_to_a_person() -> None:
    """Naming the diagnosis as a quasi-identifier must not be a way round both checks."""
    taken = replace(measures({20: 5}), quasi=("age", "diagnosis"))
    found = risk_report(SUBJECT, Findings(taken, residual=CLEAN, fingerprint=UNSEEN, attacks=HARMLESS))
    for form in found.forms:
        told = {one.rule: one for one in form.reasons}
        assert told["l"].verdict == told["t"].verdict == "review" and "diagnosis" in told["l"].words.zh
    assert (found.level, found.verdict) == (2, "none")


SURNAMES, GIVEN = "王李张刘陈杨黄赵吴周", "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚"
COLUMNS = {
    "name": lambda n: SURNAMES[n % 10] + GIVEN[n % 20] + GIVEN[n // 20],
    "mrn": lambda n: f"ZY2024{n:06}",
    "passport": lambda n: f"E1000{n:04}",
    "nickname": lambda n: f"x{chr(97 + n % 26)}{n}",
    "lab": lambda n: f"{n / 7:.3f}",
    "day": lambda n: f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}",
}
HELD = [
    ("name", 1, {"name": {"name": 400}}),
    ("mrn", 1, {"mrn": {"hospital-number": 400}}),
    ("passport", 1, {"passport": {"travel-document": 400}}),
    ("nickname", 2, {}),
    ("lab", 3, {}),
    ("day", 3, {}),
]


@pytest.mark.parametrize(("column", "level", "found"), HELD, ids=[case[0] for case in HELD])
def test_a_column_that_identifies_is_seen_though_nobody_declared_it(
    tmp_path: Path, column: str, level: int, found: dict[str, dict[str, int]]
) -> None:
    """400 records in four ages: the classes are large, and a column of names makes it level 1 all the same."""
    rows = "\n".join(f"{30 + n % 4},{'ABC'[n % 3]},{COLUMNS[column](n)}" for n in range(400))
    with opened(tmp_path, f"age,dx,{column}\n{rows}\n") as table:
        made = risk_report_of(table, measure(table, ["age"], "dx"))
    assert made.level == level
    residual = made.findings.residual
    assert residual is not None and residual.found == found
    assert (column in residual.near_unique) == (level < 3)
    (enclave,) = [one for one in made.forms if one.form == "enclave"]
    told = [one.words for one in enclave.reasons if one.verdict != "pass"]
    assert bool(told) == (level < 3) and all(column in one.zh and column in one.en for one in told)


# -- the report ------------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> RiskReport:
    """Everything a report can hold, about a table with a hostile column name."""
    text = SWEENEY.replace("birth", '"<b>|x"')
    with opened(tmp_path, text) as table:
        taken = measure(table, ["race", "<b>|x", "gender"], "problem")
        found = risk_report_of(
            table, taken, uniqueness=population_uniqueness(taken.class_sizes, 0.5), outside=Journalist(2, 1)
        )
    return risk_report(SUBJECT, replace(found.findings, fingerprint=FINGERPRINT))


def test_the_report_follows_the_order_of_gbt_42460(full: RiskReport) -> None:
    assert [section.number for section in full.sections] == ["6.1", "6.2", "6.3", "6.4", "6.5", "6.6"]
    titles = [section.title.zh for section in full.sections]
    assert titles == ["评估准备", "定性评估", "定量评估", "评估结论", "沟通与协商", "评估文档"]
    for language in ("zh", "en"):
        text = as_markdown(full, language)
        places = [text.index(f"## {section.number} ") for section in full.sections]
        assert places == sorted(places)


def test_no_value_of_the_table_is_in_the_report(full: RiskReport) -> None:
    """Column names are; what a class of one looks like is not."""
    told = json.dumps(full.as_dict()) + as_markdown(full, "zh") + as_html(full, "en")
    for value in ("Black", "White", "short breath", "hypertension", "0213*"):
        assert value not in told


def test_each_language_speaks_for_itself(full: RiskReport) -> None:
    english, chinese = as_markdown(full, "en"), as_markdown(full, "zh")
    assert not re.search("[一-鿿]", english)
    assert "Smallest class" not in chinese and "最小等价类" in chinese


def test_a_column_name_is_no_markup(full: RiskReport) -> None:
    assert "<b>" not in as_html(full, "en") and "&lt;b&gt;|x" in as_html(full, "en")
    rows = [line for line in as_markdown(full, "en").splitlines() if line.startswith("| ") and "x" in line]
    assert rows and all("\\<b\\>\\|x" in line for line in rows if "b\\>" in line)


def test_the_html_is_one_file_without_scripts(full: RiskReport) -> None:
    html = as_html(full, "zh")
    assert html.startswith("<!doctype html>") and html.count("<svg") == 1
    assert not re.search(r"<script|<link|<img|https?://|src=", html)


def test_the_report_is_json_and_frozen(full: RiskReport) -> None:
    stored = json.loads(json.dumps(full.as_dict()))
    assert stored["figures"]["k"] == full.findings.measures.k
    assert stored["thresholds"] == {"version": load_levels().version, "sha256": load_levels().sha256}
    with pytest.raises(AttributeError):
        full.level = 4  # type: ignore[misc]


def test_the_assumption_about_the_attacker_is_written_down() -> None:
    """Nearly every user of a licensed product is in the data: the prosecutor's risk rules."""
    assert "sampling fraction is taken as 1" in as_markdown(report({20: 5}), "en")
    sampled = report({20: 5}, uniqueness=population_uniqueness({20: 5}, 0.2))
    assert "fraction 0.2" in as_markdown(sampled, "en")


def test_thresholds_are_configuration(tmp_path: Path) -> None:
    """A stricter file gives a stricter verdict, and another hash."""
    original = (Path(__file__).parents[3] / "deidentify/risk/levels.toml").read_text(encoding="utf-8")
    stricter = tmp_path / "levels.toml"
    stricter.write_text(original.replace("k = 11\n", "k = 15\n"), encoding="utf-8")
    levels = load_levels(stricter)
    findings = Findings(measures({12: 5}), residual=CLEAN, fingerprint=UNSEEN, attacks=HARMLESS)
    assert risk_report(SUBJECT, findings).verdict == "controlled"
    assert risk_report(SUBJECT, findings, levels=levels).verdict == "none"
    assert levels.sha256 != load_levels().sha256
