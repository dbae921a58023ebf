"""Invented people for the demo: each number is well formed, and none can be anybody's.

Resident id. Sequences 996 to 999 of a region and birth date were reserved for people who were a hundred
years old or more when their number was given. Ours carry such a sequence together with a birth date
50 years after the patient's own, 1937 or later: nobody born then has been a hundred before 2037, so no
such number has ever been given (`belongs_to_nobody`). The region and the check digit are right, so that a
detector has something to detect.

Mobile. Numbers beginning with 154 are assigned to no operator.

Name. A surname and two rare characters; the pair of characters is given to one person only, so that the
three characters in a row, anywhere after admission, can only be a leak.

Address. Town, road and number do not exist; a number is used once.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from itertools import permutations, product

from deidentify.identifiers_cn import check_digit, is_resident_id

SHIFT_YEARS = 50
FIRST_CENTENARY = 100
# Even: women. The tumour bank's patients are women.
_SEQUENCES = ("996", "998")
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋"
_RARE = (
    "婳嫣媛妍娴婵嫦姝婧妤姮嫱嬿媞媖婕姣璟琰琬瑗瑾璇璐珺珂玥玟琇瑄琅瑷璞"
    "翾翎昕晗昀暄曦旻昶晞沅沁淇滢漪潞湉芮芷苒蕙菡蓁"
)
# Hainan: Haikou's districts, Sanya, Sansha, Danzhou, and what the province governs itself (GB/T 2260).
_REGIONS = (
    *range(460105, 460109),
    *(460200, 460300, 460400),
    *(469001, 469002, 469005, 469006, 469007),
    *range(469021, 469031),
)
_SERIES = tuple(product(_REGIONS, _SEQUENCES))
_TOWNS = ("椰影镇", "浪花镇", "月沙镇", "榕荫镇")
_ROADS = ("虚构路", "示例街", "样本路", "演示巷")
_FIRST_HOUSE = 10001


@dataclass(frozen=True)
class Identity:
    """Who a demo patient is at the hospital."""

    name: str
    resident_id: str
    mobile: str
    town: str
    street: str  # road and number: unique, and part of every way in which the address is written
    room: str
    inpatient_number: str

    @property
    def address(self) -> str:
        return f"海南省演示市{self.town}{self.street}{self.room}"


@dataclass(frozen=True)
class PlantedIdentifiers:
    """All that must never be seen again once the files are admitted. Addresses: their unique part."""

    names: tuple[str, ...]
    resident_ids: tuple[str, ...]
    mobiles: tuple[str, ...]
    addresses: tuple[str, ...]
    inpatient_numbers: tuple[str, ...]

    def all(self) -> tuple[str, ...]:
        return self.names + self.resident_ids + self.mobiles + self.addresses + self.inpatient_numbers


class IdentityMaker:
    """Hands out identities, each value once."""

    def __init__(self, chance: random.Random, people: int) -> None:
        self._chance = chance
        self._given = [first + second for first, second in permutations(_RARE, 2)]
        self._chance.shuffle(self._given)
        self._mobiles = [f"154{tail:08d}" for tail in chance.sample(range(10**8), people)]
        self._numbers = [f"ZY{digits:09d}" for digits in chance.sample(range(10**8, 10**9), people)]
        self._series: set[str] = set()
        self._made = 0

    def make(self, birth_date: date) -> Identity:
        """The next identity; raises IndexError when names or numbers are used up."""
        index = self._made
        self._made += 1
        return Identity(
            name=self._chance.choice(_SURNAMES) + self._given[index],
            resident_id=self._resident_id(birth_date),
            mobile=self._mobiles[index],
            town=self._chance.choice(_TOWNS),
            street=f"{self._chance.choice(_ROADS)}{_FIRST_HOUSE + index}号",
            room=f"{self._chance.randint(1, 9)}栋{self._chance.randint(1, 30)}01室",
            inpatient_number=self._numbers[index],
        )

    def _resident_id(self, birth_date: date) -> str:
        shifted = shift_years(birth_date, SHIFT_YEARS)
        first = self._chance.randrange(len(_SERIES))
        for region, sequence in _SERIES[first:] + _SERIES[:first]:
            first_17 = f"{region}{shifted:%Y%m%d}{sequence}"
            if first_17 not in self._series:
                self._series.add(first_17)
                return first_17 + check_digit(first_17)
        raise IndexError("every region and sequence of this birth date is used up")


def belongs_to_nobody(resident_id: str) -> bool:
    """A well-formed id that was never given: a centenarian's sequence on a birth date of 1937 or later."""
    return (
        is_resident_id(resident_id)
        and resident_id[14:17] in ("996", "997", "998", "999")
        and int(resident_id[6:10]) + FIRST_CENTENARY >= 2037
    )


def shift_years(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 28 February where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
