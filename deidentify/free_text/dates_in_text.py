"""Dates as notes write them, and the same date shifted in the same way of writing.

2023年11月5日, 2023-11-05, 2023.11.05, 2023/11/5, 20231105, 23年11月, 23.11.05, 3月12日, 11/05, 二〇二三年十一月,
Nov 5, 2023, 05-Nov-23, 29/02/2024, 20240229103000, 2023 11 05, 231105入院, 八〇年三月四日, 民国112年11月5日. Of a
month and a day (11-6出院) and of a day alone (8日手术) what follows tells that they are a date. What is relative
stays, for it names no day: 术后第3天, 3周前, 病史10年3月.

A date of the lunar calendar is found and not shifted: it is replaced. A date without its year moves as in the
year of the last full date before it, or in a year of 365 days; a day without its month is one only after a date
of the same month that is no later (5日入院，8日手术; after 28日, 3日 may be of any month); a month moves as its 15th
does and a year as its 1 July (deidentify.dates). 02.03.2024 may be the second of March or the third of February:
it is replaced.

One true date beside a shifted one gives the patient's offset away: what still looks like a date after everything
was found, `dates_left_over` tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deidentify import dates
from deidentify.identifiers_cn.found import DATE

_YEAR = "(?P<y>(?:19|20)[0-9]{2})"
_SHORT_YEAR = "(?P<y>[0-9]{2})"
_MONTH = "(?P<m>1[0-2]|0?[1-9])"
_DAY = "(?P<d>3[01]|[12][0-9]|0?[1-9])"
_TWO_MONTH = "(?P<m>0[1-9]|1[0-2])"
_TWO_DAY = "(?P<d>0[1-9]|[12][0-9]|3[01])"
HAN_DIGIT = "[〇零○一二三四五六七八九]"
_HAN_MONTH = "(?P<m>十[一二]?|元|正|[一二三四五六七八九])"
_HAN_DAY = "(?P<d>三十一?|二十[一二三四五六七八九]?|十[一二三四五六七八九]?|初?[一二三四五六七八九])"
_NO_DIGIT = "(?<![0-9.])"
_SAID = "(?<=[于在自至到从])|(?<=日期)|(?<=时间)|(?<=日期:)|(?<=时间:)|(?<=on )|(?<=复查)|(?<=随访)"
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ENGLISH_MONTH = (
    "(?P<m>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    "|Nov(?:ember)?|Dec(?:ember)?)"
)
# What happens on a day: after it, digits that could be a measure are a date.
EVENT = (
    "(?:行(?![走动])|因|确诊|诊断|手术|术后|切除|化疗|放疗|透析|移植|复查|随访|入院|出院|住院|转院|就诊|门诊|发病|起病|复发|去世|死亡|"
    "出生|生于|开始|至今|以来|[春夏秋冬][季天]?|年?[底初末中](?![次期])|上半年|下半年)"
)
# Before a pair of numbers these say that it grades, counts or locates: 分级 2-3, 第3-5次, 腰4-5, BP 12-8.
GRADED = "".join(
    f"(?<!{word})(?<!{word} )" for word in "级期分度第约每共腰颈胸骶椎肋指趾牙周次组型量压率比位值数例"
) + ("(?<![A-Za-z])(?<![A-Za-z] )(?<![A-Za-z]:)")
_ON_A_DAY = (
    rf"(?= ?(?:{EVENT}|[上下中]午|凌晨|清晨|早|晚|夜|起(?!搏)|予|给予|再次|查)(?!手?术?[室间台])"
    r"| ?[、,和及至~\-] ?[0-9]{1,2} ?[日号])"
)
CLAUSE = r"(?:^|(?<=[\s,;、。(:])|(?<=[于自从至到及在]))"
_CAPITAL = "(?=(?-i:[A-Z]))"
_HOUR = "(?:(?:[01][0-9]|2[0-3])(?:[0-5][0-9](?:[0-5][0-9])?)?)"
NO_UNIT = "(?! ?(?:[a-z%‰×℃°μ]|毫|微|克|升|单位|国际|次|例|元|万|米|厘|倍|步|个))"
# As above, where English may follow: 2023 11 05 admitted is no measure, 231105 /L is one.
_NO_MEASURE = "(?! ?(?:(?-i:[a-zμ]{1,4}|[mµ]?L)(?![A-Za-z])|[%‰×℃°/]|毫|微|克|升|单位|次|例|元|万|米|个))"
_REPUBLIC = 1911  # 民国112年 is 2023
_NO_YEAR = 2001  # has 365 days: in it 3月12日 moves as in three of four years

# In the order of what they need: the longer form first, so that no part of it is taken for another.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"民国 ?(?P<r>[0-9]{{1,3}}) ?年(?: ?{_MONTH} ?月(?: ?{_DAY} ?[日号]?)?)?(?![0-9])",
        rf"{_NO_DIGIT}{_YEAR} ?年 ?{_MONTH} ?月 ?{_DAY} ?[日号]?(?![0-9])",
        rf"{_NO_DIGIT}{_YEAR} ?年 ?{_MONTH} ?月份?",
        rf"(?<![0-9]){_YEAR} ?([-./]) ?{_MONTH} ?\2 ?{_DAY}(?![0-9])",
        rf"{_NO_DIGIT}{_YEAR}{_TWO_MONTH}{_TWO_DAY}{_HOUR}?(?![0-9])",
        # Which of the first two is the day, `_read` tells by what it can be.
        rf"(?<![0-9./\-])(?P<one>[0-3]?[0-9]) ?([-./]) ?(?P<two>[0-3]?[0-9]) ?\2 ?{_YEAR}(?![0-9])",
        rf"(?<![0-9./])(?<![^0-9 月]-){_YEAR} ?[./] ?{_MONTH}(?: ?月份?)?(?![0-9/%])(?!\.[0-9]){NO_UNIT}",
        rf"(?<![0-9./])(?<![^0-9 月]-){_YEAR} ?- ?{_MONTH}(?: ?月份?)?(?![0-9./%])"
        rf"(?! ?-(?! ?(?:19|20)[0-9]{{2}})){NO_UNIT}",
        rf"{_NO_DIGIT}{_YEAR} ?年 ?{_MONTH}(?=(?: ?[-~至到、,和及] ?[0-9]{{1,2}}){{1,6}} ?月)",
        rf"{_NO_DIGIT}{_SHORT_YEAR} ?年 ?{_MONTH} ?月 ?{_DAY} ?[日号]",
        rf"{_NO_DIGIT}(?<![病近达已余长])(?<!病史)(?<!(?<!预)约){_SHORT_YEAR} ?年 ?{_MONTH} ?月份?"
        r"(?![余个内]|前(?!后)|来(?![院诊我]))",
        rf"(?<![0-9A-Za-z.\-/]){_SHORT_YEAR}([-./]){_MONTH}\2{_DAY}(?![0-9A-Za-z.\-/%])",
        rf"{_NO_DIGIT}{_YEAR}[ \t]{{1,2}}{_MONTH}[ \t]{{1,2}}{_DAY}(?![0-9.%/:]){_NO_MEASURE}",
        rf"(?<![0-9A-Za-z.\-/]){_SHORT_YEAR}{_TWO_MONTH}{_TWO_DAY}(?= ?{EVENT})",
        rf"(?:{_SAID}){_SHORT_YEAR}{_TWO_MONTH}{_TWO_DAY}(?![0-9A-Za-z.%]){_NO_MEASURE}",
        rf"{_NO_DIGIT}{_YEAR} ?年(?![0-9龄])",
        rf"(?<![0-9A-Za-z.\-/]){_YEAR}(?= ?{EVENT})",
        rf"(?<![0-9A-Za-z.\-/]){_YEAR}(?= ?[-~至到、/和及] ?(?:19|20)[0-9]{{2}} ?年)",
        rf"{_NO_DIGIT}{_MONTH} ?月 ?{_DAY} ?[日号](?![0-9])",
        rf"{_NO_DIGIT}{_MONTH} ?月 ?{_DAY}(?![0-9.年月天周次个余余/%a-z])",
        rf"(?<=[今去前本当次翌]年) ?{_MONTH} ?月份?",
        rf"{_NO_DIGIT}{_MONTH} ?月份",
        r"(?<![0-9./\-])(?P<m>0[1-9]|1[0-2])/(?P<d>0[1-9])(?![0-9./%\-])",
        rf"(?<![0-9./\-])(?P<m>0[1-9])/{_TWO_DAY}(?![0-9./%\-])",
        rf"(?:{_SAID})(?P<m>1[0-2]|[1-9])[-./]{_DAY}(?![0-9./%\-])",
        rf"(?:^|(?<=[\s,;、(]))(?P<m>1[0-2]|[1-9])\.{_DAY}(?={EVENT})",
        rf"(?<![0-9./\-]){GRADED}{_MONTH}[-/]{_DAY}(?= ?{EVENT})",
        rf"(?<=[于在自从]){_MONTH} ?月(?= ?{EVENT})",
        rf"(?<=[于在自从]){_HAN_MONTH}月(?={EVENT})",
        rf"(?<![一二三四五六七八九〇零])(?P<y>[一二]{HAN_DIGIT}{{3}})年(?:{_HAN_MONTH}月(?:{_HAN_DAY}[日号])?)?",
        rf"(?<![一二三四五六七八九〇零○])(?P<y>{HAN_DIGIT}{{2}})年{_HAN_MONTH}月{_HAN_DAY}[日号]",
        rf"(?<![一二三四五六七八九〇零○])(?P<y>[五六七八九〇零○]{HAN_DIGIT})年{_HAN_MONTH}月(?![余前后来内个])",
        rf"(?<![一二三四五六七八九十历]){_HAN_MONTH}月{_HAN_DAY}[日号]",
        rf"(?<![A-Za-z]){_ENGLISH_MONTH}\.? {_DAY}(?:st|nd|rd|th)?,? {_YEAR}(?![0-9])",
        rf"(?<![0-9A-Za-z]){_DAY}(?:st|nd|rd|th)?[ \-]{_ENGLISH_MONTH}\.?,?[ \-]{_YEAR}(?![0-9])",
        rf"(?<![0-9A-Za-z]){_DAY}(?:st|nd|rd|th)?[/.]?{_CAPITAL}{_ENGLISH_MONTH}[/.]?{_YEAR}(?![0-9])",
        rf"(?<![0-9A-Za-z]){_DAY}(?P<between>[ \-/.]?){_CAPITAL}{_ENGLISH_MONTH}(?P=between)'?"
        rf"{_SHORT_YEAR}(?![0-9A-Za-z:%])(?!\.[0-9])",
        rf"(?<![A-Za-z]){_ENGLISH_MONTH}\.?,? {_YEAR}(?![0-9])",
        rf"{_NO_DIGIT}{_YEAR}[ \-]{_ENGLISH_MONTH}(?:[ \-]{_DAY}(?![0-9]))?(?![A-Za-z])",
        rf"(?<![A-Za-z]){_ENGLISH_MONTH}\.? {_DAY}(?:st|nd|rd|th)?(?![0-9A-Za-z/.])",
        rf"(?<![0-9A-Za-z]){_DAY}(?:st|nd|rd|th)?(?: of )?[ \-]?{_CAPITAL}{_ENGLISH_MONTH}(?![0-9A-Za-z]|[\-/'.][0-9])",
    )
)
# What goes on from a date: the second half of 11月5日至8日, 2024.5.1-5.3 and 2024.5-6, and 5月1日、3日.
_TO = " ?(?:--?|[~至到])(?: ?(?:19|20)?[0-9]{2}年)? ?"
_ON = rf"[日号]?(?:{_TO}| ?[、,和及] ?)"
_NEXT_DAY = (
    re.compile(rf"{_ON}(?P<d>3[01]|[12][0-9]|0?[1-9])(?= ?[日号])"),
    re.compile(rf"(?:{_TO}|、){_MONTH}([-./]){_DAY}(?![0-9%/])(?!\.[0-9]){NO_UNIT}"),
    re.compile(rf"{_TO}(?P<d>3[01]|[12][0-9]|0?[1-9])(?![0-9./%年月天周次个])(?!-[0-9]){NO_UNIT}"),
)
_NEXT_MONTH = (
    re.compile(rf"{_ON}{_MONTH}(?: ?月份?(?!{_DAY}[日号])|(?=(?: ?[、,和及] ?[0-9]{{1,2}}){{1,6}} ?月))"),
    re.compile(rf"{_TO}{_MONTH}(?![0-9./%年天周次个\-]){NO_UNIT}"),
)
DAY_ALONE = re.compile(rf"{CLAUSE}(?P<d>3[01]|[12][0-9]|[1-9]) ?[日号]{_ON_A_DAY}")
_LUNAR = re.compile(
    r"(?:农历|阴历|旧历)[ ]?(?:[0-9一二〇零三四五六七八九]{2,4}年)?[ ]?(?:闰)?"
    r"(?:[0-9]{1,2}|十[一二]?|[正冬腊一二三四五六七八九])月"
    r"(?:初[一二三四五六七八九十]|[二三]?十[一二三四五六七八九]?|廿[一二三四五六七八九]?|[0-9]{1,2})?[日号]?"
    r"|(?:[正冬腊]月|[一二三四五六七八九十]月)(?:初[一二三四五六七八九十]|廿[一二三四五六七八九]?)"
    r"|(?:除夕|春节|元宵节|端午节?|中秋节?|重阳节?|腊八节?|国庆节?|元旦)(?![前后间期])"
)


@dataclass(frozen=True)
class WrittenDate:
    """A date in a text: where it stands, what it says (0: not said) and where its parts stand, as (start, end)."""

    start: int
    end: int
    year: int
    month: int
    day: int
    parts: tuple[tuple[str, int, int], ...]
    kind: str = DATE


def find_dates(plain: str) -> Iterator[WrittenDate]:
    """The dates of a text in normal form, by position; they do not overlap."""
    taken = bytearray(len(plain))
    found: list[WrittenDate] = []
    for form in _FORMS:
        for match in form.finditer(plain):
            written = _read(match)
            if not any(taken[written.start : written.end]):
                found.append(written)
                taken[written.start : written.end] = b"\x01" * (written.end - written.start)
    found += _days_alone(plain, taken, found)
    for first in list(found):
        following = _following(plain, first)
        while following and not any(taken[following.start : following.end]):
            found.append(following)
            taken[following.start : following.end] = b"\x01" * (following.end - following.start)
            following = _following(plain, following)
    for match in _LUNAR.finditer(plain):
        if not any(taken[match.start() : match.end()]):
            found.append(WrittenDate(*match.span(), 0, 0, 0, ()))
    yield from sorted(found, key=lambda date: date.start)


def _days_alone(plain: str, taken: bytearray, dates_of_text: list[WrittenDate]) -> list[WrittenDate]:
    """8日手术 after 2023年11月5日入院: of that date's month, where the day is no earlier than that one."""
    known = sorted((date for date in dates_of_text if date.day and date.parts), key=lambda date: date.start)
    alone = []
    for match in DAY_ALONE.finditer(plain):
        before = [date for date in known if date.end <= match.start()]
        day = int(match["d"])
        if any(taken[match.start("d") : match.end()]) or not before or day < before[-1].day:
            continue
        year, month = before[-1].year, before[-1].month
        if dates.shift(f"{year or 2000:04}-{month:02}-{day:02}", 0) is not None:
            parts = (("range月", *match.span("d")),)
            alone.append(WrittenDate(*match.span("d"), year, month, day, parts))
            taken[match.start("d") : match.end()] = b"\x01" * (match.end() - match.start("d"))
    return alone


