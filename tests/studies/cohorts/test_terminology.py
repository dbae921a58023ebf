"""A new release of a code system shows what it would change in every cohort, and changes nothing."""

from __future__ import annotations

import pytest

from rwd_platform.core.errors import PlatformError
from studies.cohorts.definition import Codes, CodeTest, Cohort, Count, Entry, Events, Group, Related, Rule
from studies.cohorts.terminology import impact, read_release, under, with_codes
from tests.studies.cohorts.drawn import ICD, Draw
from tests.studies.cohorts.test_steps import ADULT, BOTH, COHORT, STORE

COUNT = Count("at_least", 1)
OLD = f"""#system,{ICD}
#release,2025
code,status,replaced_by,parent
A,active,,
B,active,,
"""
NEW = f"""#system,{ICD}
#release,2026
code,status,replaced_by,parent
A,retired,B C,
B,active,,
C,retired,,
D,active,,B
E,active,,D
"""


def release(text: str):
    return read_release(text.encode(), "release.csv")


def codes(*found: str, system: str = ICD) -> Codes:
    return Codes("list@1", frozenset((system, code) for code in found))


def test_a_retired_code_leaves_for_what_replaces_it_and_new_codes_below_come_in():
    old, new = release(OLD), release(NEW)
    assert under(codes("A"), old, new) == codes("B")
    assert under(codes("B"), old, new) == codes("B", "D", "E")
    assert under(codes("X"), old, new) == codes("X")
    other_system = codes("A", system="urn:own")
    assert under(other_system, old, new) == other_system


def test_a_code_that_a_release_no_longer_has_is_gone():
    assert under(codes("A", "B"), release(OLD), release(OLD.replace("A,active,,\n", ""))) == codes("B")


@BOTH
def test_the_impact_names_codes_and_counts_patients_gained_and_lost(engine):
    """P1 was in by A. Drawn up anew the list holds B alone, which is P4's, whose birth date is a month."""
    [found] = impact(release(OLD), release(NEW), {"case": COHORT}, engine(STORE))
    assert found.changed
    [of_list] = found.lists
    assert (of_list.added, of_list.removed) == (((ICD, "B"),), ((ICD, "A"),))
    assert (found.gained, found.lost) == (0, 1)


def test_a_cohort_that_no_code_of_the_release_touches_is_unchanged():
    [found] = impact(release(OLD), release(OLD), {"case": COHORT})
    assert (found.changed, found.lists, found.gained) == (False, (), None)


def test_codes_are_found_wherever_a_definition_names_them():
    inner = Events("condition", (CodeTest(codes("A")),))
    entry = Events("drug", within=Group(groups=(Group(related=(Related(inner, (), COUNT),)),)))
    cohort = Cohort(
        "deep", Entry((entry,)), rules=(Rule("r", ADULT.reason, Group(related=(Related(inner, (), COUNT),))),)
    )
    [found] = impact(release(OLD), release(NEW), {"deep": cohort})
    assert [one.name for one in found.lists] == ["list@1"]
    changed = with_codes(cohort, lambda one: codes("Z"))
    assert {
        code for events in changed.all_events() for test in events.codes for _, code in test.codes.pairs
    } == {"Z"}


def test_a_definition_whose_codes_stay_is_the_same_definition():
    for seed in range(20):
        cohort = Draw(seed).cohort()
        assert with_codes(cohort, lambda one: one) == cohort


def test_a_circle_of_parents_ends():
    circle = release(NEW + "F,active,,G\nG,active,,F\n")
    assert under(codes("B"), release(OLD), circle) == codes("B", "D", "E")


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (NEW.replace("#system", "#sytem"), 1),
        (NEW.replace("B,active,,", "B,perhaps,,"), 5),
        (NEW.replace("B,active,,", "B,active"), 5),
        (NEW.replace("E,active", "D,active"), 8),
        (NEW.replace("code,status", "code,state"), 3),
        ("", 1),
        ("\x00", 1),
    ],
)
def test_a_release_that_cannot_be_read_is_refused_with_its_line(wrong: str, line: int):
    with pytest.raises(PlatformError) as refused:
        release(wrong)
    assert (refused.value.code, refused.value.details["line"]) == ("terminology.malformed", line)


def test_releases_of_two_systems_are_not_compared():
    with pytest.raises(PlatformError, match="different code systems"):
        impact(release(OLD), release(NEW.replace(ICD, "urn:other")), {"case": COHORT})
