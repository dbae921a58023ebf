"""The report of the second demonstration: what can and cannot be claimed, printed from the results alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from studies.claims import claim_rules
from studies.evidence.documents import json_documents, signoff, unsealing
from studies.evidence.inputs import PackageInputs, SignedBy, Unsealing
from studies.evidence.package import build
from studies.evidence.report import claims_part
from studies.evidence.report.blocks import Facts, Figure, Paragraph, Points, Table, Text
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
        for number, (subject, diabetes) in enumerate(
            zip(dataset.frame["subject_id"], dataset.frame["diabetes"], strict=True), start=1
        )
        for variable in ("index", "valve_v", "time_days", "event", "age", "ejection", "diabetes")
        if variable != "diabetes" or diabetes == 1  # who has it not has no record of it
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


def conditions(report, language: str = "en") -> dict[str, list[list[str]]]:
    """The lines of the table of conditions by analysis, which is named in the first of its lines."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for row in table(report, "conditions").rows:
        first, *rest = [cell.plain(language).replace("\u00a0", " ") for cell in row]
        name = first or name
        found.setdefault(name, []).append(rest)
    return found


def test_each_judged_result_has_its_level_and_its_conditions(report):
    rows = {cells(row)[0]: cells(row)[1:] for row in table(report, "claims").rows}
    main = "One-year success against the performance criterion"
    assert rows[main] == ["primary", "descriptive"]
    assert ["Share lost before the horizon ≤ 5.0%", "10.0%", "not met"] in conditions(report)[main]
    crude = conditions(report)["Against the external control, crude"]
    assert ["Control of confounding: must be adjusted, weighted or matched", "—", "not met"] in crude
    assert ["Systematic error by negative controls: must be estimated", "—", "not evaluated"] in crude


def test_a_condition_is_a_neutral_subject_with_its_limit_and_what_was_found(report):
    """'Balance after weighting' under 'not met' would read as if it were there."""
    every = [line for lines in conditions(report, "zh").values() for line in lines]
    balance = next(line for line in every if line[0].startswith("加权后标准化均数差的最大绝对值 ≤ "))
    limit, found = float(balance[0].rpartition(" ")[2]), float(balance[1])
    assert balance[2] == ("满足" if found <= limit else "未满足")
    assert {line[-1] for line in every} <= {
        "满足", "未满足", "未评价", "不适用",
    }  # fmt: skip


def test_every_gate_has_its_condition_in_words():
    told = yaml.safe_load(
        (Path(claims_part.__file__).parents[1] / "templates/claims.yaml").read_text("utf-8")
    )
    named = {key.removeprefix("condition.") for key in told["texts"] if key.startswith("condition.")}
    assert named == {*claim_rules().gates, "unsealing"} - {"role"}


def test_the_role_stands_apart_from_what_failed_and_a_gate_without_meaning_says_why(report):
    found = table(report, "claims")
    assert cells(found.rows[0])[1] == "primary"
    assert {cells(row)[1] for row in found.rows[1:]} <= {"secondary", "sensitivity", "descriptive"}
    asked = table(report, "conditions")
    assert not any("Role" in cells(row)[1] for row in asked.rows)
    assert any("不适用：主要分析已将全部失访者计为失败" in note.plain("zh") for note in asked.notes)


def test_the_window_is_part_of_the_answer(report):
    """Who was seen 14 days before day 365 counts as followed: without that sentence nobody could count again."""
    lead = next(one for one in report.summary if isinstance(one, Paragraph) and one.tone == "lead")
    assert lead.text.plain("en").endswith("on or after day 351 counts as followed to day 365.")
    assert lead.text.plain("zh").endswith("第 351 天或以后仍在随访且未发生事件者，计为随访满 365 天。")
    for language, part in (("en", "on or after day 351"), ("zh", "第 351 天或以后")):
        assert spoken(report, language).count(part) >= 4  # in the summary, and with each result by that day


def signed(report, key: str, language: str = "en") -> str:
    facts = next(one for one in reversed(report.summary) if isinstance(one, Facts))
    return next(value.plain(language) for name, value in facts.rows if name.plain("en") == key)


DECLARED = Unsealing(
    "registered",
    "",
    "",
    SignedBy("researcher", "user-7", "2026-11-01T08:00:00Z"),
    SignedBy("privacy", "user-9", "2026-11-02T09:00:00Z"),
)


def claims_of(inputs, unsealing) -> tuple[str, list[list[str]]]:
    """The report with every level confirmatory in the run: what is left of it, and what the first page says."""
    rows = tuple(
        dataclasses.replace(one, value="confirmatory") if one.statistic == "claim_level" else one
        for one in inputs.results.rows
    )
    results = dataclasses.replace(inputs.results, rows=rows)
    made = dataclasses.replace(inputs, results=results, unsealing=unsealing)
    report = make_report(made, json_documents(made))[0]
    return report, [cells(row) for row in table(report, "claims").rows]


def test_outcomes_seen_before_unsealing_lower_every_level_and_the_report_says_so(inputs):
    seen = dataclasses.replace(DECLARED, knowledge="seen", seen="Interim counts at a meeting")
    report, rows = claims_of(inputs, seen)
    assert {row[2] for row in rows} == {"supportive"}
    gated = list(conditions(report).values())
    assert len(gated) >= 4
    assert all(
        lines[-1] == ["Outcomes seen before unsealing: must be none", "—", "not met"] for lines in gated
    )
    said = signed(report, "Outcomes known at unsealing")
    assert "outcomes had been seen (Interim counts at a meeting)" in said and "more than supportive" in said
    lead = next(one for one in report.summary if isinstance(one, Paragraph) and one.tone == "lead")
    assert "Claim level: supportive." in lead.text.plain("en")


