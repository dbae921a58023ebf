"""Overlapping spans become one: their union, with the word of the detector that is surest."""

from __future__ import annotations

from collections.abc import Iterable

from deidentify.free_text.detector import Span
from deidentify.identifiers_cn import found

# Exact matching knows, rules see a form, segmentation guesses; what is plugged in comes last but one.
_RANK = {"seeds": 0, "rules": 1, "segments": 3}
_PLUGGED_IN = 2
# Among the rules' own: a number of a known form before one by its context, and parts of texts last. A date comes
# after the numbers: shifting 住院号202403180012 would leave its last digits as they are.
_KINDS = (
    found.DEVICE_PRODUCTION, found.SERIAL_NUMBER, found.LOT_NUMBER,
    found.RESIDENT_ID, found.PERMANENT_RESIDENCE, found.OLD_RESIDENT_ID, found.BANK_CARD, found.MOBILE,
    found.EMAIL, found.URL, found.LICENCE_PLATE, found.LANDLINE, found.SERVICE_PHONE, found.WECHAT,
    found.QQ, found.TRAVEL_DOCUMENT, found.INSURANCE_CARD, found.HOSPITAL_NUMBER, found.DATE, found.FOREIGN_PHONE,
    found.IP_ADDRESS, found.ORGANISATION, found.ADDRESS, found.NAME, found.BED,
)  # fmt: skip


def merge(spans: Iterable[Span]) -> list[Span]:
    """Spans that share a character become one span over all of both, by position; nothing found is lost.

    Its kind, detector and subject are those of the surest of them. Spans that only touch stay two.
    """
    merged: list[Span] = []
    group: list[Span] = []
    end = 0
    for span in sorted(spans, key=lambda one: (one.start, one.end)):
        if group and span.start >= end:
            merged.append(_union(group, end))
            group = []
        end = max(end, span.end) if group else span.end
        group.append(span)
    if group:
        merged.append(_union(group, end))
    return merged


def _union(group: list[Span], end: int) -> Span:
    surest = min(group, key=_rank)
    start = group[0].start
    # A subject is known of the whole span only if the seed covers it.
    whole = surest.start == start and surest.end == end
    return Span(surest.kind, start, end, surest.detector, surest.subject if whole else "")


def _rank(span: Span) -> tuple[int, int, int]:
    kind = _KINDS.index(span.kind) if span.kind in _KINDS else len(_KINDS)
    return _RANK.get(span.detector, _PLUGGED_IN), kind, span.start - span.end
