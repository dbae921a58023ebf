"""The figure of competing events: one panel a kind of event, both arms in each, numbers at risk once beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.curve_labels import Named, name_curves
from studies.evidence.figures import (
    RISK_LINE,
    SOFT,
    Painter,
    canvas,
    day_label,
    numbers_at_risk,
    with_numbers,
)
from studies.evidence.numbers import Number

_LEFT, _RIGHT = 0.205, 0.97  # of the figure's width, as of the survival curves
_PANEL, _GAP = 2.05, 0.52  # inches: a panel, and between two of them, where the lower one's name stands
_TOP, _AXIS = 0.34, 0.72  # inches: above the panels, and below them
_HEADROOM = 1.12  # over the highest curve, so that its name finds place
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)  # between the ticks of the share

Point = tuple[float, float, float | None, float | None]
"""day, share, its limits"""


@dataclass(frozen=True)
class IncidenceCurve:
    """One arm: its curve in each panel, and the numbers under the axis, None where withheld.

    is_sparse -- the points are a few days of the curve and not its steps: they are drawn as points
    """

    title: Bilingual
    colour: str
    panels: tuple[Sequence[Point], ...]
    is_sparse: bool
    at_risk: tuple[Number | None, ...]


@dataclass(frozen=True)
class IncidenceLabels:
    """`kinds` name the panels, from above; `untold` says of arms without a curve that it is withheld."""

    kinds: tuple[Bilingual, ...]
    time: Bilingual
    share: Bilingual
    at_risk: Bilingual
    untold: Bilingual | None = None


def incidence(curves: Sequence[IncidenceCurve], days: Sequence[int], labels: IncidenceLabels) -> Painter:
    """Each panel has a scale of its own that starts at 0: a rare kind of event would be a line on the axis."""

    def paint(language: Language) -> Any:
        count = len(labels.kinds)
        counted = with_numbers(curves)
        below = _AXIS + RISK_LINE * len(counted)
        height = _TOP + count * _PANEL + (count - 1) * _GAP + below
        figure, end = canvas(height), max(days)
        for place, kind in enumerate(labels.kinds):
            bottom = below + (count - 1 - place) * (_PANEL + _GAP)
            axes = figure.add_axes((_LEFT, bottom / height, _RIGHT - _LEFT, _PANEL / height))
            drawn = [(one, _until(one, place, end)) for one in curves]
            for curve, points in drawn:
                (_dots if curve.is_sparse else _draw)(axes, points, curve.colour)
            _scale(axes, [points for _, points in drawn], days, end)
            _name(axes, drawn, language)
            axes.set_title(kind.in_language(language), loc="left", fontsize=9, pad=7)
            if labels.untold is not None:
                axes.set_title(
                    labels.untold.in_language(language), loc="right", fontsize=7.5, color=SOFT, pad=7
                )
            axes.set_ylabel(labels.share.in_language(language), fontsize=8)
        axes.set_xlabel(labels.time.in_language(language), fontsize=8)
        numbers_at_risk(axes, counted, days, labels.at_risk, language)
        return figure

    return paint


def _until(curve: IncidenceCurve, panel: int, end: float) -> list[Point]:
    """The points on the axis; a curve of steps that goes on is level up to the axis' end."""
    points = curve.panels[panel]
    inside = [point for point in points if point[0] <= end]
    goes_on = not curve.is_sparse and len(inside) < len(points) and inside[-1][0] < end
    return [*inside, (end, *inside[-1][1:])] if goes_on else inside


def _draw(axes: Any, points: Sequence[Point], colour: str) -> None:
    """The steps of the curve, and its band."""
    axes.step(
        [point[0] for point in points], [point[1] for point in points], where="post", color=colour, lw=1.3
    )
    band = [point for point in points if point[2] is not None and point[3] is not None]
    axes.fill_between(
        [point[0] for point in band],
        [point[2] for point in band],
        [point[3] for point in band],
        step="post",
        color=colour,
        alpha=0.13,
        lw=0,
    )


def _dots(axes: Any, points: Sequence[Point], colour: str) -> None:
    """The days that are told, with their limits; dotted in between, where nothing is told."""
    days = [point[0] for point in points]
    axes.plot(days, [point[1] for point in points], color=colour, lw=0.8, ls=(0, (1, 2)))
    for day, share, low, high in points[1:]:
        axes.plot([day], [share], marker="o", ms=3.5, color=colour, ls="none")
        if low is not None and high is not None:
            axes.plot([day, day], [low, high], color=colour, lw=0.9)


def _scale(axes: Any, drawn: Sequence[Sequence[Point]], days: Sequence[int], end: float) -> None:
    tops = [
        max(value for value in (point[1], point[3]) if value is not None) for one in drawn for point in one
    ]
    top = min(max([*tops, 0.01]) * _HEADROOM, 1.0)
    step = next((one for one in _STEPS if top / one <= 5), _STEPS[-1])
    ticks = [place * step for place in range(int(top / step + 1e-9) + 1)]
    axes.set_ylim(0, top)
    axes.set_yticks(ticks)
    axes.set_yticklabels(["0", *(f"{100 * tick:g}%" for tick in ticks[1:])])
    axes.set_xlim(0, end * 1.01)
    axes.set_xticks(list(days))
    axes.set_xticklabels([day_label(day, end) for day in days])


def _name(axes: Any, drawn: Sequence[tuple[IncidenceCurve, list[Point]]], language: Language) -> None:
    """A share without limits stands for them."""
    named = []
    for curve, points in drawn:
        if len(points) < 2:
            continue
        x, y = [point[0] for point in points], [point[1] for point in points]
        low = [point[1] if point[2] is None else point[2] for point in points]
        high = [point[1] if point[3] is None else point[3] for point in points]
        named.append(Named(curve.title.in_language(language), curve.colour, x, y, low, high))
    name_curves(axes, named)
