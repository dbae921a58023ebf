"""What a column holds, by the form of most of its values: names of people, document numbers, hospital numbers.

A single value says little: 高明 may be a word, ZY20240001 a product. Half a column of them is a list of people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from deidentify.free_text.lexicon import is_clinical_word
from deidentify.identifiers_cn import NormalText, learn, scan
from deidentify.identifiers_cn.found import HOSPITAL_NUMBER, NAME, TRAVEL_DOCUMENT
from deidentify.identifiers_cn.names import find_names, surname_at
from deidentify.identifiers_cn.regions import place_names

SHARE = 0.5  # of a column's distinct values
_FEWEST_NAMES = 5  # distinct; a code list may hold a few words that look like names
_FEW_NAMES = (
    2  # as many are a list of people too where nearly all are names: four people of sixty visits each
)
_NEARLY_ALL = 0.75
_LONGEST_NAME = 60  # of a Latin one
_FEWEST_NUMBERS = 20  # as a registry of hospital numbers asks for (identifiers_cn.hospital_numbers)
_HAN_NAME = re.compile("[\u3400-\u9fff]{2,4}|[\u3400-\u9fff]{1,14}(?:·[\u3400-\u9fff]{1,10}){1,4}")
# Two to four characters that end so are places, diseases, drugs and departments.
_NO_NAME = tuple("市县区省镇乡村州院科室部病炎癌瘤症障痛热术药片粒膏丸散族型期级度类史")
# Mainland passports, permits to and from Hong Kong, Macau and Taiwan (identifiers_cn.documents).
_DOCUMENT = re.compile(
    "[EGDSPK][0-9]{8}|E[A-HJ-NP-Z][0-9]{7}|[HM][0-9]{8}(?:[0-9]{2})?|[CW][A-Z0-9][0-9]{7}", re.IGNORECASE
)
_DAY = re.compile(
    "(?:19|20)[0-9]{2}([-./]?)(?:0?[1-9]|1[0-2])\\1(?:0?[1-9]|[12][0-9]|3[01])(?:[T ].*)?|(?:19|20)[0-9]{2}-[0-9]{2}"
)
_MEASURE = re.compile(r"[+-]?(?:[0-9]{1,5}(?:\.[0-9]*)?|[0-9]{0,15}\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_HEADS = {"passport": "护照号", "护照": "护照号", "mrn": "住院号", "住院号": "住院号", "病案号": "病案号"}


def kinds_by_form(column: str, values: Mapping[str, int]) -> dict[str, float]:
    """Kind -> share of the distinct values that have its form, for the kinds that at least half have."""
    texts = [NormalText(value).plain.strip() for value in values]
    texts = [text for text in texts if text]
    found: dict[str, float] = {}
    people = [text for text in texts if is_name(text)]
    names = len(people)
    few = _FEW_NAMES <= names < _FEWEST_NAMES and names >= _NEARLY_ALL * len(texts)
    if few and not all(map(_may_be_place, people)):
        found[NAME] = names / len(texts)
    for kind, fits, fewest in (
        (NAME, names, _FEWEST_NAMES),
        (TRAVEL_DOCUMENT, sum(bool(_DOCUMENT.fullmatch(text)) for text in texts), _FEWEST_NUMBERS),
        (HOSPITAL_NUMBER, _numbers_of_one_form(texts, values), _FEWEST_NUMBERS),
    ):
        if (
            fits >= fewest
            and fits >= SHARE * len(texts)
            and not (kind == HOSPITAL_NUMBER and TRAVEL_DOCUMENT in found)
        ):
            found[kind] = fits / len(texts)
    head = next((word for name, word in _HEADS.items() if name in column.lower()), "")
    for kind, fits in _kinds_after(head, texts).items() if head else ():
        if fits >= SHARE * len(texts):
            found.setdefault(kind, fits / len(texts))
    return found


def is_name(text: str) -> bool:
    """Whether a whole value may be a person's name: 王伟芳, 阿依古丽·买买提, Zhang Wei; no word of a dictionary."""
    if not _HAN_NAME.fullmatch(text):
        return len(text) <= _LONGEST_NAME and any(
            (one.start, one.end) == (0, len(text)) for one in find_names(text)
        )
    if "·" in text:
        return True
    surname = surname_at(text, 0)
    if not surname or not 1 <= len(text) - surname <= 2 or text.endswith(_NO_NAME) or is_clinical_word(text):
        return False
    import rjieba

    return not rjieba.has_word(text) or any(tag.startswith("nr") for _, tag in rjieba.tag(text)[:1])


def _may_be_place(text: str) -> bool:
    """万宁, 文昌: a town's name without 市, 县 or 区 begins with a surname now and then."""
    names = place_names()
    return any(f"{text}{end}" in names[level] for level in ("city", "county") for end in "市县区")


def is_typed_text(values: Iterable[str]) -> bool:
    """Whether a column is neither all measurements nor all days. Whole numbers of six digits and more may be ids."""
    return any(
        value.strip() and not _MEASURE.fullmatch(value.strip()) and not _DAY.fullmatch(value.strip())
        for value in values
    )


def _numbers_of_one_form(texts: list[str], values: Mapping[str, int]) -> int:
    """How many values share a form that is peculiar enough to stand alone, where nearly every record has its own."""
    if len(values) < SHARE * sum(values.values()):
        return 0
    forms = [form for form in learn({"": texts}, _FEWEST_NUMBERS).forms if form.stands_alone]
    numbers = [text for text in texts if not _DAY.fullmatch(text) and not _MEASURE.fullmatch(text)]
    return sum(any(form.pattern.fullmatch(text) for form in forms) for text in numbers)


def _kinds_after(head: str, texts: list[str]) -> dict[str, int]:
    """The values read as a text would say them, after the word that the column is headed by."""
    counts: dict[str, int] = {}
    for text in texts:
        for kind in {one.kind for one in scan(f"{head}：{text}")}:
            counts[kind] = counts.get(kind, 0) + 1
    return counts
