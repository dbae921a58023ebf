"""A FHIR date made coarser, or shifted backward. Precision is never invented: what is coarser stays so.

A patient's dates within one project all move by the same number of days, 1 to 365 into the past, drawn by
a keyed hash from project and person. Backward only: a date can never come to lie after the day on which
the data were locked, so nothing has to be capped, and capping is what breaks intervals. The weekday is
not kept. Offsets of two people say nothing of a third's, as they would if the hash were linear.
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from deidentify.pseudonym import framed
from rwd_platform.signing import suites

# FHIR date, dateTime and instant share their beginning: YYYY, YYYY-MM, YYYY-MM-DD, then a time.
_TIME = r"(?:T[0-9:.]+(?:Z|[+-][0-9:]+)?)?"
_DATE = re.compile(rf"[0-9]{{4}}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12][0-9]|3[01]){_TIME})?)?")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?)?"
_OFFSET = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
_SHIFTABLE = re.compile(rf"([0-9]{{4}})(?:-([0-9]{{2}})(?:-([0-9]{{2}})(T{_CLOCK}{_OFFSET}?)?)?)?")

PRECISIONS = {"year": 4, "month": 7}  # how many characters of the text remain
REACH_DAYS = 365
_MAC_BYTES = 16  # 128 bits: what a remainder of them favours is below 1 in 10**36


def coarsen(text: str, precision: str) -> str | None:
    """`1984-03-07T10:00:00+08:00` to `1984-03` or `1984`; None for what is not a FHIR date.

    The cut is made on the text as written, in its own offset: a birthday is a day where the patient was.
    """
    return text[: PRECISIONS[precision]] if _DATE.fullmatch(text) else None


def shift_days(
    key: bytes, project: str, person: str, reach: int = REACH_DAYS, suite: str = suites.INTL
) -> int:
    """How far this person's dates move in this project: -1 to -`reach` days, each equally likely.

    `key` is the project's date key. Whoever lacks it cannot tell the offset, nor from any number of known
    offsets another one.
    """
    if reach < 1:
        raise ValueError("dates are shifted by at least a day")
    mac = suites.suite(suite).mac(key, framed(project) + framed(person))
    return -(1 + int.from_bytes(mac[:_MAC_BYTES], "big") % reach)


def shift(text: str, days: int) -> str | None:
    """The date `days` later (earlier when negative); None for what is no FHIR date or leaves years 1-9999.

    A day moves exactly, its time of day and offset stay as written; so intervals between days are kept.
    A month moves as its 15th does, a year as its 1 July, and each is cut again to what it was: of two texts
    of one precision the order is never turned round, though two may fall together, and no digit is added.
    Against a full date a month may so seem off by up to half a month, a year by half a year: such texts
    say when about, and no number of days is made from them.
    """
    match = _SHIFTABLE.fullmatch(text)
    if match is None:
        return None
    year, month, day, time = match.groups()
    try:
        middle = date(int(year), int(month or 7), int(day or (15 if month else 1)))
        moved = (middle + timedelta(days=days)).isoformat()
    except (ValueError, OverflowError):  # no such day, or outside the calendar
        return None
    if day:
        return moved + (time or "")
    return moved[: PRECISIONS["month" if month else "year"]]
