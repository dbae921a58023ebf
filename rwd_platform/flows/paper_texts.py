"""Small readers for what people write down about papers: a line, a day, a hash. None or "" says that it is none."""

from __future__ import annotations

import re
from datetime import date

LONGEST_LINE = 200
LONGEST_NOTE = 2000
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def line(text: str, longest: int = LONGEST_LINE) -> str | None:
    """One printable line without blanks at its ends; None for what is none or too long."""
    tidy = " ".join(text.split())
    return tidy if len(tidy) <= longest and tidy.isprintable() else None


def day_or_blank(text: str) -> str:
    """The day as YYYY-MM-DD; "" for what is no day of the calendar."""
    if not _DAY.fullmatch(text):
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None
