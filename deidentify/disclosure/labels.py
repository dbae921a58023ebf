"""What the labels of a table are: a margin in any of its words, or digits that a grouping may hold.

Both are data: margins.toml and bands.toml.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from deidentify.disclosure.names import folded, folded_name

MARGINS = Path(__file__).parent / "margins.toml"
BANDS = Path(__file__).parent / "bands.toml"
_MANY = 4096
_LONGEST = 60  # letters of a band or a code


@lru_cache(maxsize=_MANY)
def is_margin(label: str) -> bool:
    """Whether a label names the sum of the others: `合 计`, `Total:`, `All patients`, `Total (n=43)`."""
    text = folded_name(label)
    return bool(text) and (text in _words() or bool(_stem().fullmatch(text)))


def are_complements(labels: Sequence[str]) -> bool:
    """Whether these are two labels that are everybody between them, so that neither is the other's total."""
    return len(labels) == 2 and frozenset(map(folded_name, labels)) in _pairs()


@cache
def _pairs() -> frozenset[frozenset[str]]:
    document = tomllib.loads(MARGINS.read_text(encoding="utf-8"))
    ends = document["ends"]
    return frozenset(
        frozenset(folded_name(written.format(one)) for one in pair)
        for pair in document["complements"]
        for written in ("{}", *ends)
    )


@cache
def _words() -> frozenset[str]:
    return frozenset(folded_name(word) for word in _read(MARGINS)["words"])


@cache
def _stem() -> re.Pattern[str]:
    document = _read(MARGINS)
    stems, follow = (
        "|".join(re.escape(folded_name(word)) for word in sorted(document[name], key=len, reverse=True))
        for name in ("stems", "follow")
    )
    # Possessive: a label of 500 letters ends at once.
    return re.compile(rf"(?:{stems})(?:{follow}|[0-9])*")


@lru_cache(maxsize=_MANY)
def holds_a_number(label: str, is_numbered: bool = False) -> bool:
    """Whether a number of the label is none of a band, a stage, a dose or a code: it may be somebody's count.

    `is_numbered`: of a column whose labels may be numbers alone. A numeral before `例` or `patients` is always one.
    """
    if _count_of_persons().search(folded(label)):
        return True
    text = folded(label).replace(" ", "")
    if is_numbered and len(text) <= _LONGEST and any(one.fullmatch(text) for one in _bands("numbered")):
        return False
    if not any(letter.isdigit() or unicodedata.category(letter) in ("Nl", "No") for letter in text):
        return False
    return not _is_band(text) and not all(
        _is_band(part) for part in text.split("/") if any(letter.isdigit() for letter in part)
    )


def _is_band(text: str) -> bool:
    return len(text) <= _LONGEST and any(one.fullmatch(text) for one in _bands())


@cache
def _count_of_persons() -> re.Pattern[str]:
    document = _read(BANDS)
    numeral, noun = ("|".join(document[name]) for name in ("numeral", "noun"))
    return re.compile(rf"(?:{numeral})[ _-]?(?:{noun})")


@cache
def _bands(name_of_list: str = "patterns") -> tuple[re.Pattern[str], ...]:
    document = _read(BANDS)
    words = {name: "|".join(document[name]) for name in ("unit", "dose", "word", "code")}
    found = []
    for pattern in document[name_of_list]:
        written = pattern
        for name, choice in words.items():
            written = written.replace(f"({{{name}}})", f"(?:{choice})")
        found.append(re.compile(written))
    return tuple(found)


def _read(path: Path) -> dict[str, list[str]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
