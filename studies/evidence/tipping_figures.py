"""What the lost could do, drawn: the bound against the number of failures, and the map of two arms.

Made to be read in grey print: the three verdicts differ in darkness, the boundary between them is a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import INK, SOFT, TEAL, WIDTH, Painter, canvas, mark
from studies.evidence.numbers import Number

_CELL = 0.3  # inches: a cell of a map whose numbers are printed
_NARROWEST = 0.075  # a cell of a map with many lines
_MOST_PRINTED = 12  # columns whose cells still hold a number
_SHADES = {"better": TEAL, "not shown": "#ffffff", "worse": "#b4bcbf"}
_WORDS = {"better": "white", "not shown": INK, "worse": INK}


@dataclass(frozen=True)
class BoundLabels:
    axis: Bilingual
    bound: Bilingual
    criterion: Bilingual  # the words before the criterion's number
    verdicts: Mapping[str, Bilingual]


def bounds(
    points: Sequence[tuple[int, float, str]],
    criterion: float,
    printed: Number,
    labels: BoundLabels,
    *,
    at_least: bool,
) -> Painter:
    """The one-sided bound for each number of failures among the lost; a full mark where the criterion is met."""

    def paint(language: Language) -> Any:
        from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

        figure = canvas(2.9)
        axes = figure.add_axes((0.11, 0.185, 0.86, 0.77))
        axes.plot([one[0] for one in points], [one[1] for one in points], color=TEAL, lw=0.9, zorder=2)
        size = 5.2 if len(points) <= 2 * _MOST_PRINTED else 2.6
        for failures, bound, verdict in points:
            inside = TEAL if verdict == "met" else "white"
            marker = "x" if verdict == "not met" else "o"
            style = {"mfc": inside, "mec": TEAL, "ls": "none", "zorder": 3}
            axes.plot([failures], [bound], marker=marker, ms=size, **style)
        axes.axhline(criterion, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=1)
        ends = [*(one[1] for one in points), criterion]
        room = 0.16 * max(max(ends) - min(ends), 0.02)
        axes.set_ylim(max(min(ends) - room, -0.02), min(max(ends) + room, 1.02))
        axes.set_xlim(-0.03 * points[-1][0] - 0.2, points[-1][0] * 1.03 + 0.2)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_xlabel(labels.axis.in_language(language), fontsize=8)
        axes.set_ylabel(labels.bound.in_language(language), fontsize=8)
        words = f"{labels.criterion.in_language(language)} {printed.in_language(language)}"
        offset = {"xytext": (-2, 3 if at_least else -3), "textcoords": "offset points"}
        side = {"ha": "right", "va": "bottom" if at_least else "top", "fontsize": 8}
        mark(axes.annotate(words, (axes.get_xlim()[1], criterion), **offset, **side), printed)
        _bound_legend(axes, points, labels, language, at_least=at_least)
        return figure

    return paint


def _bound_legend(
    axes: Any,
    points: Sequence[tuple[int, float, str]],
    labels: BoundLabels,
    language: Language,
    *,
    at_least: bool,
) -> None:
    """Only the verdicts that occur, where the falling (or rising) line leaves room."""
    found = dict.fromkeys(one[2] for one in points)
    for verdict in found:
        inside = TEAL if verdict == "met" else "white"
        marker = "x" if verdict == "not met" else "o"
        name = labels.verdicts[verdict].in_language(language)
        axes.plot([], [], marker=marker, mfc=inside, mec=TEAL, ls="none", ms=5.2, label=name)
    axes.legend(loc="lower left" if at_least else "upper left", frameon=False, fontsize=8, handletextpad=0.2)


@dataclass(frozen=True)
class MapCell:
    """One pair of numbers of failures. `printed` is the difference as the cell shows it, None where it is too small."""

    column: int  # failures among the lost of the exposed
    row: int  # of the comparator
    verdict: str
    printed: Number | None = None


@dataclass(frozen=True)
class MapLabels:
    columns: Bilingual
    rows: Bilingual
    verdicts: Mapping[str, Bilingual]
    expected: Bilingual


def prints_numbers(columns: int, rows: int) -> bool:
    """Whether each cell of a map of this size holds its number."""
    return columns <= _MOST_PRINTED and rows <= 2 * _MOST_PRINTED


def tipping_map(
    cells: Sequence[MapCell], labels: MapLabels, expected: tuple[float, float] | None = None
) -> Painter:
    """Cells by verdict, the boundary between verdicts as a line.

    expected -- (exposed, comparator) failures among the lost if they had failed as often as those followed: a cross.
    """

    def paint(language: Language) -> Any:
        columns, rows = (sorted({getattr(one, name) for one in cells}) for name in ("column", "row"))
        wide, high = _cell_size(columns, rows)
        height = 0.62 + high * len(rows) + 0.56
        figure = canvas(height)
        box = (0.07, 0.56 / height, wide * len(columns) / WIDTH, high * len(rows) / height)
        axes = figure.add_axes(box)
        _cells(axes, cells, columns, rows, language)
        _boundary(axes, cells, columns, rows)
        if expected:
            at = (_place(expected[0], columns), _place(expected[1], rows))
            _cross(axes, at, (len(columns), len(rows)))
        _map_axes(axes, columns, rows, labels, language)
        _map_legend(figure, cells, labels, language, expected=expected is not None)
        return figure

    return paint


def _cross(axes: Any, at: tuple[float, float], lines: tuple[int, int]) -> None:
    """Thin lines under the cells' numbers, so that none of them is hidden; none along an arm that lost nobody."""
    style = {"color": INK, "lw": 0.8, "ls": (0, (1, 2)), "zorder": 1.5}
    for line, value, among in zip((axes.axvline, axes.axhline), at, lines, strict=True):
        if among > 1:
            line(value, **style)
    if min(lines) > 1:
        axes.plot([at[0]], [at[1]], marker="o", ms=2.6, color=INK, ls="none", zorder=5)


