"""When will a threshold be reached: by the plans, and at the pace of the last 90 days. Whole numbers, no prediction."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance import forecast as module
from rwd_platform.compliance.forecast import (
    WINDOW_DAYS,
    Outlook,
    Plan,
    Posting,
    Threshold,
    forecast,
    thresholds,
)
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.core.errors import PlatformError

PACK = load_pack()
AT = thresholds(PACK)
BY_ID = {one.id: one for one in AT}
SENSITIVE = BY_ID["assessment_sensitive"]
CONTRACT = BY_ID["contract_general"]
ON = date(2026, 11, 23)
DAY = timedelta(days=1)


def posted(on: str, general: int = 0, sensitive: int = 0) -> Posting:
    return Posting(date.fromisoformat(on), general, sensitive)


def plan(on: str, general: int = 0, sensitive: int = 0) -> Plan:
    return Plan(date.fromisoformat(on), general, sensitive)


def outlook(
    at: Threshold, postings: list[Posting], plans: list[Plan] | None = None, on: date = ON
) -> Outlook:
    (found,) = forecast([at], postings, plans or [], on)
    return found


# -- thresholds -----------------------------------------------------------------------------------------------------


def test_the_thresholds_are_those_of_the_pack() -> None:
    """Assessment at 1,000,000 general or 10,000 sensitive persons, contract at 100,000 general ones."""
    assert [(one.id, one.counts, one.at_least, one.rule) for one in AT] == [
        ("assessment_general", "general", 1_000_000, "M9"),
        ("assessment_sensitive", "sensitive", 10_000, "M9"),
        ("contract_general", "general", 100_000, "M10"),
    ]


@pytest.mark.parametrize("id", ["M9", "M10"])
def test_a_pack_without_the_numbers_is_refused(id: str) -> None:
    """No number is made up for a pack that has none."""
    bare = tuple(replace(rule, thresholds={}) if rule.id == id else rule for rule in PACK.rules)
    for pack in (replace(PACK, rules=bare), replace(PACK, rules=()), load_pack("inbound-2025")):
        with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
            thresholds(pack)


# -- now ------------------------------------------------------------------------------------------------------------


def test_only_this_years_postings_up_to_the_day_count() -> None:
    """A new year begins at nothing, and what is posted tomorrow is not posted yet."""
    postings = [
        posted("2025-12-31", sensitive=5_000),
        posted("2026-01-01", sensitive=1),
        posted("2026-11-23", sensitive=20),
        posted("2026-11-24", sensitive=300),
    ]
    assert outlook(SENSITIVE, postings).now == 21
    assert outlook(SENSITIVE, postings, on=date(2026, 11, 24)).now == 321
    assert outlook(SENSITIVE, postings, on=date(2027, 1, 1)).now == 0
    assert outlook(SENSITIVE, postings, on=date(2025, 12, 31)).now == 5_000


@pytest.mark.parametrize(("count", "is_reached"), [(9_999, False), (10_000, True), (10_001, True)])
def test_a_threshold_is_reached_at_its_number(count: int, is_reached: bool) -> None:
    """10,000 sensitive persons need an assessment; 9,999 do not."""
    found = outlook(SENSITIVE, [posted("2026-03-01", sensitive=count)], [plan("2026-12-01", sensitive=1)])
    assert found.is_reached is is_reached
    assert (found.reached_by_plans is None) is is_reached
    assert ("已达到" in found.text.zh and "has reached" in found.text.en) is is_reached


def test_a_person_who_turns_sensitive_leaves_the_general_count() -> None:
    """The increments are those of the ledger: one less general, one more sensitive."""
    postings = [posted("2026-02-01", general=100_000), posted("2026-03-01", general=-1, sensitive=1)]
    assert outlook(CONTRACT, postings).now == 99_999
    assert outlook(SENSITIVE, postings).now == 1


def test_the_three_thresholds_are_looked_at_each_by_its_own_count() -> None:
    """100,000 general persons ask for a contract and are far from an assessment."""
    found = forecast(AT, [posted("2026-02-01", general=100_000, sensitive=12)], [], ON)
    assert [(one.threshold.id, one.now, one.is_reached) for one in found] == [
        ("assessment_general", 100_000, False),
        ("assessment_sensitive", 12, False),
        ("contract_general", 100_000, True),
    ]


# -- plans ----------------------------------------------------------------------------------------------------------


def test_plans_are_walked_through_to_the_first_day_that_reaches_it() -> None:
    """9,000 posted, 400 and 600 planned: the second plan makes it exactly 10,000."""
    posted_so_far = [posted("2026-05-01", sensitive=9_000)]
    plans = [plan("2026-12-20", sensitive=600), plan("2026-12-05", sensitive=400)]
    found = outlook(SENSITIVE, posted_so_far, plans)
    assert (found.with_plans, found.reached_by_plans) == (10_000, date(2026, 12, 20))
    assert "2026-12-20" in found.text.zh and "2026-12-20" in found.text.en
    one_less = outlook(SENSITIVE, posted_so_far, [plan("2026-12-20", sensitive=599), plans[1]])
    assert (one_less.with_plans, one_less.reached_by_plans) == (9_999, None)
    assert "不会达到" in one_less.text.zh and "stays below" in one_less.text.en


def test_plans_of_one_day_count_together() -> None:
    """Neither reaches it alone; the day does."""
    plans = [plan("2026-12-05", sensitive=6_000), plan("2026-12-05", sensitive=4_000)]
    assert outlook(SENSITIVE, [], plans).reached_by_plans == date(2026, 12, 5)


def test_an_open_plan_of_the_past_is_taken_for_today_and_one_of_next_year_is_not_counted() -> None:
    """What was to go last month and is still open may go today; next year has a count of its own."""
    late = [plan("2026-10-01", sensitive=10_000), plan("2027-01-01", sensitive=10_000)]
    found = outlook(SENSITIVE, [], late)
    assert (found.with_plans, found.reached_by_plans) == (10_000, ON)
    assert outlook(SENSITIVE, [], late[1:]).with_plans == 0
    assert outlook(SENSITIVE, [], late[1:]).reached_by_plans is None


def test_planned_persons_count_as_new_and_this_is_said() -> None:
    """Whether they are already in the count is not known before they go: too many is the safe side."""
    found = outlook(SENSITIVE, [posted("2026-05-01", sensitive=9_999)], [plan("2026-12-05", sensitive=1)])
    assert found.reached_by_plans == date(2026, 12, 5)
    assert "全部按新增计" in found.text.zh and "taken as new" in found.text.en


# -- pace -----------------------------------------------------------------------------------------------------------


def test_the_pace_is_that_of_the_last_ninety_days_with_the_day_itself() -> None:
    """The window of 23 November begins on 26 August; a posting of the day before is outside."""
    postings = [posted("2026-08-25", sensitive=5_000), posted("2026-08-26", sensitive=900)]
    found = outlook(SENSITIVE, postings)
    assert (found.window_from, found.window_days, found.window_persons) == (date(2026, 8, 26), 90, 900)
    # 10 a day; 4,100 are wanting, and 38 days of the year are left.
    assert found.reached_at_pace is None
    assert "今年不会达到" in found.text.zh and "not reached this year" in found.text.en


def test_before_ninety_days_have_passed_the_window_begins_on_the_first_of_january() -> None:
    """On 1 January it is one day long; on 31 March it is ninety."""
    for on, days in (("2026-01-01", 1), ("2026-01-10", 10), ("2026-03-31", 90), ("2026-04-01", 90)):
        found = outlook(SENSITIVE, [], on=date.fromisoformat(on))
        assert found.window_days == days
        assert found.window_from == date.fromisoformat(on) - (days - 1) * DAY
        assert found.window_from.year == 2026
    last_year = [posted("2025-12-31", sensitive=9_000)]
    assert outlook(SENSITIVE, last_year, on=date(2026, 1, 10)).window_persons == 0


PACES = [  # sensitive persons before the window, in it, the day on which the line reaches 10,000
    (0, 9_000, "2026-12-03"),  # 100 a day: 1,000 wanting, 10 days
    (8_999, 90, None),  # 1 a day: 911 wanting
    (9_900, 90, "2026-12-03"),  # 1 a day: 10 wanting, 10 days
    (9_909, 90, "2026-11-24"),  # 1 a day: 1 wanting, tomorrow
    (9_909, 89, "2026-11-26"),  # 89 in 90 days: 2 wanting need 2.02 days, so on the third
    (9_872, 90, "2026-12-31"),  # 38 wanting on the year's last day
    (9_871, 90, None),  # 39 wanting, one day too many
]


@pytest.mark.parametrize(("before", "inside", "reached"), PACES)
def test_the_line_reaches_it_on_the_first_whole_day(before: int, inside: int, reached: str | None) -> None:
    """A day is rounded up: on the day before, the line is still below."""
    found = outlook(
        SENSITIVE, [posted("2026-01-05", sensitive=before), posted("2026-10-01", sensitive=inside)]
    )
    expected = date.fromisoformat(reached) if reached else None
    assert found.reached_at_pace == expected
    if reached:
        assert reached in found.text.zh and reached in found.text.en
        assert "不是预测" in found.text.zh and "no prediction" in found.text.en


def test_a_pace_of_nothing_has_words_of_its_own() -> None:
    """Nobody in the window: at that pace the threshold is never reached."""
    found = outlook(SENSITIVE, [posted("2026-02-01", sensitive=9_999)])
    assert (found.window_persons, found.reached_at_pace) == (0, None)
    assert "没有净增" in found.text.zh and "did not grow" in found.text.en


def test_a_count_that_falls_has_words_of_its_own() -> None:
    """General persons turned sensitive in the window."""
    postings = [posted("2026-02-01", general=99_999), posted("2026-11-01", general=-5, sensitive=5)]
    found = outlook(CONTRACT, postings)
    assert (found.window_persons, found.reached_at_pace) == (-5, None)
    assert "减少 5 人" in found.text.zh and "fell by 5" in found.text.en


def test_nothing_posted_and_nothing_planned_has_words_of_its_own() -> None:
    """An empty year is said as such, for every threshold."""
    for found in forecast(AT, [], [], ON):
        assert (found.now, found.with_plans, found.reached_by_plans, found.reached_at_pace) == (
            0,
            0,
            None,
            None,
        )
        assert "尚无出境记录" in found.text.zh and "nothing was posted" in found.text.en


def test_nothing_planned_is_said_beside_the_pace() -> None:
    """No plans is not "plans that stay below"."""
    found = outlook(SENSITIVE, [posted("2026-11-01", sensitive=3)])
    assert "没有计划中的提供" in found.text.zh and "Nothing is planned" in found.text.en


def test_every_case_reads_in_both_languages() -> None:
    """The threshold's number, no braces, no Chinese in the English."""
    for postings, plans in (
        ([], []),
        ([posted("2026-11-01", general=5, sensitive=5)], [plan("2026-12-01", general=9, sensitive=9)]),
        ([posted("2026-11-01", general=2_000_000, sensitive=20_000)], []),
    ):
        for one in forecast(AT, postings, plans, ON):
            assert one.text.en.isascii() and "{" not in one.text.zh + one.text.en
            assert (
                f"{one.threshold.at_least:,}" in one.text.zh and f"{one.threshold.at_least:,}" in one.text.en
            )
            assert one.text.en[0].isupper()


