"""What a column's name says: an identifier of a person, a study's code for one, or neither. The words are data.

Only whole words count, and most of them only as the whole header or after somebody they belong to: `name`,
`patient_name` and 患者电话 are a person's; `drug_name`, `site_id` and 医院电话 are not.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("headers.toml")
CODE = "code"
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】|\{[^{}]*\}")
_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[\u3400-\u9fff]+")
_HAN = re.compile("[\u3400-\u9fff]")
_LONGEST = 200  # characters; a longer header is a text


class _Phrases(NamedTuple):
    """Phrases of one kind, each as its words joined: whole headers, and ends of headers by their words."""

    whole: frozenset[str]
    ends: frozenset[tuple[str, ...]]
    han_ends: tuple[str, ...]


class _Words(NamedTuple):
    kinds: Mapping[str, _Phrases]
    trailing: frozenset[str]
    order: tuple[str, ...]


@lru_cache(maxsize=4096)
def kind_of_header(header: str) -> str:
    """`name`, `resident-id`, `phone` ...: the kind of identifier; `code` for a study's code; empty for neither."""
    words = _words_of(header)
    if not words:
        return ""
    table = _table()
    for cut in _shorter(words, table.trailing):
        for kind, phrases in table.kinds.items():
            if _fits(cut, phrases):
                return kind
    return ""


def identifies(header: str) -> str:
    """The kind of direct identifier that a header says; empty where it says none."""
    kind = kind_of_header(header)
    return "" if kind == CODE else kind


def rank_as_person(header: str) -> int | None:
    """How well a column so named tells people apart, 0 the best; None where its name does not say so."""
    kind, order = kind_of_header(header), _table().order
    return order.index(kind) if kind in order else None


def _words_of(header: str) -> list[str]:
    """The words in small letters, without what stands in brackets and without numbers at the end (phone_2)."""
    plain = unicodedata.normalize("NFKC", header)[:_LONGEST]
    while (shorter := _BRACKETS.sub(" ", plain)) != plain:
        plain = shorter
    words = [word.lower() for word in _WORD.findall(plain)]
    while words and words[-1].isdigit():
        words.pop()
    return words


def _shorter(words: list[str], trailing: frozenset[str]) -> Iterator[list[str]]:
    """The words, and the same without one word after another at the end that changes nothing."""
    yield words
    while len(words) > 1 and (words[-1] in trailing or words[-1].isdigit()):
        words = words[:-1]
        yield words


def _fits(words: list[str], phrases: _Phrases) -> bool:
    joined = "".join(words)
    if joined in phrases.whole or joined.endswith(phrases.han_ends):
        return True
    return any(tuple(words[start:]) in phrases.ends for start in range(len(words)))


@lru_cache(maxsize=1)
def _table() -> _Words:
    document = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    words = document["words"]
    owners, staff = _joined(words["owners"]), _joined(words["staff"])
    kinds = {CODE: _phrases(document["codes"], [])}
    for kind, listed in document["kind"].items():
        kinds[kind] = _phrases(listed, owners + (staff if listed.get("staff") else []))
    return _Words(kinds, frozenset(words["trailing"]), tuple(document["person_columns"]["order"]))


def _phrases(listed: Mapping[str, list[str]], owners: list[str]) -> _Phrases:
    alone, anywhere = _joined(listed["alone"]), _joined(listed["anywhere"])
    owned = {f"{owner}{link}{phrase}" for owner in owners for phrase in alone for link in ("", "的")}
    by_itself = {*alone, *anywhere} - set(_joined(listed.get("not_alone", [])))
    return _Phrases(
        whole=frozenset(by_itself | owned),
        ends=frozenset(tuple(phrase.split()) for phrase in listed["anywhere"]),
        han_ends=tuple(phrase for phrase in anywhere if _HAN.search(phrase)),
    )


def _joined(phrases: list[str]) -> list[str]:
    return [phrase.replace(" ", "") for phrase in phrases]
