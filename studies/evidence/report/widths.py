"""How the columns of a table share the line, the same on paper and in an editable document."""

from __future__ import annotations

from rwd_platform.core.text import Language
from studies.evidence.report.blocks import Table

_NARROWEST, _WIDEST = 7, 40  # a column's share of the width, in half-width letters
_LINE = 96  # of a table's type across the page, in half-width letters
_GAP = 2  # between columns, in half-width letters


def shares(table: Table, language: Language) -> list[int]:
    """Half-width letters of each column: by its longest cell; a head may take two lines, or up to four.

    Where all together are wider than the page the heads give way first, so that what stands in the rows keeps its
    line, and then the widest columns, so that a short word is not broken.
    """
    for lines in (2, 3, 4):
        wide = _widths(table, language, lines)
        if sum(wide) + _GAP * len(wide) <= _LINE:
            break
    widest = _WIDEST
    while sum(min(one, widest) + _GAP for one in wide) > _LINE and widest > _NARROWEST:
        widest -= 1
    return [min(one, widest) + _GAP for one in wide]


def _widths(table: Table, language: Language, lines: int) -> list[int]:
    """What each column would like, with its head in so many lines."""
    wide = []
    for place, head in enumerate(table.head):
        longest = max((_breadth(row[place].plain(language)) for row in table.rows), default=0)
        title = head.plain(language)
        longest_word = max((_breadth(word) for word in title.split() if word.isascii()), default=0)
        wanted = max(longest, longest_word, -(-_breadth(title) // lines), _NARROWEST)
        wide.append(min(wanted, _WIDEST))
    return wide


def _breadth(text: str) -> int:
    """Half-width letters: a Chinese character takes two."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)
