"""The rules: every detector of `identifiers_cn`, the hospital's registry, and the dates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from deidentify.free_text.dates_in_text import WrittenDate, find_dates
from deidentify.free_text.detector import Span, TextContext
from deidentify.free_text.lexicon import clinical_word_end
from deidentify.identifiers_cn import Found, NormalText, find_numbers
from deidentify.identifiers_cn.addresses import find_addresses
from deidentify.identifiers_cn.calls import find_calls
from deidentify.identifiers_cn.devices import find_devices
from deidentify.identifiers_cn.found import NAME
from deidentify.identifiers_cn.hospital_numbers import find_beds, find_numbered
from deidentify.identifiers_cn.names import find_names
from deidentify.identifiers_cn.phones import find_hidden_mobiles

_SEX = re.compile("[,;、 ]{1,3}[男女]")
RULES = "rules"
VERSION = "3"


class Rules:
    """Numbers, addresses, bodies, names after roles and before titles, dates; each by its form and its words."""

    name = RULES
    version = VERSION

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        normal = NormalText(text)
        plain = normal.plain
        found = chain(
            find_devices(plain),
            find_numbers(plain),
            find_addresses(plain),
            (one for one in chain(find_names(plain), find_calls(plain)) if not _is_clinical(plain, one)),
            find_beds(plain),
            find_numbered(plain),
            find_hidden_mobiles(plain),
            (Found(date.kind, date.start, date.end) for date in dates_of(plain)),
        )
        spans = {Span(one.kind, *normal.place(one.start, one.end), RULES) for one in found}
        spans.update(Span(one.kind, one.start, one.end, RULES) for one in context.registry.find(text))
        return sorted(spans, key=lambda span: (span.start, span.end))


def dates_of(plain: str) -> Iterator[WrittenDate]:
    """The dates of a text in normal form, but none within a lot or serial number: no other date leans on these."""
    masked = plain
    for number in find_devices(plain):
        masked = masked[: number.start] + "~" * (number.end - number.start) + masked[number.end :]
    return find_dates(masked)


def _is_clinical(plain: str, found: Found) -> bool:
    """麻醉：全麻 names no one: a word of the lexicon as long as the name or longer begins at its place."""
    return (
        found.kind == NAME
        and clinical_word_end(plain, found.start) >= found.end
        and not _is_person(plain, found)
    )


def _is_person(plain: str, found: Found) -> bool:
    """姓名：何首乌 is a person's name whatever else it means."""
    before = plain[max(0, found.start - 8) : found.start].rstrip(" :：为是叫")
    if _SEX.match(plain, found.end):
        return True
    return before.endswith(
        ("姓名", "名字", "名", "联系人", "签字", "签名", "先生", "女士")
    ) or plain.startswith(("先生", "女士", "小姐"), found.end)
