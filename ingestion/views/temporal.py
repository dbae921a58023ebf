"""Dates and times of FHIR, with the precision they were written in.

Two of them compare field by field. Where one is known more finely than the other and they agree as far
as both are known, there is no answer (FHIRPath 6.2: the empty collection): was 2024 before 2024-03?
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

_DATE_TIME = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?:(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_TIME = re.compile(r"(?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}(?:\.[0-9]+)?))?)?")
_DATE_PARTS = ("year", "month", "day", "hour", "minute", "second")
_TIME_PARTS = ("hour", "minute", "second")
_EARLIEST_ZONE, _LATEST_ZONE = "+14:00", "-12:00"


@dataclass(frozen=True)
class Temporal:
    """`parts`: year, month, day, hour, minute, second (from hour on, if `is_time`), as many as written."""

    text: str
    parts: tuple[Decimal, ...]
    zone_minutes: int | None
    is_time: bool


def read(text: str, is_time: bool | None = None) -> Temporal | None:
    """None when the text is no FHIR date, dateTime or time, or names a day that does not exist."""
    if is_time is not True and (match := _DATE_TIME.fullmatch(text)):
        parts = _parts(match, _DATE_PARTS)
        year, month, day = (*(int(part) for part in parts[:3]), 1, 1)[:3]
        if not _exists(year, month, day):
            return None
        return Temporal(text, parts, _zone_minutes(match.group("zone")), is_time=False)
    if is_time is not False and (match := _TIME.fullmatch(text)):
        return Temporal(text, _parts(match, _TIME_PARTS), None, is_time=True)
    return None


def date_part(value: object) -> str | None:
    """The date of a date or dateTime as written, in its own time zone; None for anything else."""
    if not isinstance(value, str) or (match := _DATE_TIME.fullmatch(value)) is None:
        return None
    year, month, day = match.group("year", "month", "day")
    if not _exists(int(year), int(month or 1), int(day or 1)):
        return None
    return value[:10]


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None where the precision, or a missing time zone, leaves it open."""
    if left.is_time != right.is_time:
        return None
    if left.zone_minutes is not None and right.zone_minutes is not None:
        left, right = _in_utc(left), _in_utc(right)
    elif len(left.parts) > 3 and len(right.parts) > 3 and left.zone_minutes != right.zone_minutes:
        return None
    for one, other in zip(left.parts, right.parts, strict=False):
        if one != other:
            return -1 if one < other else 1
    return 0 if len(left.parts) == len(right.parts) else None


def boundary(value: Temporal, kind: str, *, high: bool) -> str:
    """The earliest (or latest) moment that the text can mean, at the full precision of `kind`.

    `kind` is date, dateTime, instant or time. Source: FHIRPath 2.0, lowBoundary and highBoundary; an
    unknown time zone is taken as +14:00 for the earliest and -12:00 for the latest.
    """
    if kind == "time":
        return _clock(value.parts, high)
    years = value.parts[:3]
    year = int(years[0])
    month = int(years[1]) if len(years) > 1 else (12 if high else 1)
    day = int(years[2]) if len(years) > 2 else (monthrange(year, month)[1] if high else 1)
    date_text = f"{year:04d}-{month:02d}-{day:02d}"
    if kind == "date":
        return date_text
    zone = _zone_text(value.text)
    if zone is None:
        zone = _LATEST_ZONE if high else _EARLIEST_ZONE
    return f"{date_text}T{_clock(value.parts[3:], high)}{zone}"


def _clock(parts: tuple[Decimal, ...], high: bool) -> str:
    hour = int(parts[0]) if parts else (23 if high else 0)
    minute = int(parts[1]) if len(parts) > 1 else (59 if high else 0)
    if len(parts) < 3:
        return f"{hour:02d}:{minute:02d}:{'59.999' if high else '00.000'}"
    whole, _, fraction = str(parts[2]).partition(".")
    fraction = fraction[:3].ljust(3, "9" if high else "0")
    return f"{hour:02d}:{minute:02d}:{whole.zfill(2)}.{fraction}"


def _parts(match: re.Match[str], names: tuple[str, ...]) -> tuple[Decimal, ...]:
    return tuple(Decimal(match.group(name)) for name in names if match.group(name) is not None)


def _exists(year: int, month: int, day: int) -> bool:
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= (28 if day <= 28 else monthrange(year, month)[1])


def _zone_text(text: str) -> str | None:
    match = _DATE_TIME.fullmatch(text)
    return match.group("zone") if match else None


def _zone_minutes(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _in_utc(value: Temporal) -> Temporal:
    """The same moment in UTC; only whole fields move, so seconds keep their fraction."""
    if len(value.parts) < 5 or not value.zone_minutes:
        return value
    year, month, day, hour, minute = (int(part) for part in value.parts[:5])
    try:
        moved = datetime(year, month, day, hour, minute) - timedelta(minutes=value.zone_minutes)
    except (ValueError, OverflowError):
        return value
    parts = tuple(Decimal(part) for part in (moved.year, moved.month, moved.day, moved.hour, moved.minute))
    return Temporal(value.text, parts + value.parts[5:], 0, is_time=False)
