"""Who the invented subjects are: what the protocol says of a covariate, and nothing that it does not say."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import replace

import pytest

from studies.evidence.twin import make_twin
from studies.evidence.twin.baseline import Range, ages, genders, number_in, range_of, value_of
from studies.evidence.twin.draw import Draw
from studies.planned import Aggregate, AggregateCovariate
from studies.protocol import Protocol, Restriction
from tests.evidence.twin.protocols import NAMES, changed, protocol_of


def covariate(protocol: Protocol, name: str):
    return next(one for one in protocol.covariates if one.name == name)


def with_series(protocol: Protocol, *published: AggregateCovariate) -> Protocol:
    series = Aggregate("abroad", protocol.title, protocol.title, 100, 50, 365, published)
    return replace(protocol, overseas_series=(series,))


def limited(protocol: Protocol, **limits) -> Protocol:
    population = replace(protocol.populations[0], restrictions=(Restriction("weight_kg", **limits),))
    return replace(protocol, populations=(population,))


def test_without_a_word_on_its_size_a_number_lies_between_0_and_100():
    protocol = protocol_of("stent")
    assert range_of(covariate(protocol, "weight_kg"), protocol) == Range(0, 100, 1)


def test_the_age_is_within_the_cohorts_criteria():
    assert ages(protocol_of("stent")) == (18, 90)
    span = range_of(covariate(protocol_of("stent"), "age"), protocol_of("stent"))
    assert (span.low, span.high, span.scale) == (18, 90, 1) and span.limits == (65,)
    limits = {"at_least": 40, "at_most": 45}
    narrow = changed("stent", lambda text: text["cohort"]["criteria"][0].update(limits))
    assert make_twin(narrow)["subject"]["age_years"].between(40, 45).all()


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ({"at_least": 21}, (21, 90)),
        ({"more_than": 20}, (21, 90)),
        ({"less_than": 70}, (18, 69)),
        ({"between": [30, 50]}, (30, 50)),
        ({"at_most": 64}, (18, 64)),
    ],
)
def test_the_age_of_a_cohort_in_the_cohort_language_is_read_from_its_rules(age, expected):
    """Each way in which the language bounds a number; the published age of the series abroad does not undo it."""
    protocol = changed("valve", lambda text: text["cohort"]["require"][0].update(patient={"age": age}))
    assert ages(protocol) == expected
    assert make_twin(protocol)["subject"]["age_years"].dropna().between(*expected).all()


def test_a_published_age_does_not_lead_beyond_the_cohorts_criteria():
    """Everybody in a lock has met the criteria, whatever a series abroad was like."""
    protocol = with_series(protocol_of("stent"), AggregateCovariate("age", 85.0, 9.0))
    span = range_of(covariate(protocol, "age"), protocol)
    assert span.high <= 90 and span.low >= 18
    assert make_twin(protocol)["subject"]["age_years"].dropna().between(18, 90).all()


@pytest.mark.parametrize(("mean", "sd"), [(10.0, 2.0), (90.0, 2.0), (5.0, 1.0), (200.0, 5.0)])
def test_a_published_age_that_nobody_in_the_cohort_could_have_still_leaves_a_range(mean, sd):
    protocol = with_series(protocol_of("stent"), AggregateCovariate("age", mean, sd))
    span = range_of(covariate(protocol, "age"), protocol)
    assert 18 <= span.low <= span.high <= 90


def test_a_published_mean_and_sd_give_the_range_and_about_the_mean():
    protocol = protocol_of("valve")
    ejection = covariate(protocol, "ejection")
    span = range_of(ejection, protocol)
    assert span.low / span.scale == pytest.approx(47.25 - 3 * 9.72, abs=1)
    assert span.high / span.scale == pytest.approx(47.25 + 3 * 9.72, abs=1)
    draw = Draw(1)
    values = [value_of(ejection, protocol, 4, draw) for _ in range(3000)]
    assert sum(values) / len(values) == pytest.approx(47.25, abs=1.5)


def test_a_positive_quantity_does_not_go_below_zero():
    protocol = with_series(protocol_of("stent"), AggregateCovariate("weight_kg", 5.0, 4.0))
    assert range_of(covariate(protocol, "weight_kg"), protocol).low == 0


def test_a_small_quantity_has_steps_of_a_tenth_or_less():
    """A range of 1.2 in whole units would be two values: no model could be fitted."""
    protocol = with_series(protocol_of("stent"), AggregateCovariate("weight_kg", 0.9, 0.2))
    weight = covariate(protocol, "weight_kg")
    span = range_of(weight, protocol)
    assert span.scale == 100 and span.high - span.low >= 20
    draw = Draw(1)
    values = {value_of(weight, protocol, 4, draw) for _ in range(500)}
    assert len(values) > 20 and min(values) >= 0.3 and max(values) <= 1.5
    assert all(round(one * 100) / 100 == one for one in values)


@pytest.mark.parametrize(
    ("limits", "low", "high", "hit"),
    [
        ({"more_than": 0}, 0, 100, {0, 1}),
        ({"at_least": 50}, 0, 100, {49, 50, 51}),
        ({"less_than": 5_000_000}, 0, 10_000_000, {4_999_999, 5_000_000, 5_000_001}),
        ({"at_most": -10}, -20, 100, {-11, -10, -9}),
        ({"at_least": 0.25, "at_most": 0.75}, 0, 1.5, {0.25, 0.75}),
    ],
)
def test_the_limits_of_a_population_lie_within_the_range_and_are_hit_exactly(limits, low, high, hit):
    """On a limit and beside it: there `>` and `>=` part."""
    protocol = limited(protocol_of("stent"), **limits)
    weight = covariate(protocol, "weight_kg")
    span = range_of(weight, protocol)
    assert (span.low / span.scale, span.high / span.scale) == (low, high)
    draw = Draw(1)
    values = {value_of(weight, protocol, 4, draw) for _ in range(3000)}
    assert hit <= values and low <= min(values) and max(values) <= high


def test_a_number_never_leaves_its_range_however_great_the_need():
    draw, span = Draw(1), Range(10, 20, 10, (10, 20))
    for tilt in (-4, 0, 5, 100, -100):
        assert all(1.0 <= number_in(span, tilt, draw) <= 2.0 for _ in range(300))


def test_greater_need_means_greater_values_later_levels_and_more_records():
    """What makes arm, covariates and outcome go together."""
    protocol = protocol_of("stent")

    def mean(name: str, need: int) -> float:
        draw, one = Draw(7), covariate(protocol, name)
        values = [value_of(one, protocol, need, draw) for _ in range(2000)]
        return sum({"fit": 0, "frail": 1}.get(value, value) for value in values) / len(values)

    for name in ("weight_kg", "frailty", "surgery"):
        assert mean(name, 0) < mean(name, 4) < mean(name, 9)


def test_published_shares_of_levels_and_records_are_met():
    published = (AggregateCovariate("frailty.frail", 0.2), AggregateCovariate("surgery", 0.7))
    protocol, draw = with_series(protocol_of("stent"), *published), Draw(3)
    levels = Counter(value_of(covariate(protocol, "frailty"), protocol, 4, draw) for _ in range(4000))
    there = sum(value_of(covariate(protocol, "surgery"), protocol, 4, draw) for _ in range(4000))
    assert levels["frail"] / 4000 == pytest.approx(0.2, abs=0.04)
    assert there / 4000 == pytest.approx(0.7, abs=0.04)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_level_or_record_that_nobody_or_everybody_had_still_occurs_and_still_lacks(share):
    """Every level occurs, or the code that reads it would not be run."""
    published = (AggregateCovariate("frailty.frail", share), AggregateCovariate("surgery", share))
    protocol, draw = with_series(protocol_of("stent"), *published), Draw(3)
    for need in (0, 4, 9):
        assert {value_of(covariate(protocol, "frailty"), protocol, need, draw) for _ in range(600)} == {
            "fit",
            "frail",
        }
        assert {value_of(covariate(protocol, "surgery"), protocol, need, draw) for _ in range(600)} == {0, 1}


def test_a_covariate_of_many_levels_has_all_of_them():
    protocol = protocol_of("stent")
    frailty = covariate(protocol, "frailty")
    many = tuple(dataclasses.replace(frailty.levels[0], id=f"l{at}", code=f"C{at}") for at in range(12))
    wide, draw = replace(frailty, levels=many), Draw(3)
    assert {value_of(wide, protocol, 9, draw) for _ in range(5000)} == {one.id for one in many}


def test_genders_are_those_of_the_criterion_else_both():
    assert genders(protocol_of("rotterdam")) == ("female",)
    assert set(genders(protocol_of("stent"))) == set(genders(protocol_of("valve"))) == {"female", "male"}


@pytest.mark.parametrize("name", NAMES)
def test_values_have_the_kind_that_a_lock_has(name):
    protocol, draw = protocol_of(name), Draw(1)
    kinds = {"number": float, "levels": str, "record": int}
    for one in protocol.covariates:
        assert type(value_of(one, protocol, 4, draw)) is kinds[one.type]
