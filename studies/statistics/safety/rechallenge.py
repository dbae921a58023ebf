"""Did the event go when the treatment was withdrawn, and come back when it was given again?

Rules and windows are in `rechallenge.toml` beside this module; this module applies them to dated records.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from studies.reasons import BAD_ARGUMENT, LENGTHS_DIFFER, NO_SUBJECTS, NOT_A_NUMBER, CannotEstimate
from studies.statistics import Bools, Floats, Ints
from studies.statistics.inputs import numbers, yes_no
from studies.statistics.options import checked
from studies.statistics.safety.checks import between

Answer = Literal["positive", "negative", "not_assessable", "not_done"]
ANSWERS: tuple[Answer, ...] = ("positive", "negative", "not_assessable", "not_done")
_POSITIVE, _NEGATIVE, _UNCLEAR, _NOT_DONE = range(4)
_E2B = {"positive": 1, "negative": 2, "not_assessable": 3, "not_done": 4}


@dataclass(frozen=True)
class Challenges:
    """One answer an event, (m,) each. `e2b` (m,) is G.k.9.i.4 of the ICSR, from `rechallenge`."""

    dechallenge: tuple[Answer, ...]
    rechallenge: tuple[Answer, ...]
    e2b: Ints
    method: str

    def counts(self) -> dict[str, dict[Answer, int]]:
        """How many events have each answer; every answer is listed, also with 0."""
        return {
            name: {answer: answers.count(answer) for answer in ANSWERS}
            for name, answers in (("dechallenge", self.dechallenge), ("rechallenge", self.rechallenge))
        }


@cache
def rules() -> dict[str, Any]:
    """The rules as they stand in `rechallenge.toml`, with their edition, date and source."""
    return tomllib.loads(Path(__file__).with_name("rechallenge.toml").read_text(encoding="utf-8"))


@checked
def challenges(
    onset: npt.ArrayLike,
    *,
    stopped: Sequence[float | None] | npt.ArrayLike,
    ended: Sequence[float | None] | npt.ArrayLike,
    restarted: Sequence[float | None] | npt.ArrayLike,
    recurred: Sequence[float | None] | npt.ArrayLike,
    observed_until: npt.ArrayLike,
    treated: npt.ArrayLike | None = None,
    fatal: npt.ArrayLike | None = None,
    dechallenge_window: float | None = None,
    rechallenge_window: float | None = None,
) -> Challenges:
    """Classify each of m events by its dates, given as days on any common scale.

    onset (m,); stopped the last dose, ended the event's end, restarted the first dose given again, recurred
    the event's second onset, each (m,) with None (or NaN) where it did not happen; observed_until (m,) the
    last day on which the subject was seen: what did not happen by then, and whose window is not over, is not
    assessable. treated, fatal (m,) 0/1. Windows in days; None takes those of the rules.

    Dechallenge: not_done unless the treatment was stopped at or after onset; positive where the event ended
    after that within the window; negative where it lasted longer. Rechallenge: not_done without a restart
    after that stop; positive where the event came back within the window; negative where it did not.
    Raises `CannotEstimate` for columns of different lengths, dates that are no numbers, an end before its
    onset, a restart not after the stop, a recurrence before the restart, and anything dated after
    observed_until.
    """
    began = numbers(onset, "onset")
    m = len(began)
    stop, end = _dates(stopped, "stopped", m), _dates(ended, "ended", m)
    again, back = _dates(restarted, "restarted", m), _dates(recurred, "recurred", m)
    seen = numbers(observed_until, "observed_until", m)
    _check_order(began, stop, end, again, back, seen)
    helped = np.zeros(m, bool) if treated is None else yes_no(treated, "treated", m)
    died = np.zeros(m, bool) if fatal is None else yes_no(fatal, "fatal", m)
    policy = rules()
    days_off = _window(dechallenge_window, policy["dechallenge"]["window_days"], "dechallenge_window")
    days_on = _window(rechallenge_window, policy["rechallenge"]["window_days"], "rechallenge_window")
    withdrawn = stop >= began
    off = np.where(withdrawn, _dechallenge(stop, end, again, seen, helped, died, days_off), _NOT_DONE)
    given_again = withdrawn & ~np.isnan(again)
    on = np.where(given_again, _rechallenge(end, again, back, seen, days_on), _NOT_DONE)
    answers = tuple(ANSWERS[code] for code in on)
    return Challenges(
        dechallenge=tuple(ANSWERS[code] for code in off),
        rechallenge=answers,
        e2b=np.array([_E2B[answer] for answer in answers], dtype=np.intp),
        method=f"rules of edition {policy['edition']} ({policy['date']}); windows {days_off:g} and {days_on:g} days",
    )


def _dechallenge(
    stop: Floats, end: Floats, again: Floats, seen: Floats, helped: Bools, died: Bools, window: float
) -> Ints:
    """Comparisons with NaN (not happened) are False, which is what each rule means by it."""
    # Withdrawal lasts until the restart, if that comes before the window is over.
    tested_until = np.fmin(np.fmin(stop + window, again), seen)
    went = (end > stop) & (end <= stop + window) & ~(end > again)
    lasted = ((end > stop + window) | np.isnan(end)) & (tested_until >= stop + window)
    unclear = helped | died | (end <= stop)
    return np.select([unclear, went, lasted], [_UNCLEAR, _POSITIVE, _NEGATIVE], _UNCLEAR)


def _rechallenge(end: Floats, again: Floats, back: Floats, seen: Floats, window: float) -> Ints:
    still_there = np.isnan(end) | (end > again)
    came = (back >= again) & (back <= again + window)
    stayed_away = ~came & (seen >= again + window)
    return np.select([still_there, came, stayed_away], [_UNCLEAR, _POSITIVE, _NEGATIVE], _UNCLEAR)


def _check_order(began: Floats, stop: Floats, end: Floats, again: Floats, back: Floats, seen: Floats) -> None:
    with np.errstate(invalid="ignore"):
        wrong = (
            ("ended", (end < began).any(), ">= onset"),
            ("restarted", (~np.isnan(again) & ~(again > stop)).any(), "> stopped"),
            ("recurred", (~np.isnan(back) & ~(back >= again)).any(), ">= restarted"),
            (
                "observed_until",
                any((one > seen).any() for one in (began, stop, end, again, back)),
                ">= dates",
            ),
        )
    for argument, bad, allowed in wrong:
        if bad:
            raise CannotEstimate(BAD_ARGUMENT, argument=argument, allowed=allowed)


def _dates(values: Sequence[float | None] | npt.ArrayLike, name: str, rows: int) -> Floats:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as not_numbers:
        raise CannotEstimate(NOT_A_NUMBER, variable=name) from not_numbers
    if column.ndim == 0 or (len(column) == 0 and rows):
        raise CannotEstimate(NO_SUBJECTS)
    if column.shape != (rows,):
        raise CannotEstimate(LENGTHS_DIFFER, variable=name)
    if np.isinf(column).any():
        raise CannotEstimate(NOT_A_NUMBER, variable=name)
    return column


def _window(given: float | None, by_rule: float, name: str) -> float:
    return between(by_rule if given is None else given, name)