def test_the_docstring_says_that_the_pace_is_no_prediction() -> None:
    """A reader who wants an interval is told that there is none."""
    assert module.__doc__ is not None
    assert "no prediction interval" in module.__doc__


# -- for every year -------------------------------------------------------------------------------------------------


days = st.dates(date(2025, 10, 1), date(2027, 3, 1))
counts = st.integers(0, 6_000)
some_postings = st.lists(st.builds(Posting, on=days, general=counts, sensitive=counts), max_size=8)
some_plans = st.lists(st.builds(Plan, on=days, general=counts, sensitive=counts), max_size=8)
this_year = st.dates(date(2026, 1, 1), date(2026, 12, 31))


@settings(max_examples=100, deadline=None)
@given(some_postings, some_plans, this_year, st.randoms(use_true_random=False))
def test_the_order_of_postings_and_plans_does_not_matter(
    postings: list[Posting], plans: list[Plan], on: date, random: Any
) -> None:
    """Files arrive in any order."""
    shuffled = random.sample(postings, len(postings)), random.sample(plans, len(plans))
    assert forecast(AT, *shuffled, on) == forecast(AT, postings, plans, on)


@settings(max_examples=100, deadline=None)
@given(some_postings, some_plans, this_year)
def test_the_walk_agrees_with_counting_every_day(
    postings: list[Posting], plans: list[Plan], on: date
) -> None:
    """Day after day to the end of the year: the first one on which postings and due plans are enough."""
    found = outlook(SENSITIVE, postings, plans, on)
    now = sum(one.sensitive for one in postings if date(on.year, 1, 1) <= one.on <= on)
    reached, day = None, on
    while day.year == on.year and reached is None and now < SENSITIVE.at_least:
        if now + sum(one.sensitive for one in plans if one.on <= day) >= SENSITIVE.at_least:
            reached = day
        day += DAY
    assert found.now == now
    assert found.reached_by_plans == reached