def _cell_size(columns: Sequence[int], rows: Sequence[int]) -> tuple[float, float]:
    """Wide enough for a number where numbers are printed; else cells are small and the map fits on half a page."""
    if prints_numbers(len(columns), len(rows)):
        return min(0.6, 5.5 / len(columns)), 0.24
    return min(_CELL, 5.5 / len(columns)), max(min(_CELL, 4.2 / len(rows)), _NARROWEST)


def _cells(
    axes: Any, cells: Sequence[MapCell], columns: Sequence[int], rows: Sequence[int], language: Language
) -> None:
    """Each cell with its number; where none is printed, neighbours of one verdict are drawn as one."""
    from matplotlib.patches import Rectangle

    printed = any(cell.printed for cell in cells)
    edge, width = ("#d9dfe1", 0.4) if printed else (None, 0.0)
    for (x, y), verdict, wide in _runs(cells, columns, rows, one_by_one=printed):
        shade = _SHADES[verdict]
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), wide, 1, fc=shade, ec=edge or shade, lw=width))
    for cell in cells:
        if cell.printed is not None:
            at = columns.index(cell.column), rows.index(cell.row)
            # On a ground of its own, so that the dotted lines do not run through a minus.
            ground = {"fc": _SHADES[cell.verdict], "ec": "none", "pad": 0.6}
            style = {
                "ha": "center",
                "va": "center",
                "fontsize": 7.5,
                "color": _WORDS[cell.verdict],
                "bbox": ground,
            }
            mark(axes.text(*at, cell.printed.in_language(language), **style), cell.printed)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(-0.5, len(rows) - 0.5)


