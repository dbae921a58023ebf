"""docs/whatif.md is what the code gives today, and the code gives what the book prints."""

from __future__ import annotations

import re

import pytest

from tests.golden.whatif import FIGURES, PAGE, Nhefs, chapters, draw, page


@pytest.fixture(scope="module")
def made():
    return chapters(Nhefs())


def test_the_page_is_what_the_code_gives(made):
    """Line by line; numbers to 5 digits, so that another processor's rounding does not count."""

    def digits(text: str) -> list[str]:
        return [
            re.sub(r"-?\d+\.\d{4,}", lambda one: f"{float(one.group()):.5g}", line)
            for line in text.splitlines()
        ]

    assert digits(page(made[0])) == digits(PAGE.read_text("utf-8"))


def test_the_figures_are_drawn_again(made, tmp_path):
    draw(made[1], tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in FIGURES.iterdir())
    again = tmp_path / "again"
    draw(made[1], again)
    assert all((again / name).read_bytes() == (tmp_path / name).read_bytes() for name in names)


def test_every_number_agrees_with_the_printed_one_but_those_the_page_explains(made):
    """To the digits printed. Left: limits by resampling or by search on a grid, and the minimum of a step function."""
    explained = {
        "Effect by search, kg: lower",
        "Effect by search: lower",
        "Effect by search: upper",
        "IP weighted: difference, bootstrap lower",
        "IP weighted: difference, bootstrap upper",
        "Structural AFT: psi",
    }
    rows = [row for lines in made[0].values() for row in lines if row.printed]
    assert len(rows) > 50
    apart = {row.what for row in rows if abs(row.difference) > 1e-9}
    assert apart <= explained
