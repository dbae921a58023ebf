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


def drawn(*rows: str) -> str:
    return f"#system,{ICD}\n#release,x\ncode,status,replaced_by,parent\n" + "".join(
        f"{row}\n" for row in rows
    )


CHANGES = [
    # what, the list, the old release, the new one, the list drawn up anew
    ("moves in", "A", ["A,active,,", "B,active,,X", "X,active,,"], ["A,active,,", "B,active,,A", "X,active,,"], "A B"),
    ("moves in with what is below it", "A", ["A,active,,", "B,active,,", "C,active,,B"],
     ["A,active,,", "B,active,,A", "C,active,,B"], "A B C"),
    ("moves out", "A B", ["A,active,,", "B,active,,A"], ["A,active,,", "B,active,,X", "X,active,,"], "A"),
    ("moves out with what is below it", "A B C", ["A,active,,", "B,active,,A", "C,active,,B"],
     ["A,active,,", "B,active,,", "C,active,,B"], "A"),
    ("moves within", "A B C", ["A,active,,", "B,active,,A", "C,active,,B"],
     ["A,active,,", "B,active,,A", "C,active,,A"], "A B C"),
    ("was left out and stays out", "A", ["A,active,,", "B,active,,A"], ["A,active,,", "B,active,,A"], "A"),
    ("comes back", "A", ["A,active,,", "B,retired,,A"], ["A,active,,", "B,active,,A"], "A B"),
    ("retires for one that retires", "A", ["A,active,,"], ["A,retired,B,", "B,retired,C,", "C,active,,"], "C"),
    ("retires in a circle", "A", ["A,active,,"], ["A,retired,B,", "B,retired,A C,", "C,active,,"], "C"),
    ("retires for itself", "A", ["A,active,,"], ["A,retired,A,"], ""),
    ("is new, and retired already", "Z", ["A,active,,"], ["A,active,,", "Z,retired,Y,", "Y,active,,"], "Y"),
    ("was retired before", "A", ["A,retired,B,", "B,active,,"], ["A,retired,B,", "B,active,,"], "B"),
    ("was retired before and is no longer there", "A", ["A,retired,B,", "B,active,,"], ["B,active,,"], "B"),
    ("retires below the list's own", "A B", ["A,active,,", "B,active,,A"], ["A,active,,", "B,retired,Y,", "Y,active,,"],
     "A Y"),
    ("goes below what replaces the one above it", "A B", ["A,active,,", "B,active,,A"],
     ["A,retired,C,", "B,active,,C", "C,active,,"], "B C"),
    ("is above what is above it", "A B", ["A,active,,B", "B,active,,A"], ["A,active,,B", "B,active,,A"], "A B"),
    ("is in neither", "Q", ["A,active,,"], ["A,active,,"], "Q"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "listed", "old", "new", "anew"), CHANGES, ids=[one[0] for one in CHANGES])
def test_a_code_that_a_release_changes_changes_the_list_drawn_up_anew(what, listed, old, new, anew):
    """What is below a listed code in the one release and not in the other, whatever its state."""
    found = under(codes(*listed.split()), release(drawn(*old)), release(drawn(*new)))
    assert {code for _, code in found.pairs} == set(anew.split())


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
