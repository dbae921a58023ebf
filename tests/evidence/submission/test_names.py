"""Short names: within eight letters, unlike each other, and the same however a protocol lists its covariates."""

from __future__ import annotations

import random
import re
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.evidence.submission.names import LONGEST, short_names

WORD = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
ANYTHING = st.text(min_size=1, max_size=30)
VALID = re.compile(r"[A-Z][A-Z0-9_]{0,7}")


def test_a_name_that_fits_is_only_written_in_capitals():
    assert short_names(["age", "nodes_2"], (), {}) == {"age": "AGE", "nodes_2": "NODES_2"}


def test_a_name_of_eight_letters_fits_and_one_of_nine_does_not():
    found = short_names(["ejection", "ejections"], (), {})
    assert found["ejection"] == "EJECTION"
    assert found["ejections"] != "EJECTION" and found["ejections"].startswith("EJEC")


def test_a_name_leaves_room_for_what_is_put_behind_it():
    found = short_names(["ejection", "frailty"], (), {"ejection": ("", "N"), "frailty": ("", "N")})
    assert found["frailty"] == "FRAILTY"  # FRAILTYN has eight
    assert len(found["ejection"]) <= LONGEST - 1


def test_names_that_begin_alike_are_told_apart():
    long = [f"systolic_pressure_{place}" for place in range(200)]
    found = short_names(long, (), {})
    assert len(set(found.values())) == len(long)
    assert all(one.startswith("SYST") and VALID.fullmatch(one) for one in found.values())


def test_a_taken_name_is_not_given_again():
    assert short_names(["aval"], {"AVAL"}, {})["aval"] != "AVAL"


def test_no_ending_may_meet_another_name():
    """`ag` with levels makes AG and AGN: a covariate called agn has to be called something else."""
    found = short_names(["ag", "agn"], (), {"ag": ("", "N")})
    made = [found["ag"], found["ag"] + "N", found["agn"]]
    assert len(set(made)) == 3


@pytest.mark.parametrize(
    ("long", "endings"),
    [(["ag", "agn"], {"ag": ("", "N")}), (["Age", "age"], {}), (["AGE", "Age", "aGe"], {})],
)
def test_of_names_that_claim_the_same_the_first_of_the_alphabet_has_it_in_every_order(long, endings):
    found = [short_names(order, (), endings) for order in permutations(long)]
    assert all(one == found[0] for one in found)
    assert found[0][sorted(long)[0]] == long[0].upper()


def test_a_name_in_chinese_or_of_signs_alone_still_gets_one():
    found = short_names(["年龄", "肿瘤大小", "...", "9lives", "_x", "a b"], (), {})
    assert len(set(found.values())) == 6
    assert all(VALID.fullmatch(one) for one in found.values())


def test_a_name_stays_when_another_covariate_is_added():
    """The reader of two versions of a package finds the same variable under the same name."""
    before = short_names(["systolic_pressure", "diastolic_pressure"], (), {})
    after = short_names(["heart_rate_at_rest", "diastolic_pressure", "systolic_pressure", "age"], (), {})
    assert {name: after[name] for name in before} == before


def test_a_short_name_does_not_change_from_release_to_release():
    """Packages that exist hold these names."""
    assert short_names(["restricted"], (), {"restricted": ("FL",)}) == {"restricted": "RES66J"}


@given(st.lists(ANYTHING, max_size=25, unique=True), st.randoms())
def test_whatever_the_names_are_the_short_ones_are_valid_and_unlike(long: list[str], order: random.Random):
    found = short_names(long, ("AGE", "SEX"), {})
    assert set(found) == set(long)
    assert len({*found.values(), "AGE", "SEX"}) == len(long) + 2
    assert all(VALID.fullmatch(one) for one in found.values())
    shuffled = list(long)
    order.shuffle(shuffled)
    assert short_names(shuffled, ("AGE", "SEX"), {}) == found


@given(st.lists(WORD, max_size=25, unique=True), st.lists(WORD, max_size=10, unique=True))
def test_with_endings_every_variable_that_is_made_is_unlike_every_other(long: list[str], levels: list[str]):
    endings = dict.fromkeys(levels, ("", "N"))
    found = short_names(long, (), endings)
    variables = [found[name] + end for name in long for end in endings.get(name, ("",))]
    assert len(set(variables)) == len(variables)
    assert all(VALID.fullmatch(one) for one in variables)
