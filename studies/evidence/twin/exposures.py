"""Which arm each subject is in, and the records that say so."""

from __future__ import annotations

from collections.abc import Iterator

from studies.evidence.twin.cohort_rows import Code, Row, codes_of, record_row
from studies.evidence.twin.draw import Draw
from studies.protocol import Exposure

_EXPOSED, _BY_NEED = 38, 3  # per cent


def is_exposed(need: int, draw: Draw) -> bool:
    """Those of greater need are treated more often: confounding by indication."""
    return draw.chance(_EXPOSED + _BY_NEED * need)


def arm_rows(exposure: Exposure, exposed: bool, draw: Draw) -> Iterator[Row]:
    """The records of the arm in the grace days. Without an active comparator the other arm has none."""
    records = exposure.records if exposed else exposure.comparator
    if records is not None:
        yield record_row(records, draw.between(*exposure.grace_days), draw)


def arm_codes(exposure: Exposure) -> frozenset[Code]:
    compared = codes_of(exposure.comparator) if exposure.comparator else frozenset()
    return codes_of(exposure.records) | compared


def oddities(exposure: Exposure) -> tuple[str, ...]:
    """How the records of an exposure may be such that a subject leaves, as far as the protocol asks."""
    found = ["contradicting"] if exposure.contradicting_statuses else []
    found += ["used_before"] if exposure.washout_days else []
    found += ["both", "neither"] if exposure.comparator is not None else []
    return tuple(found)


def odd_rows(exposure: Exposure, oddity: str, draw: Draw) -> Iterator[Row]:
    """What makes the subject leave; `neither` has no record at all."""
    day = draw.between(*exposure.grace_days)
    if oddity == "neither":
        return
    yield record_row(exposure.records, day, draw)
    if oddity == "contradicting":
        yield record_row(exposure.records, day, draw, draw.one_of(exposure.contradicting_statuses))
    if oddity == "used_before" and exposure.washout_days:
        last = min(-1, exposure.grace_days[0] - 1)
        yield record_row(exposure.records, draw.between(min(last, -exposure.washout_days), last), draw)
    if oddity == "both" and exposure.comparator is not None:
        yield record_row(exposure.comparator, day, draw)
