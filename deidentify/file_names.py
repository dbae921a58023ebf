"""May a file be named so? What is written is named after what is read, and so is what a receipt lists.

    refused   the stem holds a person's name in Chinese characters, an address, or a number of a person
    doubtful  Latin letters that can be read as a Chinese name: it may go on, and whoever runs it is told

Rules see what a stem is made of. A foreign name in Latin letters and a nickname look like any word.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from deidentify.free_text.lexicon import is_clinical_word
from deidentify.identifiers_cn import NormalText, scan
from deidentify.identifiers_cn.addresses import find_addresses
from deidentify.identifiers_cn.found import ADDRESS
from deidentify.identifiers_cn.names import find_names, surname_at
from deidentify.identifiers_cn.names import words as name_words
from deidentify.identifiers_cn.regions import place_names
from deidentify.kept_texts import holds_persons_number

_TABLE = Path(__file__).with_name("file_names.toml")
_HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_RUN = re.compile(f"[{_HAN}]+")
_DOTTED = re.compile(f"[{_HAN}]+(?:[·•・‧∙.][{_HAN}]+)+")
_SIGNS = re.compile(r"[_\-.+,;()\[\]{}（）【】《》、，；&@#!~ ]+")
# Below a county: a road, a village, an estate, or a numbered part of one.
_BELOW_COUNTY = re.compile(
    "[0-9一二三四五六七八九十百]+[ ]?(?:号|栋|幢|座|楼|单元|室|组|队|户)|村|街|路|巷|胡同|弄|小区|花园|公寓|[镇乡]."
)
# Passports and permits stand here without a word before them, which the scan of texts asks for.
_DOCUMENT = re.compile(
    r"(?<![A-Za-z0-9])(?:[EGDSPHMCW][A-Za-z]?[0-9]{7,8}|[HM][0-9]{10})(?![A-Za-z0-9])", re.IGNORECASE
)
_RECORD = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{0,3})[-_ ]?([0-9]{6,14})(?![A-Za-z0-9])")
# ZY12345, and A12345 beside a date: a number of five digits is a person's where it stands so.
_SHORT_RECORD = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{1,3})([0-9]{5,14})(?![A-Za-z0-9])")
_NUMBER = re.compile(r"(?<![A-Za-z0-9])[0-9]+(?![A-Za-z0-9])")
_DAY = 8  # digits
_BED = re.compile(f"[0-9]床([{_HAN}]+)")
_LONG_NUMBER = 7  # digits: a count of files or a date has fewer, or is a date
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,}", re.IGNORECASE)
_DATES = ("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S", "%Y%m", "%y%m%d")
_LATIN_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_INITIALS = re.compile("[b-df-hj-np-tv-z]{1,2}")
_LEAST_LETTERS = 4
_LONGEST_NAME = 8  # characters of a minority's name without a dot


class Verdict(Enum):
    """What is done with a file of that name."""

    PASSES = "passes"
    DOUBTFUL = "doubtful"
    REFUSED = "refused"


class _Words(NamedTuple):
    chinese: frozenset[str]
    longest: int
    of_people: tuple[str, ...]
    latin: frozenset[str]
    latin_alone: frozenset[str]
    prefixes: frozenset[str]


def judge(stem: str) -> Verdict:
    """The verdict on a file's name without its ending. Nothing of the name is repeated anywhere."""
    plain = NormalText(stem).plain
    spaced = _SIGNS.sub(" ", _UUID.sub(" ", plain))
    if _holds_number(stem, spaced) or _holds_address(spaced) or _holds_chinese_name(plain, spaced):
        return Verdict.REFUSED
    doubtful = _holds_latin_name(spaced) or _is_latin_surname(spaced) or _is_doubtful_name(spaced)
    return Verdict.DOUBTFUL if doubtful else Verdict.PASSES


# -- numbers -----------------------------------------------------------------------------------------


