"""A planned cumulative incidence ends as numbers or as a reason, whatever the data; and stays sealed until then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.errors import PlatformError
from studies.protocol import Protocol, load_protocol
from studies.reasons import in_language
from studies.results import ResultSet
from studies.run import run_analyses
from studies.sealing import open_part, planned_methods, sealed_analyses
from studies.statistics.survival.kaplan_meier import kaplan_meier
from tests.studies.small import dataset, small_text

RULES = """    - {when: {life: event}, time_of: life, event: true, reason: {zh: 死亡, en: Death}}
    - {when: {life: free}, time_of: life, event: false, reason: {zh: 存活, en: Alive}}
"""
COMPETING = """    - name: valve
      records: {table: outcome_event, code_system: urn:out, codes: [VALVE], statuses: [final]}
      event_values: [failed]
      free_values: [works]
      final: false
  rules:
    - {when: {valve: event}, time_of: valve, event: true, reason: {zh: 失效, en: Failed}}
    - {when: {valve: free, life: event}, time_of: life, event: COUNTED, reason: {zh: 死亡, en: Death}}
    - {when: {valve: free, life: free}, time_of: life, event: false, reason: {zh: 存活, en: Alive}}
  competing:
    sources: [life]
    title: {zh: 失效前死亡, en: Death before failure}
    event_title: {zh: 瓣膜失效, en: Valve failure}
"""
PLAN = """  - id: all.incidence
    method: cumulative_incidence
    title: {zh: 十一, en: Incidence}
    population: all
    days: [9000, 100, 400]
