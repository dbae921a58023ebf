"""Two proportions: exact coverage of every interval, symmetries, zero cells, exact tests, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from studies.reasons import CannotEstimate
from studies.statistics.counts.exact_tests import fisher_test, mcnemar, unconditional_test
from studies.statistics.counts.score import difference_z, odds_ratio_z, ratio_z
from studies.statistics.counts.two_by_two import number_needed, odds_ratio, risk_difference, risk_ratio

GRID = np.linspace(0.025, 0.975, 39)
# The lowest exact coverage of 95 % intervals for the difference over 39 x 39 pairs of proportions with
# n = 15 a group. That the score interval dips below its level beside the corners, and Wald's far more, is in
# Newcombe (1998) and Fagerland, Lydersen & Laake (2015).
LOWEST_DIFFERENCE = {
    "miettinen-nurminen": (15, 0.9229),
    "newcombe": (15, 0.8924),
    "agresti-caffo": (15, 0.9309),
}


def tables(n1: int, n2: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(n1 + 1) for b in range(n2 + 1)]


def lowest_coverage(limits: np.ndarray, truth: np.ndarray, n1: int, n2: int) -> float:
    """The lowest exact coverage; limits (tables, 2), truth (p1, p2) of the measure."""
    first = binom.pmf(np.arange(n1 + 1)[:, None], n1, GRID)
    second = binom.pmf(np.arange(n2 + 1)[:, None], n2, GRID)
    lowest = 1.0
    for i in range(len(GRID)):
        for j in range(len(GRID)):
            chances = np.outer(first[:, i], second[:, j]).ravel()
            inside = (limits[:, 0] <= truth[i, j]) & (truth[i, j] <= limits[:, 1])
            lowest = min(lowest, float(chances @ inside))
    return lowest


@pytest.mark.parametrize("method", LOWEST_DIFFERENCE)
def test_the_lowest_exact_coverage_of_a_risk_difference_is_as_stated(method):
    n, stated = LOWEST_DIFFERENCE[method]
    shown = [risk_difference(x, (n, n), method=method) for x in tables(n, n)]
    limits = np.array([(one.lower, one.upper) for one in shown])
    truth = GRID[:, None] - GRID
    assert lowest_coverage(limits, truth, n, n) == pytest.approx(stated, abs=2e-4)


# The same for the ratios; a table without any event says nothing, and every ratio is possible.
LOWEST_RATIO = {
    (risk_ratio, "miettinen-nurminen"): 0.9145,
    (risk_ratio, "koopman"): 0.9145,
    (odds_ratio, "miettinen-nurminen"): 0.9152,
}


@pytest.mark.parametrize(("function", "method"), LOWEST_RATIO)
def test_the_lowest_exact_coverage_of_the_score_ratios_is_as_stated(function, method):
    n, rows = 15, []
    for x in tables(n, n):
        if sum(x) == 0 or (function is odds_ratio and sum(x) == 2 * n):
            rows.append((0.0, np.inf))
        else:
            one = function(x, (n, n), method=method)
            rows.append((one.lower, np.inf if one.upper is None else one.upper))
    of = GRID if function is risk_ratio else GRID / (1 - GRID)
    lowest = lowest_coverage(np.array(rows), of[:, None] / of, n, n)
    assert lowest == pytest.approx(LOWEST_RATIO[function, method], abs=2e-4)


def test_the_exact_conditional_odds_ratio_never_covers_less_than_95_percent():
    """Cornfield's limits, also where a table says nothing (no event at all: every odds ratio is possible)."""
    n, rows = 12, []
    for x in tables(n, n):
        if sum(x) in (0, 2 * n):
            rows.append((0.0, np.inf))
        else:
            one = odds_ratio(x, (n, n), roots="exact")
            rows.append((one.lower, np.inf if one.upper is None else one.upper))
    odds = GRID / (1 - GRID)
    assert lowest_coverage(np.array(rows), odds[:, None] / odds, n, n) >= 0.95


def test_the_exact_tests_hold_their_level_over_all_common_proportions():
    """Fisher's, Boschloo's and Barnard's size by enumeration; Boschloo never has less power than Fisher."""
    n1, n2 = 5, 6
    fisher, boschloo, barnard = (np.ones((n1 + 1, n2 + 1)) for _ in range(3))
    for a, b in tables(n1, n2):
        fisher[a, b] = (
            fisher_test([[a, n1 - a], [b, n2 - b]], alternative="greater").p if 0 < a + b < n1 + n2 else 1.0
        )
        boschloo[a, b] = unconditional_test((a, b), (n1, n2), alternative="greater").p
        barnard[a, b] = unconditional_test((a, b), (n1, n2), method="barnard").p
    for common in GRID:
        chances = np.outer(binom.pmf(np.arange(n1 + 1), n1, common), binom.pmf(np.arange(n2 + 1), n2, common))
        for p in (fisher, boschloo, barnard):
            assert chances[p <= 0.05].sum() <= 0.05 + 1e-9
    assert (boschloo <= fisher + 1e-9).all()