def _following(plain: str, first: WrittenDate) -> WrittenDate | None:
    """The date that goes on from another one and leaves out what the two share: its year, or year and month."""
    if not first.month or not first.parts:
        return None
    for form in _NEXT_DAY if first.day else _NEXT_MONTH:
        match = form.match(plain, first.end)
        if match is None:
            continue
        named = match.groupdict()
        month, day = int(named.get("m") or first.month), int(named.get("d") or 0)
        if dates.shift(f"{first.year or 2000:04}-{month:02}-{day or 1:02}", 0) is None:
            continue
        if "m" in named:
            parts = tuple((name, *match.span(name)) for name in "md" if named.get(name))
        else:
            sign = plain[first.parts[-1][1] - 1]
            parts = ((f"range{sign if sign in '-./' else '月'}", *match.span("d")),)
        return WrittenDate(parts[0][1], match.end(), first.year, month, day, parts)
    return None


def shifted(plain: str, date: WrittenDate, days: int, year: int = 0) -> str | None:
    """The date's own text with the shifted date's numbers in their places; None where that cannot be done.

    `year` stands in where the date has none. The way of writing stays: order, signs, leading zeros, two
    digits for a year, Chinese numerals.
    """
    known = date.year or year or _NO_YEAR
    iso = (
        f"{known:04}" + (f"-{date.month:02}" if date.month else "") + (f"-{date.day:02}" if date.day else "")
    )
    moved = dates.shift(iso, days) if date.parts else None
    if moved is None:
        return None
    numbers = dict(zip("ymd", map(int, moved.split("-")), strict=False))
    numbers["r"] = numbers["y"] - _REPUBLIC
    written = [plain[start:end] for name, start, end in date.parts if name in "md"]
    padded = any(one.startswith("0") for one in written) or (
        all(len(one) == 2 for one in written) and "月" not in plain[date.start : date.end]
    )
    pieces, at = [], date.start
    for name, start, end in date.parts:
        old = plain[start:end]
        # 5日至8日: the month may no longer be that of the first day
        if name.startswith("range"):
            new = f"{numbers['m']}{name[-1]}{numbers['d']}"
        else:
            new = _written_as(old, name, numbers[name], padded)
        pieces += [plain[at:start], new]
        at = end
    return "".join(pieces) + plain[at : date.end]


