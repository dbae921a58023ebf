"""Small drawings for the pages, as inline SVG: classes only, because the content policy forbids styles inside.

Each drawing has a title for screen readers, and the page prints the same numbers as text beside it.
Figures of the report are drawn once, in `studies`; what stands here is for reading a page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

OUTCOMES = ("accepted", "rejected", "quarantined", "duplicate")
_SMALLEST_PART = 6.0  # of 1000: one rejected row among thousands is still seen


@dataclass(frozen=True)
class Interval:
    """A line of a forest plot. `kind` is `ours` or `reference` (drawn dashed, its interval shaded)."""

    label: str
    estimate: float
    low: float
    high: float
    note: str = ""
    kind: str = "ours"


def _svg(width: float, height: float, title: str, body: str, kind: str, *, stretch: bool = False) -> Markup:
    fit = ' preserveAspectRatio="none"' if stretch else ""
    return Markup(  # noqa: S704 - title is escaped; body is numbers and escaped labels
        f'<svg class="drawing drawing-{kind}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}"{fit}>{body}</svg>'
    )


def accounting_bar(counts: Mapping[str, int], title: str) -> Markup:
    """received = accepted + rejected + quarantined + duplicate, as one bar 1000 wide.

    A part that is there is never thinner than 6 of 1000; the largest part gives up what that takes.
    """
    received = sum(counts[name] for name in OUTCOMES)
    if not received:
        return _svg(
            1000, 14, title, '<rect class="part-none" width="1000" height="14"/>', "bar", stretch=True
        )
    widths = {
        name: max(1000 * counts[name] / received, _SMALLEST_PART) if counts[name] else 0.0
        for name in OUTCOMES
    }
    largest = max(OUTCOMES, key=lambda name: widths[name])
    widths[largest] -= sum(widths.values()) - 1000
    body, x = "", 0.0
    for name in OUTCOMES:
        if widths[name]:
            body += f'<rect class="part-{name}" x="{x:.2f}" width="{widths[name]:.2f}" height="14"/>'
            x += widths[name]
    return _svg(1000, 14, title, body, "bar", stretch=True)


def _ticks(low: float, high: float, steps: Sequence[float]) -> list[float]:
    return [step for step in steps if low <= step <= high]


def forest(intervals: Sequence[Interval], title: str) -> Markup:
    """Ratios with their 95 % intervals on a logarithmic axis, the line of no effect at 1."""
    if not intervals:
        return Markup()
    left, right, row, top = 250.0, 700.0, 34.0, 14.0
    low = min(0.5, *(one.low for one in intervals)) * 0.95
    high = max(2.0, *(one.high for one in intervals)) * 1.05

    def x(value: float) -> float:
        return left + (right - left) * math.log(value / low) / math.log(high / low)

    bottom = top + row * len(intervals)
    body = ""
    for one in intervals:
        if one.kind == "reference":
            body += (
                f'<rect class="band" x="{x(one.low):.1f}" y="{top:g}" '
                f'width="{x(one.high) - x(one.low):.1f}" height="{bottom - top:g}"/>'
                f'<line class="reference" x1="{x(one.estimate):.1f}" x2="{x(one.estimate):.1f}" '
                f'y1="{top:g}" y2="{bottom:g}"/>'
            )
    body += f'<line class="null" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="{top:g}" y2="{bottom:g}"/>'
    for index, one in enumerate(intervals):
        y = top + row * (index + 0.5)
        body += (
            f'<text class="label" x="0" y="{y + 5:.1f}">{escape(one.label)}</text>'
            f'<line class="ci {one.kind}" x1="{x(one.low):.1f}" x2="{x(one.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<rect class="point {one.kind}" x="{x(one.estimate) - 5:.1f}" y="{y - 5:.1f}" width="10" height="10"/>'
            f'<text class="value" x="900" y="{y + 5:.1f}">{escape(one.note)}</text>'
        )
    body += f'<line class="axis" x1="{left:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}"/>'
    for tick in _ticks(low, high, (0.25, 0.5, 0.7, 1, 1.5, 2, 3)):
        body += (
            f'<line class="axis" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{bottom:g}" y2="{bottom + 5:g}"/>'
            f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 20:g}">{tick:g}</text>'
        )
    return _svg(900, bottom + 28, title, body, "forest")


def love(points: Sequence[tuple[str, float, float | None]], title: str, limit: float | None = None) -> Markup:
    """Absolute standardised mean differences: hollow before weighting, filled after; the limit, if any, dashed."""
    if not points:
        return Markup()
    left, right, row, top = 270.0, 860.0, 26.0, 10.0
    most = (
        max(0.2, limit or 0.0, *(max(abs(before), abs(after or 0.0)) for _, before, after in points)) * 1.05
    )

    def x(value: float) -> float:
        return left + (right - left) * abs(value) / most

    bottom = top + row * len(points)
    body = ""
    if limit is not None:
        body += f'<line class="rule" x1="{x(limit):.1f}" x2="{x(limit):.1f}" y1="{top:g}" y2="{bottom:g}"/>'
    for index, (label, before, after) in enumerate(points):
        y = top + row * (index + 0.5)
        body += (
            f'<line class="grid" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="label" x="0" y="{y + 5:.1f}">{escape(label)}</text>'
            f'<circle class="before" cx="{x(before):.1f}" cy="{y:.1f}" r="5"/>'
        )
        if after is not None:
            body += f'<circle class="after" cx="{x(after):.1f}" cy="{y:.1f}" r="5"/>'
    body += f'<line class="axis" x1="{left:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}"/>'
    for tick in _ticks(0, most, (0, 0.1, 0.25, 0.5, 0.75, 1.0)):
        body += f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 18:g}">{tick:g}</text>'
    return _svg(900, bottom + 26, title, body, "love")


def overlap(bins: Sequence[tuple[float, float, int, int]], title: str, arms: tuple[str, str]) -> Markup:
    """Two histograms of the propensity score, back to back: (from, to, exposed, comparator). Areas are shares."""
    totals = [sum(one[place] for one in bins) for place in (2, 3)]
    if not all(totals):
        return Markup()
    left, right, middle, tall = 90.0, 860.0, 140.0, 120.0

    def density(one: tuple[float, float, int, int], place: int) -> float:
        return one[2 + place] / totals[place] / max(one[1] - one[0], 1e-9)

    most = max(density(one, place) for one in bins for place in (0, 1))
    body = ""
    for one in bins:
        x, width = left + (right - left) * one[0], (right - left) * (one[1] - one[0])
        for place, kind in enumerate(("after", "before")):
            height = tall * density(one, place) / most
            y = middle - height if place == 0 else middle
            body += (
                f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
            )
    body += f'<line class="axis" x1="{left:g}" x2="{right:g}" y1="{middle:g}" y2="{middle:g}"/>'
    for name, y in zip(arms, (middle - tall / 2, middle + tall / 2), strict=True):
        body += f'<text class="label" x="0" y="{y:g}">{escape(name)}</text>'
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + (right - left) * tick
        body += f'<text class="tick" x="{x:.1f}" y="{middle + tall + 18:g}">{tick:g}</text>'
    return _svg(900, middle + tall + 26, title, body, "overlap")


def survival(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], title: str, axis: str) -> Markup:
    """Kaplan-Meier steps, labelled at their ends: first the comparator (grey), then the product."""
    return _curves_of_time(curves, title, axis, start=1.0, highest=1.0)


def incidence(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], title: str, axis: str) -> Markup:
    """Cumulative incidence of one kind of event, drawn as `survival` is, on a scale that fits it."""
    most = max((share for _, points in curves for _, share in points), default=0.0)
    return _curves_of_time(curves, title, axis, 0.0, next(one for one in _SCALES if one >= min(most, 1.0)))


_SCALES = (0.04, 0.08, 0.2, 0.4, 0.6, 0.8, 1.0)  # whose quarters are round percents


def _curves_of_time(
    curves: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    title: str,
    axis: str,
    start: float,
    highest: float,
) -> Markup:
    if not any(points for _, points in curves):
        return Markup()
    left, right, top, bottom = 50.0, 720.0, 14.0, 300.0
    longest = max(time for _, points in curves for time, _ in points) or 1.0

    def at(time: float, share: float) -> str:
        return f"{left + (right - left) * time / longest:.1f} {bottom - (bottom - top) * share / highest:.1f}"

    body = ""
    for quarter in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - (bottom - top) * quarter
        body += (
            f'<line class="grid" x1="{left:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick-end" x="{left - 8:g}" y="{y + 5:.1f}">{quarter * highest:.0%}</text>'
        )
    for tick in range(0, int(longest) + 1, _step(longest)):
        x = left + (right - left) * tick / longest
        body += f'<text class="tick" x="{x:.1f}" y="{bottom + 20:g}">{tick:,}</text>'
    for index, (label, points) in enumerate(curves):
        body += f'<path class="curve curve-{index}" d="{_steps(points, at, start)}"/>'
        end_x, end_y = (float(part) for part in at(*points[-1]).split(" "))
        # Where curves rise and end at different days, a later one may pass behind the name of the earlier.
        lift = -8.0 if start < highest and points[-1][0] < longest else 5.0
        body += (
            f'<text class="curve-label curve-{index}" x="{end_x + 8:.1f}" y="{end_y + lift:.1f}">'
            f"{escape(label)}</text>"
        )
    body += f'<text class="tick" x="{(left + right) / 2:g}" y="{bottom + 42:g}">{escape(axis)}</text>'
    return _svg(900, bottom + 50, title, body, "survival")


def _step(longest: float) -> int:
    """A round distance between ticks that gives four to ten of them."""
    power = 10 ** max(0, math.floor(math.log10(longest)) - 1)
    return int(next(size * power for size in (1, 2, 5, 10, 20, 50, 100) if longest / (size * power) <= 9))


def _steps(points: Sequence[tuple[float, float]], at: Any, start: float) -> str:
    """An SVG path that stays level until the next time, then drops or rises."""
    path, share = f"M{at(0.0, start)}", start
    for time, next_share in points:
        path += f"L{at(time, share)}L{at(time, next_share)}"
        share = next_share
    return path


def flow(steps: Sequence[tuple[str, str, str]], title: str) -> Markup:
    """Who stayed and who left, top to bottom: (reason, remaining, left). The first says who was there."""
    if not steps:
        return Markup()
    height, gap, width = 40.0, 36.0, 130.0
    middle = width / 2
    body = ""
    for index, (reason, remaining, left) in enumerate(steps):
        y = 4 + index * (height + gap)
        words = left if index else reason
        beside = y - gap / 2 if index else y + height / 2
        if index:
            body += (
                f'<line class="arrow" x1="{middle:g}" x2="{middle:g}" y1="{y - gap:g}" y2="{y - 6:g}"/>'
                f'<path class="arrow-head" d="M{middle - 5:g} {y - 8:g}h10l-5 8z"/>'
                f'<line class="arrow" x1="{middle:g}" x2="{width + 16:g}" y1="{beside:g}" y2="{beside:g}"/>'
                f'<text class="left" x="{width + 150:g}" y="{beside + 5:g}">{escape(reason)}</text>'
            )
        body += (
            f'<text class="label" x="{width + 24:g}" y="{beside + 5:g}">{escape(words)}</text>'
            f'<rect class="box" x="1" y="{y:g}" width="{width:g}" height="{height:g}" rx="4"/>'
            f'<text class="remaining" x="{middle:g}" y="{y + 26:g}">{escape(remaining)}</text>'
        )
    return _svg(900, len(steps) * (height + gap) - gap + 10, title, body, "flow")
