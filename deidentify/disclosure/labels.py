"""What the labels of a table are: a margin in any of its words, or digits that a grouping may hold.

Both are data: margins.toml and bands.toml.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

from deidentify.disclosure.names import folded, folded_name

MARGINS = Path(__file__).parent / "margins.toml"
BANDS = Path(__file__).parent / "bands.toml"
_MANY = 4096


@lru_cache(maxsize=_MANY)
def is_margin(label: str) -> bool:
    """Whether a label names the sum of the others: `合 计`, `Total:`, `All patients`, `Total (n=43)`."""
    text = folded_name(label)
    return bool(text) and (text in _words() or bool(_stem().fullmatch(text)))


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
def holds_a_number(label: str) -> bool:
    """Whether a digit of the label is none of a band, a stage, a dose or a code: it may be somebody's count."""
    text = folded(label).replace(" ", "")
    if not any(letter.isdigit() or unicodedata.category(letter) in ("Nl", "No") for letter in text):
        return False
    return not _is_band(text) and not all(
        _is_band(part) for part in text.split("/") if any(letter.isdigit() for letter in part)
    )


def _is_band(text: str) -> bool:
    return len(text) <= 60 and any(one.fullmatch(text) for one in _bands())


@cache
def _bands() -> tuple[re.Pattern[str], ...]:
    document = _read(BANDS)
    words = {name: "|".join(document[name]) for name in ("unit", "dose", "word")}
    found = []
    for pattern in document["patterns"]:
        written = pattern
        for name, choice in words.items():
            written = written.replace(f"({{{name}}})", f"(?:{choice})")
        found.append(re.compile(written))
    return tuple(found)


def _read(path: Path) -> dict[str, list[str]]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
