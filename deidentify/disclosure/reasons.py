"""Words that somebody gives for what they ask: whether they say anything, and whether two accounts are one person.

None of this can tell a good reason from a bad one. It refuses what is no reason: dots, blanks that nobody sees, one
letter or one phrase over and over, rows of a keyboard, counting, and the words of fillers.csv.
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
_SHORTEST_RUN = 4  # letters that follow a keyboard's row or a counting sequence; fewer occur in words
_FEWEST = 2  # letters or digits of a purpose or an authorisation: 上市, 1号


def letters_of(text: str) -> str:
    """The letters of a text, Chinese characters among them, after NFKC, without what is not seen."""
    return "".join(letter for letter in folded(text) if unicodedata.category(letter)[0] == "L")


def is_reason(text: str, letters: int = LETTERS, kinds: int = KINDS) -> bool:
    """Whether it has so many letters, so many different ones among them, beside what only follows a sequence."""
    found = _without_runs(letters_of(text))
    if len(found) < letters or len(set(found)) < kinds or is_filler(text):
        return False
    # A phrase that is repeated says what it says once.
    return not any(found[length:] == found[:-length] for length in range(1, letters))


def is_filler(text: str) -> bool:
    """Whether a short answer says nothing: no letters, one sign over and over, or a word of fillers.csv."""
    said = folded_name(text)
    return len(said) < _FEWEST or len(set(said)) == 1 or said in _lines(FILLERS)


def _without_runs(said: str) -> str:
    """The letters without those that follow one another on a keyboard or in counting, forwards or backwards."""
    kept, place = [], 0
    sequences = _sequences()
    while place < len(said):
        length = 1
        while place + length < len(said) and any(
            said[place : place + length + 1] in one for one in sequences
        ):
            length += 1
        if length < _SHORTEST_RUN:
            kept.append(said[place])
            length = 1
        place += length
    return "".join(kept)


@cache
def _sequences() -> tuple[str, ...]:
    found = [word for word, kind in _lines(FILLERS).items() if kind in ("keyboard", "counting")]
    return (*found, *(word[::-1] for word in found))


def one_person(name: str) -> str:
    """A person's name as it is compared: as `one_spelling`, without a number at the end: `王芳2` is `王芳`.

    A number behind a hyphen or in brackets is left out of a Chinese name only: `privacy-2` names an account.
    """
    spelt = one_spelling(name)
    bare = _without_end(spelt, "N")
    if bare and bare[-1].isalpha():
        return bare
    plain = _without_end(spelt, "NPSZ")
    is_chinese = bool(plain) and all(unicodedata.name(letter, "").startswith("CJK") for letter in plain)
    return plain if is_chinese else spelt


def _without_end(text: str, categories: str) -> str:
    end = len(text)
    while end and unicodedata.category(text[end - 1])[0] in categories:
        end -= 1
    return text[:end]


def one_spelling(name: str) -> str:
    """A name or an account's id as it is compared: letters that look alike are one, whatever their script.

    An id may differ from another in its number alone, so that numbers stay.
    """
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
