"""Figures, drawn once: the same SVG stands on the page and in the PDF, its PNG in the DOCX.

Text stays text in the SVG, so that it can be read aloud, searched and checked: a printed number
carries its number's id (`num.n0012`). Same input, same bytes: ids come from a fixed salt, no dates.
Product teal, comparator grey, 0.5 pt axes, labels at the lines instead of legends.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from rwd_platform.core.text import LANGUAGES, Bilingual, Language
from studies.evidence.curve_labels import Named, name_curves
from studies.evidence.fonts import SANS, sans_file
from studies.evidence.numbers import Number
from studies.outcome import DAYS_A_YEAR

TEAL, GREY, INK, SOFT, SHADE = "#0b6470", "#7b868a", "#1c2326", "#5a666b", "#dfeceb"
WIDTH = 6.4  # inches: the text width of an A4 page
_DPI = 200
_SIDE = (
    (7.5, 20),
    (6.8, 24),
)  # a type size, and how many half-width letters it leaves beside the numbers at risk
RISK_LINE = 0.19  # inches: a line of numbers at risk
_BIN = 0.05  # the width of a histogram bin that was not merged
_WEB_FONTS = (
    "'Noto Sans SC', 'PingFang SC', 'Microsoft YaHei', 'Hiragino Sans GB', 'WenQuanYi Micro Hei', sans-serif"
)


@dataclass(frozen=True)
class Drawing:
    """One figure in one language."""

    svg: bytes
    png: bytes


Painter = Callable[[Language], Any]


def draw(key: str, paint: Painter) -> dict[str, Drawing]:
    """A figure in both languages, by `<key>_<language>`."""
    drawings = {}
    for language in LANGUAGES:
        with _style(f"{key}_{language}"):
            figure = paint(language)
            drawings[f"{key}_{language}"] = Drawing(_svg(figure, f"{key}-{language}-"), _png(figure))
    return drawings


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib

    matplotlib.use("Agg", force=False)
    from matplotlib import font_manager

    if not any(font.name == SANS for font in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(str(sans_file()))
    settings = {
        "font.family": SANS,
        "font.size": 8.5,
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "axes.linewidth": 0.5,
        "axes.edgecolor": SOFT,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "text.color": INK,
        "xtick.color": SOFT,
        "ytick.color": SOFT,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        yield


def canvas(height: float) -> Any:
    """A figure outside pyplot's registry: nothing to close, nothing shared."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    return figure


def _svg(figure: Any, prefix: str) -> bytes:
    made = io.StringIO()
    figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    text = re.sub(r"'?Noto Sans SC'?(?=[;\"])", _WEB_FONTS.replace('"', "'"), made.getvalue())
    # Several drawings share a page: their ids must not meet. Numbers keep theirs.
    text = re.sub(r'\bid="(?!num\.)', f'id="{prefix}', text)
    text = re.sub(r"url\(#", f"url(#{prefix}", text)
    return re.sub(r'href="#', f'href="#{prefix}', text).encode()


def _png(figure: Any) -> bytes:
    made = io.BytesIO()
    figure.savefig(made, format="png", dpi=_DPI, metadata={"Software": None})
    return made.getvalue()


def mark(text: Any, *numbers: Number) -> None:
    """Says in the drawing which numbers this text prints."""
    text.set_gid("num." + ".".join(number.id for number in numbers))


def folded(text: str, width: int) -> str:
    """Two lines where one would run into the next column."""
    if len(text) <= width:
        return text
    middle = len(text) // 2
    breaks = [at for at, letter in enumerate(text) if letter in " ，、（("] or [middle]
    at = min(breaks, key=lambda one: abs(one - middle))
    return text[:at].rstrip() + "\n" + text[at:].lstrip()


@dataclass(frozen=True)
class Curve:
    """One arm. `points` are (days, survival, low, high); `at_risk` the numbers under the axis, None if withheld."""

    title: Bilingual
    colour: str
    points: Sequence[tuple[float, float, float | None, float | None]]
    at_risk: tuple[Number | None, ...]


@dataclass(frozen=True)
class SurvivalLabels:
    """`untold` says of arms without a curve that it is withheld."""

    time: Bilingual
    survival: Bilingual
    at_risk: Bilingual
    untold: Bilingual | None = None


_ABOVE = 0.22  # inches over the curves, for what is said of an arm without one


