"""Exact matching of what the structured record already knows about the people in a text.

A hospital's notes name the patient, relatives and clinicians, and all of them stand in Patient,
RelatedPerson and Practitioner. So their names, numbers and addresses are looked for as they are, in every
spelling: full width, spaces between the characters, unseen characters, another case, Latin names in either
order, a surname with a title, an address in parts. This finds what no rule can (a patient called 何首乌),
and it is quick: one automaton (Aho-Corasick) reads a note once, however many names there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from deidentify.free_text.detector import Span, TextContext
from deidentify.free_text.lexicon import is_clinical_word, is_in_clinical_word
from deidentify.identifiers_cn import HOSPITAL_NUMBER, MOBILE, RESIDENT_ID, NormalText
from deidentify.identifiers_cn.found import ADDRESS, EMAIL, LANDLINE, NAME
from deidentify.identifiers_cn.names import surname_at, words
from deidentify.identifiers_cn.phones import is_mobile
from deidentify.identifiers_cn.regions import place_names, short_name
from deidentify.identifiers_cn.resident_id import is_resident_id
from rwd_platform.core.errors import Problem

if TYPE_CHECKING:
    from ahocorasick_rs import AhoCorasick

SEEDS = "seeds"
VERSION = "1"
_SHORTEST_NUMBER = 4
_EMBEDDED_NUMBER = 8  # a number this long is found inside a longer one too
_SHORTEST_LATIN = 4  # `Li` alone is a unit, an element and half of English
# What people put between the characters of a name or number. A comma is none: 主张，伟大 is not 张伟.
_BETWEEN = " \t\r\n\u3000\\-·._'’()（）—…－．＇＿"
_DROPPED = re.compile(f"[{_BETWEEN}]+")
_KEPT = re.compile(f"[^{_BETWEEN}]")
# Ordinary notes, whose characters are searched as they are; all others are brought to their normal form first.
_QUICK = re.compile("[ -~\n\u3000\u4e00-\u9fff，。、；：？！“”‘’（）《》【】％＋－～．—…·℃°±×÷≥≤μ→↑↓]*")
_SPELLED = re.compile("[〇零一二三四五六七八九幺]{7}")
_HAN = re.compile("[\u3400-\u9fff\U00020000-\U0003ffff]")
_ADDRESS_PARTS = re.compile(
    "[,，;；、()（）\\s]+|(?<=省)|(?<=自治区)|(?<=市)|(?<=自治州)|(?<=区)|(?<=县)|(?<=旗)|(?<=镇)|(?<=乡)|(?<=街道)|(?<=村)"
)
_DOSE = re.compile(" ?[0-9０-９.]{1,6} ?(?:g|mg|克|毫克|钱|两)(?![A-Za-z])", re.IGNORECASE)
_FAMILIES = ("Patient", "RelatedPerson", "Practitioner", "Person")

ROSTER_UNFIT = Problem(
    code="text.roster_unfit",
    zh="名册中第 {number} 个人的写法不对。",
    en="Person {number} of the roster is not written as it should be.",
    next_zh='每个人写作 {{"names": [...], "numbers": [...], "addresses": [...]}}，各项均为文本列表；'
    "也可直接给出 FHIR 资源或 Bundle。",
    next_en='Write each as {{"names": [...], "numbers": [...], "addresses": [...]}}, every one a list of texts; '
    "FHIR resources or a Bundle will do as well.",
)
ROSTER_EMPTY = Problem(
    code="text.roster_empty",
    zh="名册里没有任何可用于匹配的姓名、号码或地址。",
    en="The roster holds no name, number or address that could be matched.",
    next_zh="请提供患者、亲属和医务人员的结构化记录；没有名册的文本不得清洗。",
    next_en="Give the structured record of the patient, relatives and clinicians: no text is cleaned without it.",
)


class Person(NamedTuple):
    """Somebody of the structured record. `subject` tells people apart and shows nowhere."""

    subject: str
    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()  # phones, ids, record numbers, e-mail addresses
    addresses: tuple[str, ...] = ()


class _Seed(NamedTuple):
    kind: str
    subject: str
    covers: int  # how many characters of the pattern are the identifier; the rest is a title
    bounded: bool  # whether a letter or digit right beside it makes it something else


@dataclass(frozen=True)
class Roster:
    """People whose names, numbers and addresses are looked for. Build it once and read many notes with it."""

    people: tuple[Person, ...] = field(repr=False)

    @staticmethod
    def from_fhir(resources: Iterable[Mapping[str, Any]]) -> Roster:
        """The people of Patient, RelatedPerson, Practitioner and Person resources, and a patient's contacts."""
        people = []
        for number, resource in enumerate(resources):
            if resource.get("resourceType") not in _FAMILIES:
                continue
            for place, part in enumerate((resource, *_list(resource.get("contact")))):
                if isinstance(part, Mapping):
                    people.append(_person(f"{number}.{place}", part))
        return Roster(tuple(people))

    @staticmethod
    def from_dict(content: Any) -> Roster:
        """`{"people": [{"names": [...], "numbers": [...], "addresses": [...]}]}`, a Bundle, or FHIR resources.

        What is written otherwise: text.roster_unfit; what names nobody: text.roster_empty.
        """
        match content:
            case {"people": list(people)}:
                roster = Roster(
                    tuple(_read_person(number, one) for number, one in enumerate(people, start=1))
                )
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
                raise ROSTER_UNFIT.error(number=1)
        if not roster._seeds:
            raise ROSTER_EMPTY.error()
        return roster

    def find(self, text: str) -> list[Span]:
        """Every place of a text where somebody of the roster is named, by position."""
        return next(self.find_many((text,)))

    def find_many(self, texts: Iterable[str]) -> Iterator[list[Span]]:
        """`find` for each text, in their order; 28,000 names are no slower than one."""
        whole, bounded = self._automata
        nothing: list[tuple[int, int, int]] = []
        search = whole.find_matches_as_indexes if whole else lambda _squashed: nothing
        for text in texts:
            squashed = _squashed(text)
            matches = search(squashed)
            if bounded:  # told from the others by numbers below 0
                inside = bounded.find_matches_as_indexes(squashed, overlapping=True)
                matches = [*matches, *((-1 - number, start, end) for number, start, end in inside)]
            yield self._spans(text, matches) if matches else []

    def holds(self, text: str) -> bool:
        """Whether a text, squashed, is one of the values looked for."""
        return _squashed(text) in self._seeds

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
        normal = None if _is_quick(text) else NormalText(text)
        plain = normal.plain if normal else text
        places = [kept.start() for kept in _KEPT.finditer(plain)]
        spans = []
        for number, start, end in matches:
            seed = self._seeds[whole[number] if number >= 0 else bounded[-1 - number]]
            first, last = places[start], places[start + seed.covers - 1]
            if not (seed.bounded and _is_inside(plain, first, places[end - 1])):
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