def test_unconditional_tests_agree_with_scipy_one_sided():
    from scipy.stats import barnard_exact, boschloo_exact

    for x, n in (((7, 12), (15, 17)), ((2, 9), (10, 12)), ((1, 0), (9, 14))):
        table = [[x[0], x[1]], [n[0] - x[0], n[1] - x[1]]]
        for alternative in ("greater", "less"):
            ours = unconditional_test(x, n, alternative=alternative).p
            assert ours == pytest.approx(boschloo_exact(table, alternative=alternative).pvalue, rel=1e-6)
            ours = unconditional_test(x, n, method="barnard", alternative=alternative).p
            assert ours == pytest.approx(barnard_exact(table, alternative=alternative).pvalue, rel=1e-6)
        assert unconditional_test(x, n).p == pytest.approx(boschloo_exact(table).pvalue, rel=1e-6)


def test_barnards_two_sided_p_is_the_supremum_and_counts_the_mirror_table():
    """By brute force over a fine grid, ties of |z| (rounded to 1e-9) together."""
    x, n = (7, 12), (15, 17)
    a, b = np.arange(16)[:, None], np.arange(18)
    pooled = (a + b) / 32
    with np.errstate(all="ignore"):
        z = np.abs((a / 15 - b / 17) / np.sqrt(pooled * (1 - pooled) * (1 / 15 + 1 / 17)))
    z = np.round(np.nan_to_num(z), 9)
    extreme = z >= z[7, 12]
    grid = np.linspace(0, 1, 20001)
    chances = (binom.pmf(a, 15, grid) * (extreme @ binom.pmf(b[:, None], 17, grid))).sum(axis=0)
    assert unconditional_test(x, n, method="barnard").p == pytest.approx(chances.max(), rel=1e-7)


@pytest.mark.parametrize(
    "method", ["miettinen-nurminen", "mee", "newcombe", "newcombe-cc", "agresti-caffo", "wald"]
)
def test_exchanging_groups_or_outcomes_turns_the_risk_difference(method):
    one = risk_difference((9, 4), (20, 31), method=method)
    swapped = risk_difference((4, 9), (31, 20), method=method)
    failures = risk_difference((11, 27), (20, 31), method=method)
    for other in (swapped, failures):
        assert (one.estimate, one.lower, one.upper) == pytest.approx(
            (-other.estimate, -other.upper, -other.lower), rel=1e-9, abs=1e-12
        )


def test_exchanging_groups_inverts_the_ratios():
    for function, methods in (
        (risk_ratio, ("miettinen-nurminen", "koopman", "wald")),
        (odds_ratio, ("conditional", "mid-p", "woolf", "haldane-anscombe", "miettinen-nurminen")),
    ):
        for method in methods:
            exact = {"roots": "exact"} if method == "conditional" else {}
            one = function((9, 4), (20, 31), method=method, **exact)
            other = function((4, 9), (31, 20), method=method, **exact)
            inverse = (1 / other.estimate, 1 / other.upper, 1 / other.lower)
            assert (one.estimate, one.lower, one.upper) == pytest.approx(inverse, rel=1e-8)
            assert one.p == pytest.approx(other.p, rel=1e-8)


def test_the_published_examples_come_out():
    """Newcombe (1998, table II, 56/70 - 48/80): methods 10, 11, 5 (Mee) and Miettinen-Nurminen; Koopman (1984), 36/40
    against 16/80."""
    for method, limits in (
        ("newcombe", (0.0524, 0.3339)), ("newcombe-cc", (0.0428, 0.3422)), ("mee", (0.0533, 0.3377)),
        ("miettinen-nurminen", (0.0528, 0.3382)), ("wald", (0.0575, 0.3425)),
    ):  # fmt: skip
        shown = risk_difference((56, 48), (70, 80), method=method)
        assert (shown.lower, shown.upper) == pytest.approx(limits, abs=5.1e-5)
    shown = risk_ratio((36, 16), (40, 80), method="koopman")
    assert (shown.lower, shown.upper) == pytest.approx((2.94, 7.15), abs=5e-3)


