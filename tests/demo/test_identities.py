"""Invented people: well formed, unique, and nobody."""

from __future__ import annotations

import random
import re
from datetime import date

import pytest

from deidentify.identifiers_cn import is_mobile, is_resident_id, scan
from rwd_platform.demo.exporter import DemoFiles
from rwd_platform.demo.identities import IdentityMaker, belongs_to_nobody, shift_years


def test_every_resident_id_is_well_formed(demo_files: DemoFiles):
    """18 digits, a region of Hainan, a real date, an even sequence (women), the right check digit."""
    weights = [2**power % 11 for power in range(17, 0, -1)]  # ISO 7064 MOD 11-2, by its definition
    for one in demo_files.patients:
        number = one.identity.resident_id
        assert is_resident_id(number)
        total = sum(int(digit) * weight for digit, weight in zip(number, weights, strict=False))
        assert (total + (10 if number[17] == "X" else int(number[17]))) % 11 == 1
        assert number.startswith(("4601", "4602", "4603", "4604", "4690"))
        assert int(number[16]) % 2 == 0


def test_no_resident_id_can_be_anybodys(demo_files: DemoFiles):
    """Sequences 996 to 999 were kept for centenarians; nobody born in 1937 or later has been one
    before 2037.
    """
    for one in demo_files.patients:
        number = one.identity.resident_id
        assert 996 <= int(number[14:17]) <= 999
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
        assert born == shift_years(one.birth_date, 50)
        assert born.year >= 1937
        assert belongs_to_nobody(number)


@pytest.mark.parametrize(
    "number", ["11010519491231002X", "440524188001010014", "460105193612319962", "46010519370101996", ""]
)
def test_a_number_that_could_be_somebodys_is_told_apart(number: str):
    """An ordinary sequence, or a birth date before 1937, could have been given to a living person."""
    assert not belongs_to_nobody(number)


def test_mobile_numbers_are_of_a_range_that_nobody_has(demo_files: DemoFiles):
    """154 and eight digits: has the form of a mobile number, and is assigned to no operator."""
    for one in demo_files.patients:
        assert re.fullmatch(r"154[0-9]{8}", one.identity.mobile)
        assert is_mobile(one.identity.mobile)


def test_names_have_three_characters_and_the_last_two_are_one_persons(demo_files: DemoFiles):
    """Found in a row anywhere after admission, they can only be the planted name."""
    names = demo_files.planted_identifiers().names
    assert all(len(name) == 3 and all("\u4e00" <= one <= "\u9fff" for one in name) for name in names)
    assert len({name[1:] for name in names}) == 2982


def test_every_identifier_is_unique(demo_files: DemoFiles):
    """One value, one person, over all three hospitals: a leak says whose it is."""
    planted = demo_files.planted_identifiers()
    for values in (
        planted.names,
        planted.resident_ids,
        planted.mobiles,
        planted.addresses,
        planted.inpatient_numbers,
    ):
        assert len(values) == len(set(values)) == 2982
    assert len(planted.all()) == 5 * 2982


def test_inpatient_numbers_have_the_form_of_the_hospitals(demo_files: DemoFiles):
    """`ZY` and digits."""
    assert all(
        re.fullmatch(r"ZY[0-9]{9}", number) for number in demo_files.planted_identifiers().inpatient_numbers
    )


def test_the_planted_part_of_an_address_stands_in_the_whole_address(demo_files: DemoFiles):
    """Searching for road and number finds every way in which the address is written."""
    for one in demo_files.patients:
        assert one.identity.street in one.identity.address
        assert one.identity.address.startswith("海南省演示市")


def test_the_detector_finds_what_was_planted(demo_files: DemoFiles):
    """The scan that looks for leaks would see these people's numbers in a text."""
    for one in demo_files.patients[::50]:
        who = one.identity
        text = f"患者{who.name}，身份证{who.resident_id}，电话{who.mobile}，住院号{who.inpatient_number}。"
        assert [found.kind for found in scan(text)] == ["resident-id", "mobile", "hospital-number"]


def test_people_born_on_one_day_get_different_numbers():
    """A region and a sequence are free for 44 women of one birth date; the 45th is refused, never doubled."""
    maker = IdentityMaker(random.Random(1), 60)
    numbers = {maker.make(date(1920, 2, 29)).resident_id for _ in range(44)}
    assert len(numbers) == 44
    assert {number[6:14] for number in numbers} == {"19700228"}
    with pytest.raises(IndexError):
        maker.make(date(1920, 2, 29))