def survival(curves: Sequence[Curve], days: Sequence[int], labels: SurvivalLabels) -> Painter:
    """Kaplan-Meier curves with light bands, and the number at risk under each landmark."""

    def paint(language: Language) -> Any:
        counted = with_numbers(curves)
        height = 3.5 + 0.2 * len(counted) + (_ABOVE if labels.untold is not None else 0)
        figure = canvas(height)
        axes = figure.add_axes((0.205, (0.72 + 0.2 * len(counted)) / height, 0.765, 2.66 / height))
        end = max(days) if days else max(point[0] for curve in curves for point in curve.points)
        drawn = [curve for curve in curves if curve.points]
        for curve in drawn:
            _step(axes, curve, end)
        axes.set_xlim(0, end * 1.01)
        axes.set_ylim(0, 1.005)
        _label_curves(axes, drawn, language, end)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
        axes.set_yticklabels(["0", "25%", "50%", "75%", "100%"])
        axes.axhline(0.5, color=SOFT, lw=0.4, ls=(0, (2, 3)), zorder=0)
        axes.set_xticks(list(days))
        axes.set_xticklabels([day_label(day, end) for day in days])
        axes.set_xlabel(labels.time.in_language(language), fontsize=8)
        axes.set_ylabel(labels.survival.in_language(language), fontsize=8)
        if labels.untold is not None:
            axes.set_title(labels.untold.in_language(language), loc="right", fontsize=7.5, color=SOFT, pad=5)
        numbers_at_risk(axes, counted, days, labels.at_risk, language)
        return figure

    return paint


SHORT_DAYS = 730  # a curve up to two years is told in days, a longer one in years


def day_label(day: int, end: float) -> str:
    """A tick of the time axis that runs to `end`."""
    if end <= SHORT_DAYS:
        return f"{day}"
    years = day / DAYS_A_YEAR
    return f"{round(years)}" if abs(years - round(years)) < 0.02 else f"{years:.1f}"


def _step(axes: Any, curve: Curve, end: float) -> None:
    inside = [(0.0, 1.0, 1.0, 1.0), *(point for point in curve.points if 0 < point[0] <= end)]
    axes.step(
        [point[0] for point in inside],
        [point[1] for point in inside],
        where="post",
        color=curve.colour,
        lw=1.3,
    )
    band = [point for point in inside if point[2] is not None and point[3] is not None]
    axes.fill_between(
        [point[0] for point in band],
        [point[2] for point in band],
        [point[3] for point in band],
        step="post",
        color=curve.colour,
        alpha=0.13,
        lw=0,
    )


def _label_curves(axes: Any, curves: Sequence[Curve], language: Language, end: float) -> None:
    """After the limits of the axes are set: where a name finds room depends on them."""
    named = []
    for curve in curves:
        inside = [(0.0, 1.0, 1.0, 1.0), *(point for point in curve.points if 0 < point[0] <= end)]
        low = [point[1] if point[2] is None else point[2] for point in inside]
        high = [point[1] if point[3] is None else point[3] for point in inside]
        title = curve.title.in_language(language)
        x, y = [point[0] for point in inside], [point[1] for point in inside]
        named.append(Named(title, curve.colour, x, y, low, high))
    name_curves(axes, named, rules=(0.5,))


class AtRisk(Protocol):
    """An arm whose numbers stand under the axis, one a day, None where withheld."""

    @property
    def title(self) -> Bilingual: ...
    @property
    def colour(self) -> str: ...
    @property
    def at_risk(self) -> Sequence[Number | None]: ...


def with_numbers(arms: Sequence[AtRisk]) -> list[AtRisk]:
    """Without an arm of which no number is told: a row of dashes says nothing."""
    return [arm for arm in arms if any(number is not None for number in arm.at_risk)]


