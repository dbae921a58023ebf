"""The policy of the sample, as data (sample.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.canonical import sha256_hex
from studies.evidence.sample.problems import POLICY_REFUSED

_WHOLE = {"draw": ("total", "least", "events"), "within": ("days",), "sheet": ("most_bytes", "most_days")}
_SMALLEST = {"draw.total": 1, "draw.least": 1, "sheet.most_bytes": 1, "sheet.most_days": 1}


@dataclass(frozen=True)
class Policy:
    """
    total, least, events -- rows in all; of each hospital; of each hospital with the outcome's event
    within_days, within_relative -- differences that count as "within"
    most_bytes, most_days -- limits of a returned sheet
    sha256 -- of the policy's exact text
    """

    version: str
    total: int
    least: int
    events: int
    within_days: int
    within_relative: float
    most_bytes: int
    most_days: int
    sha256: str


@cache
def policy() -> Policy:
    """The policy in force."""
    return read_policy(policy_text())


def policy_text() -> str:
    """Its exact text: what is kept with a draw, so that it can be drawn again after the policy changed."""
    return Path(__file__).with_name("sample.toml").read_text(encoding="utf-8")


def read_policy(text: str) -> Policy:
    """Raises `verification.policy_refused`, naming the entry, for whatever is missing or no such number."""
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise POLICY_REFUSED.error(entry="TOML") from None
    version = read.get("version")
    if not isinstance(version, str) or not version:
        raise POLICY_REFUSED.error(entry="version")
    numbers = {f"{part}.{name}": _whole(read, part, name) for part, names in _WHOLE.items() for name in names}
    return Policy(
        version=version,
        total=numbers["draw.total"],
        least=numbers["draw.least"],
        events=numbers["draw.events"],
        within_days=numbers["within.days"],
        within_relative=_share(read),
        most_bytes=numbers["sheet.most_bytes"],
        most_days=numbers["sheet.most_days"],
        sha256=sha256_hex(text.encode()),
    )


def _at(read: Mapping[str, Any], part: str, name: str) -> object:
    table = read.get(part)
    return table.get(name) if isinstance(table, dict) else None


def _whole(read: Mapping[str, Any], part: str, name: str) -> int:
    value, entry = _at(read, part, name), f"{part}.{name}"
    if type(value) is not int or value < _SMALLEST.get(entry, 0):
        raise POLICY_REFUSED.error(entry=entry)
    return value


def _share(read: Mapping[str, Any]) -> float:
    value = _at(read, "within", "relative")
    # `True` is an int to Python, and no share.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise POLICY_REFUSED.error(entry="within.relative")
    return float(value)
