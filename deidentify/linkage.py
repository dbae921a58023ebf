"""One person at several hospitals, or twice at one: found by a keyed token of the resident id.

The token is the suite's HMAC over the resident id under the linkage key, which no hospital's and no
project's token is made with; the number itself is not kept. Equal tokens are one person:

    l1.intl.1.qkq3vgyb7uhzl5zvysr5hbwlia

Old and new forms of a number (GB 11643-1989, 15 digits, and GB 11643-1999, 18) give one token. Nobody is
linked on a token alone: the Patient rows must agree in birth date and gender, because a number that was
typed into the wrong chart would make two people one. A row without a birth date can agree with nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deidentify.account import DropCounter
from deidentify.identifiers_cn import check_digit, is_resident_id
from deidentify.pseudonym import framed, letters_of
from rwd_platform.core import columns
from rwd_platform.core.units import Resource
from rwd_platform.signing import suites

LINK_SCHEME = "l1"
DISAGREE = "link.disagree"  # persons whose Patient rows contradict each other
UNDECIDED = "link.no_patient_row"  # persons of whom a Patient row is missing, so nothing can be compared
NO_BIRTH_DATE = "link.no_birth_date"  # persons of whom a Patient row has no birth date, so too little agrees
LINKED = "link.linked"  # persons whose rows were brought together
MERGED_ROWS = "link.patient rows of a linked person"  # Patient rows left behind for another of the person

_KIND = "resident-id"
_PATIENT = "patient"
# Blanks, hyphens and dashes that people write between the groups.
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015]")
_OLD_FORM = re.compile(r"[1-8][0-9]{14}")
# Sequence numbers that the 15-digit form reserved for people of a hundred years and more: born 18xx.
_CENTENARIANS = frozenset({"996", "997", "998", "999"})
_YEAR = re.compile(r"[0-9]{4}")  # the least that a birth date says
_UNKNOWN_GENDERS = frozenset({None, "", "unknown"})

Place = tuple[str, str]
"""organisation_id, patient_id"""


def link_token(patient: Resource, key: bytes, suite: str = suites.INTL, version: int = 1) -> str | None:
    """The linkage token of a FHIR Patient as received; None without exactly one valid resident id.

    Two different valid numbers in one Patient contradict each other: no token is made of either.
    """
    numbers = {number for number in _numbers(patient) if number}
    if len(numbers) != 1:
        return None
    message = framed(_KIND) + framed(numbers.pop())
    return f"{LINK_SCHEME}.{suite}.{version}.{letters_of(suites.suite(suite).mac(key, message))}"


def normal_resident_id(text: str, birth_date: str = "") -> str | None:
    """The 18-digit form of a resident id as people write it, or None for what is none.

    A 15-digit number has no check digit, so it counts only where `birth_date` (a FHIR date, as precise as
    it is) does not contradict the date inside it.
    """
    number = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    if len(number) == 18:
        return number if is_resident_id(number) else None
    if not _OLD_FORM.fullmatch(number) or number[12:] in _CENTENARIANS:
        return None
    first_17 = f"{number[:6]}19{number[6:]}"
    born = f"{first_17[6:10]}-{first_17[10:12]}-{first_17[12:14]}"
    full = first_17 + check_digit(first_17)
    return full if is_resident_id(full) and _dates_agree(born, birth_date) else None


def _numbers(patient: Resource) -> Iterable[str | None]:
    birth_date = patient.get("birthDate")
    identifiers = patient.get("identifier")
    for one in identifiers if isinstance(identifiers, list) else [identifiers]:
        value = one.get("value") if isinstance(one, dict) and one.get("use") != "old" else None
        if isinstance(value, str):
            yield normal_resident_id(value, birth_date if isinstance(birth_date, str) else "")


@dataclass(frozen=True)
class _Person:
    """One Patient row: what is compared, and where it stands."""

    place: Place
    birth_date: str
    gender: str | None
    position: int


def link_persons(
    tables: Mapping[str, pd.DataFrame], links: Mapping[Place, str], account: DropCounter
) -> dict[str, pd.DataFrame]:
    """Lake tables in which all rows of one person carry one patient_id, and one Patient row stands for them.

    tables  -- lake tables by name; `patient` has patient_id, organisation_id, birth_date and gender
    links   -- (organisation_id, patient_id) -> linkage token; a patient without one stays as he or she is
    account -- gets `link.linked` (persons), `link.disagree`, `link.no_patient_row` and `link.no_birth_date`
               (persons whose token is shared but who stay apart), and how many Patient rows were left behind

    The canonical patient_id is the smallest of the person's; the Patient row that stays is the one with the
    most precise birth date, then with a known gender, then the smallest place. It does not depend on the
    order of rows or links. A person in whom any two rows contradict each other is not linked at all: which
    of them is the mistaken one cannot be told from here.
    """
    patients = tables.get(_PATIENT)
    shared = _shared(links)
    if patients is None or not shared:
        return dict(tables)
    rows = _rows_of(patients, {place for places in shared for place in places})
    canonical: dict[str, str] = {}
    gone: set[int] = set()
    for places in shared:
        persons = [person for place in places for person in rows.get(place, ())]
        if len(persons) != len(places):
            account.add(UNDECIDED, 1)
            continue
        apart = _why_apart(persons)
        if apart is not None:
            account.add(apart, 1)
            continue
        account.add(LINKED, 1)
        stays = min(persons, key=_rank)
        gone.update(person.position for person in persons if person is not stays)
        name = min(patient for _, patient in places)
        canonical.update({patient: name for _, patient in places})
    account.add(MERGED_ROWS, len(gone))
    if not canonical:
        return dict(tables)
    kept = patients[[position not in gone for position in range(len(patients))]]
    return {name: _renamed(kept if name == _PATIENT else rows, canonical) for name, rows in tables.items()}


def _shared(links: Mapping[Place, str]) -> list[list[Place]]:
    """The places of each token that more than one patient_id carries, in a fixed order."""
    of_token: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(links):
        of_token[links[place]].append(place)
    return [places for _, places in sorted(of_token.items()) if len(places) > 1]


def _rows_of(patients: pd.DataFrame, wanted: set[Place]) -> dict[Place, list[_Person]]:
    found: dict[Place, list[_Person]] = defaultdict(list)
    names = (columns.ORGANISATION_ID, columns.PATIENT_ID, "birth_date", "gender")
    values = zip(*(patients[name] for name in names), strict=True)
    for position, (organisation, patient, birth_date, gender) in enumerate(values):
        if (organisation, patient) in wanted:
            birth = birth_date if isinstance(birth_date, str) else ""
            sex = gender if isinstance(gender, str) else None
            found[organisation, patient].append(_Person((organisation, patient), birth, sex, position))
    return found


def _why_apart(persons: Sequence[_Person]) -> str | None:
    """None where they are one person. A contradiction is the graver reason."""
    if not _agree(persons):
        return DISAGREE
    return None if all(_YEAR.match(person.birth_date) for person in persons) else NO_BIRTH_DATE


def _agree(persons: Sequence[_Person]) -> bool:
    """Every two of them; what a row does not say contradicts nothing."""
    genders = {person.gender for person in persons} - _UNKNOWN_GENDERS
    return len(genders) <= 1 and all(
        _dates_agree(one.birth_date, two.birth_date) for one in persons for two in persons
    )


def _dates_agree(one: str, two: str) -> bool:
    """To the coarser precision of the two: 1950 and 1950-02-03 do, 1950-01 and 1950-02-03 do not."""
    length = min(len(one), len(two))
    return one[:length] == two[:length]


def _rank(person: _Person) -> tuple[int, bool, Place]:
    return (-len(person.birth_date), person.gender in _UNKNOWN_GENDERS, person.place)


def _renamed(rows: pd.DataFrame, canonical: Mapping[str, str]) -> pd.DataFrame:
    if columns.PATIENT_ID not in rows:
        return rows
    renamed: Any = rows[columns.PATIENT_ID].map(lambda patient: canonical.get(patient, patient))
    return rows.assign(**{columns.PATIENT_ID: renamed}).reset_index(drop=True)
