"""Names of curves stand over no curve and over no other name, wherever the curves run; the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from studies.evidence.curve_labels import Box, Named, name_curves
from studies.evidence.figures import _style, beside, canvas

X = tuple(float(day) for day in range(0, 366, 5))


def drawn(*curves: tuple[str, list[float]], width: float = 0.04):
    """The boxes of the names, and of each curve the pixels it runs through."""
    with _style("labels"):
        figure = canvas(3.9)
        axes = figure.add_axes((0.2, 0.3, 0.77, 0.66))
        axes.set_xlim(0, 370)
        axes.set_ylim(0, 1.005)
        named = [
            Named(name, "black", X, y, [one - width for one in y], [min(one + width, 1) for one in y])
            for name, y in curves
        ]
        boxes = name_curves(axes, named, rules=(0.5,))
        at = np.linspace(X[0], X[-1], 2000)
        pixels = [
            axes.transData.transform(
                np.column_stack([at, np.asarray(y)[np.searchsorted(X, at, side="right") - 1]])
            )
            for _, y in curves
        ]
        leaders = sum(line.get_gid() == "leader" for line in axes.lines)
        return boxes, pixels, axes.get_window_extent(), leaders


def runs_through(box: Box, pixels) -> bool:
    x, y = pixels[:, 0], pixels[:, 1]
    return bool(np.any((x > box.left) & (x < box.right) & (y > box.bottom) & (y < box.top)))


def falling(rate: float) -> list[float]:
    return [float(np.exp(-rate * day / 365)) for day in X]


SHAPES = {
    "near each other at the top": (falling(0.10), falling(0.16)),
    "one and the same": (falling(0.5), falling(0.5)),
    "crossing": (falling(0.6), [1 - 0.45 * (day / 365) ** 3 for day in X]),
    "far apart": (falling(0.2), falling(2.0)),
    "near nought": ([0.001 * day / 365 for day in X], [0.002 * day / 365 for day in X]),
    "level at one": ([1.0 for _ in X], [1.0 for _ in X]),
}
NAMES = (
    ("演示瓣膜 V（乐城）", "演示瓣膜 S（外部对照）"),
    ("Demo valve V (Lecheng)", "Demo valve S (external control)"),
)


@pytest.mark.parametrize("names", NAMES, ids=("zh", "en"))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_name_prints_over_no_curve_and_no_other_name_and_stays_inside(shape, names):
    boxes, pixels, field, _ = drawn(*zip(names, SHAPES[shape], strict=True))
    assert not boxes[0].meets(boxes[1])
    for box in boxes:
        assert not any(runs_through(box, one) for one in pixels)
        assert field.x0 < box.left and box.right < field.x1 + 10
        assert field.y0 < box.bottom and box.top <= field.y1


def test_four_curves_close_together_have_four_names_apart():
    boxes, pixels, _, leaders = drawn(*((f"Arm number {one}", falling(0.1 + 0.03 * one)) for one in range(4)))
    assert not any(a.meets(b) for place, a in enumerate(boxes) for b in boxes[:place])
    assert not any(runs_through(box, one) for box in boxes for one in pixels)
    assert leaders > 0  # who stands far from its curve is joined to it


def test_a_name_beside_its_curve_needs_no_line():
    assert drawn(("One", falling(0.3)), ("Two", falling(2.5)), width=0.0)[3] == 0


def test_names_stand_on_their_own_side_where_curves_are_apart():
    boxes, _, _, _ = drawn(("Above", falling(0.2)), ("Below", falling(2.0)))
    assert boxes[0].bottom > boxes[1].top


def test_the_same_curves_give_the_same_places():
    one, again = (drawn(("One", falling(0.10)), ("Two", falling(0.16)))[0] for _ in range(2))
    assert one == again


def test_a_long_arm_is_named_whole_beside_the_numbers_at_risk():
    assert beside("Demo product A") == ("Demo product A", 7.5)
    name, size = beside("Demo valve S (external control)")
    assert name.replace("\n", " ") == "Demo valve S (external control)" and "\n" in name and size < 7.5
