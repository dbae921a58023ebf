"""Words that somebody gives for what they ask: whether they say anything, and whether two accounts are one person.

None of this can tell a good reason from a bad one. It refuses what is no reason: dots, blanks that nobody sees, one
letter over and over, and the fillers of fillers.csv.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from deidentify.disclosure.names import folded, folded_name, folded_person

FILLERS = Path(__file__).parent / "fillers.csv"
CONFUSABLES = Path(__file__).parent / "confusables.csv"
LETTERS = 10
KINDS = 4
_FEWEST = 2  # letters or digits of a purpose or an authorisation: 上市, 1号


def letters_of(text: str) -> str:
    """The letters of a text, Chinese characters among them, after NFKC, without what is not seen."""
    return "".join(letter for letter in folded(text) if unicodedata.category(letter)[0] == "L")


def is_reason(text: str, letters: int = LETTERS, kinds: int = KINDS) -> bool:
    """Whether it has so many letters, so many different ones among them."""
    found = letters_of(text)
    return len(found) >= letters and len(set(found)) >= kinds and not is_filler(text)


def is_filler(text: str) -> bool:
    """Whether a short answer says nothing: no letters, one sign over and over, or a word of fillers.csv."""
    said = folded_name(text)
    return len(said) < _FEWEST or len(set(said)) == 1 or said in _lines(FILLERS)


def one_person(name: str) -> str:
    """A person's name or account as it is compared: letters that look alike are one, whatever their script."""
    looks = _lines(CONFUSABLES)
    # An accent on a letter is no other person's name.
    bare = (letter for letter in unicodedata.normalize("NFD", folded_person(name)) if not _is_mark(letter))
    return "".join(looks.get(letter, letter) for letter in bare)


def mixes_scripts(account: str) -> bool:
    """Whether an account's id has letters of two alphabets that are taken for each other."""
    scripts = {unicodedata.name(letter, "").partition(" ")[0] for letter in folded_person(account)}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}) > 1


def _is_mark(letter: str) -> bool:
    return unicodedata.category(letter) == "Mn"


@cache
def _lines(path: Path) -> Mapping[str, str]:
    """First field -> last field, without comments and the header. Raises ValueError for an empty field."""
    text = path.read_text(encoding="utf-8").splitlines()
    _, *lines = csv.reader(line for line in text if not line.startswith("#"))
    if not all(line and all(line) for line in lines):
        raise ValueError(f"{path.name}: an empty field")
    return {line[0]: line[-1] for line in lines}
