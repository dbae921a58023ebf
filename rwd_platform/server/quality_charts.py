"""Two small drawings of the quality page, as inline SVG that fits a narrow screen: every number stands beside them.

They are drawn 320 wide and scale with their frame, so that on a phone nothing is cut off and nothing has to be
scrolled; text in them is therefore large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape

from rwd_platform.server.quality_words import STATUSES

_SMALLEST_PART = 8.0  # of 1000: one failing rule among many is still seen
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 320.0, 96.0, 40.0, 310.0, 10.0, 72.0


def status_bar(counts: Mapping[str, int], title: str) -> Markup:
    """How many rules have each status, as one bar 1000 wide, in the order of STATUSES."""
    total = sum(counts.values())
    body, x = "", 0.0
    if total:
        widths = {
            name: max(1000 * counts.get(name, 0) / total, _SMALLEST_PART) if counts.get(name) else 0.0
            for name in STATUSES
        }
        largest = max(STATUSES, key=lambda name: widths[name])
        widths[largest] -= sum(widths.values()) - 1000
        for name in STATUSES:
            if widths[name]:
                body += f'<rect class="rule-{name}" x="{x:.2f}" width="{widths[name]:.2f}" height="10"/>'
                x += widths[name]
    else:
        body = '<rect class="rule-not_run" width="1000" height="10"/>'
    return Markup(  # noqa: S704 - the title is escaped; the body is numbers and names of ours
        f'<svg class="drawing status-bar" viewBox="0 0 1000 10" role="img" aria-label="{escape(title)}" '
        f'preserveAspectRatio="none">{body}</svg>'
    )


def trend(points: Sequence[tuple[str, float | None]], title: str) -> Markup:
    """The share of rules kept (0 to 1) in each run, the oldest first. None: nothing could be asked; a gap is left.

    The axis goes from 0 to 100 %, so that a small change looks small.
    """
    body = ""
    for mark in (0.0, 0.5, 1.0):
        y = _BOTTOM - (_BOTTOM - _TOP) * mark
        body += (
            f'<line class="grid" x1="{_LEFT:g}" x2="{_RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick-end" x="{_LEFT - 6:g}" y="{y + 4:.1f}">{mark:.0%}</text>'
        )
    step = (_RIGHT - _LEFT) / max(1, len(points) - 1)
    runs: list[list[tuple[float, float]]] = [[]]
    for place, (_, share) in enumerate(points):
        if share is None:
            runs.append([])
        else:
            runs[-1].append((_LEFT + step * place, _BOTTOM - (_BOTTOM - _TOP) * share))
    for run in runs:
        if len(run) > 1:
            line = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
            body += f'<path class="curve curve-1" d="M{line}"/>'
        body += "".join(f'<circle class="after" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in run)
    if points:
        body += f'<text class="tick-start" x="{_LEFT:g}" y="{_HEIGHT - 6:g}">{escape(points[0][0])}</text>'
    if len(points) > 1:
        body += f'<text class="tick-end" x="{_RIGHT:g}" y="{_HEIGHT - 6:g}">{escape(points[-1][0])}</text>'
    return Markup(  # noqa: S704 - labels and title are escaped
        f'<svg class="drawing trend" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )
