"""The demo's patients are the tumour bank's, with nothing of the recorded facts changed."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

from survival.datasets import load_rotterdam

from rwd_platform.demo.exporter import DemoFiles
from rwd_platform.demo.patients import completed_years, demo_patients

RAW = load_rotterdam()
RECORDED = (
    *("pid", "year", "age", "meno", "size", "grade", "nodes", "pgr", "er"),
    *("hormon", "chemo", "rtime", "recur", "dtime", "death"),
)


def test_all_2982_patients_are_there_with_every_recorded_fact(demo_files: DemoFiles):
    """No patient is left out or added, and no covariate or outcome differs from the published data set."""
    raw = {row[0]: row for row in zip(*(RAW[name] for name in RECORDED), strict=True)}
    ours = {one.pid: tuple(getattr(one, name) for name in RECORDED) for one in demo_patients(demo_files.seed)}
    assert len(ours) == 2982
    assert ours == raw


def test_the_published_totals_are_there(demo_files: DemoFiles):
    """339 had hormonal therapy, 1,546 positive nodes, 1,518 a recurrence; 1,272 died."""
    patients = demo_files.patients
    assert sum(one.hormon for one in patients) == 339
    assert sum(one.nodes > 0 for one in patients) == 1546
    assert sum(one.death for one in patients) == 1272
    assert sum(one.recur for one in patients) == 1518


def test_the_hospitals_share_the_patients_about_equally(demo_files: DemoFiles):
    """A seeded shuffle, a third each; numbers count from 1 in each hospital."""
    assert Counter(one.hospital for one in demo_files.patients) == {"a": 994, "b": 994, "c": 994}
    for hospital in "abc":
        numbers = [one.number for one in demo_files.patients if one.hospital == hospital]
        assert numbers == list(range(1, 995))


def test_the_completed_age_at_surgery_is_the_recorded_age(demo_files: DemoFiles):
    """Counted by birthdays for all 2,982; some birthdays and some surgeries fall on 29 February."""
    for one in demo_files.patients:
        birthday_this_year = (one.surgery_date.month, one.surgery_date.day) >= (
            one.birth_date.month,
            one.birth_date.day,
        )
        assert one.surgery_date.year - one.birth_date.year - (not birthday_this_year) == one.age
        assert completed_years(one.birth_date, one.surgery_date) == one.age


def test_ages_hold_over_every_day_of_leap_and_common_years():
    """Other seeds, so that birthdays and surgeries meet on the awkward days of February."""
    days: set[tuple[int, int]] = set()
    for seed in range(3):
        for one in demo_patients(seed):
            assert completed_years(one.birth_date, one.surgery_date) == one.age
            days.add((one.birth_date.month, one.birth_date.day))
            days.add((one.surgery_date.month, one.surgery_date.day))
    assert {(2, 28), (2, 29), (3, 1), (12, 31), (1, 1)} <= days


def test_dates_lie_where_they_were_recorded(demo_files: DemoFiles):
    """Surgery and diagnosis inside the recorded year, diagnosis at most 21 days before; times in exact
    days.
    """
    for one in demo_files.patients:
        assert one.surgery_date.year == one.diagnosis_date.year == one.year
        assert timedelta(0) <= one.surgery_date - one.diagnosis_date <= timedelta(days=21)
        assert (one.last_check_date - one.surgery_date).days == one.rtime
        assert (one.last_contact_date - one.surgery_date).days == one.dtime


def test_diagnosis_is_sometimes_on_the_day_itself_and_sometimes_three_weeks_before(demo_files: DemoFiles):
    """The interval is spread over its range, not constant."""
    waits = Counter((one.surgery_date - one.diagnosis_date).days for one in demo_files.patients)
    assert set(waits) == set(range(22))


def test_another_seed_gives_other_days_and_the_same_facts():
    """The seed decides what is invented, nothing else."""
    first, second = demo_patients(1), demo_patients(2)
    assert [one.surgery_date for one in first] != [one.surgery_date for one in second]
    assert {one.pid for one in first} == {one.pid for one in second}
    assert all(one.birth_date > date(1880, 1, 1) for one in second)