@settings(max_examples=100, deadline=None)
@given(some_postings, this_year)
def test_the_line_agrees_with_fractions(postings: list[Posting], on: date) -> None:
    """On the day found the exact line is at the threshold or above; on the day before it is below."""
    found = outlook(SENSITIVE, postings, on=on)
    slope = Fraction(found.window_persons, found.window_days)
    left = (date(on.year, 12, 31) - on).days

    def line(day: int) -> Fraction:
        return found.now + slope * day

    if found.is_reached:
        assert found.reached_at_pace is None
    elif found.reached_at_pace is None:
        assert line(left) < SENSITIVE.at_least
    else:
        ahead = (found.reached_at_pace - on).days
        assert 1 <= ahead <= left
        assert line(ahead) >= SENSITIVE.at_least > line(ahead - 1)


@settings(max_examples=60, deadline=None)
@given(some_postings, some_plans, this_year, st.builds(Plan, on=this_year, general=counts, sensitive=counts))
def test_one_plan_more_is_never_later(
    postings: list[Posting], plans: list[Plan], on: date, more: Plan
) -> None:
    """A further plan brings the day forward or leaves it; it never postpones it."""
    for before, after in zip(
        forecast(AT, postings, plans, on), forecast(AT, postings, [*plans, more], on), strict=True
    ):
        assert after.with_plans >= before.with_plans
        if before.reached_by_plans is not None:
            assert after.reached_by_plans is not None
            assert after.reached_by_plans <= before.reached_by_plans


