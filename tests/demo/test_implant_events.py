"""The second demo's adverse events: as often as the model says, of Lecheng alone, and taken in whole."""

from __future__ import annotations

from rwd_platform.demo.implant_events import RISKS, implant_events
from rwd_platform.demo.implant_patients import LECHENG, implant_patients

SEED = 2026


def test_over_many_draws_each_kind_is_as_frequent_and_as_serious_as_the_model_says():
    """Thirty draws of sixty patients: a share of 0.1 has a standard error of 0.007."""
    drawn = [event for seed in range(30) for event in implant_events(implant_patients(seed), seed)]
    for kind, risk in RISKS.items():
        mine = [one for one in drawn if one.kind == kind]
        assert abs(len(mine) / 1800 - risk.chance) < 0.03, kind
        serious = [one for one in mine if one.seriousness != "Non-serious"]
        assert abs(len(serious) / len(mine) - risk.serious) < 0.15, kind
        assert {one.day for one in mine} <= set(risk.days)


def test_the_same_seed_gives_the_same_events_and_no_patient_changes():
    people = implant_patients(SEED)
    assert implant_events(people, SEED) == implant_events(people, SEED)
    assert people == implant_patients(SEED)


def test_only_lecheng_reports_one_deficiency_and_every_death():
    people = implant_patients(SEED)
    events = implant_events(people, SEED)
    assert {one.patient.hospital for one in events} == {LECHENG}
    deficiencies = [one for one in events if one.kind == "deficiency"]
    assert [one.actuality for one in deficiencies] == ["potential"]
    dead = {one.number for one in people if one.died and one.hospital == LECHENG}
    assert {one.patient.number for one in events if one.outcome == "fatal"} == dead
    assert all(0 <= one.day <= one.patient.last_day for one in events)


def test_nobody_treated_gives_nothing():
    assert implant_events((), SEED) == ()