EXTRAdiagnostics:"""


def protocol(*, counted: bool = False, extra: str = "") -> Protocol:
    """`counted`: the outcome is a composite of both kinds; else death is censored by `event`."""
    text = small_text()
    assert text.count("  rules:\n" + RULES) == 1
    text = text.replace("  rules:\n" + RULES, COMPETING.replace("COUNTED", str(counted).lower()))
    return load_protocol(text.replace("diagnostics:", PLAN.replace("EXTRA", extra), 1))


def run(
    status: Any = None, *, subjects: int = 200, counted: bool = False, extra: str = "", **columns: Any
) -> ResultSet:
    kinds = (
        np.random.default_rng(7).choice([0, 1, 2], subjects, p=[0.3, 0.5, 0.2]) if status is None else status
    )
    kinds = np.broadcast_to(np.asarray(kinds), (subjects,))
    event = kinds > 0 if counted else kinds == 1
    made = dataset(subjects, status=kinds, event=event.astype(int), **columns)
    return run_analyses(made, protocol(counted=counted, extra=extra), "lock-1")


def of(results: ResultSet) -> set[str]:
    return {row.id.removeprefix("all.incidence.") for row in results.rows if row.analysis == "all.incidence"}


def missing(results: ResultSet) -> dict[str, str]:
    return {
        id.removeprefix("all.incidence."): in_language(why, "en")
        for id, why in results.not_done.items()
        if id.startswith("all.incidence")
    }


def test_everything_that_was_planned_is_there():
    results = run()
    assert missing(results) == {} and canonical_json(results.as_dict())
    rows = of(results)
    for kind in ("event", "competing"):
        assert {f"{kind}.exposed.observed", f"gray.{kind}.p_value"} <= rows
        assert f"cause_specific.{kind}.stent.hazard_ratio" in rows
        assert f"fine_gray.{kind}.stent.subdistribution_hazard_ratio" in rows
    for series in (
        "incidence.exposed",
        "causes.exposed",
        "incidence.comparator",
        "causes.comparator",
        "at_risk",
    ):
        assert any(one.id == f"all.incidence.{series}" for one in results.series)
    row = results.row("all.incidence.exposed.cumulative_incidence.day_100")
    assert (
        "log-log" in row.method
        and "cuminc" in row.method
        and row.variables[:3] == ("stent", "time_days", "status")
    )
    assert "crr" in results.row("all.incidence.fine_gray.event.stent.subdistribution_hazard_ratio").method


def test_a_curve_of_both_kinds_is_told_step_by_step():
    """Each point of the curves, and who stands behind it: at risk, and the events of each kind."""
    results = run()
    series = {one.id: one for one in results.series}
    curve, behind = series["all.incidence.incidence.exposed"], series["all.incidence.causes.exposed"]
    assert curve.points[0] == (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert [point[0] for point in curve.points[1:]] == [point[0] for point in behind.points]
    for column, kind in ((2, "event"), (3, "competing")):
        told = results.row(f"all.incidence.{kind}.exposed.observed")
        assert sum(point[column] for point in behind.points) == told.value == told.events
    shares = np.array([[point[1], point[4]] for point in curve.points], dtype=float)
    assert (np.diff(shares, axis=0) >= 0).all() and (shares.sum(axis=1) <= 1 + 1e-12).all()


def test_where_nobody_has_a_competing_event_it_is_one_less_kaplan_meier_and_says_so():
    status = np.random.default_rng(3).choice([0, 1], 200, p=[0.4, 0.6])
    results = run(status)
    frame = dataset(200, status=status, event=status).frame
    for arm, exposed in (("exposed", 1), ("comparator", 0)):
        mine = frame[frame["stent"] == exposed]
        curve = kaplan_meier(mine["time_days"], mine["event"])
        for day in (100, 400):
            row = results.row(f"all.incidence.{arm}.cumulative_incidence.day_{day}")
            assert row.value == pytest.approx(1.0 - curve.at([day], extend=True).surv[0], rel=1e-11)
            assert any("equals 1 - Kaplan-Meier" in one for one in row.warnings)
            none = results.row(f"all.incidence.{arm}.competing_incidence.day_{day}")
            assert (none.value, none.ci_low, none.warnings) == (0.0, None, ())
    why = "No 'Death before failure' was seen during follow-up."
    assert missing(results) == {f"{part}.competing": why for part in ("gray", "cause_specific", "fine_gray")}
    assert "fine_gray.event.stent.subdistribution_hazard_ratio" in of(results)


def test_where_every_event_competes_the_event_has_a_reason_and_the_other_its_numbers():
    status = np.random.default_rng(3).choice([0, 2], 200, p=[0.4, 0.6])
    results = run(status)
    why = "No 'Valve failure' was seen during follow-up."
    assert missing(results) == {f"{part}.event": why for part in ("gray", "cause_specific", "fine_gray")}
    assert results.row("all.incidence.exposed.cumulative_incidence.day_400").value == 0.0
    assert results.row("all.incidence.exposed.competing_incidence.day_400").value > 0
    assert results.row("all.incidence.cause_specific.competing.stent.hazard_ratio").value > 0
    # Cox and log-rank of the same outcome have their own reason: there is no event at all.
    assert "all.crude" in results.not_done


@pytest.mark.parametrize(
    ("exposed", "there", "absent"), [(1, "exposed", "comparator"), (0, "comparator", "exposed")]
)
def test_an_arm_without_subjects_is_told_and_the_other_keeps_its_curve(exposed, there, absent):
    results = run(stent=exposed)
    told = missing(results)
    assert told.pop(absent) == "There is nobody in this population."
    assert set(told) == {
        f"{part}.{kind}"
        for part in ("gray", "cause_specific", "fine_gray")
        for kind in ("event", "competing")
    }
    assert set(told.values()) == {"Only one arm has subjects: there is nothing to compare."}
    assert f"{there}.cumulative_incidence.day_100" in of(results)
    assert f"{absent}.cumulative_incidence.day_100" not in of(results)


def test_an_arm_without_events_of_a_kind_has_no_ratio_but_a_test():
    """A ratio would run to 0; Gray's test and the curves need no finite ratio."""
    plain = dataset(200).frame["stent"].to_numpy()
    status = np.where(
        plain == 1,
        np.random.default_rng(5).choice([0, 1], 200),
        np.random.default_rng(5).choice([0, 1, 2], 200),
    )
    results = run(status)
    why = "No 'Death before failure' was seen in the arm 'New stent', so the ratio has no finite estimate."
    assert missing(results) == {"cause_specific.competing": why, "fine_gray.competing": why}
    assert results.row("all.incidence.gray.competing.p_value").value < 0.01


def test_nobody_with_any_event_gives_curves_at_zero_and_reasons():
    results = run(0)
    assert results.row("all.incidence.exposed.cumulative_incidence.day_100").value == 0.0
    assert len(missing(results)) == 6 and canonical_json(results.as_dict())


