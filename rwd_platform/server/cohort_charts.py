"""Drawings of the catalogue and of cohorts, as inline SVG: who stayed and who left, and rows over time.

Both are drawn narrow and scale with their frame, so that a phone shows them whole; every number stands beside them
as text too.
"""

from __future__ import annotations

from collections.abc import Sequence
from unicodedata import east_asian_width

from markupsafe import Markup, escape

_WIDTH = 640.0
_BOX, _BOX_HEIGHT, _LINE, _GAP = 132.0, 44.0, 21.0, 18.0
_WORDS = 29.0  # characters of a line beside the boxes, a Chinese one counted whole and a Latin one as half


def attrition(steps: Sequence[tuple[str, str, str]], title: str) -> Markup:
    """Top to bottom: (reason, how many remain, how many left), the texts ready to be shown.

    The first step says who was there. A long reason is broken into lines and never cut off.
    """
    body, y = "", 4.0
    for number, (reason, remaining, left) in enumerate(steps):
        lines = [*_broken(reason), *([left] if number else [])]
        if number:
            height = max(len(lines) * _LINE + _GAP, 3 * _GAP)
            middle = y + height / 2
            body += (
                f'<line class="arrow" x1="{_BOX / 2:g}" x2="{_BOX / 2:g}" y1="{y:g}" y2="{y + height - 8:g}"/>'
                f'<path class="arrow-head" d="M{_BOX / 2 - 5:g} {y + height - 9:g}h10l-5 8z"/>'
                f'<line class="arrow" x1="{_BOX / 2:g}" x2="{_BOX + 10:g}" y1="{middle:g}" y2="{middle:g}"/>'
            )
            body += _text(lines, middle, left_last=True)
            y += height
        else:
            body += _text(lines, y + _BOX_HEIGHT / 2, left_last=False)
        body += (
            f'<rect class="box" x="1" y="{y:g}" width="{_BOX:g}" height="{_BOX_HEIGHT:g}" rx="4"/>'
            f'<text class="remaining" x="{_BOX / 2:g}" y="{y + _BOX_HEIGHT / 2 + 6:g}">{escape(remaining)}</text>'
        )
        y += _BOX_HEIGHT
    return _svg("attrition", _WIDTH, y + 4, title, body)


def _text(lines: Sequence[str], middle: float, *, left_last: bool) -> str:
    top = middle - len(lines) * _LINE / 2 + 15
    found = ""
    for number, line in enumerate(lines):
        kind = "left" if left_last and number == len(lines) - 1 else "label"
        found += f'<text class="{kind}" x="{_BOX + 18:g}" y="{top + number * _LINE:g}">{escape(line)}</text>'
    return found


def _broken(text: str) -> list[str]:
    """Lines of about the same room: Latin words stay whole unless they are longer than a line."""
    lines, room = [""], 0.0
    for word in _words(text):
        begins = bool(lines[-1]) and room + sum(map(_room, word)) > _WORDS
        if begins:
            lines.append("")
            room = 0.0
        added = word.lstrip() if begins else word
        lines[-1] += added
        room += sum(map(_room, added))
    return lines


def _words(text: str) -> list[str]:
    """What a line may be broken between: each Chinese character, and each Latin word with the space before it."""
    found: list[str] = []
    for one in text:
        joins = found and _room(one) < 1 and _room(found[-1][-1]) < 1 and one != " " and len(found[-1]) < 40
        if joins:
            found[-1] += one
        else:
            found.append(one)
    return found


def _room(one: str) -> float:
    return 1.0 if east_asian_width(one) in "WF" else 0.54


def bars(points: Sequence[tuple[str, int | None]], title: str) -> Markup:
    """A number for each label. None, withheld because it is small, is a hollow mark on the ground line."""
    if not points:
        return Markup()
    left, right, top, bottom = 4.0, _WIDTH - 4, 8.0, 92.0
    most = max((count or 0 for _, count in points), default=0) or 1
    step = (right - left) / len(points)
    width = max(step * 0.8, 0.5)
    every = max(1, -(-len(points) * 46 // int(right - left)))
    body = f'<line class="axis" x1="{left:g}" x2="{right:g}" y1="{bottom:g}" y2="{bottom:g}"/>'
    for number, (label, count) in enumerate(points):
        x = left + step * number + (step - width) / 2
        if count is None:
            body += f'<rect class="withheld" x="{x:.1f}" y="{bottom - 4:g}" width="{width:.1f}" height="4"/>'
        elif count:
            height = max((bottom - top) * count / most, 1.0)
            body += (
                f'<rect class="bar" x="{x:.1f}" y="{bottom - height:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}"/>'
            )
        if number % every == 0:
            centre = min(max(x + width / 2, 22), right - 18)
            body += f'<text class="tick" x="{centre:.1f}" y="{bottom + 18:g}">{escape(label)}</text>'
    return _svg("bars", _WIDTH, bottom + 24, title, body)


def _svg(kind: str, width: float, height: float, title: str, body: str) -> Markup:
    return Markup(  # noqa: S704 - title and texts are escaped; the rest is numbers
        f'<svg class="drawing drawing-{kind}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}">{body}</svg>'
    )
