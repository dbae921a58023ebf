"""Units in words: which of them say a unit and nothing else, so that they may stay where a number has no code.

A number without its unit misleads (5.1 of what?), and a unit in words is free text. So a unit stays that UCUM's
grammar accepts, or that is made of the words of unit_texts.toml; of any other the number goes too.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

from deidentify.code_grammars import is_numbers_length, is_unit

_FILE = Path(__file__).with_name("unit_texts.toml")
_LONGEST = 40
_MOST_PARTS = 4
# 24h, 100 ml, 48小时: how many of a unit; no year, no number of a person.
_COUNT = re.compile(r"(?:[1-9][0-9]{0,2}|1000)\s?(?=[^0-9.])")


def is_unit_text(text: str) -> bool:
    """Whether a text is a unit: one of UCUM, or known words with `/` between them, as in 次/分 and mg/24h.

    One count at most, and fewer digits in all than a telephone number has.
    """
    bare = text.strip()
    if not bare or len(bare) > _LONGEST:
        return False
    if is_unit(bare):
        return True
    parts = [_plain(part) for part in bare.split("/")]
    if len(parts) > 1 and not parts[0]:
        parts = parts[1:]  # /HP, /L
    if len(parts) > _MOST_PARTS or is_numbers_length(bare):
        return False
    counted = [part for part in parts if part not in _words()]
    return len(counted) <= 1 and all(_COUNT.sub("", part, 1) in _words() for part in counted)


def _plain(text: str) -> str:
    """Half width and lower case, so that ＭＭＯＬ, μmol (mu) and µmol (micro) are one."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


@cache
def _words() -> frozenset[str]:
    return frozenset(map(_plain, tomllib.loads(_FILE.read_text("utf-8"))["words"].split()))