def numbers_at_risk(
    axes: Any, arms: Sequence[AtRisk], days: Sequence[int], heading: Bilingual, language: Language
) -> None:
    """Under the axis: the heading, and a line for each arm with its name beside it."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = axes.figure.dpi_scale_trans
    base = blended_transform_factory(axes.transData, axes.transAxes)
    side = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    above = side + ScaledTranslation(0, -0.50, inches)
    axes.text(0.012, 0, heading.in_language(language), transform=above, fontsize=7.5, color=SOFT)
    for row, arm in enumerate(arms):
        down = ScaledTranslation(0, -0.70 - RISK_LINE * row, inches)
        name, size = beside(arm.title.in_language(language))
        axes.text(
            0.012,
            0,
            name,
            transform=side + down,
            fontsize=size,
            color=arm.colour,
            va="center",
            linespacing=0.95,
        )
        for day, number in zip(days, arm.at_risk, strict=True):
            shown = number.in_language(language) if number else "–"
            text = axes.text(day, 0, shown, transform=base + down, ha="center", va="center", fontsize=7.5)
            if number:
                mark(text, number)


def beside(title: str) -> tuple[str, float]:
    """An arm's name in the column left of the numbers at risk, whole, with the type size at which it fits."""
    wide = sum(2 if ord(letter) > 0x2E7F else 1 for letter in title)
    for size, fits in _SIDE:
        if wide <= fits:
            return title, size
    return folded(title, 0), 6.3


@dataclass(frozen=True)
class LoveLine:
    title: Bilingual
    before: float
    after: float | None


def love(
    lines: Sequence[LoveLine], limit: float, before: Bilingual, after: Bilingual, axis: Bilingual
) -> Painter:
    """Absolute standardised differences before and after weighting, largest first, and the limit."""

    def paint(language: Language) -> Any:
        ranked = sorted(lines, key=lambda line: abs(line.before))
        height = 0.95 + 0.24 * len(ranked)
        figure = canvas(height)
        axes = figure.add_axes((0.36, 0.55 / height, 0.6, (height - 0.9) / height))
        for place, line in enumerate(ranked):
            axes.axhline(place, color="#e6eaeb", lw=0.5, zorder=0)
            axes.plot(
                [abs(line.before)],
                [place],
                marker="o",
                ms=5,
                mfc="white",
                mec=GREY,
                color=GREY,
                ls="none",
                zorder=3,
            )
            if line.after is not None:
                axes.plot([abs(line.after)], [place], marker="o", ms=5, color=TEAL, ls="none", zorder=4)
        axes.axvline(limit, color=SOFT, lw=0.7, ls=(0, (4, 3)))
        axes.set_yticks(range(len(ranked)))
        axes.set_yticklabels([line.title.in_language(language) for line in ranked])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        right = max([limit * 1.5, *(abs(line.before) for line in ranked)]) * 1.08
        axes.set_xlim(-0.02 * right, right)
        axes.set_ylim(-0.7, len(ranked) - 0.3)
        axes.set_xlabel(axis.in_language(language), fontsize=8)
        top = len(ranked) - 0.2
        axes.text(
            abs(ranked[-1].before),
            top,
            before.in_language(language),
            color=SOFT,
            ha="right",
            va="bottom",
            fontsize=8,
        )
        axes.text(0, top, after.in_language(language), color=TEAL, ha="left", va="bottom", fontsize=8)
        return figure

    return paint


def overlap(
    bins: Sequence[tuple[float, float, float, float]],
    exposed: Bilingual,
    comparator: Bilingual,
    axis: Bilingual,
    counts: Bilingual,
) -> Painter:
    """Propensity scores as two histograms back to back: the exposed above the line, the comparators below."""

    def paint(language: Language) -> Any:
        from matplotlib.ticker import FuncFormatter

        figure = canvas(2.9)
        axes = figure.add_axes((0.11, 0.17, 0.86, 0.76))
        for left, right, up, down in bins:
            # Merged bins are wider: area, not height, stands for people.
            share, wide = _BIN / (right - left), (right - left) - 0.06 * _BIN
            axes.bar(left, up * share, width=wide, align="edge", color=TEAL, lw=0)
            axes.bar(left, -down * share, width=wide, align="edge", color="#a9b2b5", lw=0)
        axes.axhline(0, color=INK, lw=0.6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):g}"))
        axes.set_xlabel(axis.in_language(language), fontsize=8)
        axes.set_ylabel(counts.in_language(language), fontsize=8)
        axes.text(
            0.985,
            0.95,
            exposed.in_language(language),
            transform=axes.transAxes,
            ha="right",
            va="top",
            color=TEAL,
        )
        axes.text(
            0.985,
            0.05,
            comparator.in_language(language),
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            color=SOFT,
        )
        axes.set_xlim(0, 1)
        return figure

    return paint
