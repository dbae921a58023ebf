"""The alarm against splitting: below a threshold one by one, at it together."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.forecast import Threshold, thresholds
from rwd_platform.compliance.ledger import Ledger, Persons, total
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.compliance.splitting import Alarm, Movement, alarms
from rwd_platform.core.text import Bilingual

AT = thresholds(load_pack())


def persons(general: tuple[int, int] = (0, 0), sensitive: tuple[int, int] = (0, 0)) -> Ledger:
    return Ledger(Persons.of(*general), Persons.of(*sensitive))


def movement(exporter: str, purpose: str = "research", **given: Any) -> Movement:
    """To one sponsor, by a hospital of one group, on one day of 2026, unless said otherwise."""
    facts: dict[str, Any] = {
        "exporter_group": "hospitals",
        "recipient": "sponsor-eu",
        "recipient_group": "sponsor",
        "on": date(2026, 6, 1),
        "persons": persons(),
    }
    return Movement(exporter=exporter, purpose=purpose, **(facts | given))


def brief(found: tuple[Alarm, ...]) -> list[tuple[str, str, tuple[str, ...], int, int, bool]]:
    return [(one.kind, one.threshold, one.members, one.general, one.sensitive, one.exact) for one in found]


def sensitive(exporter: str, first: int, count: int, **given: Any) -> Movement:
    return movement(exporter, persons=persons(sensitive=(first, count)), **given)


# -- over exporters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("second", "alarmed"), [(4_999, False), (5_000, True)])
def test_two_hospitals_of_one_group_that_reach_it_together_alarm(second: int, alarmed: bool) -> None:
    """5,000 and 5,000 sensitive persons to one sponsor are 10,000; with one fewer there is no alarm."""
    found = alarms([sensitive("a", 0, 5_000), sensitive("b", 0, second)], AT)
    expected = [("exporters", "assessment_sensitive", ("a", "b"), 0, 10_000, False)]
    assert brief(found) == (expected if alarmed else [])


def test_across_exporters_the_sum_is_an_upper_bound_and_says_so() -> None:
    """Both hospitals use key 0: the keys cannot be compared, so nobody is taken off."""
    (found,) = alarms([sensitive("a", 0, 6_000), sensitive("b", 0, 6_000)], AT)
    assert (found.sensitive, found.exact) == (12_000, False)
    assert "合计是上限" in found.text.zh and "upper bound" in found.text.en
    assert (found.source, found.recipient_group, found.year) == ("hospitals", "sponsor", 2026)


def test_an_exporter_that_reaches_it_alone_needs_an_assessment_and_no_alarm() -> None:
    """What one reaches by itself is not hidden by being split: the ledger's own rule finds it."""
    assert alarms([sensitive("a", 0, 10_000), sensitive("b", 0, 5_000)], AT) == ()


def test_one_hospitals_persons_are_counted_once_before_they_are_added() -> None:
    """The same 6,000 patients twice are 6,000, and with 3,000 of another hospital there is no alarm."""
    movements = [sensitive("a", 0, 6_000), sensitive("a", 0, 6_000), sensitive("b", 0, 3_000)]
    assert alarms(movements, AT) == ()


@pytest.mark.parametrize(
    "different",
    [
        {"exporter_group": "another group"},
        {"exporter_group": ""},
        {"recipient_group": "another sponsor"},
        {"on": date(2025, 12, 31)},
        {"on": date(2027, 1, 1)},
    ],
)
def test_unrelated_exporters_recipients_or_years_do_not_add_up(different: dict[str, Any]) -> None:
    """Another group, nobody's group, another sponsor, another calendar year."""
    assert alarms([sensitive("a", 0, 5_000), sensitive("b", 0, 5_000, **different)], AT) == ()


def test_two_companies_of_one_sponsor_are_one_recipient() -> None:
    """The group of recipients counts, not which of its companies the data went to."""
    movements = [
        sensitive("a", 0, 5_000, recipient="sponsor-eu"),
        sensitive("b", 0, 5_000, recipient="sponsor-us"),
    ]
    assert len(alarms(movements, AT)) == 1
    alone = [replace(one, recipient_group="") for one in movements]
    assert alarms(alone, AT) == ()


