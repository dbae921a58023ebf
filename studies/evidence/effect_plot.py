"""The figure of an effect over time: the hazard ratio as follow-up goes on, its band, and the model's one ratio."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import SHORT_DAYS, SOFT, TEAL, Painter, canvas
from studies.outcome import DAYS_A_YEAR

_RATIOS = (0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
_MOST_TICKS = 7
_WIDEST = 20.0  # times 1, either way: a band beyond it leaves the figure

Point = tuple[float, float, float, float, float]
"""place on the transformed axis, day, hazard ratio, its limits"""


def effect_over_time(
    points: Sequence[Point], constant: float | None, time: tuple[Bilingual, Bilingual], ratio: Bilingual
) -> Painter:
    """`points` by place; `constant` is the model's own hazard ratio, drawn level; `time` names the axis in days and in

    years. Places are spread as the events are, so that the ends, where few events stand, do not take half of it.
    """

    def paint(language: Language) -> Any:
        figure = canvas(2.9)
        axes = figure.add_axes((0.12, 0.17, 0.85, 0.78))
        places = [point[0] for point in points]
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.axhline(1.0, color=SOFT, lw=0.5)
        if constant is not None:
            axes.axhline(constant, color=TEAL, lw=0.8, ls=(0, (4, 3)))
        axes.fill_between(
            places, [one[3] for one in points], [one[4] for one in points], color=TEAL, alpha=0.13, lw=0
        )
        axes.plot(places, [one[2] for one in points], color=TEAL, lw=1.4)
        _scale(axes, points)
        _days(axes, points, time, language)
        axes.set_ylabel(ratio.in_language(language), fontsize=8)
        return figure

    return paint


def _scale(axes: Any, points: Sequence[Point]) -> None:
    low = max(min(*(point[3] for point in points), 0.8) / 1.05, 1 / _WIDEST)
    high = min(max(*(point[4] for point in points), 1.25) * 1.05, _WIDEST)
    axes.set_ylim(low, high)
    ticks = [one for one in _RATIOS if low <= one <= high]
    step = -(-len(ticks) // _MOST_TICKS)
    at_1 = ticks.index(1.0) % step
    shown = ticks[at_1::step]
    axes.set_yticks(shown)
    axes.set_yticklabels([f"{one:g}" for one in shown])


def _days(axes: Any, points: Sequence[Point], time: tuple[Bilingual, Bilingual], language: Language) -> None:
    """Ticks on whole days or years, where these lie on the transformed axis."""
    import numpy as np

    places, days = [point[0] for point in points], [point[1] for point in points]
    last = days[-1]
    unit, title = (1.0, time[0]) if last <= SHORT_DAYS else (DAYS_A_YEAR, time[1])
    step = next(one for one in (1, 2, 5, 10, 20, 30, 60, 90, 180, 365, 730, 3650) if last / unit / one <= 9)
    wanted = [
        step * number for number in range(1, int(last / unit / step) + 1) if step * number * unit >= days[0]
    ]
    shown: list[tuple[float, float]] = []
    for value in wanted:
        place = float(np.interp(value * unit, days, places))
        if not shown or place - shown[-1][0] > 0.045 * (places[-1] - places[0]):
            shown.append((place, value))
    axes.set_xlim(places[0], places[-1])
    axes.set_xticks([place for place, _ in shown])
    axes.set_xticklabels([f"{value:g}" for _, value in shown])
    axes.set_xlabel(title.in_language(language), fontsize=8)
