"""Names beside curves, placed where they print over no curve, no band and no other name.

Places are tried along each curve, above and below it, near before far; the cheapest wins, and a name that had to go
far from its curve is joined to it by a thin line. Everything is reckoned in the drawing's own pixels, so that the
same curves give the same picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.statistics import Floats

SIZE = 8.5  # points
_AIR = 2.5  # pixels kept free around a name
_PLACES = np.linspace(0.03, 0.97, 48)  # of the axis
_FAR = (5.0, 11.0, 18.0, 27.0, 38.0, 52.0, 70.0)  # points between a curve and its name
_LEADER_FROM = 15.0  # a name further from its curve than this has a line to it
_SAMPLES = 400
_ON_NAME, _OUTSIDE, _ON_CURVE, _ON_BAND, _NEARER_TO_ANOTHER, _ON_RULE = 1e6, 1e6, 1e4, 150.0, 400.0, 30.0


@dataclass(frozen=True)
class Named:
    """A curve with its name. `x`, `y` are its steps, `low` and `high` its band, in the units of the axes."""

    name: str
    colour: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True)
class _Track:
    """A curve in pixels, at evenly spaced places along the axis where it runs."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )


@dataclass(frozen=True)
class _Place:
    """Where a name could stand: its box, the point of its curve, and how far apart the two are, in points."""

    box: Box
    anchor: tuple[float, float]
    away: float


def name_curves(axes: Any, curves: Sequence[Named], rules: Sequence[float] = ()) -> list[Box]:
    """Writes the names, in the order of the curves, and says where; the limits of the axes have to be set before.

    rules -- heights at which a line runs across, which a name had better not stand on
    """
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    field = axes.get_window_extent(renderer)
    inside = Box(field.x0, field.y0, field.x1, field.y1)  # above it stands a panel's title, or nothing at all
    tracks = [_track(axes, curve) for curve in curves]
    across = [float(axes.transData.transform((0.0, one))[1]) for one in rules]
    taken: list[Box] = []
    for index, curve in enumerate(curves):
        wide, high = _extent(axes, curve.name, renderer)
        places = _places(tracks[index], wide, high, figure.dpi / 72)
        costs = [_cost(one, index, tracks, taken, inside) + _ruled(one, across) for one in places]
        best = places[int(np.argmin(costs))]
        _write(axes, curve, best)
        taken.append(best.box)
    return taken


def _track(axes: Any, curve: Named) -> _Track:
    """Steps hold their value up to the next one."""
    x = np.asarray(curve.x, dtype=float)
    at = np.linspace(x[0], x[-1], _SAMPLES)
    step = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 1)
    columns = []
    for heights in (curve.y, curve.low, curve.high):
        pixels = axes.transData.transform(np.column_stack([at, np.asarray(heights, dtype=float)[step]]))
        columns.append(pixels[:, 1])
        across = pixels[:, 0]
    return _Track(across, *columns)


def _extent(axes: Any, name: str, renderer: Any) -> tuple[float, float]:
    trial = axes.text(0, 0, name, fontsize=SIZE)
    found = trial.get_window_extent(renderer)
    trial.remove()
    return float(found.width), float(found.height)


def _places(track: _Track, wide: float, high: float, point: float) -> list[_Place]:
    """Boxes centred over and under the curve. `point`: pixels of one point."""
    made = []
    for share in _PLACES:
        index = int(share * (_SAMPLES - 1))
        x, y = float(track.x[index]), float(track.y[index])
        for away in _FAR:
            for middle in (y + away * point + high / 2, y - away * point - high / 2):
                box = Box(x - wide / 2, middle - high / 2, x + wide / 2, middle + high / 2)
                made.append(_Place(box, (x, y), away))
    return made


def _cost(place: _Place, own: int, tracks: Sequence[_Track], taken: Sequence[Box], inside: Box) -> float:
    box = place.box
    outside = box.left < inside.left + 3 or box.right > inside.right + 6
    cost = place.away + (
        _OUTSIDE if outside or box.bottom < inside.bottom + 3 or box.top > inside.top else 0.0
    )
    cost += sum(_ON_NAME for other in taken if box.meets(other))
    near = []
    for track in tracks:
        under = (track.x >= box.left - _AIR) & (track.x <= box.right + _AIR)
        if not under.any():
            near.append(np.inf)
            continue
        gap = np.maximum(box.bottom - _AIR - track.y[under], track.y[under] - box.top - _AIR)
        cost += _ON_CURVE * float(np.mean(gap < 0)) + (_ON_CURVE if (gap < 0).any() else 0.0)
        banded = (track.low[under] < box.top) & (track.high[under] > box.bottom)
        cost += _ON_BAND * float(np.mean(banded))
        near.append(float(np.mean(np.maximum(gap, 0))))
        if track is not tracks[own] and _is_crossed(place, track):
            cost += _ON_BAND
    others = [one for index, one in enumerate(near) if index != own]
    # A reader takes a name for that of the curve next to it.
    return cost + (_NEARER_TO_ANOTHER if others and near[own] >= min(others) else 0.0)


def _is_crossed(place: _Place, track: _Track) -> bool:
    """Whether the line from a curve to its name runs over another curve."""
    x, y = place.anchor
    if not track.x[0] <= x <= track.x[-1]:
        return False
    height = float(np.interp(x, track.x, track.y))
    end = place.box.bottom if place.box.bottom > y else place.box.top
    return min(y, end) <= height <= max(y, end)


def _ruled(place: _Place, heights: Sequence[float]) -> float:
    return sum(_ON_RULE for one in heights if place.box.bottom - _AIR < one < place.box.top + _AIR)


def _write(axes: Any, curve: Named, place: _Place) -> None:
    middle = ((place.box.left + place.box.right) / 2, (place.box.bottom + place.box.top) / 2)
    to_axes = axes.transAxes.inverted().transform
    x, y = (float(one) for one in to_axes(middle))
    axes.text(
        x, y, curve.name, transform=axes.transAxes, color=curve.colour, ha="center", va="center", fontsize=SIZE
    )  # fmt: skip
    if place.away < _LEADER_FROM:
        return
    above = middle[1] > place.anchor[1]
    start = (place.anchor[0], (place.box.bottom if above else place.box.top))
    ends = [to_axes(start), to_axes(place.anchor)]
    axes.plot(
        [float(one[0]) for one in ends],
        [float(one[1]) for one in ends],
        transform=axes.transAxes,
        color=curve.colour,
        lw=0.5,
        gid="leader",
    )