def _holds_number(stem: str, spaced: str) -> bool:
    without_uuid = _UUID.sub(" ", stem)
    if scan(without_uuid) or holds_persons_number(without_uuid) or _DOCUMENT.search(spaced):
        return True
    if any(_is_record_number(*match.groups()) for match in _RECORD.finditer(spaced)):
        return True
    beside_a_date = any(len(one) >= _DAY and _is_date(one) for one in _NUMBER.findall(spaced))
    return any(
        letters.upper() in _words().prefixes or (beside_a_date and not _is_date(digits))
        for letters, digits in _SHORT_RECORD.findall(spaced)
    )


def _is_record_number(letters: str, digits: str) -> bool:
    if letters.upper() in _words().prefixes:
        return True
    return len(digits) >= _LONG_NUMBER and not _is_date(digits)


def _is_date(digits: str) -> bool:
    for form in _DATES:
        try:
            day = datetime.strptime(digits, form)
        except ValueError:
            continue
        if 1900 <= day.year < 2100 and day.strftime(form) == digits:
            return True
    return False


# -- addresses and Chinese names ---------------------------------------------------------------------


def _holds_address(spaced: str) -> bool:
    """A town or a county alone says where a file is from; a road, a village or a house where a person lives."""
    return any(
        one.kind == ADDRESS and _BELOW_COUNTY.search(spaced, one.start, one.end)
        for one in find_addresses(spaced)
    )


def _holds_chinese_name(plain: str, spaced: str) -> bool:
    if _DOTTED.search(plain):
        return True
    for one in find_names(spaced):
        text = spaced[one.start : one.end]
        if _RUN.fullmatch(text) and not _is_made_of_words(text):
            return True
    runs = _RUN.findall(spaced)
    if any(map(_begins_with_a_name, runs)) or any(map(_is_of_a_bed, _BED.findall(spaced))):
        return True
    return any(map(_is_like_a_name, runs)) or any(
        surname_at(first, 0) == len(first) and len(rest) < 3 and not _is_made_of_words(rest)
        for first, rest in re.findall(
            rf"(?<![{_HAN}])(?=([{_HAN}]{{1,2}}) ([{_HAN}]{{1,2}})(?![{_HAN}]))", spaced
        )
    )


def _is_like_a_name(run: str) -> bool:
    """What is left without the known words; and the whole, where it begins with what no word explains (张三)."""
    rests = list(_unknown_parts(run))
    return any(map(_may_be_whole_name, rests)) or (
        bool(rests) and run.startswith(rests[0]) and len(run) < 5 and _may_be_whole_name(run)
    )


def _begins_with_a_name(run: str) -> bool:
    """李四的检查, 扎西病历, 扎西: a name by itself, or before 的 or a word for what people have."""
    if _is_made_of_words(run):
        return False
    return any(
        (_is_minority_name(run[:end]) or (end < len(run) and end < 5 and _may_be_whole_name(run[:end])))
        and not _is_made_of_words(run[:end])
        and (end == len(run) or run.startswith(_words().of_people, end))
        for end in range(2, min(len(run), _LONGEST_NAME) + 1)
    )


def _is_minority_name(text: str) -> bool:
    return bool(_minority_name().fullmatch(text))


@cache
def _minority_name() -> re.Pattern[str]:
    """扎西, 古丽娜尔, 阿依古丽: made of the parts of such names and what may stand between them."""
    part = "|".join(name_words().name_parts)
    link = f"[{''.join(sorted(name_words().name_links))}]"
    return re.compile(f"{link}{{0,2}}(?:{part})(?:{link}?(?:{part})){{0,4}}{link}{{0,2}}")


def _is_of_a_bed(after: str) -> bool:
    """3床张, 12床李四: whom a bed's number stands before; not 3床查房."""
    if not surname_at(after, 0) or _is_made_of_words(after):
        return False
    return len(after) == 1 or after[0] not in name_words().doubtful


