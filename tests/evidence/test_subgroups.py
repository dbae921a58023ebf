"""Subgroups and left-out hospitals in a report: every level told, an estimate or a dash, and the test beside it."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from studies.evidence.documents import json_documents
from studies.evidence.inputs import PackageInputs
from studies.evidence.package import build
from studies.evidence.report.blocks import Figure, Points, Table
from studies.evidence.report.content import make_report
from studies.evidence.verify import verify_package
from studies.protocol import load_protocol
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.studies.rotterdam_lock import FILE
from tests.studies.valve import TEXT, valve_dataset

TITLE = {"zh": "亚组某某", "en": "By level"}
LEVELS = ("s", "m", "l")


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, _: Any) -> bool:
        return True


def planned(*analyses: dict[str, Any]) -> str:
    """The second demonstration's protocol with a covariate of three levels and these analyses at its end."""
    text = yaml.safe_load(TEXT)
    records = copy.deepcopy(text["covariates"][1]["records"])
    levels = [{"id": one, "code": one.upper(), "title": {"zh": one, "en": one.upper()}} for one in LEVELS]
    text["covariates"].append(
        {"name": "size", "title": {"zh": "尺寸", "en": "Size"}, "kind": "measurement", "records": records,
         "days": [-30, 0], "levels": levels}
    )  # fmt: skip
    text["analyses"] += analyses
    return yaml.dump(text, Dumper=_Plain, allow_unicode=True, sort_keys=False)


SUBGROUPS = {
    "id": "all.sub",
    "method": "subgroups",
    "of": "all.adjusted",
    "by": ["diabetes", "size"],
    "title": TITLE,
}
LEFT_OUT = {"id": "all.loo", "method": "leave_one_out", "of": "all.adjusted", "title": TITLE}


@cache
def made(sites: int = 3, quiet: str = "") -> tuple[PackageInputs, Any, dict[str, Any]]:
    """Inputs, report and drawings. `quiet`: a level of `size` in which nobody has an event."""
    text = planned(SUBGROUPS, LEFT_OUT)
    dataset = valve_dataset()
    place = np.arange(len(dataset.frame))
    hospitals = np.array([f"org-{1 + one}" for one in range(sites)])
    frame = dataset.frame.assign(size=np.array(LEVELS)[place % 3], site_id=hospitals[place % sites])
    frame.loc[frame["size"] == quiet, "event"] = 0
    of = load_protocol(text)
    results = run_analyses(dataclasses.replace(dataset, frame=frame), of, "lock-3f9a0c5d")
    lines = [
        (subject, variable, FILE, number, hashlib.sha256(subject.encode()).hexdigest())
        for number, (subject, diabetes) in enumerate(
            zip(frame["subject_id"], frame["diabetes"], strict=True), start=1
        )
        for variable in (
            "index",
            "valve_v",
            "time_days",
            "event",
            "age",
            "ejection",
            "diabetes",
            "size",
            "site_id",
        )
        if variable != "diabetes" or diabetes == 1  # who has it not has no record of it
    ]
    columns = ["subject_id", "variable", "source_file_sha256", "source_line", "line_digest"]
    inputs = with_results(
        results,
        protocol=of,
        protocol_text=text,
        freeze={"protocol_sha256": of.sha256, "outcomes_read_before": False},
        lineage=pd.DataFrame(lines, columns=columns),
    )
    report, _, drawings = make_report(inputs, json_documents(inputs))
    return inputs, report, drawings


def cells(report: Any, key: str) -> list[list[str]]:
    found: Table = next(one for one in report.tables if one.key == key)
    return [[cell.plain("en") for cell in row] for row in found.rows]


def test_every_level_has_a_line_with_its_arms_and_every_factor_its_test():
    inputs, report, _ = made()
    rows = cells(report, "subgroups_all_sub")
    assert [row[0].strip() for row in rows] == [
        "All subjects",
        "Diabetes",
        "Yes",
        "No",
        "Size",
        "S",
        "M",
        "L",
    ]
    by_id = {row.id: row for row in inputs.results.rows}
    yes, overall = by_id["all.sub.diabetes.yes.hazard_ratio"], by_id["all.adjusted.valve_v.hazard_ratio"]
    assert rows[2][3] == f"{yes.value:.2f} ({yes.ci_low:.2f}–{yes.ci_high:.2f})"
    assert rows[0][3] == f"{overall.value:.2f} ({overall.ci_low:.2f}–{overall.ci_high:.2f})"
    for arm, at in (("exposed", 1), ("comparator", 2)):
        events, subjects = (by_id[f"all.sub.diabetes.yes.{arm}.{what}"] for what in ("events", "subjects"))
        assert rows[2][at] == f"{events.value}/{subjects.value}"
    p = by_id["all.sub.interaction.size.p_value"].value
    assert rows[4][4].endswith("(2)") and rows[4][5] == f"{p:.3f}"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_figure_prints_the_same_numbers_as_the_table(language: str):
    _, report, drawings = made()
    figure = next(one for one in report.body if isinstance(one, Figure) and one.key == "subgroups_all_sub")
    assert "全部受试者" in figure.notes[0].plain("zh")
    svg = drawings[f"subgroups_all_sub_{language}"].svg.decode()
    printed = [row[3].split(" ")[0] for row in cells(report, "subgroups_all_sub") if row[3]]
    assert printed and all(f">{one} (" in svg for one in printed)


def test_a_level_without_events_is_a_dash_with_its_reason_and_the_others_stand():
    _, report, _ = made(sites=1, quiet="m")
    rows = {row[0].strip(): row for row in cells(report, "subgroups_all_sub")}
    assert rows["M"][3] == "—" and rows["M"][1].startswith("0/") and rows["S"][3] != "—"
    assert rows["Size"][4].endswith("(1)"), "two levels are left to be compared"
    caution = next(one for one in report.body if isinstance(one, Points) and one.tone == "caution")
    said = [item.plain("en") for item in caution.items]
    assert any(one.startswith("By level (size.m): No outcome event") for one in said)


def test_each_hospital_has_a_line_under_its_own_name():
    inputs, report, _ = made()
    rows = cells(report, "left_out_all_loo")
    assert [row[0] for row in rows] == ["(none)", *(one.name.en for one in inputs.sources)]
    assert [row[1] for row in rows] == ["200", "133", "133", "134"]
    assert all("(" in row[3] for row in rows)


def test_where_nobody_can_be_left_out_the_report_says_why_and_draws_nothing():
    _, report, _ = made(sites=1, quiet="m")
    assert not [one for one in report.tables if one.key.startswith("left_out")]
    caution = next(one for one in report.body if isinstance(one, Points) and one.tone == "caution")
    assert any("one site only" in item.plain("en") for item in caution.items)


def test_a_package_with_both_verifies_and_abroad_they_stay(tmp_path: Any):
    inputs, _, _ = made()
    built = build(inputs, tmp_path)
    assert verify_package(built.path).failures == ()
    assert (built.folder / "data/05_results/tables/subgroups_all_sub_zh.csv").exists()
    abroad = build(dataclasses.replace(inputs, audience="aggregate"), tmp_path / "abroad")
    assert not (abroad.folder / "data/05_results/tables/subgroups_all_sub_zh.csv").exists()
    assert not (abroad.folder / "data/05_results/tables/left_out_all_loo_zh.csv").exists()
