"""Exact matching of what the structured record already knows about the people in a text.

A hospital's notes name the patient, relatives and clinicians, and all of them stand in Patient,
RelatedPerson and Practitioner. So their names, numbers and addresses are looked for as they are, in every
spelling: full width, spaces between the characters, unseen characters, another case, Latin names in either
order, a surname with a title, an address in parts. This finds what no rule can (a patient called 何首乌),
and it is quick: one automaton (Aho-Corasick) reads a note once, however many names there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from deidentify.free_text.detector import Span, TextContext
from deidentify.free_text.lexicon import is_clinical_word, is_in_clinical_word
from deidentify.free_text.people import ROSTER_KEYLESS, ROSTER_UNFIT, Person, people_of, read_person
from deidentify.free_text.spelling import HAN, folded, is_quick, kept_places, squashed
from deidentify.identifiers_cn import HOSPITAL_NUMBER, MOBILE, RESIDENT_ID, NormalText
from deidentify.identifiers_cn.found import ADDRESS, EMAIL, LANDLINE, NAME
from deidentify.identifiers_cn.names import surname_at, syllables, words
from deidentify.identifiers_cn.phones import is_mobile
from deidentify.identifiers_cn.regions import place_names, short_name
from deidentify.identifiers_cn.resident_id import is_resident_id
from rwd_platform.core.errors import Problem

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

__all__ = ["ROSTER_EMPTY", "ROSTER_KEYLESS", "ROSTER_UNFIT", "SEEDS", "Person", "Roster", "SeededMatching"]

SEEDS = "seeds"
VERSION = "3"
_SHORTEST_NUMBER = 4
_EMBEDDED_NUMBER = 8  # a number this long is found inside a longer one too
_SHORTEST_BARE = 5  # digits of a record number that may stand without its prefix
_TAIL = 4  # digits that people call a number by
_SHORTEST_WITH_TAIL = 7
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHORTEST_LATIN = 4  # `Li` alone is a unit, an element and half of English
_ADDRESS_PARTS = re.compile(
    "[,，;；、()（）\\s]+|(?<=省)|(?<=自治区)|(?<=市)|(?<=自治州)|(?<=区)|(?<=县)|(?<=旗)|(?<=镇)|(?<=乡)|(?<=街道)|(?<=村)"
)
_TAIL_SAID = re.compile(
    "(?:[尾末]号|尾数|[后末最][后末]?[四4]位(?:数字?|号码?)?)[^0-9A-Za-z\n。；]{0,4}(?P<tail>[0-9]{3}[0-9Xx])(?![0-9])"
)
_DOSE = re.compile(" ?[0-9０-９.]{1,6} ?(?:g|mg|克|毫克|钱|两)(?![A-Za-z])", re.IGNORECASE)

ROSTER_EMPTY = Problem(
    code="text.roster_empty",
    zh="名册里没有任何可用于匹配的姓名、号码或地址。",
    en="The roster holds no name, number or address that could be matched.",
    next_zh="请提供患者、亲属和医务人员的结构化记录，"
    '形如 `{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`；没有名册的文本不得清洗。',
    next_en="Give the structured record of the patient, relatives and clinicians, such as "
    '`{{"people": [{{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}}]}}`: '
    "no text is cleaned without it.",
)


class _Seed(NamedTuple):
    """`initials`: how many letters at the end (below 0: at the beginning) must be capitals; `lump` is no Lu M. P."""

    kind: str
    subject: str
    covers: int  # how many characters of the pattern are the identifier; the rest is a title
    bounded: bool  # whether a letter or digit right beside it makes it something else
    initials: int = 0


@dataclass(frozen=True)
class Roster:
    """People whose names, numbers and addresses are looked for. Build it once and read many notes with it."""

    people: tuple[Person, ...] = field(repr=False)

    @staticmethod
    def from_fhir(resources: Iterable[Mapping[str, Any]]) -> Roster:
        """The people of Patient, RelatedPerson, Practitioner and Person resources, and a patient's contacts."""
        return Roster(tuple(people_of(resources)))

    @staticmethod
    def from_dict(content: Any) -> Roster:
        """`{"people": [{"names": [...], "numbers": [...], "addresses": [...]}]}`, a Bundle, or FHIR resources.

        A person written otherwise: text.roster_unfit; no `people`: text.roster_keyless; nobody: text.roster_empty.
        """
        match content:
            case {"people": list(people)}:
                roster = Roster(tuple(read_person(number, one) for number, one in enumerate(people, start=1)))
            case {"resourceType": "Bundle", "entry": list(entries)}:
                roster = Roster.from_fhir(
                    entry["resource"]
                    for entry in entries
                    if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
                )
            case {"resourceType": str()}:
                roster = Roster.from_fhir([content])
            case [*resources] if all(isinstance(one, dict) for one in resources):
                roster = Roster.from_fhir(resources)
            case _:
                raise ROSTER_KEYLESS.error()
        if not roster._seeds:
            raise ROSTER_EMPTY.error()
        return roster

    def find(self, text: str) -> list[Span]:
        """Every place of a text where somebody of the roster is named, by position."""
        return next(self.find_many((text,)))

    def find_many(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """`find` for each text, in their order; 28,000 names are no slower than one."""
        whole, bounded = self._automata
        tails = self._tails
        nothing: list[tuple[int, int, int]] = []
        search = whole.find_matches_as_indexes if whole else lambda _squashed: nothing
        for text in texts:
            letters = squashed(text)
            matches = search(letters)
            if bounded:  # told from the others by numbers below 0
                inside = bounded.find_matches_as_indexes(letters, overlapping=True)
                matches = [*matches, *((-1 - number, start, end) for number, start, end in inside)]
            spans = self._spans(text, matches) if matches else []
            if tails and ("位" in text or "尾" in text or "末" in text):
                spans = _largest([*spans, *self._tail_spans(text)])
            yield spans

    def holds(self, text: str) -> bool:
        """Whether a text, squashed, is one of the values looked for."""
        return squashed(text) in self._seeds

    @cached_property
    def unsought(self) -> Mapping[str, int]:
        """How many values are too short to be looked for (Kim, 王, A12), by what they are; nothing where none is."""
        counts: Counter[str] = Counter()
        for person in self.people:
            for name in person.names:
                counts["names"] += next(_seeds_of_name(name, ""), None) is None
            for number in person.numbers:
                counts["numbers"] += next(_seeds_of_number(number, ""), None) is None
            for address in person.addresses:
                counts["addresses"] += next(_seeds_of_address(address, ""), None) is None
        return {what: count for what, count in counts.items() if count}

    @cached_property
    def _tails(self) -> dict[str, tuple[str, str]]:
        """The last four digits of every number -> its kind and whose it is."""
        tails: dict[str, tuple[str, str]] = {}
        for person in self.people:
            for number in person.numbers:
                digits = squashed(number)
                if len(digits) >= _SHORTEST_WITH_TAIL and re.fullmatch("[0-9]{3}[0-9x]", digits[-_TAIL:]):
                    kind = _kind_of_number(number, digits)
                    known = tails.setdefault(digits[-_TAIL:], (kind, person.subject))
                    if known[1] != person.subject:
                        tails[digits[-_TAIL:]] = (known[0], "")
        return tails

    def _tail_spans(self, text: str) -> Iterator[Span]:
        normal = NormalText(text)
        for match in _TAIL_SAID.finditer(normal.plain):
            known = self._tails.get(match["tail"].lower())
            if known:
                yield Span(known[0], *normal.place(*match.span("tail")), SEEDS, known[1])

    @cached_property
    def _seeds(self) -> dict[str, _Seed]:
        seeds: dict[str, _Seed] = {}
        surnames: dict[str, str] = {}
        for person in self.people:
            for pattern, seed in _seeds_of(person):
                # What two people share belongs to neither.
                known = seeds.setdefault(pattern, seed)
                if known.subject != seed.subject:
                    seeds[pattern] = known._replace(subject="")
            for surname in filter(None, map(_surname, person.names)):
                if surnames.setdefault(surname, person.subject) != person.subject:
                    surnames[surname] = ""  # 王主任, with two doctors Wang
        for surname, subject in surnames.items():
            for title in words().titles:
                if len(title) > 1:
                    seeds.setdefault(surname + title, _Seed(NAME, subject, len(surname), False))
        return seeds

    @cached_property
    def _patterns(self) -> tuple[list[str], list[str]]:
        whole = [pattern for pattern, seed in self._seeds.items() if not seed.bounded]
        bounded = [pattern for pattern, seed in self._seeds.items() if seed.bounded]
        return whole, bounded

    @cached_property
    def _automata(self) -> tuple[AhoCorasick | None, AhoCorasick | None]:
        from ahocorasick_rs import AhoCorasick, MatchKind

        whole, bounded = self._patterns
        return (
            AhoCorasick(whole, matchkind=MatchKind.LeftmostLongest) if whole else None,
            AhoCorasick(bounded, matchkind=MatchKind.Standard) if bounded else None,
        )

    def _spans(self, text: str, matches: Sequence[tuple[int, int, int]]) -> list[Span]:
        whole, bounded = self._patterns
        normal = None if is_quick(text) else NormalText(text)
        plain = normal.plain if normal else text
        letters = folded(plain) if normal else plain  # ordinary notes have no letters with marks
        places = kept_places(letters)
        spans = []
        for number, start, end in matches:
            seed = self._seeds[whole[number] if number >= 0 else bounded[-1 - number]]
            first, last = places[start], places[start + seed.covers - 1]
            if seed.initials and not _are_capitals(letters, places[start:end], seed.initials):
                continue
            if not (seed.bounded and _is_inside(letters, first, places[end - 1])):
                place = normal.place(first, last + 1) if normal else (first, last + 1)
                spans.append(Span(seed.kind, *place, SEEDS, seed.subject))
        return _largest(spans) if len(spans) > 1 else spans


class SeededMatching:
    """The detector that reads the context's roster."""

    name = SEEDS
    version = VERSION

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        spans = context.roster.find(text) if context.roster else []
        return [span for span in spans if not _is_dose(text, span)]


def _is_dose(text: str, span: Span) -> bool:
    """何首乌12g is the herb, also in the notes of a patient of that name."""
    return (
        span.kind == NAME
        and is_clinical_word(text[span.start : span.end])
        and bool(_DOSE.match(text, span.end))
    )


def _largest(spans: list[Span]) -> list[Span]:
    """Without the spans that lie inside another one: the tail of an id in the id, a first name in the name."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if not kept or span.end > kept[-1].end:
            kept.append(span)
    return kept


def _are_capitals(letters: str, places: Sequence[int], initials: int) -> bool:
    wanted = places[-initials:] if initials > 0 else places[:-initials]
    return all(letters[place].isupper() for place in wanted)


def _is_inside(plain: str, first: int, last: int) -> bool:
    """Whether a letter or digit of the same sort stands right before or right after."""
    before, after = plain[first - 1 : first], plain[last + 1 : last + 2]
    return any(
        edge.isascii() and ((one.isdigit() and edge.isdigit()) or (one.isalpha() and edge.isalpha()))
        for one, edge in ((plain[first], before), (plain[last], after))
        if edge
    )


# -- what is looked for, of one person ---------------------------------------------------------------


def _seeds_of(person: Person) -> Iterator[tuple[str, _Seed]]:
    for name in person.names:
        yield from _seeds_of_name(name, person.subject)
    for number in person.numbers:
        yield from _seeds_of_number(number, person.subject)
    for address in person.addresses:
        yield from _seeds_of_address(address, person.subject)


def _seeds_of_name(written: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    name = NormalText(written).plain.strip()
    letters = squashed(name)
    if not HAN.search(letters):
        yield from _seeds_of_latin_name(name, subject)
        return
    if len(letters) < 2:
        return
    yield letters, _Seed(NAME, subject, len(letters), False)
    if "·" in name:
        for part in name.split("·"):
            if len(part) >= 3:
                yield part, _Seed(NAME, subject, len(part), False)
        return
    given = letters[len(_surname(name)) :]
    if len(given) == 2 and not _is_common(given):
        yield given, _Seed(NAME, subject, 2, False)


def _surname(name: str) -> str:
    """The surname of a Chinese name; nothing for a dotted or a Latin one."""
    letters = squashed(name)
    if "·" in NormalText(name).plain or not HAN.match(letters) or len(letters) < 2:
        return ""
    return letters[: surname_at(letters, 0) or 1]


def _seeds_of_latin_name(name: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    parts = [part for part in re.split(r"[\s,.]+", name) if part]
    if not parts:
        return
    orders = [parts, parts[::-1], [*parts[1:], *parts[:1]], [*parts[-1:], *parts[:-1]]]
    for order in orders:
        for comma in ("", ",", "，") if len(parts) > 1 else ("",):  # Zhang, Wei
            letters = squashed(order[0]) + comma + squashed("".join(order[1:]))
            if len(letters) >= _SHORTEST_LATIN:
                yield letters, _Seed(NAME, subject, len(letters), True)
    yield from _seeds_of_initials(parts, subject)
    for part in parts:
        letters = squashed(part)
        if len(parts) > 1 and len(letters) > _SHORTEST_LATIN:
            yield letters, _Seed(NAME, subject, len(letters), True)


def _seeds_of_initials(parts: Sequence[str], subject: str) -> Iterator[tuple[str, _Seed]]:
    """WANG XM and X.M. Wang, of Wang Xiaoming and of Xiaoming Wang; J. Smith of John Smith."""
    for surname, given in ((parts[0], parts[1:]), (parts[-1], parts[:-1])):
        family, names = squashed(surname), [name for name in map(squashed, given) if name]
        spelled = [syllable for name in names for syllable in syllables(name) or [name]]
        for initials in {"".join(name[0] for name in letters) for letters in (names, spelled)}:
            if initials and family and len(family) + len(initials) >= _SHORTEST_LATIN:
                for surname_first in (family + initials, f"{family},{initials}"):
                    yield surname_first, _Seed(NAME, subject, len(surname_first), True, len(initials))
                yield initials + family, _Seed(NAME, subject, len(initials + family), True, -len(initials))


def _seeds_of_number(number: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    letters = squashed(number)
    kind = _kind_of_number(number, letters)
    if kind in (MOBILE, LANDLINE):
        letters = re.sub(r"^\+86|^0086", "", letters)
    if len(letters) < _SHORTEST_NUMBER or not any(one.isdigit() or one == "@" for one in letters):
        return
    yield letters, _Seed(kind, subject, len(letters), len(letters) < _EMBEDDED_NUMBER)
    if kind == HOSPITAL_NUMBER:  # ZY20240318025 is written 20240318025 too, and 00123456 is 123456
        for bare in dict.fromkeys((letters.lstrip(_LETTERS), letters.lstrip(_LETTERS).lstrip("0"))):
            if bare != letters and len(bare) >= _SHORTEST_BARE and bare.isdigit():
                yield bare, _Seed(kind, subject, len(bare), True)
    if kind == RESIDENT_ID:  # the birth date and tail are often written apart from the region
        yield letters[6:], _Seed(kind, subject, len(letters) - 6, True)


def _kind_of_number(number: str, squashed: str) -> str:
    if "@" in squashed:
        return EMAIL
    if is_resident_id(squashed):
        return RESIDENT_ID
    if is_mobile(number):
        return MOBILE
    return LANDLINE if re.fullmatch(r"\(?0[0-9]{2,3}\)?[2-9][0-9]{6,7}", squashed) else HOSPITAL_NUMBER


def _seeds_of_address(address: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    names = place_names()
    address = NormalText(address).plain
    parts = [part for part in _ADDRESS_PARTS.split(address) if part]
    for place in range(len(parts)):
        for pattern in {squashed(parts[place]), squashed("".join(parts[place:]))}:
            province = pattern in names["province"] or short_name(pattern) in names["province"]
            if len(pattern) >= 3 and not province:
                yield pattern, _Seed(ADDRESS, subject, len(pattern), pattern.isascii())


def _is_common(given: str) -> bool:
    """健康, 建国: a given name that is a word is looked for with its surname only."""
    return is_in_clinical_word(given) or given in words().after
