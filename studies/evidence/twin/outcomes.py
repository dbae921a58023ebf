"""When and how each subject's follow-up ends, so that every line of the outcome's decision table occurs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from studies.evidence.twin.draw import Draw
from studies.protocol import CENSORED, COMPETING_EVENT, Outcome, OutcomeRule, OutcomeSource, Protocol, State

_SHORTEST = 365  # days of follow-up, where no analysis asks for more
_PIECES = 24  # of the follow-up; within each the hazard is one
_BASE, _BY_NEED = 11, 2  # hazard of a piece in thousandths
_GAIN = 7  # tenths of the hazard that the exposed have; the other way round where the event is wanted
_LOST, _COMPETES = 40, 30  # per cent
_GAP = 45  # days at most between a last visit and a death after it

States = dict[str, tuple[State, int]]  # source -> its state and day


@dataclass(frozen=True)
class End:
    """`event` tells whether the event came before the end of observation at `day`."""

    day: int
    event: bool


def longest(protocol: Protocol) -> int:
    """The last day that an analysis looks at, and a tenth beyond it."""
    days = [_SHORTEST]
    for one in protocol.analyses:
        days += [*one.days, one.tau, one.until]
        days += [one.horizon.day + one.horizon.window] if one.horizon else []
    return max(days) * 11 // 10


def end_of(protocol: Protocol, need: int, exposed: bool, draw: Draw) -> End:
    """The first of event, loss and the end of the study."""
    last = longest(protocol)
    observed = draw.between(1, last) if draw.chance(_LOST) else last
    hazard = (_BASE + _BY_NEED * need) * 10
    helped = exposed != protocol.outcome.wanted
    hazard = hazard * _GAIN // 10 if helped else hazard
    for piece in range(_PIECES):
        if draw.below(10_000) < hazard:
            day = draw.between(piece * last // _PIECES + 1, (piece + 1) * last // _PIECES)
            return End(day, True) if day <= observed else End(observed, False)
    return End(observed, False)


class Chooser:
    """Goes through the decision table's lines in turn, so that none is left out."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._turn: dict[int, int] = {}

    def states(self, end: End, draw: Draw) -> States | None:
        """What each source says of a subject with this end; None: no line can give it."""
        rules = self._outcome.rules
        kinds = {self._outcome.status_of(rule) for rule in rules}
        wanted = CENSORED
        if end.event:
            wanted = COMPETING_EVENT if COMPETING_EVENT in kinds and draw.chance(_COMPETES) else 1
        wanted = wanted if wanted in kinds else min(kinds)
        fitting = [rule for rule in rules if self._outcome.status_of(rule) == wanted]
        turn = self._turn[wanted] = self._turn.get(wanted, -1) + 1
        gap = draw.between(1, _GAP)
        for at in range(len(fitting)):
            rule = fitting[(turn + at) % len(fitting)]
            found = list(_ways(self._outcome, rule, max(2, end.day), gap))
            if found:
                return found[turn // len(fitting) % len(found)]
        return None


def _ways(outcome: Outcome, rule: OutcomeRule, day: int, gap: int) -> Iterator[States]:
    """The states of all sources under which `rule` is the first that holds, with its time on `day`."""
    others = [source.name for source in outcome.sources if source.name not in dict(rule.when)]
    choices: tuple[State | None, ...] = ("free", "event", None)
    for picked in product(choices, repeat=len(others)):
        states: States = {name: (state, day) for name, state in rule.when}
        states |= {name: (state, day + gap) for name, state in zip(others, picked, strict=True) if state}
        if rule.earlier is not None:
            before, after = rule.earlier
            if rule.time_of == after:
                states[before] = (states[before][0], max(0, day - gap))
            else:
                states[after] = (states[after][0], day + gap)
        if _can_be_said(outcome, states) and _first_holding(outcome, states) is rule:
            yield states


def _can_be_said(outcome: Outcome, states: States) -> bool:
    """A source may have no word for being free of the event: a register of deaths."""
    return all(
        source.free_values or states.get(source.name, ("event", 0))[0] == "event"
        for source in outcome.sources
    )


def _first_holding(outcome: Outcome, states: Mapping[str, tuple[State, int]]) -> OutcomeRule | None:
    for rule in outcome.rules:
        if any(name not in states or states[name][0] != state for name, state in rule.when):
            continue
        if rule.earlier is None or states[rule.earlier[0]][1] < states[rule.earlier[1]][1]:
            return rule
    return None


def value_rows(source: OutcomeSource, state: State, day: int, draw: Draw) -> Iterator[tuple[str, int]]:
    """(value, day) of the records of one source: often an earlier visit, then the one that decides."""
    if day >= 2 and source.free_values and draw.chance(50):
        yield draw.one_of(source.free_values), draw.between(0, day // 2)
    yield draw.one_of(source.event_values if state == "event" else source.free_values), day
