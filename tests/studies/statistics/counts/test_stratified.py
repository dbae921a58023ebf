"""Stratified tables: one stratum, empty strata, label switches, limits for sparse strata, type I error."""

from __future__ import annotations

import math

import numpy as np
import pytest

from studies.reasons import CannotEstimate
from studies.statistics.counts.stratified import (
    breslow_day,
    cmh_test,
    common_odds_ratio,
    common_risk_difference,
    common_risk_ratio,
    stratified_tables,
)
from studies.statistics.counts.two_by_two import odds_ratio

TABLES = np.array([[[8, 12], [3, 17]], [[5, 4], [6, 9]], [[11, 3], [7, 8]]])


def test_one_stratum_is_the_plain_table():
    one = TABLES[:1]
    plain = odds_ratio((8, 3), (20, 20), method="woolf")
    assert common_odds_ratio(one).measure.estimate == pytest.approx(plain.estimate)
    assert common_odds_ratio(one).measure.se == pytest.approx(plain.se)
    assert common_risk_ratio(one).measure.estimate == pytest.approx(8 / 3)
    assert common_risk_difference(one).measure.estimate == pytest.approx(0.25)
    exact = common_odds_ratio(one, method="conditional").measure
    fisher = odds_ratio((8, 3), (20, 20))
    assert (exact.estimate, exact.lower, exact.upper, exact.p) == pytest.approx(
        (fisher.estimate, fisher.lower, fisher.upper, fisher.p), rel=1e-9
    )


def test_exchanging_groups_inverts_and_turns_the_measures():
    turned = TABLES[:, ::-1]
    assert cmh_test(turned).chisq == pytest.approx(cmh_test(TABLES).chisq)
    assert cmh_test(turned).z == pytest.approx(-cmh_test(TABLES).z)
    for measure in (common_odds_ratio, common_risk_ratio):
        assert measure(turned).measure.estimate == pytest.approx(1 / measure(TABLES).measure.estimate)
        assert measure(turned).measure.se == pytest.approx(measure(TABLES).measure.se)
    for variance in ("sato", "greenland-robins"):
        one, other = (common_risk_difference(t, variance=variance).measure for t in (TABLES, turned))
        assert (one.estimate, one.se) == pytest.approx((-other.estimate, other.se))
    assert breslow_day(turned).chisq == pytest.approx(breslow_day(TABLES).chisq)


def test_a_stratum_without_information_changes_nothing_but_its_count():
    """Nobody in the second group, or no event: it is counted among the strata, not among the informative ones."""
    more = np.concatenate([TABLES, [[[4, 6], [0, 0]], [[0, 5], [0, 7]]]])
    for method in ("mantel-haenszel", "conditional"):
        one, other = (common_odds_ratio(t, method=method) for t in (TABLES, more))
        assert (other.strata, other.informative, one.informative) == (5, 3, 3)
        assert (other.measure.estimate, other.measure.lower) == pytest.approx(
            (one.measure.estimate, one.measure.lower), rel=1e-9
        )
    assert cmh_test(more).chisq == pytest.approx(cmh_test(TABLES).chisq)
    assert (breslow_day(more).chisq, breslow_day(more).df) == pytest.approx((breslow_day(TABLES).chisq, 2))


def test_subjects_and_tables_give_the_same():
    rng = np.random.default_rng(3)
    outcome, group, site = rng.integers(0, 2, 200), rng.integers(0, 2, 200), rng.integers(0, 4, 200)
    tables = stratified_tables(outcome, group, [f"site {one}" for one in site])
    for k in range(4):
        here = site == k
        assert tables[k, 0, 0] == ((outcome == 1) & (group == 1) & here).sum()
        assert tables[k].sum() == here.sum()
    assert cmh_test(tables, correct=False).p > 0


