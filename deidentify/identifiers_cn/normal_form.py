"""One spelling for what can be typed in many: NFKC, one kind of digit, space, hyphen and dot, simplified characters,
nothing unseen.

Every detector reads the normal form, and every finding is told in the places of the text as written. So a
number in full-width digits, with a zero-width space inside or with a right-to-left mark before it is the
same number. Two traps of Python's `re` are why patterns here never use `\\b` nor a bare `\\d`: there is no
word border between a Chinese character and a digit, and `\\d` matches full-width and Arabic-Indic digits.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

# Full-width letters, digits and signs, one to one, so that offsets in the text stay as they are.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_DOTS = frozenset("·•・‧⋅∙･")  # all of them part the names of minorities and foreigners
_HYPHENS = frozenset("−﹣－")  # signs that NFKC or the category Pd do not make a hyphen
# Category Cf, Cc and variation selectors show nothing; so do these letters and marks.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_LAYOUT = frozenset("\t\n\r")
TRADITIONAL = Path(__file__).with_name("traditional.csv")
# Seven or more in a row are a number that is spelled out: 一三八七六五四三二一〇, and as cheques have it 壹叁捌.
_NUMERALS = "〇零○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖貳參参陸"
SPELLED = re.compile(f"[{_NUMERALS}](?:[ \\-]?[{_NUMERALS}]){{6,}}")
_SPELLED_DIGITS = str.maketrans(_NUMERALS, "00012345678911234567892336")


class NormalText:
    """The normal form of a text, and where each of its characters stands in the text as written."""

    def __init__(self, text: str) -> None:
        self.places: list[int] | None = None  # None: one to one
        if text.isascii() and text.isprintable():
            self.plain = text
            return
        pieces = [_normal(character) for character in text]
        self.plain = "".join(pieces)
        if len(self.plain) != len(text) or any(len(piece) != 1 for piece in pieces):
            self.places = [place for place, piece in enumerate(pieces) for _ in piece]
        self.plain = SPELLED.sub(lambda number: number[0].translate(_SPELLED_DIGITS), self.plain)

    def place(self, start: int, end: int) -> tuple[int, int]:
        """A piece of the normal form as a piece of the text; unseen characters inside belong to it."""
        if self.places is None:
            return start, end
        return self.places[start], self.places[end - 1] + 1


@cache
def simplified_characters() -> Mapping[str, str]:
    """The pairs of traditional.csv, one to one; no simplified character is a traditional one of another pair."""
    with TRADITIONAL.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {pair[0]: pair[1] for row in rows for pair in row["pairs"].split()}


def half_width(text: str) -> str:
    """The text with full-width letters and digits made half-width; the same length."""
    return text.translate(_HALF_WIDTH)


@lru_cache(maxsize=1 << 14)  # texts are made of a few thousand different characters
def _normal(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() or character in _LAYOUT else ""
    if character in simplified_characters():
        return simplified_characters()[character]
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Cf", "Cc") or character in _UNSEEN or _is_variation_selector(character):
        return ""
    if category == "Zs":
        return " "
    if category == "Pd" or character in _HYPHENS:
        return "-"
    if character in _DOTS:
        return "·"
    if category == "No":  # ① before a number, ² after a unit: not digits of the number beside them
        return character
    parts = unicodedata.normalize("NFKC", character)
    return "".join(" " if part.isspace() else simplified_characters().get(part, part) for part in parts)


def _is_variation_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