def _read(match: re.Match[str]) -> WrittenDate:
    groups = match.groupdict()
    if groups.get("one"):
        return _read_day_first(match)
    numbers = {name: _number(groups[name]) for name in ("y", "r", "m", "d") if groups.get(name)}
    year = numbers["r"] + _REPUBLIC if "r" in numbers else numbers.get("y", 0)
    if "y" in numbers and 0 <= year < 100:
        year += 2000 if year < 50 else 1900
    iso = f"{year or 2000:04}-{numbers.get('m', 1):02}-{numbers.get('d', 1):02}"
    if dates.shift(iso, 0) is None:  # 2024年2月30日 is a date that somebody mistyped: replaced, not shifted
        return WrittenDate(*match.span(), year, numbers.get("m", 0), 0, ())
    parts = sorted((match.start(name), match.end(name), name) for name in numbers)
    return WrittenDate(
        *match.span(), year, numbers.get("m", 0), numbers.get("d", 0), tuple((n, s, e) for s, e, n in parts)
    )


def _read_day_first(match: re.Match[str]) -> WrittenDate:
    """29/02/2024 is day first, 02/29/2024 month first; 02.03.2024 may be either and has no parts."""
    one, two, year = int(match["one"]), int(match["two"]), int(match["y"])
    read = {}
    for day, month in ((one, two), (two, one)):
        if 1 <= month <= 12 and dates.shift(f"{year:04}-{month:02}-{day:02}", 0) is not None:
            read[month, day] = ("d", "m") if day == one and month == two else ("m", "d")
    if len(read) != 1:
        return WrittenDate(*match.span(), year, 0, 0, ())
    ((month, day), order) = read.popitem()
    places = (match.span("one"), match.span("two"), match.span("y"))
    parts = tuple((name, *place) for name, place in zip((*order, "y"), places, strict=True))
    return WrittenDate(*match.span(), year, month, day, parts)


