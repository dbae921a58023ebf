"""The figure of competing events: one panel a kind of event, both arms in each, numbers at risk once beneath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import SHORT_DAYS, SOFT, Painter, canvas, mark
from studies.evidence.numbers import Number

_LEFT, _RIGHT = 0.205, 0.97  # of the figure's width, as of the survival curves
_PANEL, _GAP = 2.05, 0.52  # inches: a panel, and between two of them, where the lower one's name stands
_TOP, _AXIS, _RISK = 0.34, 0.72, 0.19  # inches: above the panels, below them, and a line of numbers at risk
_HEADROOM = 1.12  # over the highest curve, so that its name finds place
_ABOVE, _BELOW = range(7, 20), range(2, 13)  # twentieths of the axis at which a name may stand
_NAME_HEIGHT = 0.12  # of a panel: a name, and air
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
    """`kinds` name the panels, from above."""

    kinds: tuple[Bilingual, ...]
    time: Bilingual
    share: Bilingual
    at_risk: Bilingual


def incidence(curves: Sequence[IncidenceCurve], days: Sequence[int], labels: IncidenceLabels) -> Painter:
    """Each panel has a scale of its own that starts at 0: a rare kind of event would be a line on the axis."""

    def paint(language: Language) -> Any:
        count = len(labels.kinds)
        below = _AXIS + _RISK * len(curves)
        height = _TOP + count * _PANEL + (count - 1) * _GAP + below
        figure, end = canvas(height), max(days)
        for place, kind in enumerate(labels.kinds):
            bottom = below + (count - 1 - place) * (_PANEL + _GAP)
            axes = figure.add_axes((_LEFT, bottom / height, _RIGHT - _LEFT, _PANEL / height))
            drawn = [(one, _until(one, place, end)) for one in curves]
            for curve, points in drawn:
                (_dots if curve.is_sparse else _draw)(axes, points, curve.colour)
            _scale(axes, [points for _, points in drawn], days, end)
            _name(axes, drawn, language, end)
            axes.set_title(kind.in_language(language), loc="left", fontsize=9, pad=7)
            axes.set_ylabel(labels.share.in_language(language), fontsize=8)
        axes.set_xlabel(labels.time.in_language(language), fontsize=8)
        _numbers(axes, curves, days, labels, language)
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
    axes.set_xticklabels([_time(day, end) for day in days])


def _time(day: int, end: float) -> str:
    if end <= SHORT_DAYS:
        return f"{day}"
    years = day / 365.25
    return f"{round(years)}" if abs(years - round(years)) < 0.02 else f"{years:.1f}"


def _name(
    axes: Any, drawn: Sequence[tuple[IncidenceCurve, list[Point]]], language: Language, end: float
) -> None:
    """Each arm's name where the curves are far apart: the higher one's above all bands, the other's below them.

    Curves rise, so that the name above ends at its place and the one below begins there.
    """
    shown = [(curve, points) for curve, points in drawn if len(points) > 1]
    if not shown:
        return
    above = max((0.05 * end * step for step in _ABOVE), key=lambda at: _gap(shown, at))
    highest = max(shown, key=lambda one: _read(one[1], above)[0])
    _write(axes, highest[0], language, above, max(_read(points, above)[2] for _, points in shown), 1)
    for one in shown:
        if one is highest:
            continue
        below = max((0.05 * end * step for step in _BELOW), key=lambda at: _room_below(axes, shown, one, at))
        lowest = min(_read(points, below)[1] for _, points in shown)
        # Where no place is free the name stands in the bands, never on the axis.
        _write(axes, one[0], language, below, max(lowest, _NAME_HEIGHT * axes.get_ylim()[1]), -1)


def _write(axes: Any, curve: IncidenceCurve, language: Language, at: float, height: float, side: int) -> None:
    axes.annotate(
        curve.title.in_language(language),
        (at, height),
        color=curve.colour,
        xytext=(-4 * side, 4 * side),
        textcoords="offset points",
        ha="right" if side > 0 else "left",
        va="bottom" if side > 0 else "top",
        fontsize=8.5,
    )


def _gap(shown: Sequence[tuple[IncidenceCurve, list[Point]]], at: float) -> float:
    shares = [_read(points, at)[0] for _, points in shown]
    return max(shares) - min(shares)


def _room_below(
    axes: Any,
    shown: Sequence[tuple[IncidenceCurve, list[Point]]],
    one: tuple[IncidenceCurve, list[Point]],
    at: float,
) -> tuple[bool, bool, float]:
    """Whether a name fits between the bands and the axis, whether the curve is the lowest there, and how far apart."""
    room = min(_read(points, at)[1] for _, points in shown) >= _NAME_HEIGHT * axes.get_ylim()[1]
    is_lowest = _read(one[1], at)[0] == min(_read(points, at)[0] for _, points in shown)
    return room, is_lowest, _gap(shown, at)


def _read(points: Sequence[Point], at: float) -> tuple[float, float, float]:
    """Share and limits at a day; where there are no limits the share stands for them."""
    _, share, low, high = max((point for point in points if point[0] <= at), key=lambda point: point[0])
    return share, share if low is None else low, share if high is None else high


def _numbers(
    axes: Any,
    curves: Sequence[IncidenceCurve],
    days: Sequence[int],
    labels: IncidenceLabels,
    language: Language,
) -> None:
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = axes.figure.dpi_scale_trans
    base = blended_transform_factory(axes.transData, axes.transAxes)
    side = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    title = labels.at_risk.in_language(language)
    above = side + ScaledTranslation(0, -0.50, inches)
    axes.text(0.012, 0, title, transform=above, fontsize=7.5, color=SOFT)
    for row, curve in enumerate(curves):
        down = ScaledTranslation(0, -0.70 - _RISK * row, inches)
        name = curve.title.in_language(language)
        shown = name if len(name) <= 17 else name[:16] + "…"
        axes.text(0.012, 0, shown, transform=side + down, fontsize=7.5, color=curve.colour)
        for day, number in zip(days, curve.at_risk, strict=True):
            count = number.in_language(language) if number else "–"
            text = axes.text(day, 0, count, transform=base + down, ha="center", fontsize=7.5)
            if number:
                mark(text, number)
