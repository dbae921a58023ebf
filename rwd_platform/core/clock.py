"""Time. Instants are aware and in UTC; legal years and working days are those of Asia/Shanghai.

The clock is passed in by doors and flows, so that rooms never ask what time it is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]

SHANGHAI = ZoneInfo("Asia/Shanghai")


def system_clock() -> datetime:
    return datetime.now(UTC)


def as_text(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds: sorts as text, and always the same length."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs its time zone")
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def shanghai_date(instant: datetime) -> date:
    """The legal date: 2026-12-31T16:00Z is already 2027-01-01 in China."""
    return instant.astimezone(SHANGHAI).date()


def shanghai_year(year: int) -> tuple[datetime, datetime]:
    """The legal year's first instant, and the first of the next."""
    first, next_first = (datetime(one, 1, 1, tzinfo=SHANGHAI) for one in (year, year + 1))
    return first, next_first
