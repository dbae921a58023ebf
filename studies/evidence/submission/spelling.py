"""How a text is written where only ASCII, or only XML's characters, may stand; and what that costs it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

LABEL_BYTES, TEXT_BYTES = 40, 200  # of the SAS transport format, version 5 (TS-140)
# What happened to a text on its way to ASCII, the gravest first.
Change = Literal["replaced", "control", "respelled", ""]
REPLACED, CONTROL, RESPELLED = "replaced", "control", "respelled"

# Signs that have a usual ASCII spelling; full-width forms and ligatures are NFKC's business.
_SPELT = {
    "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+/-", "×": "x", "÷": "/", "·": ".", "−": "-", "‐": "-",
    "‑": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "、": ", ", "。": ".",
    "，": ", ", "；": "; ", "：": ": ", "（": " (", "）": ")", "°": "deg", "µ": "u", "μ": "u", "α": "alpha",
    "β": "beta", "→": "->", "•": "-", "\u00a0": " ", "\u3000": " ",
}  # fmt: skip
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Written:
    """`text` in printable ASCII; `cut` where it was longer than allowed."""

    text: str
    change: Change
    cut: bool = False


def ascii_text(text: str, longest: int = TEXT_BYTES) -> Written:
    """A sign with a usual spelling gets it, a control character becomes a blank, whatever is left a `?`."""
    change: Change = ""
    if not text.isascii():
        spelt = "".join(_SPELT.get(letter, letter) for letter in text)
        plain = unicodedata.normalize("NFKD", spelt)
        plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
        text = "".join(letter if letter.isascii() else "?" for letter in plain)
        change = "respelled" if plain.isascii() else "replaced"
    if _CONTROL.search(text):
        text = _CONTROL.sub(" ", text)
        change = change if change == REPLACED else "control"
    return Written(text[:longest], change, len(text) > longest)


def label_of(text: str) -> str:
    """What of an English label fits into 40 bytes, ended at a word where one ends in the second half."""
    whole = " ".join(ascii_text(text, longest=len(text) * 6 + 1).text.split())
    if len(whole) <= LABEL_BYTES:
        return whole
    head = whole[:LABEL_BYTES]
    before = head.rsplit(" ", 1)[0]
    return before if len(before) >= LABEL_BYTES // 2 and whole[LABEL_BYTES] != " " else head.rstrip()


def xml_text(text: str) -> str:
    """The text without the characters that no XML document may hold; U+FFFD stands where one was."""
    return _NOT_XML.sub("\ufffd", text)