def _verdicts(
    cells: Sequence[MapCell], columns: Sequence[int], rows: Sequence[int]
) -> dict[tuple[int, int], str]:
    """By the places of column and line."""
    across, upwards = ({value: at for at, value in enumerate(lines)} for lines in (columns, rows))
    return {(across[one.column], upwards[one.row]): one.verdict for one in cells}


def _runs(
    cells: Sequence[MapCell], columns: Sequence[int], rows: Sequence[int], *, one_by_one: bool
) -> Iterator[tuple[tuple[int, int], str, int]]:
    """Where a run of cells begins, its verdict, and how many cells it is wide."""
    verdict = _verdicts(cells, columns, rows)
    for y in range(len(rows)):
        start = 0
        for x in range(1, len(columns) + 1):
            if one_by_one or x == len(columns) or verdict[x, y] != verdict[start, y]:
                yield (start, y), verdict[start, y], x - start
                start = x


def _boundary(axes: Any, cells: Sequence[MapCell], columns: Sequence[int], rows: Sequence[int]) -> None:
    """A line between each two neighbours whose verdicts differ."""
    from matplotlib.collections import LineCollection

    verdict = _verdicts(cells, columns, rows)
    lines = []
    for (x, y), one in verdict.items():
        if verdict.get((x + 1, y), one) != one:
            lines.append([(x + 0.5, y - 0.5), (x + 0.5, y + 0.5)])
        if verdict.get((x, y + 1), one) != one:
            lines.append([(x - 0.5, y + 0.5), (x + 0.5, y + 0.5)])
    axes.add_collection(LineCollection(lines, colors=INK, linewidths=1.6, capstyle="projecting", zorder=4))


def _place(value: float, lines: Sequence[int]) -> float:
    """Where a number between two lines stands, in lines."""
    for at in range(len(lines) - 1):
        if value <= lines[at + 1]:
            return at + (value - lines[at]) / (lines[at + 1] - lines[at])
    return float(len(lines) - 1)


def _map_axes(
    axes: Any, columns: Sequence[int], rows: Sequence[int], labels: MapLabels, language: Language
) -> None:
    for lines, ticks, names in (
        (columns, axes.set_xticks, axes.set_xticklabels),
        (rows, axes.set_yticks, axes.set_yticklabels),
    ):
        # Every line where there is room, else about ten of them; the last takes the place of one close to it.
        last = len(lines) - 1
        each = max(-(-len(lines) // 10), 1) if len(lines) > 2 * _MOST_PRINTED else 1
        chosen = [*(at for at in range(0, last, each) if last - at >= each), last]
        ticks(chosen)
        names([f"{lines[at]:,}" for at in chosen])
    axes.tick_params(length=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    axes.set_xlabel(labels.columns.in_language(language), fontsize=8)
    # Above the map and not beside it: an arm's name is often longer than the map is high.
    offset = {"xytext": (-14, 4), "textcoords": "offset points", "ha": "left", "va": "bottom", "fontsize": 8}
    axes.annotate("↑ " + labels.rows.in_language(language), (0, 1), xycoords="axes fraction", **offset)


def _map_legend(
    figure: Any, cells: Sequence[MapCell], labels: MapLabels, language: Language, *, expected: bool
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = [one for one in _SHADES if any(cell.verdict == one for cell in cells)]
    handles: list[Any] = [
        Patch(fc=_SHADES[one], ec=SOFT, lw=0.5, label=labels.verdicts[one].in_language(language))
        for one in found
    ]
    if expected:
        style: dict[str, Any] = {"marker": "o", "ms": 2.6, "color": INK, "lw": 0.8, "ls": (0, (1, 2))}
        handles.append(Line2D([], [], label=labels.expected.in_language(language), **style))
    place = {"loc": "upper left", "bbox_to_anchor": (0.06, 1.0), "ncols": len(handles)}
    close = {"handletextpad": 0.4, "columnspacing": 1.1, "handlelength": 1.5}
    figure.legend(handles=handles, frameon=False, fontsize=8, **close, **place)