def test_homogeneity_agrees_with_statsmodels():
    from statsmodels.stats.contingency_tables import StratifiedTable

    theirs = StratifiedTable(list(TABLES.astype(float)))
    assert breslow_day(TABLES).chisq == pytest.approx(theirs.test_equal_odds(adjust=True).statistic, rel=1e-9)
    assert breslow_day(TABLES, tarone=False).chisq == pytest.approx(
        theirs.test_equal_odds().statistic, rel=1e-9
    )
    assert math.log(common_odds_ratio(TABLES).measure.estimate) == pytest.approx(
        theirs.logodds_pooled, rel=1e-12
    )
    assert common_odds_ratio(TABLES).measure.se == pytest.approx(theirs.logodds_pooled_se, rel=1e-12)


def test_the_general_test_of_a_two_by_two_is_the_uncorrected_one():
    from studies.statistics.counts.stratified import _general

    assert _general(TABLES.astype(float)).chisq == pytest.approx(cmh_test(TABLES, correct=False).chisq)


def test_a_matched_set_of_pairs_gives_mcnemars_ratio():
    """Pairs as strata of two: the Mantel-Haenszel odds ratio is b/c, and the test is McNemar's."""
    discordant = [[[1, 0], [0, 1]]] * 9 + [[[0, 1], [1, 0]]] * 4 + [[[1, 0], [1, 0]]] * 6
    assert common_odds_ratio(discordant).measure.estimate == pytest.approx(9 / 4)
    assert common_odds_ratio(discordant).measure.se == pytest.approx(math.sqrt(1 / 9 + 1 / 4))
    assert cmh_test(discordant, correct=False).chisq == pytest.approx((9 - 4) ** 2 / 13)


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: cmh_test([[1, 2], [3, 4]]), "bad_strata"),
        (lambda: cmh_test([]), "bad_strata"),
        (lambda: cmh_test([[[1, 2], [3, -4]]]), "not_a_count"),
        (lambda: cmh_test([[[1, 2], [3, float("nan")]]]), "not_a_number"),
        (lambda: cmh_test([[[1, 0], [0, 0]]]), "bad_strata"),
        (lambda: cmh_test([[[1, 4], [0, 0]]]), "no_informative_stratum"),
        (lambda: cmh_test([[[1, 4, 2], [0, 0, 0], [1, 1, 1]]]), "no_informative_stratum"),
        (lambda: cmh_test(np.ones((2, 3, 3)), alternative="less"), "bad_argument"),
        (lambda: common_odds_ratio(np.ones((2, 3, 3))), "bad_strata"),
        (lambda: common_odds_ratio([[[0, 4], [2, 3]]]), "open_common_ratio"),
        (lambda: common_odds_ratio([[[0, 4], [0, 3]]]), "no_informative_stratum"),
        (lambda: common_odds_ratio(TABLES, method="wald"), "bad_argument"),
        (lambda: common_odds_ratio(TABLES, null=-1), "out_of_range"),
        (lambda: common_risk_ratio([[[0, 4], [2, 3]]]), "open_common_ratio"),
        (lambda: common_risk_difference([[[3, 4], [0, 0]]]), "no_informative_stratum"),
        (lambda: common_risk_difference(TABLES, variance="wald"), "bad_argument"),
        (lambda: breslow_day(TABLES[:1]), "needs_two_strata"),
        (lambda: breslow_day([[[0, 4], [2, 3]], [[0, 2], [3, 3]]]), "open_common_ratio"),
        (lambda: stratified_tables([], [], []), "no_subjects"),
        (lambda: stratified_tables([1, 0], [1, 2], ["a", "b"]), "bad_codes"),
        (lambda: stratified_tables([1, 0], [1, 0], ["a"]), "lengths_differ"),
    ],
)
def test_what_has_no_common_measure_is_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code


def test_an_exact_common_ratio_with_a_zero_says_so():
    shown = common_odds_ratio([[[0, 4], [2, 3]], [[0, 3], [1, 5]]], method="conditional").measure
    assert shown.estimate == shown.lower == 0.0 and shown.statement is not None and shown.upper > 0