def test_those_who_stand_alone_are_not_a_group() -> None:
    """Two exporters without a group are unrelated; one called like a group does not belong to it."""
    alone = [
        sensitive("a", 0, 5_000, exporter_group=""),
        sensitive("b", 0, 5_000, exporter_group=""),
        sensitive("hospitals", 0, 5_000, exporter_group=""),
    ]
    assert alarms(alone, AT) == ()
    assert alarms([*alone, sensitive("c", 0, 4_999)], AT) == ()


def test_each_threshold_alarms_for_itself() -> None:
    """Fifteen hospitals of 70,000 general persons: the contract's and the assessment's number are both reached."""
    movements = [movement(f"h{place:02}", persons=persons(general=(0, 70_000))) for place in range(15)]
    found = alarms(movements, AT)
    assert [one.threshold for one in found] == ["assessment_general", "contract_general"]
    assert {one.general for one in found} == {1_050_000} and len(found[0].members) == 15
    two = alarms(movements[:2], AT)
    assert [one.threshold for one in two] == ["contract_general"]


# -- over purposes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "alarmed"), [(5_000, True), (4_999, False)])
def test_two_purposes_of_one_exporter_that_reach_it_together_alarm(first: int, alarmed: bool) -> None:
    """Distinct persons, counted exactly: 10,000 alarm; one person whom both purposes share, and there is no alarm."""
    movements = [sensitive("a", 0, 5_000), sensitive("a", first, 5_000, purpose="registration")]
    expected = [("purposes", "assessment_sensitive", ("registration", "research"), 0, 10_000, True)]
    found = alarms(movements, AT)
    assert brief(found) == (expected if alarmed else [])
    assert all((one.source, one.recipient_group) == ("a", "sponsor") for one in found)


def test_the_same_patients_for_two_purposes_are_counted_once() -> None:
    """9,000 for research and the same 9,000 for registration are 9,000."""
    movements = [sensitive("a", 0, 9_000), sensitive("a", 0, 9_000, purpose="registration")]
    assert alarms(movements, AT) == ()


def test_a_purpose_that_reaches_it_alone_does_not_alarm() -> None:
    """It needs its assessment anyhow."""
    movements = [sensitive("a", 0, 10_000), sensitive("a", 20_000, 5_000, purpose="registration")]
    assert alarms(movements, AT) == ()


def test_a_person_general_for_one_purpose_and_sensitive_for_another_is_sensitive() -> None:
    """Together they leave the general count, which is then one short of the contract's number."""
    movements = [
        movement("a", persons=persons(general=(0, 60_000))),
        movement("a", "registration", persons=persons(general=(60_000, 40_000))),
    ]
    assert [one.threshold for one in alarms(movements, AT)] == ["contract_general"]
    turned = movement("a", "care", persons=persons(sensitive=(0, 1)))
    assert alarms([*movements, turned], AT) == ()


def test_an_exporter_in_a_group_is_looked_at_by_itself_too() -> None:
    """Over its purposes it alarms, and over the group it is one exporter and does not."""
    movements = [
        sensitive("a", 0, 5_000),
        sensitive("a", 5_000, 5_000, purpose="registration"),
        sensitive("b", 0, 100),
    ]
    assert [one.kind for one in alarms(movements, AT)] == ["purposes"]


# -- words ----------------------------------------------------------------------------------------------------------


def test_an_alarm_says_who_how_many_and_what_to_do_in_both_languages() -> None:
    """The members, the counts, the number reached, and the question to a person."""
    movements = [
        sensitive("a", 0, 5_000),
        sensitive("b", 0, 5_000),
        sensitive("a", 5_000, 4_999, purpose="x"),
        sensitive("c", 0, 5_000, exporter_group=""),
        sensitive("c", 5_000, 5_000, exporter_group="", purpose="registration"),
    ]
    found = alarms(movements, AT)
    assert {one.kind for one in found} == {"exporters", "purposes"}
    for one in found:
        for member in one.members:
            assert member in one.text.zh and member in one.text.en
        assert f"{one.sensitive:,}" in one.text.zh and f"{one.sensitive:,}" in one.text.en
        assert "10,000" in one.text.zh and "请确认" in one.text.zh and "Make sure" in one.text.en
        assert one.text.en.isascii()


# -- for every set of movements -------------------------------------------------------------------------------------

