"""The forest plot of subgroups: who is in each level, the effect there, and the test that the levels differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import GREY, INK, SOFT, TEAL, Painter, canvas, folded, mark
from studies.evidence.numbers import Number

_PLOT = (0.505, 0.755)  # where the plot stands in the figure's width
_TITLE, _EXPOSED, _COMPARATOR, _ESTIMATE, _P = 0.004, 0.345, 0.475, 0.77, 0.996
_ROW = 0.265  # inches
_WIDEST = (0.1, 10.0)  # limits beyond are drawn as arrows; the numbers beside them are whole
_NONE = "–"


@dataclass(frozen=True)
class SubgroupLine:
    """A line: all subjects, the name of a factor, or one of its levels.

    exposed, comparator -- (events, subjects) as printed; None on a factor's line
    point               -- hazard ratio with its limits, to place the marks; None where there is no estimate
    estimate            -- the same as printed
    p                   -- of the test of interaction, on the factor's line
    """

    title: Bilingual
    kind: str  # all | factor | level
    exposed: tuple[Number, Number] | None = None
    comparator: tuple[Number, Number] | None = None
    point: tuple[float, float, float] | None = None
    estimate: tuple[Number, Number, Number] | None = None
    p: Number | None = None


@dataclass(frozen=True)
class SubgroupLabels:
    subgroup: Bilingual
    exposed: Bilingual
    comparator: Bilingual
    estimate: Bilingual
    p: Bilingual
    below_1: Bilingual
    above_1: Bilingual
    axis: Bilingual


def subgroup_forest(lines: Sequence[SubgroupLine], labels: SubgroupLabels) -> Painter:
    """The overall effect first, as a diamond and a dashed line; a square is the larger the narrower its interval."""

    def paint(language: Language) -> Any:
        height = _ROW * len(lines) + 1.28
        figure = canvas(height)
        axes = figure.add_axes((_PLOT[0], 0.66 / height, _PLOT[1] - _PLOT[0], _ROW * len(lines) / height))
        low, high = _limits(lines)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        axes.set_ylim(len(lines) - 0.5, -0.5)
        axes.axvline(1.0, color=SOFT, lw=0.6, zorder=1)
        overall = next((one.point for one in lines if one.kind == "all"), None)
        if overall is not None:
            axes.axvline(overall[0], color=TEAL, lw=0.8, ls=(0, (4, 3)), zorder=1)
        widest = _precision(lines)
        for place, line in enumerate(lines):
            _line(axes, place, line, language)
            if line.point is not None:
                _marks(axes, place, line, (low, high), widest)
        _frame(axes, labels, language, (low, high), len(lines))
        return figure

    return paint


def _limits(lines: Sequence[SubgroupLine]) -> tuple[float, float]:
    points = [line.point for line in lines if line.point is not None]
    low = min([0.5, *(max(point[1], _WIDEST[0]) for point in points)])
    high = max([2.0, *(min(point[2], _WIDEST[1]) for point in points)])
    return low / 1.08, high * 1.08


def _precision(lines: Sequence[SubgroupLine]) -> float:
    """The largest 1 / (width of the interval on the log scale) of a level."""
    return max((_width(line.point) for line in lines if line.kind == "level" and line.point), default=1.0)


def _width(point: tuple[float, float, float]) -> float:
    import math

    return 1.0 / max(math.log(point[2] / point[1]), 1e-6)


def _marks(
    axes: Any, place: int, line: SubgroupLine, limits: tuple[float, float], most_precise: float
) -> None:
    assert line.point is not None  # noqa: S101 - the caller looked
    value, low, high = line.point
    overall = line.kind == "all"
    shown = max(low, limits[0]), min(high, limits[1])
    if overall:
        axes.fill(
            [shown[0], value, shown[1], value],
            [place, place - 0.24, place, place + 0.24],
            color=TEAL,
            zorder=4,
        )
        return
    axes.plot(shown, [place, place], color=INK, lw=0.9, solid_capstyle="butt", zorder=3)
    for end, limit, sign in ((low, limits[0], "<"), (high, limits[1], ">")):
        if (end < limit) if sign == "<" else (end > limit):
            axes.plot([limit], [place], marker=sign, ms=3.6, color=INK, ls="none", clip_on=False, zorder=4)
    if limits[0] <= value <= limits[1]:
        size = 3.2 + 3.4 * (_width(line.point) / most_precise)
        axes.plot([value], [place], marker="s", ms=size, color=TEAL, ls="none", zorder=5)


def _line(axes: Any, place: int, line: SubgroupLine, language: Language) -> None:
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(axes.figure.transFigure, axes.transData)
    small = {"transform": across, "va": "center", "fontsize": 8}
    indent = 0.016 if line.kind == "level" else 0.0
    title = folded(line.title.in_language(language), 17 if language == "zh" else 30)
    axes.text(_TITLE + indent, place, title, linespacing=1.0, **small)
    if line.kind == "factor":
        rule = {"transform": across, "color": "#d5dbdd", "lw": 0.5, "clip_on": False, "zorder": 0}
        axes.plot([_TITLE, _P], [place - 0.5, place - 0.5], **rule)
    for at, counts in ((_EXPOSED, line.exposed), (_COMPARATOR, line.comparator)):
        if counts is not None:
            shown = "/".join(one.in_language(language) for one in counts)
            mark(axes.text(at, place, shown, ha="right", **small), *counts)
    if line.estimate is not None:
        value, low, high = (number.in_language(language) for number in line.estimate)
        mark(axes.text(_ESTIMATE, place, f"{value} ({low}–{high})", **small), *line.estimate)
    elif line.kind != "factor":
        axes.text(_ESTIMATE, place, _NONE, color=GREY, **small)
    if line.p is not None:
        mark(axes.text(_P, place, line.p.in_language(language), ha="right", **small), line.p)
    elif line.kind == "factor":
        axes.text(_P, place, _NONE, ha="right", color=GREY, **small)


def _frame(
    axes: Any, labels: SubgroupLabels, language: Language, limits: tuple[float, float], lines: int
) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator
    from matplotlib.transforms import blended_transform_factory

    across = blended_transform_factory(axes.figure.transFigure, axes.transData)
    ticks = [one for one in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0) if limits[0] <= one <= limits[1]]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:g}" for tick in ticks], fontsize=8)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(labels.axis.in_language(language), fontsize=8, labelpad=15)
    width = 9 if language == "zh" else 15
    for at, label, side, folds in (
        (_TITLE, labels.subgroup, "left", False),
        (_EXPOSED, labels.exposed, "right", True),
        (_COMPARATOR, labels.comparator, "right", True),
        (_ESTIMATE, labels.estimate, "left", False),
        (_P, labels.p, "right", language == "en"),
    ):
        text = label.in_language(language)
        text = _wrapped(text, width) if folds else text
        axes.text(
            at,
            -0.66,
            text,
            transform=across,
            ha=side,
            va="bottom",
            color=SOFT,
            fontsize=7.5,
            linespacing=1.05,
        )
    below = {"va": "center", "fontsize": 7, "color": SOFT}
    at = lines - 0.5 + 0.30 / _ROW
    axes.text(0.94, at, "← " + labels.below_1.in_language(language), ha="right", **below)
    axes.text(1.06, at, labels.above_1.in_language(language) + " →", ha="left", **below)


def _wrapped(text: str, width: int) -> str:
    """Lines of at most `width` letters; a line break that is there already stays."""
    import textwrap

    return "\n".join(line for part in text.split("\n") for line in (textwrap.wrap(part, width) or [""]))