# -- hostile and huge -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("postings", "plans"),
    [
        ([posted("2026-02-01", sensitive=-1)], []),
        ([posted("2026-02-01", general=-1)], []),
        ([], [plan("2026-12-01", sensitive=-1)]),
        ([], [plan("2026-12-01", general=-1)]),
        ([Posting(ON, True, 0)], []),
        ([Posting(ON, 1.5, 0)], []),  # type: ignore[arg-type]  # what must be refused
        ([], [Plan(ON, 0, "5")]),  # type: ignore[arg-type]  # what must be refused
        ([], [Plan(ON, None, 0)]),  # type: ignore[arg-type]  # what must be refused
    ],
)
def test_a_count_that_cannot_be_is_refused(postings: list[Posting], plans: list[Plan]) -> None:
    """Fewer persons than none, fractions, truth values and texts are no counts."""
    with pytest.raises(PlatformError) as caught:
        forecast(AT, postings, plans, ON)
    assert (caught.value.code, caught.value.exit) == ("transfer.forecast_bad_count", 2)
    assert "2026" in caught.value.en and "2026" in caught.value.zh


def test_many_postings_and_enormous_counts_stay_exact() -> None:
    """No floating point anywhere: one person more or less of 10**20 makes the difference."""
    huge = Threshold("huge", "general", 10**20, "M9", CONTRACT.name)
    postings = [posted("2026-02-01", general=10**20 - 1)]
    assert not outlook(huge, postings).is_reached
    assert outlook(huge, [*postings, posted("2026-02-02", general=1)]).is_reached
    many = [Posting(date(2026, 1, 1) + (place % 300) * DAY, 1, 1) for place in range(20_000)]
    assert outlook(SENSITIVE, many).now == 20_000


def test_the_last_days_of_the_calendar_do_not_overflow() -> None:
    """On 31 December nothing is left of the year, also in 9999; in the year 1 the window does not leave it."""
    found = outlook(SENSITIVE, [Posting(date.max, 0, 9_999)], on=date.max)
    assert (found.now, found.reached_at_pace) == (9_999, None)
    first = outlook(SENSITIVE, [], on=date.min)
    assert (first.window_from, first.window_days) == (date.min, 1)
    assert WINDOW_DAYS == 90