SMALL = (
    Threshold("many general", "general", 12, "M9", Bilingual("一般", "general")),
    Threshold("many sensitive", "sensitive", 6, "M9", Bilingual("敏感", "sensitive")),
)
ranges = st.tuples(st.integers(0, 12), st.integers(0, 7))
some_movements = st.lists(
    st.builds(
        Movement,
        exporter=st.sampled_from("ab"),
        exporter_group=st.sampled_from(["", "g"]),
        recipient=st.sampled_from("rs"),
        recipient_group=st.sampled_from(["", "q"]),
        purpose=st.sampled_from(["one", "two", "three"]),
        on=st.sampled_from([date(2026, 1, 1), date(2026, 12, 31), date(2027, 1, 1)]),
        persons=st.builds(persons, ranges, ranges),
    ),
    max_size=8,
)


@settings(max_examples=120, deadline=None)
@given(some_movements, st.randoms(use_true_random=False))
def test_the_order_of_movements_does_not_matter(movements: list[Movement], random: Any) -> None:
    """Alarms are the same, in the same order, whichever movement was posted first."""
    assert alarms(random.sample(movements, len(movements)), SMALL) == alarms(movements, SMALL)


@settings(max_examples=120, deadline=None)
@given(some_movements)
def test_one_movement_alone_never_alarms(movements: list[Movement]) -> None:
    """However many persons it has: nothing was split."""
    for one in movements:
        assert alarms([one], SMALL) == ()
        assert alarms([one, one, one], SMALL) == ()


def reaches(ledger: Ledger, at: Threshold) -> bool:
    return (ledger.general if at.counts == "general" else ledger.sensitive.count) >= at.at_least


@settings(max_examples=150, deadline=None)
@given(some_movements)
def test_the_alarms_over_purposes_are_those_of_the_ledgers(movements: list[Movement]) -> None:
    """Found again the slow way: each ledger put together with `Ledger.plus`, purpose by purpose and as a whole."""
    expected = set()
    for one in movements:
        recipient = one.recipient_group or one.recipient
        alike = [
            other
            for other in movements
            if (other.exporter, other.on.year) == (one.exporter, one.on.year)
            and (other.recipient_group or other.recipient) == recipient
        ]
        purposes = {other.purpose for other in alike}
        single = [total(each.persons for each in alike if each.purpose == purpose) for purpose in purposes]
        whole = total(each.persons for each in alike)
        for at in SMALL:
            if reaches(whole, at) and not any(reaches(ledger, at) for ledger in single):
                counts = (whole.general, whole.sensitive.count)
                expected.add((one.on.year, one.exporter, recipient, tuple(sorted(purposes)), at.id, counts))
    found = {
        (one.year, one.source, one.recipient_group, one.members, one.threshold, (one.general, one.sensitive))
        for one in alarms(movements, SMALL)
        if one.kind == "purposes"
    }
    assert found == expected


@settings(max_examples=120, deadline=None)
@given(some_movements)
def test_the_bound_across_exporters_is_never_too_low(movements: list[Movement]) -> None:
    """Whoever the persons really are, there are not more of them than the alarm says."""
    for one in alarms(movements, SMALL):
        if one.kind == "exporters":
            each = [
                total(
                    movement.persons
                    for movement in movements
                    if movement.exporter == exporter
                    and movement.on.year == one.year
                    and movement.exporter_group == one.source
                    and (movement.recipient_group or movement.recipient) == one.recipient_group
                )
                for exporter in one.members
            ]
            assert one.sensitive == sum(ledger.sensitive.count for ledger in each)
            assert one.general == sum(ledger.general for ledger in each)
            assert len(one.members) > 1 and not one.exact


def test_nothing_moved_and_no_thresholds_give_no_alarm() -> None:
    """Empty in, empty out; nobody moved is nobody."""
    assert alarms([], AT) == ()
    assert alarms([sensitive("a", 0, 5_000), sensitive("b", 0, 5_000)], []) == ()
    assert alarms([movement("a"), movement("b")], AT) == ()


def test_ten_thousand_scattered_persons_are_counted_quickly_enough() -> None:
    """Keys that do not stand side by side cost one sort, not one comparison a pair."""
    scattered = [
        movement(
            "a",
            "one" if place % 2 else "two",
            persons=persons(general=(3 * place, 1), sensitive=(3 * place + 1, 1)),
        )
        for place in range(10_000)
    ]
    (found,) = alarms(scattered, AT)
    assert (found.kind, found.general, found.sensitive) == ("purposes", 10_000, 10_000)
