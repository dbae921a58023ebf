"""The report's words, read from YAML, with places for numbers.

`[[adjusted.hr]]` is a number by its alias in the file's `numbers:`; `{lock}` is a fact in words
(an id, a date, a version). A text must use the same numbers in both languages: a translation that
loses one is refused when the report is made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.numbers import Number, NumberBook
from studies.evidence.report.blocks import Span, Text

TEMPLATES = Path(__file__).parent.parent / "templates"
_NUMBER = re.compile(r"\[\[([a-z0-9_.]+)\]\]")

NUMBERS_DIFFER = Problem(
    code="evidence.translation_loses_number",
    zh="报告文本“{key}”的中英文使用的数字不同。",
    en="The report's text {key} does not use the same numbers in both languages.",
    next_zh="请在报告模板中改正该文本。",
    next_en="Correct this text in the report's template.",
    exit=Exit.BROKEN_ENVIRONMENT,
)


@cache
def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((TEMPLATES / name).read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class Phrases:
    """The texts of one report, bound to its numbers and facts."""

    texts: Mapping[str, Mapping[str, str]]
    aliases: Mapping[str, Mapping[str, str]]
    book: NumberBook
    facts: Mapping[str, Bilingual]

    @staticmethod
    def load(names: tuple[str, ...], book: NumberBook, facts: Mapping[str, Bilingual]) -> Phrases:
        """Later files add to and override earlier ones."""
        texts: dict[str, Mapping[str, str]] = {}
        aliases: dict[str, Mapping[str, str]] = {}
        for name in names:
            texts.update(_read(name).get("texts", {}))
            aliases.update(_read(name).get("numbers", {}))
        return Phrases(texts, aliases, book, facts)

    def keys(self, prefix: str) -> list[str]:
        """The keys that start with `prefix`, in the file's order."""
        return [key for key in self.texts if key.startswith(prefix)]

    def text(self, key: str, numbers: Mapping[str, Number] | None = None, **facts: Bilingual) -> Text:
        """A text with its numbers registered at the place `text:<key>`.

        `numbers` are given by the caller where an alias stands for something counted here.
        """
        pair = self.texts[key]
        used = {language: Counter(_NUMBER.findall(pair[language])) for language in ("zh", "en")}
        if used["zh"] != used["en"]:
            raise NUMBERS_DIFFER.error(key=key)
        given = dict(numbers or {})
        found = {alias: given.get(alias) or self._number(alias, f"text:{key}") for alias in used["zh"]}
        known = {**self.facts, **facts}
        return Text(
            _spans(pair["zh"], found, {name: fact.zh for name, fact in known.items()}),
            _spans(pair["en"], found, {name: fact.en for name, fact in known.items()}),
        )

    def pair(self, key: str) -> Bilingual:
        """A text without numbers or facts: a label."""
        return Bilingual(self.texts[key]["zh"], self.texts[key]["en"])

    def _number(self, alias: str, place: str) -> Number:
        source = self.aliases[alias]
        if "ard" in source:
            return self.book.result(place, source["ard"], source["format"], source.get("field", "value"))
        return self.book.fact(place, source["file"], source["pointer"], source.get("format", "int"))


def _spans(template: str, numbers: Mapping[str, Number], facts: Mapping[str, str]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for index, part in enumerate(_NUMBER.split(template.strip())):
        if index % 2:
            spans.append(numbers[part])
        elif part:
            spans.append(part.format_map(facts) if "{" in part else part)
    return tuple(spans)
