"""The report of the second demonstration: what can and cannot be claimed, printed from the results alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pandas as pd
import pytest

from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.package import build
from studies.evidence.report.blocks import Paragraph, Points, Table, Text
from studies.evidence.report.content import make_report
from studies.evidence.templates import verify as standalone
from studies.evidence.verify import verify_package
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.studies.rotterdam_lock import FILE
from tests.studies.valve import TEXT, protocol, valve_dataset


@pytest.fixture(scope="module")
def inputs() -> PackageInputs:
    """The small invented log and signer of the other packages, with the second study's protocol and results."""
    dataset, of = valve_dataset(), protocol()
    results = run_analyses(dataset, of, "lock-3f9a0c5d")
    lines = [
        (subject, variable, FILE, number, hashlib.sha256(subject.encode()).hexdigest())
        for number, subject in enumerate(dataset.frame["subject_id"], start=1)
        for variable in ("index", "valve_v", "time_days", "event", "age", "ejection", "diabetes")
    ]
    columns = ["subject_id", "variable", "source_file_sha256", "source_line", "line_digest"]
    return with_results(
        results,
        protocol_text=TEXT,
        protocol=of,
        freeze={"protocol_sha256": of.sha256, "outcomes_read_before": False},
        lineage=pd.DataFrame(lines, columns=columns),
    )


@pytest.fixture(scope="module")
def report(inputs):
    return make_report(inputs, json_documents(inputs))[0]


def spoken(report, language: str) -> str:
    parts: list[str] = []
    for block in report.blocks:
        texts = [block.text] if hasattr(block, "text") else list(getattr(block, "items", ()))
        parts += [one.plain(language) for one in texts if isinstance(one, Text)]
    return "\n".join(parts)


def table(report, key: str) -> Table:
    return next(one for one in report.tables if one.key == key)


def cells(row) -> list[str]:
    return [cell.plain("en") for cell in row]


def test_the_answer_is_the_criterion_with_its_level(report):
    lead = next(one for one in report.summary if isinstance(one, Paragraph) and one.tone == "lead")
    assert "47 had success by day 365: 78.3%, one-sided bound 65.8%" in lead.text.plain("en")
    assert "It is not shown that the criterion of 80.0% is met" in lead.text.plain("en")
    assert "尚不能证明达到目标值 80.0%" in lead.text.plain("zh") and "描述性" in lead.text.plain("zh")


def test_the_first_page_says_that_everything_is_invented(report):
    caution = next(one for one in report.summary if isinstance(one, Points) and one.tone == "caution")
    assert "均为虚构" in caution.items[0].plain("zh")


def test_every_way_the_lost_may_have_gone_has_a_line(report):
    rows = [cells(row) for row in table(report, "criterion_all_criterion").rows]
    assert [row[1:3] for row in rows] == [["47", "60"], ["47", "54"], ["53", "60"]]
    assert {row[-1] for row in rows} == {"not shown"}
    assert "Even if all of those lost had succeeded" in spoken(report, "en")


def test_bridging_names_what_could_not_be_matched(report):
    text = spoken(report, "en")
    assert "these are not recorded and could not be: valve area and gradient, frailty" in text
    assert "effective sample size after weighting is 10.9 (n = 60)" in text
    matched = [cells(row) for row in table(report, "matched_all_bridging").rows]
    assert all(row[2] == row[3] for row in matched)


def test_borrowing_says_its_price(report):
    assert "the claim is made with probability 0.127 (n = 60), against at most 0.025" in spoken(report, "en")
    shown = [cells(row)[0] for row in table(report, "characteristics_all_borrowing").rows]
    assert shown == ["65%", "70%", "75%", "80%", "85%", "90%", "95%"]


def test_each_judged_result_has_its_level_and_what_kept_it_there(report):
    rows = {cells(row)[0]: cells(row)[1:] for row in table(report, "claims").rows}
    main = rows["One-year success against the performance criterion"]
    assert main[0] == "descriptive" and "Loss to follow-up 0.100 / 0.050" in main[1]
    crude = rows["Against the external control, crude"]
    assert "Control of confounding" in crude[1] and crude[2] == "Calibration by negative controls"


def test_gates_do_not_flood_the_list_of_warnings(report):
    warnings = next(
        one
        for one in report.body
        if isinstance(one, Points) and one.title and "Warnings" in one.title.plain("en")
    )
    assert not any("protocol's limit" in item.plain("en") for item in warnings.items)


def test_a_short_follow_up_is_told_in_days(report):
    rows = [cells(row)[0] for row in table(report, "median_all_kaplan_meier").rows]
    assert rows[-4:] == [
        "At day 30 (95% CI)",
        "At day 90 (95% CI)",
        "At day 180 (95% CI)",
        "At day 365 (95% CI)",
    ]


def test_the_package_verifies_and_tells_its_cohort_by_udi(inputs, tmp_path):
    """A cohort in the cohort language holds sets of codes: they leave as sorted lists, the same bytes each time."""
    built = build(inputs, tmp_path)
    assert verify_package(built.path).failures == ()
    stored = json.loads((built.folder / "data/01_protocol/protocol.json").read_text("utf-8"))
    assert "06970000000017" in json.dumps(stored)
    assert (built.folder / "data/05_results/tables/claims_zh.csv").exists()


def test_abroad_nothing_leaves_that_tells_of_the_few_who_were_lost(inputs, tmp_path):
    """Six were lost and seven failed: below ten, so the single-arm results stay, with a reason for each."""
    built = build(dataclasses.replace(inputs, audience="aggregate"), tmp_path)
    results = json.loads((built.folder / standalone.ARD_JSON).read_text("utf-8"))
    made = {row["analysis"] for row in results["rows"]}
    for analysis in ("all.criterion", "all.bridging", "all.borrowing", "all.kaplan_meier", "all.rmst"):
        assert analysis not in made and analysis in results["not_done"]
    assert not any("tipping" in one["id"] for one in results["series"])
    assert verify_package(built.path).failures == ()


def test_a_criterion_of_failures_is_told_as_failures():
    of = protocol()
    plan = of.analysis("all.criterion")
    criterion = dataclasses.replace(plan.criterion, value=0.2, direction="at_most", assumed=None)
    of = dataclasses.replace(of, analyses=(dataclasses.replace(plan, criterion=criterion),))
    results = run_analyses(valve_dataset(), of, "lock-3f9a0c5d")
    made = with_results(results, protocol=of)
    report = make_report(made, json_documents(made))[0]
    lead = next(one for one in report.summary if isinstance(one, Paragraph) and one.tone == "lead")
    assert "13 had failed by day 365: 21.7%" in lead.text.plain("en") and "失败率" in lead.text.plain("zh")
    heads = [one.plain("en") for one in table(report, "criterion_all_criterion").head]
    assert heads[1] == "Failures"
