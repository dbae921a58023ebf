"""Deficiencies by device, implant-year, model and lot."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.statistics.safety.device_deficiency import POOLED, deficiency_rates, funnel_limit, lot_funnel
from tests.studies.statistics.safety.test_rates import refused

FOUND = [0, 2, 0, 1, 0, 0]
YEARS = [1.0, 2.0, 0.5, 1.5, 1.0, 2.0]
LOTS = ["L1", "L1", "L1", "L2", "L2", "L9"]


def test_a_device_counts_once_and_a_deficiency_every_time():
    whole = deficiency_rates(FOUND, YEARS)[0]
    assert (whole.devices, whole.devices_affected, whole.deficiencies) == (6, 2, 3)
    assert whole.per_device.estimate == pytest.approx(2 / 6)
    assert whole.per_implant_year.rate == pytest.approx(100 * 3 / 8)


def test_lots_add_up_to_the_whole():
    whole, *lots = deficiency_rates(FOUND, YEARS, level=LOTS)
    assert [one.level for one in lots] == ["L1", "L2", "L9"]
    assert sum(one.devices for one in lots) == whole.devices
    assert sum(one.per_implant_year.person_time for one in lots) == pytest.approx(
        whole.per_implant_year.person_time
    )


def test_small_lots_are_pooled_and_named():
    lots = deficiency_rates(FOUND, YEARS, level=LOTS, smallest=2)[1:]
    assert [one.level for one in lots] == ["L1", "L2", POOLED]
    assert lots[-1].pooled == ("L9",)
    assert [one.lot for one in lot_funnel(FOUND, YEARS, lot=LOTS, smallest=2).points] == ["L1", "L2", POOLED]


def test_the_expected_of_the_funnel_adds_up_to_the_observed():
    funnel = lot_funnel(FOUND, YEARS, lot=LOTS)
    assert sum(one.expected for one in funnel.points) == pytest.approx(3)
    assert funnel.rate == pytest.approx(3 / 8)
    for one in funnel.points:
        assert one.lower_998 <= one.lower_95 <= 1 <= one.upper_95 <= one.upper_998
        assert one.p <= one.p_adjusted <= 1


def test_a_bad_lot_stands_out_and_holm_adjusts_for_the_number_of_lots():
    found, years = np.zeros(400), np.ones(400)
    lot = np.repeat(np.arange(20), 20)
    found[lot == 7] = 1
    found[::40] = 1
    funnel = lot_funnel(found, years, lot=lot)
    worst = min(funnel.points, key=lambda one: one.p)
    assert worst.lot == 7 and worst.ratio > worst.upper_998
    assert worst.p_adjusted == pytest.approx(20 * worst.p)


def test_the_limit_falls_between_the_counts_that_enclose_its_level():
    from scipy.stats import poisson

    for level in (0.025, 0.975, 0.999):
        limit = funnel_limit([7.3], level)[0]
        assert poisson.cdf(math.floor(limit) - 1, 7.3) <= level <= poisson.cdf(math.ceil(limit), 7.3)
    assert funnel_limit([0.01], 0.025)[0] == 0


def test_what_has_no_funnel_is_refused():
    refused("one_arm", lot_funnel, [1, 0], [1.0, 1.0], lot=["a", "a"])
    refused("no_events", lot_funnel, [0, 0], [1.0, 1.0], lot=["a", "b"])
    refused("no_time_at_risk", lot_funnel, [1, 0], [1.0, 0.0], lot=["a", "b"])
    refused("no_time_at_risk", deficiency_rates, [0], [0.0])
    refused("no_subjects", deficiency_rates, [], [])
    refused("lengths_differ", deficiency_rates, [1, 0], [1.0])
    refused("bad_argument", deficiency_rates, [-1], [1.0])
    refused("bad_labels", deficiency_rates, [1, 0], [1.0, 1.0], level=["a", None])
    refused("bad_argument", deficiency_rates, [1], [1.0], level=["a"], smallest=0)
    refused("bad_argument", funnel_limit, [0.0], 0.5)
