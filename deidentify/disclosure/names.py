"""Names as they are compared, and as they are shown.

Compared: two spellings of one name are one name, whatever the width, the case and what nobody sees. Shown: a
row id, a label or a column's name is somebody's text and may be a person's name, so that a finding repeats it
only where it has the plain form of an identifier; else its place is told.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_MANY = 16_384  # labels of one table: every rule asks for them again
# Looks like nothing, and is neither a blank nor a format character to Unicode.
_UNSEEN = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}).union(
    range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.\-+<>=/|:\[\], ]{0,119}")
_MANY_DIGITS = re.compile(
    r"[0-9](?:[-. ]?[0-9]){5}"
)  # a telephone or an identity number, never a day or a step


@lru_cache(maxsize=_MANY)
def folded(text: str) -> str:
    """A label as it is compared: NFKC, without what is not seen, one blank between words, case folded."""
    # Folding the case may leave a form that is not normal, and the other way round: so twice.
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    seen = (letter for letter in text if letter.isspace() or _is_seen(letter))
    return " ".join("".join(seen).split())


def folded_person(text: str) -> str:
    """The id of a person as it is compared: as a label, and without any blank. "" is nobody."""
    return "".join(letter for letter in folded(text) if not letter.isspace())


def folded_name(text: str) -> str:
    """The name of an organisation or a product as it is compared: letters and digits alone.

    Blanks, hyphens, dots, quotes and brackets are no difference: `Sponsor A` is `sponsor-a` is `ＳＰＯＮＳＯＲ（Ａ）`.
    """
    return "".join(letter for letter in folded(text) if unicodedata.category(letter)[0] in "LMN")


@lru_cache(maxsize=_MANY)
def folded_label(text: str) -> str:
    """A label as two releases are compared: `II / A` is `IIA`, `Stage-II.` is `stage ii`; `<50` is not `>=50`.

    Blanks and punctuation are left out, but between two digits: `50-59` is not `5059`.
    """
    seen = folded(text)
    kept = [
        letter
        for place, letter in enumerate(seen)
        if unicodedata.category(letter)[0] not in "PZ" or seen[place - 1 : place + 2 : 2].isdigit()
    ]
    return "".join(kept) or seen


def is_plain(text: str) -> bool:
    """Whether a name may be repeated: the letters of an identifier, and no long number."""
    return bool(_PLAIN.fullmatch(text)) and not _MANY_DIGITS.search(text)


def shown(text: str, instead: str) -> str:
    """The name where it is plain, else what is told instead of it."""
    return text if is_plain(text) else instead


def _is_seen(letter: str) -> bool:
    return ord(letter) not in _UNSEEN and unicodedata.category(letter) not in ("Cf", "Cc", "Zl", "Zp")
