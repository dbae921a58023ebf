"""The design diagram: one bar a window around time zero, drawn from the protocol alone.

The axis is not to scale: each day that a window begins or ends on has a place of its own, so that a window of one
day and one of ten years can both be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import GREY, INK, SHADE, SOFT, TEAL, WIDTH, Painter, canvas
from studies.evidence.harper.windows import End, Kind, Span, ends, planned_days, spans
from studies.evidence.harper.wrapping import wrapped
from studies.protocol import Protocol

_LABELS = 2.3  # inches: the column of words
_RIGHT = WIDTH - 0.15
_ZERO = 4.35  # inches from the left: time zero
_DAY = 0.05  # inches: half of time zero's own day
_LINE = 0.155  # inches: a line of a label
_GAP = 0.16
_TOP, _AXIS = 0.5, 0.42
_BREADTH = 40  # half-width letters of a label's line
_FULL = 100  # of a line across the page
_TICKS = 4  # after time zero
_COLOURS: dict[Kind, str] = {
    "eligibility": GREY,
    "washout": GREY,
    "observed": SHADE,
    "exposure": TEAL,
    "covariates": "#6ba5ac",
    "follow_up": TEAL,
}
_NAMES: dict[Kind, Bilingual] = {
    "observed": Bilingual("观察期", "Observation"),
    "eligibility": Bilingual("排除", "Exclude"),
    "washout": Bilingual("洗脱期（使用者排除）", "Washout (users excluded)"),
    "exposure": Bilingual("暴露判定（宽限期）", "Exposure (grace period)"),
    "covariates": Bilingual("协变量", "Covariates"),
    "follow_up": Bilingual("随访", "Follow-up"),
}
_MARKS = {"event": "●", "both": "◆", "competing": "◇", "censored": "○"}
_ENDS = {
    "event": Bilingual("事件", "event"),
    "both": Bilingual(
        "事件（复合结局的一部分，同时为竞争事件）", "event (of the composite, competing with the rest)"
    ),
    "competing": Bilingual("竞争事件", "competing event"),
    "censored": Bilingual("删失", "censored"),
}
_ZERO_TITLE = Bilingual("时间零点（第 0 天）", "Time zero (day 0)")
_ENDS_TITLE = Bilingual("随访在下列情形中最先发生者结束：", "Follow-up ends with the first of:")
_SCALE = Bilingual("横轴为起始日前后的天数，不按比例。", "Days from the index date, not to scale.")


@dataclass(frozen=True)
class _Row:
    span: Span
    lines: tuple[str, ...]

    @property
    def height(self) -> float:
        return max(len(self.lines), 2) * _LINE + _GAP


def design_diagram(protocol: Protocol) -> Painter:
    """The diagram in a language: windows above, the axis, how follow-up ends, and what time zero is."""
    windows, endings, marks = spans(protocol), ends(protocol), planned_days(protocol)

    def paint(language: Language) -> Any:
        rows = [_row(span, language) for span in windows]
        tail = _tail(protocol, endings, language)
        height = _TOP + sum(row.height for row in rows) + _AXIS + 0.17 * len(tail) + 0.1
        figure = canvas(height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(-height, 0)
        axes.axis("off")
        places = _places(windows, marks)
        bottom = _bars(axes, rows, places, language)
        _axis(axes, bottom, places, language)
        for place, line in enumerate(tail):
            axes.text(0.08, bottom - _AXIS - 0.17 * place - 0.06, line, fontsize=7.5, va="top")
        return figure

    return paint


def _row(span: Span, language: Language) -> _Row:
    name = _NAMES[span.kind].in_language(language)
    colon = "：" if language == "zh" else ": "
    return _Row(span, wrapped(f"{name}{colon}{span.label.in_language(language)}", _BREADTH))


def _tail(protocol: Protocol, endings: Sequence[End], language: Language) -> list[str]:
    title = protocol.cohort.index_title.in_language(language)
    lines = [*wrapped(f"{_ZERO_TITLE.in_language(language)}：{title}".replace("：", _colon(language)), _FULL)]
    lines.append(_ENDS_TITLE.in_language(language))
    for one in endings:
        kind = _ENDS[one.kind].in_language(language)
        lines += wrapped(
            f"{_MARKS[one.kind]} {kind}{_colon(language)}{one.label.in_language(language)}", _FULL
        )
    return [*lines, _SCALE.in_language(language)]


def _colon(language: Language) -> str:
    return "：" if language == "zh" else ": "


# --- where a day stands -----------------------------------------------------------------------------


def _places(windows: Sequence[Span], marks: Sequence[int]) -> dict[int, float]:
    """Day -> inches. Days before time zero share the left part evenly, those after it the right part."""
    days = {day for span in windows for day in (span.first, span.last) if day is not None}
    before = sorted(day for day in days if day < -1)
    within = sorted(day for day in days if day > 0)
    after = sorted({*within, *_some(marks)})
    # The day before time zero ends where time zero begins: a place of its own would look like a gap.
    places = {0: _ZERO, -1: _ZERO - _DAY}
    for place, day in enumerate(before):
        places[day] = _LABELS + 0.25 + (_ZERO - _LABELS - 0.25) * place / len(before)
    for place, day in enumerate(after, 1):
        places[day] = _ZERO + (_RIGHT - 0.2 - _ZERO) * place / len(after)
    return places


def _some(marks: Sequence[int]) -> list[int]:
    """Not more days than can be read, the last among them."""
    if len(marks) <= _TICKS:
        return list(marks)
    step = (len(marks) - 1) / (_TICKS - 1)
    return sorted({marks[round(place * step)] for place in range(_TICKS)})


# --- drawing ----------------------------------------------------------------------------------------


def _bars(axes: Any, rows: Sequence[_Row], places: dict[int, float], language: Language) -> float:
    """The bars from above; gives the height at which they end. Negative inches from the top."""
    top = -_TOP
    total = sum(row.height for row in rows)
    axes.plot([_ZERO, _ZERO], [top + 0.1, top - total], color=INK, lw=0.9, zorder=3)
    axes.text(_ZERO, top + 0.14, _ZERO_TITLE.in_language(language), ha="center", va="bottom", fontsize=8)
    for row in rows:
        middle = top - row.height / 2
        for place, line in enumerate(row.lines):
            first = middle + (len(row.lines) - 1) * _LINE / 2
            axes.text(0.08, first - place * _LINE, line, va="center", fontsize=7.5)
        _bar(axes, row.span, middle, places, language)
        axes.plot([0.08, _RIGHT], [top - row.height, top - row.height], color=SHADE, lw=0.5, zorder=0)
        top -= row.height
    return top


def _bar(axes: Any, span: Span, middle: float, places: dict[int, float], language: Language) -> None:
    from matplotlib.patches import Polygon, Rectangle

    left = _LABELS if span.first is None else places[span.first]
    right = _RIGHT if span.last is None else places[span.last]
    width = max(right - left, 2 * _DAY)
    start = left if right > left else left - _DAY
    colour = _COLOURS[span.kind]
    axes.add_patch(Rectangle((start, middle - 0.07), width, 0.14, fc=colour, ec=colour, lw=0, zorder=2))
    words = days_words(span.first, span.last).in_language(language)
    if span.last is None:
        tip = [(_RIGHT, middle - 0.12), (_RIGHT, middle + 0.12), (_RIGHT + 0.12, middle)]
        axes.add_patch(Polygon(tip, closed=True, fc=colour, lw=0, zorder=2))
    inside = span.kind == "follow_up"
    where, shade = (start + 0.1, "white") if inside else (max(right, _ZERO) + 0.1, SOFT)
    axes.text(where, middle, words, va="center_baseline", fontsize=6.8, color=shade, zorder=4)


def _axis(axes: Any, bottom: float, places: dict[int, float], language: Language) -> None:
    axes.plot([_LABELS, _RIGHT], [bottom, bottom], color=SOFT, lw=0.6)
    last = -1.0
    for day, place in sorted(places.items(), key=lambda one: one[1]):
        if day == -1:
            continue
        axes.plot([place, place], [bottom, bottom - 0.05], color=SOFT, lw=0.6)
        # A label that would run into the one before it stands a line lower.
        low = place - last < 0.34
        axes.text(
            place,
            bottom - (0.21 if low else 0.09),
            f"{day}".replace("-", "−"),
            ha="center",
            va="top",
            fontsize=6.8,
        )
        last = place if not low else last


def days_words(first: int | None, last: int | None) -> Bilingual:
    """A window in words: days from the index date."""
    if first is not None and first == last:
        return _day(first)
    if first is not None and last is not None:
        return Bilingual(
            f"第 {_signed(first)} 至 {_signed(last)} 天", f"days {_signed(first)} to {_signed(last)}"
        )
    start = Bilingual("观察期始", "start of observation") if first is None else _day(first)
    end = Bilingual("观察期末", "end of observation") if last is None else _day(last)
    return Bilingual(f"{start.zh}至{end.zh}", f"{start.en} to {end.en}")


def _day(day: int) -> Bilingual:
    return Bilingual(f"第 {_signed(day)} 天", f"day {_signed(day)}")


def _signed(day: int) -> str:
    return f"{day}".replace("-", "−")