def _is_doubtful_name(spaced: str) -> bool:
    """高明, the whole stem but for numbers: a surname that is a common word too, and one character."""
    runs = _RUN.findall(spaced)
    text = runs[0] if len(runs) == 1 else ""
    if len(text) != 2 or not surname_at(text, 0) or re.search("[A-Za-z]", spaced):
        return False
    return not is_clinical_word(text) and not _is_made_of_words(text)


def _may_be_whole_name(text: str) -> bool:
    """A surname and one or two characters, or a compound surname and those; with a doubtful surname three."""
    surname = surname_at(text, 0)
    given = len(text) - surname
    if not surname or not 1 <= given <= 2 or is_clinical_word(text):
        return False
    return surname == 2 or given == 2 or text[0] not in name_words().doubtful


def _is_made_of_words(text: str) -> bool:
    return not any(True for _ in _unknown_parts(text))


def _unknown_parts(run: str) -> Iterator[str]:
    """What is left of a run of Chinese characters without the known words, the longest taken first."""
    known = _words()
    start = at = 0
    while at < len(run):
        end = next(
            (
                at + size
                for size in range(min(known.longest, len(run) - at), 0, -1)
                if _is_word(run[at : at + size])
            ),
            at,
        )
        if end == at:
            at += 1
            continue
        if start < at:
            yield run[start:at]
        start = at = end
    if start < len(run):
        yield run[start:]


def _is_word(text: str) -> bool:
    return text in _words().chinese or (len(text) > 1 and is_clinical_word(text))


# -- names in Latin letters --------------------------------------------------------------------------


def _holds_latin_name(spaced: str) -> bool:
    """`ZhangSan`, `zhang_san`, `wangxiaoming`: a surname in pinyin beside, or glued to, what can be a given name."""
    for token in spaced.split():
        letters = _LATIN_WORD.findall(token)
        if any(map(_is_glued_name, letters)):
            return True
    parts = [one for one in _LATIN_WORD.findall(spaced) if one.lower() not in _words().latin]
    return any(_is_name(*pair) or _is_name(*pair[::-1]) for pair in pairwise(parts))


def _is_latin_surname(spaced: str) -> bool:
    """`ouyang`, `wang_2026` and `wang.xm`: nothing but a surname in pinyin, or that and initials."""
    letters = [one.lower() for one in _LATIN_WORD.findall(spaced)]
    if _RUN.search(spaced) or not 1 <= len(letters) <= 2:
        return False
    known = _words()
    surnames = [one for one in letters if len(one) > 2 and one in name_words().pinyin]
    surnames = [one for one in surnames if one not in known.latin and one not in known.latin_alone]
    return len(surnames) >= 1 and all(one in surnames or _INITIALS.fullmatch(one) for one in letters)


def _is_glued_name(word: str) -> bool:
    text = word.lower()
    if len(text) < _LEAST_LETTERS or text in _words().latin or text.removesuffix("s") in _words().latin:
        return False
    return any(_is_name(text[:at], text[at:]) for at in range(2, len(text) - 1))


def _is_name(surname: str, given: str) -> bool:
    """As the detector of names in texts has it: `Zhang San`."""
    if surname.lower() not in name_words().pinyin:
        return False
    written = f"{surname.title()} {given.title()}"
    return any(one.end - one.start == len(written) for one in find_names(written))


@cache
def _words() -> _Words:
    lists = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    places = place_names()
    listed = {word for word in lists["words"].split() if len(word) > 1 or word not in name_words().surnames}
    chinese = {*listed, *places["province"], *places["city"], *places["county"]}
    return _Words(
        frozenset(chinese),
        max(map(len, chinese)),
        tuple(lists["of_people"].split()),
        frozenset(lists["latin"].split()),
        frozenset(lists["latin_alone"].split()),
        frozenset(lists["record_prefixes"].split()),
    )
