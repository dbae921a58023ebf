"""Segmentation: what a dictionary and a hidden Markov model take for a name, less the clinical words.

rjieba's tags (nr a person, ns a place) are a guess, good for recall. A name is believed where its first
character is a surname and the whole is no clinical word; a surname alone before one or two characters
that make no word of the dictionary is believed too (王 秀英, 欧阳 慧敏). A herb is a herb here: when the roster
or a role says that it is the person, exact matching and the rules say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import metadata
from typing import NamedTuple

from deidentify.free_text.detector import Span, TextContext
from deidentify.free_text.lexicon import clinical_word_end, is_clinical_word
from deidentify.identifiers_cn import Found, NormalText
from deidentify.identifiers_cn.found import ADDRESS, NAME
from deidentify.identifiers_cn.names import name_end, surname_at, words
from deidentify.identifiers_cn.regions import place_names

SEGMENTS = "segments"
VERSION = "1"
_HAN_WORD = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]+")
_LONGEST_LINE = 2_000  # the model's time grows with the length of a piece; lines are read one by one
_NAME_TAGS = frozenset({"nr", "nrt", "nrfg"})
# A name that the dictionary has as a place's or a thing's (魏国, 建国); believed after a role only.
_PROPER = frozenset({"ns", "nt", "nz", "nrt", "x"})
# A name may follow these without a mark between: 由冯医生, 与郭明依, 嘱王芳.
_BEFORE_NAMES = frozenset("由与请和给向经遵随同及是为叫找被让嘱对将把")
_MEASURES = re.compile("[0-9.]+ ?(?:mg|g|ml|片|粒|支|mm|cm|克|毫升|[%‰])", re.IGNORECASE)


class _Token(NamedTuple):
    word: str
    tag: str
    start: int
    end: int


class Segments:
    """Names and places by segmentation and part of speech."""

    name = SEGMENTS

    @property
    def version(self) -> str:
        """Ours and the segmenter's: its dictionary decides what is found."""
        return f"{VERSION} (rjieba {metadata.version('rjieba')})"

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        normal = NormalText(text)
        spans = {
            Span(found.kind, *normal.place(found.start, found.end), SEGMENTS)
            for tokens in _lines(normal.plain)
            for found in (*_names(normal.plain, tokens), *_places(normal.plain, tokens))
        }
        return sorted(spans, key=lambda span: (span.start, span.end))


def _lines(plain: str) -> Iterator[list[_Token]]:
    import rjieba

    for line in re.finditer(rf"[^\n。；]{{1,{_LONGEST_LINE}}}", plain):
        tokens, at = [], line.start()
        for word, tag in rjieba.tag(line[0]):
            tokens.append(_Token(word, tag, at, at + len(word)))
            at += len(word)
        yield tokens


def _names(plain: str, tokens: list[_Token]) -> Iterator[Found]:
    roles = _role_ends(plain, tokens[0].start, tokens[-1].end) if tokens else set()
    starts = {token.start for token in tokens}
    for place, token in enumerate(tokens):
        if surname_at(plain, token.start) and _HAN_WORD.match(token.word):
            end = _name_at(plain, tokens, place, token.start in roles)
            if end and not _is_clinical(plain, token.start, end):
                yield Found(NAME, token.start, end)
    for start in roles - starts:  # 之女王伟凤 may be cut as 之 女王 伟凤
        end = name_end(plain, start)
        likely = end > start and not _is_doubtful(plain, start) and _ends_freely(plain, end)
        if likely and not _is_clinical(plain, start, end):
            yield Found(NAME, start, end)


def _name_at(plain: str, tokens: list[_Token], place: int, after_role: bool) -> int:
    """Where the name that begins with this token ends; 0 if none is believed to begin here."""
    import rjieba

    token = tokens[place]
    surname = surname_at(plain, token.start)
    longest = name_end(plain, token.start)
    known = rjieba.has_word(token.word)
    doubtful = _is_doubtful(plain, token.start)
    is_free = after_role or _begins_freely(plain, token.start)
    if plain.startswith(words().titles, token.start + surname):
        return 0  # 王女士: the rules cover the surname and leave the title
    if len(token.word) > surname:
        # 康复, 过敏, 高峰: a word of the dictionary whose first character happens to be a surname as well.
        believed = (token.tag in _NAME_TAGS and (after_role or not (known and doubtful))) or (
            not doubtful
            and is_free
            and _ends_freely(plain, longest)
            and (not known or (after_role and token.tag in _PROPER))
        )
        return _longer(plain, tokens, place, longest) if believed else 0
    if len(token.word) < surname or place + 1 == len(tokens) or longest == token.start:
        return 0
    given = tokens[place + 1]
    if given.tag in _NAME_TAGS and len(given.word) <= 2 and given.word not in words().after:
        return max(given.end, longest)
    if doubtful or not is_free or not _ends_freely(plain, longest) or _MEASURES.match(plain, longest):
        return 0
    return longest


def _longer(plain: str, tokens: list[_Token], place: int, longest: int) -> int:
    """The token's end, or that of the name by its characters: 韩家 嫣 is one name, 黄英代诉 holds one."""
    token = tokens[place]
    surname = surname_at(plain, token.start)
    if len(token.word) > surname + 2:
        return longest if longest > token.start else token.start + surname + 2
    if longest > token.end and place + 1 < len(tokens):
        further = tokens[place + 1]
        if further.end >= longest and _ends_freely(plain, longest):
            return longest
    return token.end


def _role_ends(plain: str, start: int, end: int) -> set[int]:
    """Where a role ends that a name may follow without a mark: 患者, 女儿, 责任护士, 与."""
    return {match.end() for match in _roles().finditer(plain, start, end)}


@cache
def _roles() -> re.Pattern[str]:
    roles = sorted(
        {role for role in words().roles if len(role) > 1} | {"之女", "之子", "其女", "其子", "介绍人", "联系"}
    )
    return re.compile("(?:" + "|".join(sorted(roles, key=len, reverse=True)) + ")")


def _is_doubtful(plain: str, start: int) -> bool:
    return surname_at(plain, start) == 1 and plain[start] in words().doubtful


def _begins_freely(plain: str, start: int) -> bool:
    before = plain[start - 1 : start]
    return not before or not _HAN_WORD.fullmatch(before) or before in _BEFORE_NAMES


def _ends_freely(plain: str, end: int) -> bool:
    """Before a mark, or before a word that follows names: where a name and not a phrase is likely."""
    after = plain[end : end + 1]
    return (
        not after
        or not _HAN_WORD.fullmatch(after)
        or after in words().after
        or plain[end : end + 2] in words().after
        or plain.startswith(words().titles, end)
    )


def _is_clinical(plain: str, start: int, end: int) -> bool:
    """何首乌, 周一次, 叶结节: a word of the lexicon begins here, or just after the surname and 上, 下, 每 before it."""
    return (
        clinical_word_end(plain, start) > start
        or (start > 0 and clinical_word_end(plain, start - 1) > start)
        or (start > 1 and clinical_word_end(plain, start - 2) > start)
        or is_clinical_word(plain[start:end])
        or bool(_MEASURES.match(plain, end))
    )


def _places(plain: str, tokens: list[_Token]) -> Iterator[Found]:
    names = place_names()
    for token in tokens:
        if (
            token.tag == "ns"
            and len(token.word) > 2
            and (token.word in names["city"] or token.word in names["county"])
        ):
            yield Found(ADDRESS, token.start, token.end)
