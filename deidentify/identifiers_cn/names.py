"""People's names by rules: after a role (术者：), before a title (张先生), with a middle dot, in Latin letters, and
what people call one another (老张).

The lists are names.toml. Rules alone find few names in sentences that nobody foresaw, and a seeded roster
all that it knows: this is the net below it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from deidentify.identifiers_cn.found import NAME, Found

TABLE = Path(__file__).with_name("names.toml")
_HAN = "\u3400-\u9fff\U00020000-\U0003ffff"
_HAN_CHARACTER = re.compile(f"[{_HAN}]")
_ALL_HAN = re.compile(f"[{_HAN}]+")
_DOTTED = re.compile(f"(?<![·{_HAN}])(?P<value>[{_HAN}]{{1,14}}(?:·[{_HAN}]{{1,10}}){{1,4}})")
_SYLLABLE = (
    "(?:zh|ch|sh|[bpmfdtnlgkhjqxzcsryw])?(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|van|yan|"
    "ai|an|ao|ei|en|er|ia|ie|in|iu|ou|ua|ue|ui|un|uo|ve|vn|a|e|i|o|u|v)"
)
_GIVEN = re.compile(rf"{_SYLLABLE}(?:[-' ]?{_SYLLABLE}){{0,2}}", re.IGNORECASE)
_THREE_SYLLABLES = re.compile(f"({_SYLLABLE})({_SYLLABLE})?({_SYLLABLE})?")
_INITIALS = r"(?:[A-Z]\. ?-?){1,3}"
_WORD = "[A-Z][A-Za-z'\u00c0-\u024f]{1,19}"
_TWO_WORDS = re.compile(
    rf"(?<![A-Za-z])(?=(?P<value>(?P<first>{_WORD})(?:, ?| )(?P<second>{_WORD}(?:-[A-Za-z]{{1,8}})?))(?![A-Za-z]))"
)
_LATIN_AFTER_WORD = re.compile(
    r"(?:姓名|名字|患者|病人|家属|联系人|医生|医师|护士|术者|签名|签字|父亲|母亲|丈夫|妻子|配偶|教授|英文名|拼音|外籍|(?i:name|patient)"
    r"|(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor)(?![A-Za-z]))[.: (为是叫]{0,4}"
    rf"(?P<value>(?:{_INITIALS})?{_WORD}(?:[ ,.\-]{{1,2}}(?:{_WORD}|[A-Z]\.?(?![A-Za-z]))){{0,4}})(?![A-Za-z])"
)
# X.M. Wang, Wang X.M., WANG XM: a surname in pinyin with initials; without dots the surname must be no abbreviation.
_INITIALS_FIRST = re.compile(
    rf"(?<![A-Za-z.])(?P<value>(?:[A-Z]\. ?-?){{2,3}}(?P<surname>{_WORD}))(?![A-Za-z])"
)
_INITIALS_LAST = re.compile(
    rf"(?<![A-Za-z])(?P<value>(?P<surname>{_WORD}),? (?P<initials>(?:[A-Z]\. ?-?){{2,3}}|[A-Z]{{2}}))(?![A-Za-z0-9.-])"
)
_SHORTEST_IN_CAPITALS = 4
# LONG QT, SONG CT: what two capitals after a surname are in a hospital.
_TWO_CAPITALS = frozenset(
    {
        *(
            "QT",
            "CT",
            "MR",
            "DR",
            "US",
            "UA",
            "BP",
            "HR",
            "PT",
            "RR",
            "WT",
            "HT",
            "DM",
            "HF",
            "MI",
            "AF",
            "VT",
            "CK",
        ),
        *(
            "TB",
            "IV",
            "IM",
            "PO",
            "HB",
            "GI",
            "GU",
            "GA",
            "EF",
            "PE",
            "PR",
            "CR",
            "SD",
            "PD",
            "OS",
            "ER",
            "OR",
        ),
    }
)
# 付款人:马化腾 - whoever it is that does something, with a colon and nothing after the name.
_ANYBODY = re.compile(f"[{_HAN}](?:人|者|员|师|方|士):[ ]?")
# 张伟，男，53岁; the role before it may be written without a mark.
_BEFORE_SEX = re.compile(
    f"(?:(?<![{_HAN}])|(?<=患者)|(?<=病人)|(?<=患儿))(?P<value>[{_HAN}]{{2,4}})"
    "[,;、 ]{1,3}[男女]性?[,;、 ]{0,3}(?=[0-9])"
)
_MASKED = "某{1,2}|[Xx×*]{1,2}"
# Words in capitals after 患者 are tests and drugs more often than names.
_ABBREVIATION = re.compile("[A-Z0-9]{2,5}")


class Words(NamedTuple):
    """The lists of names.toml, split."""

    surnames: frozenset[str]
    doubtful: frozenset[str]  # surnames that are common words as well
    compound: frozenset[str]
    pinyin: frozenset[str]
    titles: tuple[str, ...]
    roles: tuple[str, ...]
    after: frozenset[str]
    callers: tuple[str, ...]  # 老师: a name may follow without a mark
    nicknamed: str  # surnames that 老 and 小 make a nickname of, and no other word
    not_before_titles: frozenset[str]
    name_parts: tuple[str, ...]  # of names of minorities without a dot: 古力, 卓玛
    name_links: frozenset[str]


@cache
def words() -> Words:
    """The lists of names.toml; those that become patterns with the longer words first."""
    lists = tomllib.loads(TABLE.read_text(encoding="utf-8"))

    def longest_first(name: str) -> tuple[str, ...]:
        return tuple(sorted(set(lists[name].split()), key=lambda word: (-len(word), word)))

    parts = sorted(set(lists["name_parts"].split()), key=lambda part: (-len(part), part))
    return Words(
        frozenset(lists["surnames"]) - {"\n"},
        frozenset(lists["common_words"]) - {"\n"},
        frozenset(lists["compound"].split()),
        frozenset(lists["pinyin"].split()),
        longest_first("titles"),
        longest_first("roles"),
        frozenset(lists["after"].split()),
        longest_first("callers"),
        "".join(lists["nicknamed"].split()),
        frozenset(lists["not_before_titles"].split()),
        tuple(parts),
        frozenset(lists["name_links"]),
    )


def syllables(pinyin: str) -> list[str]:
    """xiaoming as xiao and ming; nothing where a text in small letters is no row of one to three syllables."""
    match = _THREE_SYLLABLES.fullmatch(pinyin)
    return [part for part in match.groups() if part] if match else []


def is_full_name(word: str) -> bool:
    """Whether a word in small letters can be a name in pinyin, surname first or last: wangxiaoming, xiaomingwang."""
    return any(
        word[:at] in words().pinyin and 0 < len(syllables(word[at:])) <= 2
        for at in range(2, min(len(word), 9))
    ) or any(
        word[-at:] in words().pinyin and len(syllables(word[:-at])) == 2 for at in range(2, min(len(word), 9))
    )


def surname_at(plain: str, start: int) -> int:
    """How many characters at a place are a surname: 2 for a compound one, 1, or 0."""
    if plain[start : start + 2] in words().compound:
        return 2
    return int(plain[start : start + 1] in words().surnames)


def name_end(plain: str, start: int, marked: bool = False) -> int:
    """Where a name that begins with a surname at `start` ends; `start` if there is none.

    At most two characters of a given name, fewer where a word begins that follows names (入院, 主任). Where a
    name is `marked` (签字：), all that stands before the next mark is the name, if it is no longer than that.
    """
    surname = surname_at(plain, start)
    if not surname:
        return start
    run = _ALL_HAN.match(plain, start, start + surname + 3)
    if marked and run and surname < run.end() - start <= surname + 2:
        return run.end()
    masked = re.compile(_MASKED).match(plain, start + surname)
    if masked:
        return masked.end()
    end = start + surname
    for _ in range(2):
        if not _HAN_CHARACTER.match(plain, end) or _begins_other_words(plain, end, end == start + surname):
            break
        end += 1
    if end == start + surname and surname == 2:
        # 东方 and 百里 are words too; a compound surname alone is none, its first character may be one.
        return start
    return end if end > start + surname else start


def find_names(plain: str) -> Iterator[Found]:
    """Names in a text in normal form. Spans may overlap."""
    yield from _dotted(plain)
    for match in _BEFORE_SEX.finditer(plain):
        start = match.start("value")
        if surname_at(plain, start):
            yield Found(NAME, *match.span("value"))
    for match in _after_roles().finditer(plain):
        start = match.end()
        if (end := name_end(plain, start, marked=True)) > start:
            yield Found(NAME, start, end)
    for match in _ANYBODY.finditer(plain):
        start = match.end()
        end = name_end(plain, start, marked=True)
        if end > start and not _HAN_CHARACTER.match(plain, end):
            yield Found(NAME, start, end)
    yield from _without_dots(plain)
    yield from _with_initials(plain)
    for match in _spaced().finditer(plain):
        yield Found(NAME, *match.span("value"))
    for match in _titles().finditer(plain):
        if (start := _name_before(plain, match.start())) < match.start():
            yield Found(NAME, start, match.start())
    yield from _nicknames(plain)
    yield from _after_callers(plain)
    for match in _LATIN_AFTER_WORD.finditer(plain):
        if not _ABBREVIATION.fullmatch(match["value"]):
            yield Found(NAME, *match.span("value"))
    for match in _TWO_WORDS.finditer(plain):
        if _is_pinyin(match["first"], match["second"]) or _is_pinyin(match["second"], match["first"]):
            yield Found(NAME, *match.span("value"))


def _with_initials(plain: str) -> Iterator[Found]:
    for match in _INITIALS_FIRST.finditer(plain):
        if match["surname"].lower() in words().pinyin:
            yield Found(NAME, *match.span("value"))
    for match in _INITIALS_LAST.finditer(plain):
        surname, initials = match["surname"], match["initials"]
        alone = "." not in initials
        if surname.lower() not in words().pinyin or (alone and initials in _TWO_CAPITALS):
            continue
        if not alone or len(surname) >= _SHORTEST_IN_CAPITALS:
            yield Found(NAME, *match.span("value"))


def _without_dots(plain: str) -> Iterator[Found]:
    """病人古力娜扎, 才旦卓玛，女: names of minorities written in one, by their parts.

    After a role one part is enough, elsewhere there must be two.
    """
    for match in _parts().finditer(plain):
        parts = len(_part().findall(match["value"]))
        after_role = bool(match["role"])
        start, end = match.span("value")
        dotted = plain[end : end + 1] == "·" or plain[max(0, start - 1) : start] == "·"
        if not dotted and end - start >= 2 and (parts >= 2 or (after_role and ends_like_a_name(plain, end))):
            yield Found(NAME, start, end)


@cache
def _part() -> re.Pattern[str]:
    return re.compile("|".join(words().name_parts))


@cache
def _parts() -> re.Pattern[str]:
    roles = "|".join(re.escape(role) for role in words().roles if len(role) > 1)
    link = f"[{''.join(sorted(words().name_links))}]"
    part = "|".join(words().name_parts)
    return re.compile(
        f"(?:(?P<role>{roles})(?:为|是|叫)?[: ]{{0,3}})?"
        f"(?P<value>{link}{{0,2}}(?:{part})(?:{link}{{0,1}}(?:{part})){{0,4}}{link}{{0,2}})"
    )


def _nicknames(plain: str) -> Iterator[Found]:
    """老张 and 小李 after a mark, a role or a word like 嘱, and before a mark or a word that follows names."""
    for match in _nickname().finditer(plain):
        if ends_like_a_name(plain, match.end()):
            yield Found(NAME, *match.span("value"))


@cache
def _nickname() -> re.Pattern[str]:
    roles = "|".join(f"(?<={re.escape(role)})" for role in words().roles if len(role) > 1)
    return re.compile(
        f"(?:(?<![{_HAN}])|(?<=[由与请和给向随同为叫找让嘱对将把])|{roles})(?P<value>[老小][{words().nicknamed}])"
    )


def _after_callers(plain: str) -> Iterator[Found]:
    """经理张伟, 老师王芳说: no mark between the title and the whole name, and nothing after it that goes on."""
    for match in _callers().finditer(plain):
        start = match.end()
        if plain[start : start + 1] in words().doubtful or plain.startswith("老师傅", match.start()):
            continue
        end = name_end(plain, start)
        if end - start >= 2 and ends_like_a_name(plain, end):
            yield Found(NAME, start, end)


@cache
def _callers() -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(words().callers) + ")")


def ends_like_a_name(plain: str, end: int) -> bool:
    return not _HAN_CHARACTER.match(plain, end) or any(
        plain[end : end + length] in words().after or plain[end : end + length] in words().titles
        for length in (1, 2, 3)
    )


def _dotted(plain: str) -> Iterator[Found]:
    for match in _DOTTED.finditer(plain):
        start, end = match.span("value")
        # Before the first dot a role may be written without a break: 患者阿依古丽·买买提.
        head = plain[start : plain.index("·", start)]
        for role in words().roles:
            if len(role) > 1 and head.startswith(role) and len(head) > len(role):
                start += len(role)
                break
        last = plain.rindex("·", start, end) + 1
        yield Found(NAME, start, _end_of_last_part(plain, last, end))


def _end_of_last_part(plain: str, start: int, end: int) -> int:
    """买买提 of 买买提入院: the last part goes on until a word that follows names."""
    for at in range(start + 2, end):
        if plain[at : at + 2] in words().after or (at - start >= 3 and plain[at] in words().after):
            return at
    return end


@cache
def _after_roles() -> re.Pattern[str]:
    """Roles with a mark or a space after them; the name begins where the match ends."""
    roles = "|".join(map(re.escape, words().roles))
    return re.compile(
        rf"(?:{roles})(?:(?:为|是|叫|名叫|系)[: ]{{0,2}}|[ ]?[(（][^()（）\n]{{0,8}}[)）][: ]{{0,2}}"
        rf"|[:：/|、 \t_]{{1,4}}|签[名字章][: ]{{0,3}})"
    )


@cache
def _spaced() -> re.Pattern[str]:
    """病人李 明: a surname set apart from the given name, as forms print it."""
    roles = "|".join(re.escape(role) for role in words().roles if len(role) > 1)
    surnames = "".join(sorted(words().surnames))
    return re.compile(
        f"(?:{roles})[: ]{{0,4}}(?P<value>[{surnames}] {{1,3}}[{_HAN}](?: {{0,3}}[{_HAN}])?)(?![{_HAN}])"
    )


@cache
def _titles() -> re.Pattern[str]:
    titles = "|".join(title for title in words().titles if len(title) > 1)
    return re.compile(f"(?:{titles})")


def _name_before(plain: str, end: int) -> int:
    """Where a name that ends before a title begins: 孙国强主任, 欧阳医生, 钱教授; `end` if there is none."""
    for length in (4, 3, 2):
        start = end - length
        if start < 0 or not _ALL_HAN.fullmatch(plain, start, end):
            continue
        surname = surname_at(plain, start)
        doubtful = (
            plain[start] in words().doubtful and _HAN_CHARACTER.match(plain, start - 1) if start else False
        )
        if (
            surname
            and length - surname in (1, 2)
            and not (surname == 1 and doubtful)
            and plain[end - 2 : end] not in words().not_before_titles
        ):
            return start
        if surname == length == 2:
            return start
    alone = end - 1
    if (
        alone >= 0
        and plain[alone] in words().surnames
        and plain[max(0, alone - 1) : end] not in words().not_before_titles
    ):
        return alone
    return end


def _begins_other_words(plain: str, at: int, first: bool) -> bool:
    """Whether at this place a word begins that follows names; one character is no sign right after a surname."""
    if plain[at : at + 2] in words().after or plain[at : at + 3] in words().after:
        return True
    if plain[at] not in words().after:
        return False
    ends = not _HAN_CHARACTER.match(plain, at + 1)
    return not ends if first else not (ends and plain[at] not in "岁的等")


def _is_pinyin(surname: str, given: str) -> bool:
    return surname.lower() in words().pinyin and bool(_GIVEN.fullmatch(given))
