"""Adverse events of the twin, where the protocol plans safety: every answer a report can give occurs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from studies.adverse_events import code_rules
from studies.evidence.twin.draw import Draw
from studies.planned import EventTerm
from studies.protocol import Protocol

_WITH_EVENTS = 45  # per cent
_MOST = 3
_NO_TERMS = (
    ("urn:synthetic", "SYNTHETIC-1"),
    ("urn:synthetic", "SYNTHETIC-2"),
)  # where the protocol names no code
_UNCODED, _UNDATED, _ALMOST, _DEFICIENCY, _AGAIN, _OUTSIDE = 4, 4, 4, 12, 6, 6  # per cent
_JUDGED = 85


def is_planned(protocol: Protocol) -> bool:
    return any(one.method == "safety" for one in protocol.analyses)


def reports(protocol: Protocol, follow_up: int, died_on: int | None, draw: Draw) -> Iterator[dict[str, Any]]:
    """The reports of one subject observed to day `follow_up`; one who died often has a fatal event."""
    terms = _terms(protocol)
    if draw.chance(_WITH_EVENTS):
        for _ in range(draw.between(1, _MOST)):
            report = _report(terms, follow_up, draw)
            yield report
            if draw.chance(_AGAIN):
                yield dict(report)
    if died_on is not None and draw.chance(50):
        fatal = {"seriousness_code": draw.one_of(code_rules()["seriousness"]["fatal"])}
        fatal |= {"outcome_code": draw.one_of(code_rules()["outcome"]["fatal"]), "actuality": "actual"}
        yield {**_report(terms, follow_up, draw), **fatal, "event_day": died_on, "detected_day": died_on}


def _terms(protocol: Protocol) -> tuple[tuple[str, str], ...]:
    named: list[EventTerm] = [term for one in protocol.analyses for term in one.terms]
    return tuple((one.code_system, one.code) for one in named) or _NO_TERMS


def _report(terms: tuple[tuple[str, str], ...], follow_up: int, draw: Draw) -> dict[str, Any]:
    system, code = (None, None) if draw.chance(_UNCODED) else draw.one_of(terms)
    outside = draw.chance(_OUTSIDE)
    day = draw.one_of((-draw.between(1, 30), follow_up + draw.between(1, 30))) if outside else None
    day = draw.between(0, follow_up) if day is None else day
    undated = draw.chance(_UNDATED)
    seriousness, causality = code_rules()["seriousness"], code_rules()["causality"]
    grave = [one for one in seriousness["yes"] if one not in seriousness["fatal"]]
    return {
        "code_system": system,
        "code": code,
        "event_day": None if undated else day,
        "detected_day": None if undated else day + draw.between(0, 3),
        "actuality": draw.one_of(code_rules()["actuality"]["almost"]) if draw.chance(_ALMOST) else "actual",
        "seriousness_code": _judged(grave, seriousness["no"], draw),
        "causality_code": _judged(causality["yes"], causality["no"], draw),
        "outcome_code": None,
        "device_deficiency": draw.chance(_DEFICIENCY),
    }


def _judged(yes: list[str], no: list[str], draw: Draw) -> str | None:
    """One in seven is not judged yet."""
    if not draw.chance(_JUDGED):
        return None
    return draw.one_of(yes if draw.chance(40) else no)