def test_who_unsealed_is_told_by_role_and_what_was_registered_lowers_nothing(inputs):
    report, rows = claims_of(inputs, DECLARED)
    assert {row[2] for row in rows} == {"confirmatory"}
    by = signed(report, "Results unsealed")
    assert "Asked for by a researcher, agreed to by another person, a privacy officer" in by
    assert "user-7" not in by and "2026" not in by, "accounts and times are in the file that may differ"


def test_the_package_holds_the_two_accounts_and_the_times_outside_its_content(inputs, tmp_path):
    """Who and when differ from one deployment to the next: the package's id does not."""
    one = build(dataclasses.replace(inputs, unsealing=DECLARED), tmp_path / "one")
    later = SignedBy("privacy", "user-3", "2027-01-01T00:00:00Z")
    other = build(
        dataclasses.replace(inputs, unsealing=dataclasses.replace(DECLARED, agreed=later)), tmp_path / "two"
    )
    assert one.package_id == other.package_id and verify_package(other.path).failures == ()
    kept = json.loads((other.folder / "data/10_signoff/unsealing.json").read_text("utf-8"))["unsealed"]
    assert kept["asked"] == {"role": "researcher", "account": "user-7", "at": "2026-11-01T08:00:00Z"}
    assert kept["agreed"]["account"] == "user-3"
    signoff = json.loads((one.folder / "data/10_signoff/signoff.json").read_text("utf-8"))["unsealing"]
    assert (signoff["asked_by"], signoff["agreed_by"], signoff["knowledge"]) == (
        "researcher", "privacy", "registered",
    )  # fmt: skip
    assert signoff["highest_claim"] == "confirmatory"


def test_the_same_role_twice_is_said_to_be_two_accounts(inputs):
    """By role alone `researcher` and `researcher` read as one person who agreed with himself."""
    twice = dataclasses.replace(DECLARED, agreed=dataclasses.replace(DECLARED.agreed, role="researcher"))
    said = json_documents(dataclasses.replace(inputs, unsealing=twice))["data/10_signoff/signoff.json"][
        "unsealing"
    ]
    assert (said["asked_by"], said["agreed_by"], said["two_accounts"]) == ("researcher", "researcher", True)
    assert "角色" in said["who"]["zh"] and "two people" in said["who"]["en"]
    assert not any(account in json.dumps(said) for account in ("user-7", "user-9"))
    alone = dataclasses.replace(twice, agreed=twice.asked)
    said = signoff(dataclasses.replace(inputs, unsealing=alone))["unsealing"]
    assert said["two_accounts"] is False and "who" not in said


def test_what_was_seen_does_not_leave_with_an_aggregate_package(inputs):
    seen = dataclasses.replace(DECLARED, knowledge="seen", seen="three deaths in the exposed arm")
    abroad = dataclasses.replace(inputs, audience="aggregate", unsealing=seen)
    assert "three deaths" not in json.dumps(json_documents(abroad)) + json.dumps(unsealing(abroad))
    assert signoff(abroad)["unsealing"]["highest_claim"] == "supportive"


def test_an_earlier_run_that_was_unsealed_lowers_the_level_whatever_is_declared():
    assert dataclasses.replace(DECLARED, knowledge="none", seen_before="2026-10-01").outcomes_seen
    assert not DECLARED.outcomes_seen


def test_a_p_value_never_prints_as_if_the_verdict_were_another(inputs):
    """0.04996 rejects at 0.05: three decimals would say 0.050."""
    stem = "all.adjusted.ph"
    near = {f"{stem}.global.p_value": 0.04996, f"{stem}.valve_v.p_value": 0.0501}
    near |= {"all.criterion.gate.power.measured": 0.79996}
    rows = tuple(
        dataclasses.replace(one, value=near[one.id]) if one.id in near else one for one in inputs.results.rows
    )
    made = dataclasses.replace(inputs, results=dataclasses.replace(inputs.results, rows=rows))
    report = make_report(made, json_documents(made))[0]
    printed = {cells(row)[0]: cells(row)[-1] for row in table(report, "ph_all_adjusted").rows}
    assert printed["Global"] == "0.04996" and printed["Demo valve V"] == "0.0501"
    assert "P = 0.04996" in spoken(report, "en")
    main = conditions(report)["One-year success against the performance criterion"]
    assert ["Power at the true share that the protocol assumed ≥ 80.000%", "79.996%", "not met"] in main


def test_a_weighted_curve_says_how_its_band_was_made_and_what_its_weights_are_worth():
    of = protocol()
    plans = [of.analysis(id) for id in ("all.kaplan_meier", "all.log_rank", "all.crude")]
    plans[0] = dataclasses.replace(plans[0], weights="att", covariates=("age", "ejection", "diabetes"))
    of = dataclasses.replace(of, analyses=tuple(plans))
    made = with_results(run_analyses(valve_dataset(), of, "lock-3f9a0c5d"), protocol=of)
    report = make_report(made, json_documents(made))[0]
    figure = next(one for one in report.body if isinstance(one, Figure) and one.key.startswith("km_"))
    notes = " ".join(note.plain("en") for note in figure.notes)
    assert "robust variance, weights taken as known" in notes and "Greenwood" not in notes
    size = made.results.row("all.kaplan_meier.comparator.effective_sample_size").value
    assert f"Demo valve S (external control) {size:.1f}" in notes or f"{size:.1f}" in notes
    assert (
        "Log-rank test (unweighted)" in notes
        and "after weighting to the exposed arm" in figure.caption.plain("en")
    )


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
    # Kaplan-Meier is of who is free of the event: the sentence turns the criterion round.
    assert "a share free of the event of at least 80%" in spoken(report, "en")
    assert "无事件比例不低于 80%" in spoken(report, "zh")
