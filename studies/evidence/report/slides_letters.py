"""How wide letters are and where lines break, measured beforehand for slides: never less than a real font takes.

Lengths are points (1/72 inch) or of the type's size.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from rwd_platform.core.text import Language
from studies.evidence.numbers import Number
from studies.evidence.report.blocks import Text

LEADING = 1.3  # a line's height, of its type
SLACK = 0.97  # of a line's width: the rest is kept free, for fonts that are a little wider

_NARROW, _BROAD = frozenset("iljtfrI.,:;!|'()[]{}/\\ \u00a0"), frozenset("mwMWOQ@%&")
_CLOSING, _OPENING = "，。、；：！？）》」』”’％…—·", "（《「『“‘"
_WIDE = "\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffee\U00020000-\U0003ffff"
_WORD = rf"[^\s{_WIDE}{_OPENING}{_CLOSING}]+"
# No line begins with a closing mark or ends with an opening one.
_TOKENS = re.compile(rf"[{_OPENING}]*(?:{_WORD}|[{_WIDE}])[{_CLOSING}]*|\s+|.", re.DOTALL)
_LOST = frozenset({"Cc", "Cf", "Cs", "Cn", "Co"})


def clean(text: str) -> str:
    """Without what XML cannot hold, and without marks that turn the direction of reading."""
    return "".join(one for one in text if unicodedata.category(one) not in _LOST)


def breadth(letter: str) -> float:
    """Of the type's size. A Chinese character takes all of it, and so does whatever we do not know."""
    if letter in _NARROW:
        return 0.45
    if not letter.isascii():
        return 0.3 if letter in "\u2009\u202f" else 1.0
    return 0.95 if letter in _BROAD else 0.74 if letter.isupper() else 0.64


def lines_of(text: str, width: float, size: float) -> list[tuple[int, int]]:
    """From where to where each line runs. Words stay whole unless one is longer than a line; no line is empty."""
    room = max(width / size * SLACK, 1.0)
    lines: list[tuple[int, int]] = []
    start, at = 0, 0.0
    for found in _TOKENS.finditer(text):
        wide = sum(map(breadth, found.group()))
        if at + wide <= room or (at and found.group().isspace()):
            at += wide
            continue
        if at:
            lines.append((start, found.start()))
            start, at = found.start(), 0.0
        if wide <= room:
            at = wide
            continue
        for place in range(found.start(), found.end()):  # a word longer than a line
            if at and at + breadth(text[place]) > room:
                lines.append((start, place))
                start, at = place, 0.0
            at += breadth(text[place])
    lines.append((start, len(text)))
    return lines


@dataclass(frozen=True)
class Said:
    """A text in one language, with the numbers that it prints and where: (from, to, number)."""

    text: str
    printed: tuple[tuple[int, int, Number], ...] = ()

    def part(self, start: int, end: int) -> Said:
        """A number that a line breaks is of both parts."""
        inside = tuple(
            (max(a, start) - start, min(b, end) - start, n)
            for a, b, n in self.printed
            if a < end and b > start
        )
        return Said(self.text[start:end], inside)

    @property
    def numbers(self) -> list[Number]:
        return [number for _, _, number in self.printed]


def said(text: Text | str, language: Language, before: str = "") -> Said:
    """One line of text: line breaks become spaces."""
    if isinstance(text, str):
        return Said(before + clean(" ".join(text.split("\n"))))
    whole, printed = before, []
    for span in text.spans(language):
        if isinstance(span, str):
            whole += clean(" ".join(span.split("\n")))
        else:
            shown = span.in_language(language)
            printed.append((len(whole), len(whole) + len(shown), span))
            whole += shown
    return Said(whole, tuple(printed))
