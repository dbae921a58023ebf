"""Passports and travel permits. Letters with seven to ten digits are anything, so a word must stand before.

Mainland passports: E or G, D, S, P with 8 digits, E with a letter and 7 digits since 2017. Permits to the
mainland for people from Hong Kong and Macau: H or M with 8 or 10 digits; from Taiwan: 8 digits, 10 with
the number of issue. Permits to Hong Kong and Macau: C or W with 8 characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import TRAVEL_DOCUMENT, Found

_NAMED = re.compile(
    r"(?:护照|通行证|台胞证|臺胞證|返乡证|回乡证|旅行证|海员证|出入境证件?|passport|travel (?:permit|document))"
    r"(?:号码?|编号| ?no\.?| ?number)?[^A-Za-z0-9\n。；]{0,8}"
    r"(?P<value>[A-Za-z]{0,2}(?:[ \-]?[0-9]){7,10}(?: ?\([0-9A-Za-z]{1,2}\))?)(?![0-9])",
    re.IGNORECASE,
)
# Since 2017 the second place may be a letter too, and permits to Hong Kong count on in letters.
_LETTERED = re.compile(
    r"(?:护照|通行证|passport)(?:号码?|编号| ?no\.?| ?number)?[^A-Za-z0-9\n。；]{0,8}"
    r"(?P<value>[A-Za-z](?=[A-Za-z0-9]*[0-9]{5})[A-Za-z0-9]{7,9})(?![A-Za-z0-9])",
    re.IGNORECASE,
)
# After a word for any document, and 凭 and 持, what is built like a permit or a passport: 陪护人凭H1234567802入院.
_BUILT_LIKE_ONE = re.compile(
    r"(?:证件|证明|通行|回乡|台胞|港澳(?:居民)?|[凭持](?!续))[^A-Za-z0-9\n。；,]{0,12}"
    r"(?P<value>(?:[HM][0-9]{8}(?:[0-9]{2})?|[CWEGDSP][0-9]{8}|[EC][A-Z][0-9]{7}))(?![0-9A-Za-z])",
    re.IGNORECASE,
)


def find_travel_documents(plain: str) -> Iterator[Found]:
    """Numbers after the words for a passport or a permit, in a text in normal form."""
    for pattern in (_NAMED, _LETTERED, _BUILT_LIKE_ONE):
        for match in pattern.finditer(plain):
            yield Found(TRAVEL_DOCUMENT, *match.span("value"))