def _squashed(text: str) -> str:
    """A text as patterns are written: normal form, small letters, nothing between the characters."""
    plain = text if _is_quick(text) else NormalText(text).plain
    return _small(_DROPPED.sub("", plain))


def _is_quick(text: str) -> bool:
    return bool(_QUICK.fullmatch(text)) and not _SPELLED.search(text)


def _small(text: str) -> str:
    """In small letters, and as long as before: İ would become two characters."""
    small = text.lower()
    return (
        small
        if len(small) == len(text)
        else "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
    )


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
        yield from _seeds_of_name(NormalText(name).plain.strip(), person.subject)
    for number in person.numbers:
        yield from _seeds_of_number(number, person.subject)
    for address in person.addresses:
        yield from _seeds_of_address(NormalText(address).plain, person.subject)


def _seeds_of_name(name: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    squashed = _squashed(name)
    if not _HAN.search(squashed):
        yield from _seeds_of_latin_name(name, subject)
        return
    if len(squashed) < 2:
        return
    yield squashed, _Seed(NAME, subject, len(squashed), False)
    if "·" in name:
        for part in name.split("·"):
            if len(part) >= 3:
                yield part, _Seed(NAME, subject, len(part), False)
        return
    given = squashed[len(_surname(name)) :]
    if len(given) == 2 and not _is_common(given):
        yield given, _Seed(NAME, subject, 2, False)


def _surname(name: str) -> str:
    """The surname of a Chinese name; nothing for a dotted or a Latin one."""
    squashed = _squashed(name)
    if "·" in NormalText(name).plain or not _HAN.match(squashed) or len(squashed) < 2:
        return ""
    return squashed[: surname_at(squashed, 0) or 1]


def _seeds_of_latin_name(name: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    parts = [part for part in re.split(r"[\s,.]+", name) if part]
    if not parts:
        return
    orders = [parts, parts[::-1], [*parts[1:], *parts[:1]], [*parts[-1:], *parts[:-1]]]
    for order in orders:
        for comma in ("", ",", "，"):  # Zhang, Wei
            squashed = _squashed(order[0]) + comma + _squashed("".join(order[1:]))
            if len(squashed) >= _SHORTEST_LATIN:
                yield squashed, _Seed(NAME, subject, len(squashed), True)
    for part in parts:
        squashed = _squashed(part)
        if len(parts) > 1 and len(squashed) > _SHORTEST_LATIN:
            yield squashed, _Seed(NAME, subject, len(squashed), True)


def _seeds_of_number(number: str, subject: str) -> Iterator[tuple[str, _Seed]]:
    squashed = _squashed(number)
    kind = _kind_of_number(number, squashed)
    if kind in (MOBILE, LANDLINE):
        squashed = re.sub(r"^\+86|^0086", "", squashed)
    if len(squashed) < _SHORTEST_NUMBER or not any(one.isdigit() or one == "@" for one in squashed):
        return
    yield squashed, _Seed(kind, subject, len(squashed), len(squashed) < _EMBEDDED_NUMBER)
    if kind == RESIDENT_ID:  # the birth date and tail are often written apart from the region
        yield squashed[6:], _Seed(kind, subject, len(squashed) - 6, True)


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
    parts = [part for part in _ADDRESS_PARTS.split(address) if part]
    for place in range(len(parts)):
        for pattern in {_squashed(parts[place]), _squashed("".join(parts[place:]))}:
            province = pattern in names["province"] or short_name(pattern) in names["province"]
            if len(pattern) >= 3 and not province:
                yield pattern, _Seed(ADDRESS, subject, len(pattern), pattern.isascii())


def _is_common(given: str) -> bool:
    """健康, 建国: a given name that is a word is looked for with its surname only."""
    return is_in_clinical_word(given) or given in words().after


# -- the structured record ---------------------------------------------------------------------------


def _person(subject: str, part: Mapping[str, Any]) -> Person:
    names = [name for written in _list(part.get("name")) for name in _written_names(written)]
    numbers = [
        value["value"]
        for value in (*_list(part.get("telecom")), *_list(part.get("identifier")))
        if isinstance(value, Mapping) and isinstance(value.get("value"), str)
    ]
    addresses = [line for written in _list(part.get("address")) for line in _written_addresses(written)]
    return Person(subject, tuple(names), tuple(numbers), tuple(addresses))


def _written_names(name: object) -> Iterator[str]:
    if not isinstance(name, Mapping):
        return
    family, given = name.get("family"), [one for one in _list(name.get("given")) if isinstance(one, str)]
    if isinstance(name.get("text"), str):
        yield name["text"]
    if isinstance(family, str) and given:
        yield (f"{family}{''.join(given)}" if _HAN.search(family) else " ".join([family, *given]))


def _written_addresses(address: object) -> Iterator[str]:
    if not isinstance(address, Mapping):
        return
    lines = [one for one in _list(address.get("line")) if isinstance(one, str)]
    levels = [address.get(level) for level in ("state", "city", "district")]
    yield from (
        text for text in (address.get("text"), *lines, address.get("postalCode")) if isinstance(text, str)
    )
    if lines:
        yield "".join([*(one for one in levels if isinstance(one, str)), *lines])


def _read_person(number: int, one: object) -> Person:
    if not isinstance(one, Mapping) or not one.keys() <= {"names", "numbers", "addresses", "role"}:
        raise ROSTER_UNFIT.error(number=number)
    lists = [one.get(name, []) for name in ("names", "numbers", "addresses")]
    if not all(isinstance(texts, list) and all(isinstance(text, str) for text in texts) for texts in lists):
        raise ROSTER_UNFIT.error(number=number)
    names, numbers, addresses = (tuple(texts) for texts in lists)
    return Person(str(number), names, numbers, addresses)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
