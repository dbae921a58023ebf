"""Estimates one below the other between their names and their numbers: the forest plot, and that of specifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import INK, SHADE, SOFT, TEAL, Painter, canvas, folded, mark
from studies.evidence.numbers import Number

_PLOT = (0.47, 0.79)  # where the plot stands in the figure's width, between names and estimates
_LINE, _HEAD, _FOOT = 0.36, 0.33, 0.62  # inches: a line, the column heads above the lines, the axis below
_RATIO_TICKS = (0.03125, 0.0625, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0)
_MOST_TICKS = 9


@dataclass(frozen=True)
class ForestLine:
    """One estimate. `estimate` is value, lower and upper limit as printed; the floats place the marks.

    A line without `value` has no mark: it says `reason` where the estimate would stand, and has no counts.
    """

    title: Bilingual
    value: float | None
    ci_low: float | None
    ci_high: float | None
    estimate: tuple[Number, ...] = ()
    subjects: Number | None = None
    events: Number | None = None
    reason: Bilingual | None = None
    main: bool = False  # where one is marked as the main (`Panel.marks_main`): its mark is full

    @property
    def ends(self) -> list[float]:
        return [one for one in (self.ci_low, self.value, self.ci_high) if one is not None]


@dataclass(frozen=True)
class ForestLabels:
    analysis: Bilingual
    counts: Bilingual
    estimate: Bilingual
    better: Bilingual
    worse: Bilingual
    axis: Bilingual


@dataclass(frozen=True)
class Panel:
    """Lines on one scale. `null` says no difference; `ratio`: a log axis; `low_is_better`: its side left of null."""

    lines: Sequence[ForestLine]
    labels: ForestLabels
    overseas: ForestLine | None = None
    null: float = 1.0
    ratio: bool = True
    low_is_better: bool = True
    between: Bilingual = field(default=Bilingual("–", "–"))  # what stands between two limits
    percent: bool = False
    marks_main: bool = False  # the main line's mark is full, those of the others are open

    @property
    def shown(self) -> list[ForestLine]:
        return [*self.lines, *([self.overseas] if self.overseas else [])]

    @property
    def height(self) -> float:
        return _HEAD + _LINE * len(self.shown) + _FOOT


def forest(
    lines: Sequence[ForestLine],
    overseas: ForestLine | None,
    labels: ForestLabels,
    *,
    low_is_better: bool = True,
) -> Painter:
    """The estimates one below the other; the overseas result is the dashed line, its interval the shade."""
    return panels([Panel(lines, labels, overseas, low_is_better=low_is_better)])


def panels(each: Sequence[Panel]) -> Painter:
    """Panels one below the other, each with its own axis, all with the same columns."""

    def paint(language: Language) -> Any:
        total = sum(panel.height for panel in each)
        figure, top = canvas(total), total
        for panel in each:
            top -= panel.height
            _panel(figure, panel, language, (top, total))
        return figure

    return paint


def _panel(figure: Any, panel: Panel, language: Language, place: tuple[float, float]) -> None:
    bottom, total = place
    high = _LINE * len(panel.shown) / total
    axes = figure.add_axes((_PLOT[0], (bottom + _FOOT) / total, _PLOT[1] - _PLOT[0], high))
    limits = _limits(panel)
    if panel.ratio:
        axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.set_ylim(len(panel.shown) - 0.5, -0.5)
    overseas = panel.overseas
    if overseas and overseas.ci_low is not None and overseas.ci_high is not None:
        axes.axvspan(overseas.ci_low, overseas.ci_high, color=SHADE, lw=0, zorder=0)
        axes.axvline(overseas.value, color=TEAL, lw=0.9, ls=(0, (4, 3)), zorder=1)
    axes.axvline(panel.null, color=SOFT, lw=0.6, zorder=1)
    for at, line in enumerate(panel.shown):
        _forest_line(axes, at, line, language, panel)
    _forest_axis(axes, panel, language, limits)


def _limits(panel: Panel) -> tuple[float, float]:
    ends = [end for line in panel.shown for end in line.ends]
    if panel.ratio:
        return min([0.5, *ends]) / 1.08, max([2.0, *ends]) * 1.08
    low, high = min([panel.null, *ends]), max([panel.null, *ends])
    room = 0.06 * (high - low) if high > low else 1.0
    return low - room, high + room


def _forest_line(axes: Any, place: int, line: ForestLine, language: Language, panel: Panel) -> None:
    across = _across(axes)
    title = folded(line.title.in_language(language), 20 if language == "zh" else 33)
    axes.text(0.004, place, title, transform=across, va="center", linespacing=1.1)
    if line.value is None:
        reason = line.reason.in_language(language) if line.reason else ""
        axes.text(_PLOT[1] + 0.02, place, reason, transform=across, va="center", color=SOFT)
        return
    is_overseas = line is panel.overseas
    colour = INK if is_overseas else TEAL
    if line.ci_low is not None and line.ci_high is not None:
        ends = [line.ci_low, line.ci_high]
        axes.plot(ends, [place, place], color=colour, lw=1.1, solid_capstyle="butt", zorder=3)
    is_open = is_overseas or (panel.marks_main and not line.main)
    marker = "D" if is_overseas else "s"
    inside = "white" if is_open else colour
    axes.plot(
        [line.value],
        [place],
        marker=marker,
        ms=5.2,
        color=colour,
        ls="none",
        zorder=4,
        markerfacecolor=inside,
    )
    _forest_numbers(axes, place, line, language, panel)


def _forest_numbers(axes: Any, place: int, line: ForestLine, language: Language, panel: Panel) -> None:
    across = _across(axes)
    if line.subjects is not None and line.events is not None:
        counts = f"{line.subjects.in_language(language)} / {line.events.in_language(language)}"
        mark(
            axes.text(_PLOT[0] - 0.025, place, counts, transform=across, va="center", ha="right"),
            line.subjects,
            line.events,
        )
    value, *ends = (number.in_language(language) for number in line.estimate)
    limits = f" ({panel.between.in_language(language).join(ends)})" if ends else ""
    mark(axes.text(_PLOT[1] + 0.02, place, value + limits, transform=across, va="center"), *line.estimate)


def _across(axes: Any) -> Any:
    """Across the whole figure in x, by the plot's lines in y: where the columns beside the plot stand."""
    from matplotlib.transforms import blended_transform_factory

    return blended_transform_factory(axes.figure.transFigure, axes.transData)


