"""What the demo's people state is true of the demo: held against the protocols and the code that makes its data.

A number is one of the design (how many people, which day, which seed), never of a result: results change with the
run, and the report is where they stand.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rwd_platform.demo import implant_files, implant_patients, second_study, sending
from rwd_platform.demo.exporter import DemoFiles
from studies.evidence import documents
from studies.evidence.templates import verify
from studies.protocol import Protocol, load_protocol
from tests.demo.stated import (
    BOTH,
    NAMES,
    NUMBER,
    PLACE,
    STUDIES,
    everything,
    pairs_of,
    texts_of,
)

ROOT = Path(__file__).resolve().parents[2]


def protocol_of(study: str) -> Protocol:
    return load_protocol((ROOT / f"studies/protocols/{study}.yaml").read_text(encoding="utf-8"))


@BOTH
def test_every_number_is_one_of_the_design(study: str, demo_files: DemoFiles):
    """Each is looked up where it was decided; a number from elsewhere is nobody's."""
    protocol = protocol_of(study)
    known = _of_rotterdam(protocol, demo_files) if study == "rotterdam" else _of_the_valve(protocol)
    said = {number for text in texts_of(study) for number in NUMBER.findall(NAMES.sub("", text[-1]))}
    assert said - known == set()
    assert known & said, "the design is told at all"


def _of_rotterdam(protocol: Protocol, demo_files: DemoFiles) -> set[str]:
    years = [one.year for one in demo_files.patients]
    windows = {str(-day) for one in protocol.cohort.criteria for day in one.days if day}
    landmarks = {str(round(day / 365.25)) for plan in protocol.analyses for day in plan.days}
    return {f"{len(years):,}", str(min(years)), str(max(years))} | windows | landmarks


def _of_the_valve(protocol: Protocol) -> set[str]:
    sizes = {str(one.subjects) for one in implant_patients.POPULATIONS.values()}
    days = {str(day) for plan in protocol.analyses for day in plan.days}
    windows = {str(plan.horizon.window) for plan in protocol.analyses if plan.horizon is not None}
    made = implant_patients
    model = (made.ABROAD.subjects, made.HORIZON, made.LAST_DAY, made.ENROLMENT_DAYS, made.FIRST_DAY.year)
    others = {str(one) for one in (*model, second_study.SEED)} | {implant_files.DEVICE_IDENTIFIERS["V"]}
    return sizes | days | windows | others


@pytest.mark.parametrize(
    ("id", "number"), [("hospital_agreement", "DEMO-AGREEMENT-1"), ("product_consent", "DEMO-CONSENT-1")]
)
def test_the_papers_named_are_those_that_the_uploads_name(id: str, number: str):
    assert f'"{number}"' in Path(sending.__file__).read_text(encoding="utf-8")
    for study in STUDIES:
        assert all(number in text for text in pairs_of(study)[id])


def test_the_places_named_are_places_of_a_package():
    """Folders and files by the paths that the package's makers write."""
    paths = {value for of in (documents, verify) for value in vars(of).values() if isinstance(value, str)}
    paths |= {"data/04_quality/reconciliation.csv", "data/07_code/rerun.py", "data/01_protocol/protocol.yaml"}
    assert "data/04_quality/reconciliation.csv" in Path(documents.__file__).read_text(encoding="utf-8")
    places = {place for text in everything() for place in PLACE.findall(text[-1])}
    assert {"01_protocol", "04_quality/reconciliation.csv", "08_trace/inputs.json"} <= places
    for place in places:
        assert any(path == f"data/{place}" or path.startswith(f"data/{place}/") for path in paths), place


def test_what_an_aggregate_package_does_not_hold_is_said_to_be_in_the_authoritys():
    """Rows of files, traces and the lock's facts are in no aggregate package; a text goes into both."""
    for study, id, language, text in everything():
        if re.search(r"08_trace|reconciliation\.csv", text):
            word = "提交主管部门的证据包" if language == "zh" else "package for the authority"
            assert word in text, f"{study}.{id}.{language}"


def test_the_sources_named_are_those_that_send(demo_files: DemoFiles):
    systems = {one.source_system for one in demo_files.hospitals}
    assert systems == set(re.findall(r"demo-his-\w", pairs_of("rotterdam")["source_type"][0]))
    others = {f"demo-his-{key}" for key in implant_files.HOSPITALS}
    assert others == set(re.findall(r"demo-his-\w", pairs_of("valve")["source_type"][1]))


def test_rotterdam_names_no_primary_analysis_and_the_valve_names_one():
    """The texts say what may be confirmatory, and why not."""
    assert not [plan for plan in protocol_of("rotterdam").analyses if plan.role == "primary"]
    assert "没有指定主要分析" in pairs_of("rotterdam")["hypothesis"][0]
    (primary,) = (plan for plan in protocol_of("valve").analyses if plan.role == "primary")
    assert primary.method == "performance_criterion" and primary.lost == "as_failure"
    assert "主要分析" in pairs_of("valve")["hypothesis"][0]
    assert "计为失败" in pairs_of("valve")["missing_data"][0]


def test_what_the_texts_say_was_planned_or_not_planned_is_so():
    rotterdam = {plan.method for plan in protocol_of("rotterdam").analyses}
    assert not rotterdam & {"safety", "e_value", "subgroups", "tipping_point", "bridging", "borrowing"}
    assert {"cumulative_incidence", "kaplan_meier", "overlap", "balance"} <= rotterdam
    valve = {plan.method for plan in protocol_of("valve").analyses}
    assert {"safety", "e_value", "tipping_point", "bridging", "borrowing", "rmst"} <= valve
    assert "learning" not in " ".join(valve) and "subgroups" not in valve


def test_what_the_authors_knew_is_what_the_protocols_say():
    assert (protocol_of("rotterdam").outcomes_known, protocol_of("valve").outcomes_known) == ("yes", "no")
    assert "已知" in pairs_of("rotterdam")["data_access"][0]
    assert "knew" in pairs_of("rotterdam")["independence"][1]
    assert "未看过" in pairs_of("valve")["data_access"][0]


def test_the_design_of_the_invented_patients_is_told_as_it_is():
    """Younger, with a higher ejection fraction, lost more often; nobody is lost abroad."""
    here, there = (
        implant_patients.POPULATIONS[key] for key in (implant_patients.LECHENG, implant_patients.OUTSIDE)
    )
    assert here.age[0] < there.age[0] and here.ejection[0] > there.ejection[0] and here.loss > there.loss
    assert implant_patients.ABROAD.loss == 0
    zh, en = pairs_of("valve")["confounding_by_indication"]
    assert "较年轻" in zh and "younger" in en
    assert "失访按设定较少" in pairs_of("valve")["external_comparability"][0]


def test_the_published_set_lacks_no_value_as_the_text_says():
    from survival.datasets import load_rotterdam

    columns = load_rotterdam()
    assert all(value is not None and value == value for values in columns.values() for value in values)
    assert "没有缺失值" in pairs_of("rotterdam")["missing_data"][0]