_HAN_NUMBERS = {one: value for value, one in enumerate("〇一二三四五六七八九")} | {
    "零": 0,
    "○": 0,
    "元": 1,
    "正": 1,
}


def _number(text: str) -> int:
    """5, 05, 十一, 二十三, 二〇二三, 初五, Nov as a number."""
    if text.isdigit() and text.isascii():
        return int(text)
    if text[:3].lower() in _NAMES:
        return _NAMES.index(text[:3].lower()) + 1
    text = text.removeprefix("初")
    if "十" in text:
        tens, ones = text.split("十")
        return _HAN_NUMBERS.get(tens, 1) * 10 + (_HAN_NUMBERS[ones] if ones else 0)
    return int("".join(str(_HAN_NUMBERS[one]) for one in text))


def _written_as(old: str, name: str, number: int, padded: bool) -> str:
    if old[:3].lower() in _NAMES:
        short = _NAMES[number - 1].capitalize()
        return short if len(old) <= 4 else _LONG[number - 1]
    if old.isascii():
        if name == "y":
            return f"{number % 100:02}" if len(old) == 2 else f"{number:04}"
        return f"{number:02}" if padded else str(number)
    if name == "y":
        return "".join("〇一二三四五六七八九"[int(digit)] for digit in f"{number:04}"[-len(old) :])
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else "十" if tens == 1 else "二三"[tens - 2] + "十") + (
        "一二三四五六七八九"[ones - 1] if ones else ""
    )


_LONG = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