def test_beyond_the_follow_up_nothing_is_said_unless_everybody_had_an_event():
    results = run()
    row = results.row("all.incidence.exposed.cumulative_incidence.day_9000")
    assert row.value is None and row.ci_low is None and "finite" in row.warnings[0]
    everybody = run(np.random.default_rng(1).choice([1, 2], 200))
    shares = [
        everybody.row(f"all.incidence.exposed.{kind}_incidence.day_9000").value
        for kind in ("cumulative", "competing")
    ]
    assert sum(shares) == pytest.approx(1.0)


def test_few_events_of_a_kind_are_warned_of():
    status = np.random.default_rng(2).choice([0, 1], 200)
    exposed = dataset(200).frame["stent"].to_numpy()
    for arm in (0, 1):
        status[np.flatnonzero(exposed == arm)[:3]] = 2
    row = run(status).row("all.incidence.cause_specific.competing.stent.hazard_ratio")
    assert row.events == 6 and "fewer than 10 events" in row.warnings[0]


def test_strata_and_covariates_are_said_in_the_methods_and_variables():
    results = run(extra="    covariates: [age]\n    strata: [frailty]\n")
    fine_gray = results.row("all.incidence.fine_gray.event.stent.subdistribution_hazard_ratio")
    assert "adjusted" in fine_gray.method and "not stratified" in fine_gray.method
    cox = results.row("all.incidence.cause_specific.event.stent.hazard_ratio")
    assert "stratified" in cox.method and {"age", "frailty", "status"} <= set(cox.variables)
    assert results.row("all.incidence.fine_gray.event.age.subdistribution_hazard_ratio").value > 0
    assert results.row("all.incidence.gray.event.p_value").method.endswith("stratified")


@pytest.mark.parametrize(("counted", "note"), [(False, "censors the competing event"), (True, "with either")])
def test_a_kaplan_meier_curve_beside_a_competing_event_says_that_its_complement_overstates(counted, note):
    results = run(counted=counted)
    for day in (100, 9000):
        row = results.row(f"all.curve.exposed.survival.day_{day}")
        assert any(note in one and "overstates" in one for one in row.warnings) == (row.value is not None)
    survival = results.row("all.curve.exposed.survival.day_100").value
    assert 1.0 - survival > results.row("all.incidence.exposed.cumulative_incidence.day_100").value


def test_a_protocol_without_competing_events_has_no_such_note():
    from tests.studies.small import small_protocol

    results = run_analyses(dataset(), small_protocol(), "lock-1")
    assert results.row("all.curve.exposed.survival.day_100").warnings == ()


@pytest.mark.parametrize("status", [3, -1, None, 0.5])
def test_a_status_that_is_none_is_refused(status):
    kinds = np.zeros(200, dtype=object)
    kinds[0] = status
    with pytest.raises(PlatformError) as error:
        run_analyses(dataset(200, status=kinds), protocol(), "lock-1")
    assert error.value.code == "study.frame_refused" and "status" in error.value.en


def test_the_order_of_rows_changes_nothing():
    kinds = np.random.default_rng(7).choice([0, 1, 2], 200)
    frame = dataset(200, status=kinds, event=(kinds == 1).astype(int)).frame
    backwards = {name: frame[name].to_numpy()[::-1] for name in frame.columns}
    first = run_analyses(
        dataset(200, **{name: frame[name].to_numpy() for name in frame.columns}), protocol(), "l"
    )
    again = run_analyses(dataset(200, **backwards), protocol(), "l")
    for row in first.rows:
        if row.analysis == "all.incidence" and isinstance(row.value, float):
            assert again.row(row.id).value == pytest.approx(row.value, rel=1e-9)


def test_of_an_incidence_nothing_is_open_before_unsealing():
    """Not a number, not a curve, not a reason: which arm had no event of a kind is a result."""
    results, planned = run(0), planned_methods(protocol())
    shown = open_part(results, planned)
    assert "all.incidence" in sealed_analyses(planned)
    assert not [row for row in shown.rows if row.analysis == "all.incidence"]
    assert not [one for one in shown.series if one.analysis == "all.incidence"]
    assert not [id for id in shown.not_done if id.startswith("all.incidence")]


def test_its_claim_is_never_more_than_descriptive():
    """Curves and Gray's test are of the arms as they are: nothing controls confounding."""
    results = run(extra="    covariates: [age]\n")
    assert results.row("all.incidence.claim_level").value == "descriptive"
    assert results.row("all.incidence.gate.control.status").value == "failed"
