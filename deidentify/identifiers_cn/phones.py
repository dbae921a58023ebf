"""Phone numbers: mobile, fixed with an extension, 400 and 800, and foreign ones with their country code."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deidentify.identifiers_cn.found import FOREIGN_PHONE, LANDLINE, MOBILE, SERVICE_PHONE, Found
from deidentify.identifiers_cn.normal_form import half_width

_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_PREFIX = r"(?:(?:\+|00) ?\(?86\)?[ \-]{0,2}|\(86\)[ \-]?|86[ \-])?"
_USUAL = re.compile(
    rf"(?<![0-9.])(?P<value>{_PREFIX}1[3-9][0-9][ \-]{{0,2}}[0-9]{{4}}[ \-]{{0,2}}[0-9]{{4}})(?![0-9])"
)
# Any other grouping: 1 3 8 7 …, 138.7654.3210, 1387 6543 210.
_GROUPED = re.compile(
    rf"(?<![0-9.])(?=(?P<value>{_PREFIX}1[ \-.·_/]{{0,2}}[3-9](?:[ \-.·_/\r\n]{{0,2}}[0-9]){{9}})(?![0-9]))"
)
# Starred out in the middle, and with letters that look like digits: the rest still tells a few people.
_STARRED = re.compile(
    rf"(?<![0-9A-Za-z.])(?P<value>{_PREFIX}1[3-9](?:[ \-]?[0-9*xX×·#_]){{9}})(?![0-9A-Za-z*])"
)
_STARS = re.compile(r"[*xX×·#_]{2,6}")
_LOOK_ALIKE = re.compile(r"(?<![0-9A-Za-z])(?P<value>[1lI|](?:[ \-]{0,2}[0-9OolI|]){10})(?![0-9A-Za-z])")
_LIKELY_GROUPS = frozenset(
    {(3, 4, 4), (3, 3, 5), (4, 4, 3), (4, 3, 4), (3, 8), (7, 4), (5, 6), (11,), (1,) * 11}
)
_SAID = re.compile(
    r"(?:电话|手机|联系方式|联系号码|致电|拨打|微信|tel|phone|mobile)[^0-9\n。；]{0,12}$", re.IGNORECASE
)
_SAID_REACH = 24
_EXTENSION = r"(?:[ ]?(?:转|分机|ext\.?|-)[ ]?[0-9]{1,6})?"
_PHONE_WORD = r"(?:电话|座机|固话|传真|总机|办公室|科室|宅电|tel|fax|phone)"
_LANDLINES = (
    re.compile(
        rf"(?<![0-9\-])(?P<value>(?:(?:\+|00)86[ \-]?[1-9][0-9]{{1,2}}|\(?0[0-9]{{2,3}}\)?)[ \-]{{1,2}}"
        rf"[1-9][0-9]{{2,3}}[ \-]?[0-9]{{4}}{_EXTENSION})(?![0-9])",
        re.IGNORECASE,
    ),
    re.compile(
        rf"(?<![0-9])(?P<value>\(0[0-9]{{2,3}}\)[2-9][0-9]{{6,7}}{_EXTENSION})(?![0-9])", re.IGNORECASE
    ),
    # Without a hyphen, and without an area code, only after a word that says so.
    re.compile(
        rf"{_PHONE_WORD}(?:号码?)?[^0-9A-Za-z\n。；]{{0,8}}"
        rf"(?P<value>(?:0(?:10|2[0-9]|[3-9][0-9]{{2}}))?[2-8][0-9]{{2,3}}[ \-]?[0-9]{{4}}{_EXTENSION})(?![0-9])",
        re.IGNORECASE,
    ),
)
_SERVICE = re.compile(
    r"(?<![0-9.\-])(?P<value>[48]00(?:[ \-][0-9]{3}[ \-]?[0-9]{4}|[ \-][0-9]{4}[ \-]?[0-9]{3}|[0-9]{7}(?=[^0-9.])))"
    r"(?![0-9])"
)
_SERVICE_SAID = re.compile(r"(?:电话|热线|客服|致电|拨打|tel)[^0-9\n。；]{0,8}$", re.IGNORECASE)
_FOREIGN = re.compile(
    r"(?<![0-9A-Za-z])(?P<value>\+(?!86)[1-9][0-9]{0,2}(?:[ \-]?\(?[0-9]\)?){7,12})(?![0-9.^])"
)


_LETTERS_AS_DIGITS = str.maketrans("OolI|", "00111")


def is_mobile(text: str) -> bool:
    """Whether a text is a mobile number: 11 digits from 13 to 19; +86, spaces and hyphens are accepted."""
    digits = re.sub(r"[ \-]", "", half_width(text).strip())
    return bool(_MOBILE.fullmatch(re.sub(r"^(?:\+|00)86", "", digits)))


def find_mobiles(plain: str) -> Iterator[Found]:
    """Mobile numbers in a text in normal form, in any grouping that people use or after a word for phone."""
    for match in _USUAL.finditer(plain):
        yield Found(MOBILE, *match.span("value"))
    for match in _GROUPED.finditer(plain):
        start, end = match.span("value")
        groups = tuple(len(group) for group in re.findall("[0-9]+", _without_prefix(match["value"])))
        if groups in _LIKELY_GROUPS or _SAID.search(plain, max(0, start - _SAID_REACH), start):
            yield Found(MOBILE, start, end)


def find_hidden_mobiles(plain: str) -> Iterator[Found]:
    """138****8000 and 13800l38000, in a text in normal form."""
    for match in _STARRED.finditer(plain):
        if len(_STARS.findall(match["value"])) == 1 and sum(map(str.isdigit, match["value"])) >= 6:
            yield Found(MOBILE, *match.span("value"))
    for match in _LOOK_ALIKE.finditer(plain):
        digits = re.sub(r"[ \-]", "", match["value"])
        if not digits.isdigit() and sum(map(str.isdigit, digits)) >= 7 and is_mobile(as_digits(digits)):
            yield Found(MOBILE, *match.span("value"))


def as_digits(text: str) -> str:
    """Letters that are typed for digits as the digits."""
    return text.translate(_LETTERS_AS_DIGITS)


def find_phones(plain: str) -> Iterator[Found]:
    """Fixed, 400 and 800, and foreign numbers in a text in normal form."""
    for match in _FOREIGN.finditer(plain):
        yield Found(FOREIGN_PHONE, *match.span("value"))
    for pattern in _LANDLINES:
        for match in pattern.finditer(plain):
            yield Found(LANDLINE, *match.span("value"))
    for match in _SERVICE.finditer(plain):
        start, end = match.span("value")
        if not match["value"].isdigit() or _SERVICE_SAID.search(plain, max(0, start - _SAID_REACH), start):
            yield Found(SERVICE_PHONE, start, end)


def _without_prefix(number: str) -> str:
    return re.sub(r"^(?:(?:\+|00) ?)?\(?86\)?[ \-]{0,2}", "", number)
