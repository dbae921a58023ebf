"""Attrition as a flow diagram: who stays goes down, who leaves goes right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual, Language
from studies.evidence.figures import INK, SOFT, TEAL, WIDTH, Painter, canvas, folded, mark
from studies.evidence.numbers import Number


@dataclass(frozen=True)
class FlowStep:
    """Who stayed, and who left and why; nobody can have left at the first step (`left` is None)."""

    reason: Bilingual
    remaining: Number
    left: Number | None


def flow(steps: Sequence[FlowStep], stayed: Bilingual, went: Bilingual) -> Painter:
    """Attrition as boxes: down the middle who stays, to the right who leaves and why."""

    def paint(language: Language) -> Any:
        height = 0.62 * len(steps) + 0.1
        figure = canvas(height)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(-height + 0.05, 0.05)
        axes.axis("off")
        for place, step in enumerate(steps):
            _flow_step(axes, -0.62 * place, step, language, (stayed, went))
        return figure

    return paint


def _flow_step(
    axes: Any, top: float, step: FlowStep, language: Language, words: tuple[Bilingual, Bilingual]
) -> None:
    from matplotlib.patches import Rectangle

    stayed, went = words
    axes.add_patch(Rectangle((0.1, top - 0.38), 2.0, 0.36, fill=False, ec=TEAL, lw=0.8))
    text = stayed.in_language(language).format(n=step.remaining.in_language(language))
    mark(axes.text(1.1, top - 0.2, text, ha="center", va="center", fontsize=8.5), step.remaining)
    width = 34 if language == "zh" else 62
    if step.left is None:
        axes.text(2.3, top - 0.2, folded(step.reason.in_language(language), width), va="center", fontsize=8)
        return
    arrow = {"arrowstyle": "-|>", "lw": 0.7, "color": SOFT, "mutation_scale": 7, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (1.1, top - 0.02), (1.1, top + 0.24), arrowprops=arrow)
    axes.plot([1.1, 2.22], [top + 0.12, top + 0.12], color=SOFT, lw=0.5, ls=(0, (2, 2)))
    colour = SOFT if step.left.en == "0" else INK
    text = went.in_language(language).format(n=step.left.in_language(language))
    mark(axes.text(2.3, top + 0.12, text, va="center", fontsize=8, color=colour), step.left)
    axes.text(
        3.0,
        top + 0.12,
        folded(step.reason.in_language(language), width - 8),
        va="center",
        fontsize=8,
        color=colour,
        linespacing=1.05,
    )
