"""The attacks of WP216, each beside its control group."""

from __future__ import annotations

import random

import pandas as pd
import pytest

from deidentify.risk.attack import Attack, AttackReport, Rate, attack, attack_held_out
from rwd_platform.core.errors import PlatformError


def by_kind(report: AttackReport) -> dict[str, Attack]:
    return {one.kind: one for one in report.attacks}


# Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3: to four digits.
WILSON = [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)]


@pytest.mark.parametrize(("successes", "attempts", "low", "high"), WILSON)
def test_a_rate_has_wilsons_interval(successes: int, attempts: int, low: float, high: float) -> None:
    assert Rate(successes, attempts).interval == pytest.approx((low, high), abs=5e-5)


def test_the_excess_is_what_goes_beyond_the_control_group() -> None:
    """60 % against 20 %: half of what the control group leaves open. Equal rates: nothing."""
    assert Attack("linkage", Rate(60, 100), Rate(20, 100)).excess == pytest.approx(0.5)
    assert Attack("linkage", Rate(30, 100), Rate(30, 100)).excess == 0.0
    assert Attack("linkage", Rate(10, 100), Rate(100, 100)).excess is None


def test_the_interval_of_the_excess_covers_it_as_often_as_it_says() -> None:
    """2,000 pairs of rates drawn with 60 % and 20 %: the true excess of 0.5 lies inside about 95 % of the time."""
    draw = random.Random(11)
    inside = 0
    for _ in range(2000):
        rates = [Rate(sum(draw.random() < p for _ in range(150)), 150) for p in (0.6, 0.2)]
        interval = Attack("linkage", rates[0], rates[1]).interval
        assert interval is not None
        inside += interval[0] <= 0.5 <= interval[1]
    assert 0.935 <= inside / 2000 <= 0.97


def people(number: int, seed: int, *, values: int) -> pd.DataFrame:
    """Columns a to d with so many values each, and a secret that has nothing to do with them."""
    draw = random.Random(seed)
    rows = [{name: str(draw.randrange(values)) for name in "abcd"} for _ in range(number)]
    return pd.DataFrame(rows).assign(secret=[draw.choice("xy") for _ in rows])


def test_a_detailed_release_gives_its_own_people_away() -> None:
    """With 40 values a column each record is alone: its halves meet in it, and its secret can be read off.

    Of people outside nothing special can be told: their secret is guessed right half the time.
    """
    found = by_kind(
        attack(people(300, 1, values=40), people(300, 2, values=40), list("abcd"), "secret", seed=5)
    )
    assert found["linkage"].main.value > 0.9 and found["linkage"].excess is not None
    assert found["inference"].main.value > 0.95
    assert 0.35 < found["inference"].control.value < 0.65
    interval = found["inference"].interval
    assert interval is not None and interval[0] > 0.8
    singled = found["singling_out"]
    assert singled.main.value > 0.3 and singled.control.value < 0.2


def test_a_coarse_release_gives_nobody_away() -> None:
    """With one value a column nobody is alone, no half leads anywhere, and the commonest secret is the guess."""
    found = by_kind(
        attack(people(300, 1, values=1), people(300, 2, values=1), list("abcd"), "secret", seed=5)
    )
    assert found["singling_out"].main.successes == found["linkage"].main.successes == 0
    interval = found["inference"].interval
    assert interval is not None and interval[0] < 0.1


def test_what_is_true_of_people_at_large_is_no_excess() -> None:
    """A secret that follows from a column is guessed as well for people outside: the release adds nothing."""
    released, control = people(300, 1, values=3), people(300, 2, values=3)
    for frame in (released, control):
        frame["secret"] = frame["a"]
    found = by_kind(attack(released, control, list("abcd"), "secret", seed=5))["inference"]
    assert found.main.value > 0.95 and found.control.value > 0.95


def test_the_same_seed_attacks_the_same_people() -> None:
    frame = people(120, 3, values=6)
    first, again, other = (attack_held_out(frame, list("abc"), "secret", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert (first.released, first.control, first.split) == (60, 60, True)


def test_one_known_column_cannot_be_split_in_two() -> None:
    report = attack(people(30, 1, values=5), people(30, 2, values=5), ["a"], "secret", seed=1)
    assert set(by_kind(report)) == {"singling_out", "inference"}


def test_absent_values_agree_with_each_other() -> None:
    frame = people(40, 1, values=2)
    frame.loc[frame.index % 2 == 0, "a"] = None
    report = attack_held_out(frame, list("ab"), "secret", seed=1)
    assert report.as_dict()["seed"] == 1


UNFIT = [
    (1, 5, ["a"], "secret"),
    (5, 1, ["a"], "secret"),
    (5, 5, ["nothing"], "secret"),
    (5, 5, [], "secret"),
]


@pytest.mark.parametrize(("released", "control", "quasi", "sensitive"), UNFIT)
def test_an_attack_that_cannot_be_carried_out_is_refused(
    released: int, control: int, quasi: list[str], sensitive: str
) -> None:
    with pytest.raises(PlatformError) as refused:
        attack(people(released, 1, values=2), people(control, 2, values=2), quasi, sensitive, seed=1)
    assert refused.value.code == "risk.attack_unfit"
