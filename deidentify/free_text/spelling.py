"""One spelling for names and numbers that are looked for: what people write between, above and instead of characters.

Full width, spaces, hyphens, stars and brackets between the characters, small letters, Müller for Muller, 黃國強 for
黄国强. A text is folded character by character, so that what is found is told in its own places.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from deidentify.identifiers_cn import NormalText
from deidentify.identifiers_cn.normal_form import SPELLED, simplified_characters

_HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
HAN = re.compile(f"[{_HAN}]")
# What stands between the characters of a name or number without ending a phrase; marks above letters, too.
_BETWEEN = " \t\r\n\u3000\\-·._'’()（）—…－．＇＿*＊【】\\[\\]［］{}｛｝<>＜＞《》〈〉〔〕「」『』^#＃=＝\u0300-\u036f"
# What ends phrases: 主张，伟大 does not hold 张伟. So it counts for nothing between digits, or beside a character
# that stands alone (王，小，明).
_ENDING = ',，、;；:：/／|｜"“”。!！?？~～+＋&＆\\\\'
# It begins with one class of characters, and looks back after it: so `re` runs quickly over all others.
_GAP = re.compile(
    f"[{_BETWEEN}{_ENDING}](?:"
    f"(?<=[0-9０-９][{_BETWEEN}{_ENDING}])[{_BETWEEN}{_ENDING}]*(?=[0-9０-９])|(?<=[{_BETWEEN}])[{_BETWEEN}]*"
    f"|(?:(?<=[^{_HAN}][{_HAN}][{_ENDING}])|(?<=\\A[{_HAN}][{_ENDING}]))[{_ENDING}]*(?=[{_HAN}])"
    f"|(?<=[{_HAN}][{_ENDING}])[{_ENDING}]*(?=[{_HAN}](?![{_HAN}])))"
)
# Ordinary notes, whose characters are searched as they are; all others are brought to their normal form first.
_QUICK = re.compile("[ -~\n\u3000\u4e00-\u9fff，。、；：？！“”‘’（）《》【】％＋－～．—…·℃°±×÷≥≤μ→↑↓]*")


def is_quick(text: str) -> bool:
    """Whether the text may be searched without its normal form."""
    return bool(_QUICK.fullmatch(text)) and not SPELLED.search(text)


def squashed(text: str) -> str:
    """A text as patterns are written: normal form, folded, small letters, nothing between the characters."""
    plain = _in_simplified(text) if is_quick(text) else folded(NormalText(text).plain)
    return _small(_GAP.sub("", plain))


def kept_places(letters: str) -> list[int]:
    """Where each character of the squashed text stands in the folded one."""
    places: list[int] = []
    at = 0
    for gap in _GAP.finditer(letters):
        places.extend(range(at, gap.start()))
        at = gap.end()
    places.extend(range(at, len(letters)))
    return places


def folded(plain: str) -> str:
    """Letters without their marks, traditional characters of names as simplified ones; as long as before."""
    simplified = _in_simplified(plain)
    return simplified if is_quick(simplified) else "".join(map(_without_marks, simplified))


def _in_simplified(plain: str) -> str:
    return plain if _traditional().isdisjoint(plain) else plain.translate(_translation())


@cache
def _traditional() -> frozenset[str]:
    return frozenset(simplified_characters())


@cache
def _translation() -> dict[int, str]:
    return str.maketrans(dict(simplified_characters()))


# Letters that no decomposition takes apart.
_STROKED = str.maketrans("øØłŁđĐıħŧ", "oOlLdDiht")


@cache
def _without_marks(one: str) -> str:
    if one.isascii() or unicodedata.combining(one):
        return one
    base = [part for part in unicodedata.normalize("NFKD", one) if not unicodedata.combining(part)]
    return base[0] if len(base) == 1 and base[0].isascii() else one.translate(_STROKED)


def _small(text: str) -> str:
    """In small letters, and as long as before: İ would become two characters."""
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
