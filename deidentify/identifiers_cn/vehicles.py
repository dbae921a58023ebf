"""Licence plates (GA 36): seven characters, eight for new energy, and those with a character at the end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import LICENCE_PLATE, Found

_PROVINCE = "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼]"
_GAP = r"[·\- .]{0,2}"
_PLATES = (
    re.compile(
        rf"(?P<value>{_PROVINCE} ?[A-HJ-NP-Z]{_GAP}(?=[A-HJ-NP-Z0-9]*[0-9])[A-HJ-NP-Z0-9]{{5,6}})(?![A-Za-z0-9])"
    ),
    re.compile(
        rf"(?P<value>{_PROVINCE} ?[A-HJ-NP-Z]{_GAP}(?=[A-Z0-9]*[0-9])[A-HJ-NP-Z0-9]{{4,5}}[学警港澳挂领使])"
    ),
    # Typed in small letters or with a gap inside: three digits at least, or it is no plate.
    re.compile(
        rf"(?P<value>{_PROVINCE} ?[A-HJ-NP-Za-hj-np-z]{_GAP}(?=(?:[ ·\-]?[A-Za-z]){{0,3}}[ ·\-]?[0-9])"
        rf"(?:[ ·\-]?[A-HJ-NP-Za-hj-np-z0-9]){{5,6}})(?![A-Za-z0-9])"
    ),
)


def find_licence_plates(plain: str) -> Iterator[Found]:
    """Plates in a text in normal form."""
    for match in (*_PLATES[0].finditer(plain), *_PLATES[1].finditer(plain)):
        yield Found(LICENCE_PLATE, *match.span("value"))
    for match in _PLATES[2].finditer(plain):
        if sum(character.isdigit() for character in match["value"]) >= 3:
            yield Found(LICENCE_PLATE, *match.span("value"))
