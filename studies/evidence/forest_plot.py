"""The forest plot: estimates one below the other between their names and their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import INK, SHADE, SOFT, TEAL, Painter, canvas, folded, mark
from studies.evidence.numbers import Number

_PLOT = (0.47, 0.79)  # where the plot stands in the figure's width, between names and estimates


@dataclass(frozen=True)
class ForestLine:
    """One estimate. `estimate` is value, lower and upper limit as printed; the floats place the marks."""

    title: Bilingual
    hazard_ratio: float
    ci_low: float
    ci_high: float
    estimate: tuple[Number, Number, Number]
    subjects: Number
    events: Number


@dataclass(frozen=True)
class ForestLabels:
    analysis: Bilingual
    counts: Bilingual
    estimate: Bilingual
    better: Bilingual
    worse: Bilingual
    axis: Bilingual


def forest(lines: Sequence[ForestLine], overseas: ForestLine | None, labels: ForestLabels) -> Painter:
    """The estimates one below the other; the overseas result is the dashed line, its interval the shade."""

    def paint(language: Language) -> Any:
        shown = [*lines, *([overseas] if overseas else [])]
        height = 0.36 * len(shown) + 0.95
        figure = canvas(height)
        axes = figure.add_axes((_PLOT[0], 0.62 / height, _PLOT[1] - _PLOT[0], 0.36 * len(shown) / height))
        low, high = _forest_limits(shown)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        if overseas:
            axes.axvspan(overseas.ci_low, overseas.ci_high, color=SHADE, lw=0, zorder=0)
            axes.axvline(overseas.hazard_ratio, color=TEAL, lw=0.9, ls=(0, (4, 3)), zorder=1)
        axes.axvline(1.0, color=SOFT, lw=0.6, zorder=1)
        for place, line in enumerate(shown):
            _forest_line(axes, place, line, language, is_overseas=line is overseas)
        _forest_axis(axes, labels, language, (low, high), len(shown))
        return figure

    return paint


def _forest_limits(lines: Sequence[ForestLine]) -> tuple[float, float]:
    low = min([0.5, *(line.ci_low for line in lines)])
    high = max([2.0, *(line.ci_high for line in lines)])
    return low / 1.08, high * 1.08


def _forest_line(axes: Any, place: int, line: ForestLine, language: Language, *, is_overseas: bool) -> None:
    colour = INK if is_overseas else TEAL
    axes.plot(
        [line.ci_low, line.ci_high], [place, place], color=colour, lw=1.1, solid_capstyle="butt", zorder=3
    )
    marker = "D" if is_overseas else "s"
    axes.plot(
        [line.hazard_ratio],
        [place],
        marker=marker,
        ms=5.2,
        color=colour,
        ls="none",
        zorder=4,
        markerfacecolor="white" if is_overseas else colour,
    )
    across = _across(axes)
    title = folded(line.title.in_language(language), 20 if language == "zh" else 33)
    axes.text(0.004, place, title, transform=across, va="center", linespacing=1.1)
    counts = f"{line.subjects.in_language(language)} / {line.events.in_language(language)}"
    mark(
        axes.text(_PLOT[0] - 0.025, place, counts, transform=across, va="center", ha="right"),
        line.subjects,
        line.events,
    )
    value, low, high = (number.in_language(language) for number in line.estimate)
    mark(
        axes.text(_PLOT[1] + 0.02, place, f"{value} ({low}–{high})", transform=across, va="center"),
        *line.estimate,
    )


def _across(axes: Any) -> Any:
    """Across the whole figure in x, by the plot's lines in y: where the columns beside the plot stand."""
    from matplotlib.transforms import blended_transform_factory

    return blended_transform_factory(axes.figure.transFigure, axes.transData)


def _forest_axis(
    axes: Any, labels: ForestLabels, language: Language, limits: tuple[float, float], lines: int
) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ticks = [
        tick for tick in (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0) if limits[0] <= tick <= limits[1]
    ]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:g}" for tick in ticks])
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(labels.axis.in_language(language), fontsize=8, labelpad=15)
    columns = (
        (0.004, labels.analysis, "left"),
        (_PLOT[0] - 0.025, labels.counts, "right"),
        (_PLOT[1] + 0.02, labels.estimate, "left"),
    )
    for at, label, side in columns:
        axes.text(
            at,
            -0.62,
            label.in_language(language),
            transform=_across(axes),
            ha=side,
            va="bottom",
            color=SOFT,
            fontsize=8,
        )
    small = {"va": "center", "fontsize": 7, "color": SOFT}
    below = lines - 0.5 + 0.86
    axes.text(0.95, below, "← " + labels.better.in_language(language), ha="right", **small)
    axes.text(1.05, below, labels.worse.in_language(language) + " →", ha="left", **small)