def test_score_limits_agree_with_statsmodels():
    from statsmodels.stats.proportion import confint_proportions_2indep

    # Its limits of a difference are others where the groups differ in size; ours are those of a search in R.
    for compare, function in (("ratio", risk_ratio), ("odds-ratio", odds_ratio)):
        for x, n in (((9, 4), (20, 31)), ((2, 7), (60, 55)), ((45, 40), (50, 50))):
            shown = function(x, n, method="miettinen-nurminen")
            theirs = confint_proportions_2indep(x[0], n[0], x[1], n[1], compare=compare, method="score")
            assert (shown.lower, shown.upper) == pytest.approx(theirs, rel=2e-5)


@pytest.mark.parametrize("level", [0.05, 0.3, 0.5, 0.8])
def test_one_sided_limits_of_any_level_have_that_p_at_their_null(level):
    """Also below one half, where the limit lies on the other side of the estimate."""
    options = {"conf_level": level, "alternative": "greater"}
    for function, methods in (
        (risk_difference, ("miettinen-nurminen", "mee", "wald")),
        (risk_ratio, ("miettinen-nurminen", "koopman", "wald")),
        (odds_ratio, ("conditional", "mid-p", "woolf", "miettinen-nurminen")),
    ):
        for method in methods:
            exact = {"roots": "exact"} if method == "conditional" else {}
            for x, n in (((45, 40), (50, 50)), ((9, 4), (20, 31)), ((3, 8), (40, 35))):
                limit = function(x, n, method=method, **options, **exact).lower
                p = function(x, n, method=method, null=limit, alternative="greater").p
                assert p == pytest.approx(1 - level, rel=1e-6)


def test_the_score_statistics_are_vectorised_and_zero_where_the_data_agree():
    x1, x2 = np.arange(11.0)[:, None], np.arange(13.0)
    z = difference_z(x1, 10, x2, 12, 0.1)
    assert z.shape == (11, 13) and not np.isnan(z).any()
    assert float(difference_z(5.0, 10, 3.0, 10, 0.2)) == pytest.approx(0.0, abs=1e-12)
    assert float(ratio_z(6.0, 10, 3.0, 10, 2.0)) == pytest.approx(0.0, abs=1e-12)
    assert float(odds_ratio_z(6.0, 10, 5.0, 10, 1.5)) == pytest.approx(0.0, abs=1e-12)
    unit = [
        f(7.0, 10, 3.0, 10, null) for f, null in ((difference_z, 0.0), (ratio_z, 1.0), (odds_ratio_z, 1.0))
    ]
    assert unit == pytest.approx([float(unit[0])] * 3, rel=1e-9)


def test_a_zero_cell_is_said_and_nothing_is_added_unasked():
    shown = risk_ratio((0, 5), (10, 10))
    assert shown.estimate == shown.lower == 0.0 and shown.upper < 1 and shown.statement is not None
    shown = risk_ratio((5, 0), (10, 10))
    assert shown.estimate is None and shown.upper is None and shown.lower > 1 and shown.statement is not None
    shown = odds_ratio((10, 4), (10, 10))
    assert shown.estimate is None and shown.upper is None and shown.lower > 1 and shown.statement is not None
    for call in (
        lambda: odds_ratio((0, 5), (10, 10), method="woolf"),
        lambda: risk_ratio((0, 5), (10, 10), method="wald"),
        lambda: risk_difference((0, 10), (10, 10), method="wald"),
    ):
        with pytest.raises(CannotEstimate) as refused:
            call()
        assert refused.value.reason.code == "zero_cell"
    named = odds_ratio((0, 5), (10, 10), method="haldane-anscombe")
    assert named.estimate == pytest.approx((0.5 / 10.5) / (5.5 / 5.5)) and "haldane-anscombe" in named.method


def test_the_number_needed_to_treat_runs_through_infinity_where_the_difference_may_be_zero():
    clear = number_needed((10, 30), (100, 100))
    assert clear.estimate == pytest.approx(5.0) and clear.direction == "benefit" and clear.harm is None
    assert clear.benefit == pytest.approx((1 / -clear.difference.lower, 1 / -clear.difference.upper))
    assert number_needed((10, 30), (100, 100), outcome="beneficial").direction == "harm"
    crossing = number_needed((28, 30), (100, 100))
    assert crossing.benefit[1] is None and crossing.harm[1] is None and crossing.statement is not None
    same = number_needed((30, 30), (100, 100))
    assert same.estimate is None and same.direction is None and "infinite" in same.statement.en


