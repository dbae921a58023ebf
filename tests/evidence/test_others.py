"""Whatever was planned is in the report: where no curve, forest or specification shows it, a table of its own does."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import yaml

from studies.evidence.aggregate import coarsened
from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.report.blocks import Figure, Paragraph, Points, Table
from studies.evidence.report.content import make_report
from studies.protocol import load_protocol
from studies.reasons import in_language
from studies.run import run_analyses
from tests.evidence.fixtures import nothing_found, rotterdam_inputs, with_results
from tests.studies.valve import TEXT, protocol, valve_dataset

LONELY: dict[str, Any] = {
    "id": "all.lonely",
    "method": "cox",
    "title": {"zh": "未被引用的模型", "en": "A model nobody names"},
    "population": "all",
}
TEST = {
    **LONELY,
    "id": "all.test",
    "method": "log_rank",
    "title": {"zh": "检验", "en": "A test nobody names"},
}
MEANS = {**LONELY, "id": "all.means", "method": "rmst", "tau": 365, "title": {"zh": "均数", "en": "Means"}}


def inputs_of(*analyses: dict[str, Any], quiet: bool = False) -> PackageInputs:
    """The second demonstration with these analyses only. `quiet`: nobody of the exposed has an event."""
    text = yaml.safe_load(TEXT)
    text["analyses"] = [copy.deepcopy(one) for one in analyses]  # YAML aliases are refused
    written = yaml.safe_dump(text, allow_unicode=True, sort_keys=False)
    of, dataset = load_protocol(written), valve_dataset()
    if quiet:
        frame = dataset.frame.assign(event=dataset.frame["event"] * (1 - dataset.frame["valve_v"]))
        dataset = dataclasses.replace(dataset, frame=frame)
    results = run_analyses(dataset, of, "lock-3f9a0c5d")
    return with_results(results, protocol_text=written, protocol=of)


def reported(inputs: PackageInputs):
    return make_report(inputs, json_documents(inputs))


def table(report, key: str) -> Table | None:
    return next((one for one in report.tables if one.key == key), None)


def said(report, language: str) -> str:
    parts: list[str] = []
    for block in report.blocks:
        if isinstance(block, Paragraph):
            parts.append(block.text.plain(language))
        elif isinstance(block, Points):
            parts += [one.plain(language) for one in block.items]
        elif isinstance(block, Table):
            parts += [one.plain(language) for one in block.notes]
    return "\n".join(parts)


def test_a_cox_model_that_nothing_names_has_its_number_in_the_report():
    inputs = inputs_of(LONELY)
    report, book, _ = reported(inputs)
    row = inputs.results.row("all.lonely.valve_v.hazard_ratio")
    found = table(report, "others")
    assert found is not None and len(found.rows) == 1
    cells = [cell.plain("en") for cell in found.rows[0]]
    assert cells[0] == "A model nobody names" and cells[2] == "Hazard ratio (Cox)"
    assert cells[3] == f"{row.value:.3f} ({row.ci_low:.3f}–{row.ci_high:.3f})"
    p_value = inputs.results.row("all.lonely.valve_v.p_value").value
    assert cells[4] == f"{p_value:.3f}" and cells[5] == f"{row.n} / {row.events}"
    assert any(number.ard_id == row.id and number.place == "table:others:1:3" for number in book.numbers)


def test_a_log_rank_test_without_a_curve_has_its_statistic_in_the_report():
    report, _, _ = reported(inputs_of(TEST))
    cells = [cell.plain("zh") for cell in table(report, "others").rows[0]]
    assert cells[2] == "对数秩检验（log-rank）χ²" and cells[3] == "1.78（1 自由度）" and cells[4] == "0.183"


def test_what_another_part_has_printed_is_not_printed_twice():
    forest = {"id": "all.f", "method": "forest", "title": LONELY["title"], "compares": ["all.lonely"]}
    assert table(reported(inputs_of(LONELY, forest))[0], "others") is None
    assert table(reported(inputs_of(MEANS))[0], "others") is None  # restricted means have a part of their own


def test_an_estimate_that_does_not_exist_has_its_line_and_its_reason():
    inputs = inputs_of(LONELY, quiet=True)
    assert "all.lonely" in inputs.results.not_done
    report, _, _ = reported(inputs)
    found = table(report, "others")
    for language, none in (("zh", "无结果"), ("en", "no result")):
        assert [cell.plain(language) for cell in found.rows[0]][3:] == [none, "—", "—"]
        reason = in_language(inputs.results.not_done["all.lonely"], language)
        assert any(reason in note.plain(language) for note in found.notes)


def test_warnings_of_an_effect_stand_under_it():
    """Seven events among the exposed: the run warns, and so does the table."""
    inputs = inputs_of(LONELY)
    warnings = inputs.results.row("all.lonely.valve_v.hazard_ratio").warnings
    notes = "\n".join(note.plain("en") for note in table(reported(inputs)[0], "others").notes)
    assert all(in_language(one, "en") in notes for one in warnings)


def _valve() -> PackageInputs:
    of = load_protocol(TEXT)
    return with_results(run_analyses(valve_dataset(), of, "lock-3f9a0c5d"), protocol_text=TEXT, protocol=of)


@pytest.mark.parametrize("made", [rotterdam_inputs, _valve, nothing_found])
def test_every_planned_analysis_is_in_the_report_by_a_number_a_figure_or_its_reason(made):
    inputs = made()
    report, book, _ = reported(inputs)
    analysis_of = {row.id: row.analysis for row in inputs.results.rows}
    gates = (".gate.", ".claim_level")
    told = {
        analysis_of[number.ard_id]
        for number in book.numbers
        if number.ard_id and not any(part in number.ard_id for part in gates)
    }
    drawn = {block.key for block in report.blocks if isinstance(block, Figure)}
    reasons = said(report, "zh")
    for plan in inputs.protocol.analyses:
        reason = inputs.results.not_done.get(plan.id)
        in_figure = any(key == plan.method or key.endswith(plan.id.replace(".", "_")) for key in drawn)
        given = reason is not None and in_language(reason, "zh") in reasons
        assert plan.id in told or in_figure or given, plan.id


CURVE = {
    **LONELY,
    "id": "all.curve",
    "method": "kaplan_meier",
    "days": [10, 365],
    "title": {"zh": "曲线", "en": "Curve"},
}
FOLLOWED = {**LONELY, "id": "all.followed", "method": "follow_up", "title": {"zh": "随访", "en": "Follow-up"}}


def test_a_median_of_which_a_limit_is_not_reached_still_prints_its_estimate():
    """A dash for the whole cell hid a number that the run had."""
    inputs = inputs_of(FOLLOWED)
    id = "all.followed.exposed.median_follow_up"
    rows = tuple(
        dataclasses.replace(row, ci_low=376.0) if row.id == id else row for row in inputs.results.rows
    )
    report, _, _ = reported(
        dataclasses.replace(inputs, results=dataclasses.replace(inputs.results, rows=rows))
    )
    found = table(report, "follow_all_followed").rows[0][-1]
    assert (found.plain("en"), found.plain("zh")) == ("400 (376–not reached)", "400 (376–未达到)")


def test_a_median_at_which_everybody_left_at_once_has_no_limits_and_is_not_called_not_reached():
    """All are followed to day 400: the curve falls from 1 to 0 in one step, of which there is no error."""
    inputs = inputs_of(FOLLOWED)
    row = inputs.results.row("all.followed.exposed.median_follow_up")
    assert (row.value, row.ci_low, row.ci_high) == (400.0, None, None)
    found = table(reported(inputs)[0], "follow_all_followed").rows[0][-1]
    assert (found.plain("en"), found.plain("zh")) == ("400 (no limits)", "400（无法给出区间）")


def test_a_median_that_is_not_reached_says_so_once():
    rows = table(reported(inputs_of(CURVE))[0], "median_all_curve").rows
    median = next(row for row in rows if row[0].plain("en").startswith("Median"))
    assert [cell.plain("en") for cell in median[1:]] == ["not reached", "not reached"]


def test_survival_before_the_first_event_has_no_limits_and_says_why():
    """`100% (100%-100%)` would read as certainty; what is known is that nothing has happened yet."""
    rows = table(reported(inputs_of(CURVE))[0], "median_all_curve").rows
    first = next(row for row in rows if row[0].plain("en").startswith("At day 10"))
    assert [cell.plain("en") for cell in first[1:]] == ["100.0% (no event so far, no limits)"] * 2
    assert [cell.plain("zh") for cell in first[1:]] == ["100.0%（此前无事件，无区间）"] * 2
    last = next(row for row in rows if row[0].plain("en").startswith("At day 365"))
    assert all("–" in cell.plain("en") for cell in last[1:])


def test_what_is_withheld_from_a_reader_abroad_is_not_called_without_a_result():
    """Few events stand behind the valve's log-rank test: it is closed in an aggregate package, and says so."""
    of = dataclasses.replace(protocol(), analyses=(protocol().analysis("all.log_rank"),))
    results = run_analyses(valve_dataset(), of, "lock-1")
    written = coarsened(dataclasses.replace(with_results(results, protocol=of), audience="aggregate")).inputs
    assert "all.log_rank" in written.results.not_done
    report, _, _ = make_report(written, json_documents(written))
    (line,) = next(one for one in report.tables if one.key == "others").rows
    assert line[3].plain("en") == "—"
