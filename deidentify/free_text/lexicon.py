"""The clinical stop-lexicon: words that look like names to a segmenter and are herbs, drugs, organs, tests."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("stop_lexicon.csv")


@cache
def clinical_words() -> frozenset[str]:
    """Every word of stop_lexicon.csv."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return frozenset(word for row in rows for word in row["words"].split())


@cache
def _prefixes() -> frozenset[str]:
    return frozenset(word[:2] for word in clinical_words())


@cache
def _pairs() -> frozenset[str]:
    return frozenset(word[at : at + 2] for word in clinical_words() for at in range(len(word) - 1))


def is_in_clinical_word(pair: str) -> bool:
    """Whether two characters stand side by side in a word of the lexicon, as 首乌 in 何首乌 does."""
    return pair in _pairs()


def is_clinical_word(text: str) -> bool:
    """Whether the whole text is a word of the lexicon."""
    return text in clinical_words()


def clinical_word_end(text: str, start: int) -> int:
    """Where the longest word of the lexicon that begins at a place ends; `start` if none does."""
    if text[start : start + 2] not in _prefixes():
        return start
    for length in range(8, 1, -1):
        if text[start : start + length] in clinical_words() and start + length <= len(text):
            return start + length
    return start
