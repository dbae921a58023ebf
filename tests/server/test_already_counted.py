"""Persons who were counted already, said as numbers: the year's count with the transfer is exactly what they mean."""

from __future__ import annotations

import random
from typing import Any

import pytest

from rwd_platform.compliance.case import read_case
from rwd_platform.core.errors import PlatformError
from rwd_platform.server.already_counted import already_counted, with_keys
from tests.server import seed


def case(sent: int, year: int, sensitive: int, year_sensitive: int, *already: int) -> dict[str, Any]:
    of_general, as_general, as_sensitive = already
    return {
        **seed.case(0),
        "persons": {"general_only": {"count": sent}, "sensitive": {"count": sensitive}},
        "ledger_this_year": {"general_only": {"count": year}, "sensitive": {"count": year_sensitive}},
        "already_counted": {
            "general": of_general,
            "sensitive_as_general": as_general,
            "sensitive": as_sensitive,
        },
    }


def test_nobody_is_counted_already_unless_somebody_says_so() -> None:
    made = case(5, 7, 11, 13, 0, 0, 0)
    del made["already_counted"]
    after = read_case(with_keys(made)).ledger_after
    assert (after.general, after.sensitive.count) == (12, 24)


def test_the_same_persons_again_change_nothing() -> None:
    read = read_case(with_keys(case(5, 5, 11, 11, 5, 0, 11)))
    assert (read.ledger_after.general, read.ledger_after.sensitive.count, read.sensitive_persons) == (
        5,
        11,
        11,
    )


def test_whoever_was_general_and_is_sensitive_now_moves() -> None:
    after = read_case(with_keys(case(0, 10, 4, 0, 0, 4, 0))).ledger_after
    assert (after.general, after.sensitive.count) == (6, 4)


def test_every_possible_set_of_numbers_counts_as_sets_of_persons_do() -> None:
    """Against plain arithmetic on disjoint groups, for a thousand drawn cases; and the numbers can be read back."""
    draw = random.Random(20261123)
    for _ in range(1000):
        of_general, as_general, as_sensitive = (draw.choice((0, 0, draw.randrange(50))) for _ in range(3))
        new_general, only_year, new_sensitive, only_year_sensitive = (draw.randrange(60) for _ in range(4))
        made = with_keys(
            case(
                of_general + new_general,
                of_general + as_general + only_year,
                as_general + as_sensitive + new_sensitive,
                as_sensitive + only_year_sensitive,
                of_general,
                as_general,
                as_sensitive,
            )
        )
        read = read_case(made)
        assert read.ledger_after.general == of_general + new_general + only_year
        assert read.ledger_after.sensitive.count == (
            as_general + as_sensitive + new_sensitive + only_year_sensitive
        )
        assert read.sensitive_persons == as_general + as_sensitive + new_sensitive
        assert list(already_counted(made).values()) == [of_general, as_general, as_sensitive]


@pytest.mark.parametrize(
    "numbers",
    [(5, 9, 0, 0, 6, 0, 0), (9, 5, 0, 0, 6, 0, 0), (0, 5, 9, 0, 0, 6, 0), (0, 9, 5, 9, 0, 3, 3),
     (0, 0, 5, 9, 0, 0, 6), (0, 0, 9, 5, 0, 0, 6), (9, 9, 9, 9, 5, 5, 0), (0, 0, 0, 0, 0, 0, 1)],
)  # fmt: skip
def test_more_than_there_are_is_refused(numbers: tuple[int, ...]) -> None:
    with pytest.raises(PlatformError) as raised:
        with_keys(case(*numbers))
    assert raised.value.code == "transfer.already_counted_unfit"


@pytest.mark.parametrize("hostile", ["-1", "many", "9" * 40, -1, True, 1.5])
def test_what_is_no_count_is_refused(hostile: Any) -> None:
    made = case(5, 5, 5, 5, 0, 0, 0)
    made["already_counted"]["general"] = hostile
    with pytest.raises(PlatformError) as raised:
        with_keys(made)
    assert raised.value.code == "transfer.already_counted_unfit"


def test_a_count_that_is_none_is_left_for_the_rules_to_name() -> None:
    made = case(5, 5, 5, 5, 0, 0, 0)
    made["persons"]["sensitive"]["count"] = "many"
    with pytest.raises(PlatformError) as raised:
        read_case(with_keys(made))
    assert "persons.sensitive.count" in raised.value.en


def test_a_case_without_keys_says_nothing_of_who_was_counted() -> None:
    assert already_counted({}) == already_counted({"persons": None}) == {}