def _ticks(axes: Any, panel: Panel, limits: tuple[float, float]) -> None:
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, PercentFormatter

    if not panel.ratio:
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        if panel.percent:
            axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return
    ticks = [tick for tick in _RATIO_TICKS if limits[0] <= tick <= limits[1]]
    if len(ticks) > _MOST_TICKS:
        ticks = [tick for tick in ticks if tick not in (0.75, 1.5)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{tick:g}" for tick in ticks])


def _forest_axis(axes: Any, panel: Panel, language: Language, limits: tuple[float, float]) -> None:
    _ticks(axes, panel, limits)
    labels = panel.labels
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
    _sides(axes, panel, language, limits)


def _sides(axes: Any, panel: Panel, language: Language, limits: tuple[float, float]) -> None:
    """Which side of the null line speaks for whom, a little off the line on its own side."""
    small = {"va": "center", "fontsize": 7, "color": SOFT}
    below = len(panel.shown) - 0.5 + 0.86
    off = 0.016 * (limits[1] - limits[0])
    left, right = (0.95, 1.05) if panel.ratio else (panel.null - off, panel.null + off)
    better, worse = (one.in_language(language) for one in (panel.labels.better, panel.labels.worse))
    low, high = (better, worse) if panel.low_is_better else (worse, better)
    axes.text(left, below, "← " + low, ha="right", **small)
    axes.text(right, below, high + " →", ha="left", **small)