def test_the_exact_root_is_the_root():
    """At the exact limits the tails are 0.025; R's stopping point is some 1e-4 away."""
    exact, r = odds_ratio((12, 5), (50, 50), roots="exact"), odds_ratio((12, 5), (50, 50))
    for ratio, alternative in ((exact.lower, "greater"), (exact.upper, "less")):
        tail = odds_ratio((12, 5), (50, 50), null=ratio, alternative=alternative).p
        assert tail == pytest.approx(0.025, rel=1e-9)
    assert 1e-6 < abs(r.upper / exact.upper - 1) < 1e-3


def test_a_larger_exact_test_does_not_depend_on_the_order_of_rows_or_columns():
    table = np.array([[3, 0, 4, 2], [1, 5, 2, 0], [2, 2, 0, 6]])
    p = fisher_test(table).p
    assert fisher_test(table[::-1, [2, 0, 3, 1]]).p == pytest.approx(p, rel=1e-10)
    assert fisher_test(table.T).p == pytest.approx(p, rel=1e-10)
    with_empty = np.column_stack([table, [0, 0, 0]])
    assert fisher_test(with_empty).p == pytest.approx(p, rel=1e-12)


def test_a_table_too_large_to_enumerate_is_refused(monkeypatch):
    monkeypatch.setattr("studies.statistics.counts.freeman_halton._MOST_STEPS", 20_000)
    with pytest.raises(CannotEstimate) as refused:
        fisher_test(np.full((6, 6), 20))
    assert refused.value.reason.code == "table_too_large"


def test_pairs_that_agree_say_nothing_and_discordant_ones_are_a_binomial():
    shown = mcnemar(15, 6)
    assert shown.estimate == 2.5 and shown.p == pytest.approx(0.0783538818, rel=1e-8)
    turned = mcnemar(6, 15)
    assert (turned.lower, turned.upper) == pytest.approx((1 / shown.upper, 1 / shown.lower))
    assert mcnemar(5, 5, method="mid-p").p == pytest.approx(1 - binom.pmf(5, 10, 0.5) / 2)
    assert mcnemar(15, 6, method="mid-p").p == pytest.approx(shown.p - binom.pmf(6, 21, 0.5))
    assert (
        mcnemar(4, 0).upper is None and mcnemar(4, 0).estimate is None and mcnemar(4, 0).statement is not None
    )


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: risk_difference((1, 2), (0, 10)), "not_a_count"),
        (lambda: risk_difference((11, 2), (10, 10)), "more_events_than_subjects"),
        (lambda: risk_difference((1, 2), (10, 10), null=1.5), "out_of_range"),
        (lambda: risk_difference((1, 2), (10, 10), method="score"), "bad_argument"),
        (lambda: risk_difference((float("nan"), 2), (10, 10)), "not_a_number"),
        (lambda: risk_ratio((0, 0), (10, 10)), "no_contrast"),
        (lambda: risk_ratio((1, 2), (10, 10), null=0), "out_of_range"),
        (lambda: odds_ratio((0, 0), (10, 10)), "no_contrast"),
        (lambda: odds_ratio((10, 10), (10, 10)), "no_contrast"),
        (lambda: odds_ratio((1, 2), (10, 10), roots="sas"), "bad_argument"),
        (lambda: odds_ratio((1, 2, 3), (10, 10, 10)), "no_contrast"),
        (lambda: number_needed((1, 2), (10, 10), outcome="good"), "bad_argument"),
        (lambda: fisher_test([[1, 2], [3, -1]]), "not_a_count"),
        (lambda: fisher_test([[1, 2.5], [3, 1]]), "not_a_count"),
        (lambda: fisher_test([[1, 2], [3, 1]], null=0), "out_of_range"),
        (lambda: fisher_test([[1, 2]]), "not_a_table"),
        (lambda: fisher_test([[0, 0], [0, 0]]), "not_a_table"),
        (lambda: fisher_test([[1, 2, 3], [3, 1, 2]], alternative="less"), "bad_argument"),
        (lambda: unconditional_test((1, 2), (5000, 5000)), "table_too_large"),
        (lambda: mcnemar(0, 0), "no_discordant"),
        (lambda: mcnemar(-1, 3), "not_a_count"),
    ],
)
def test_what_is_no_pair_of_proportions_is_refused_by_name(call, code):
    with pytest.raises(CannotEstimate) as refused:
        call()
    assert refused.value.reason.code == code
