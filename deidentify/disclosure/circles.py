"""Who will be able to put results side by side: registered circles, and which of them are one legal entity.

A circle has a name in Chinese and one in English, a legal entity, and the entity's unified social credit code
where it has one. Names are compared without width, case, blanks and punctuation, so that no spelling is a second
circle. Circles of one code, or of one name, are one holder: what either has, both have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deidentify.disclosure.names import folded_name
from rwd_platform.core.text import Bilingual

# GB 32100-2015, 4.1 and appendix A: 17 characters without I, O, S, V, Z, weighted by 3^i modulo 31, and a check.
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_LENGTH = 18


@dataclass(frozen=True)
class Circle:
    """`kind`: the kind of recipient that it is. `credit_code` and `legal_name` are "" where nobody gave one."""

    id: str
    kind: str
    title: Bilingual
    legal_name: str = ""
    credit_code: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Everything that it is called by, as names are compared."""
        called = (self.id, self.title.zh, self.title.en, self.legal_name, self.credit_code)
        return frozenset(folded_name(one) for one in called) - {""}

    @property
    def entity(self) -> frozenset[str]:
        """What two circles of one legal entity share."""
        called = (self.title.zh, self.title.en, self.legal_name, self.credit_code)
        return frozenset(folded_name(one) for one in called) - {""}


def is_credit_code(text: str) -> bool:
    """Whether 18 characters are a unified social credit code: the form, and the check character."""
    if len(text) != _LENGTH or not set(text) <= set(_ALPHABET):
        return False
    total = sum(_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(text[:-1]))
    return _ALPHABET[-total % 31] == text[-1]


def called(circles: Iterable[Circle], text: str) -> list[Circle]:
    """The circles that are called so: by id before by any name, since two may share a legal name."""
    wanted = folded_name(text)
    if not wanted:
        return []
    known = list(circles)
    return [one for one in known if folded_name(one.id) == wanted] or [
        one for one in known if wanted in one.names
    ]


def of_one_entity(circles: Sequence[Circle], id: str) -> frozenset[str]:
    """The ids of all circles that are one holder with this one, itself among them."""
    reached = {id}
    keys = {key for one in circles if one.id == id for key in one.entity}
    while True:
        found = {one.id for one in circles if one.entity & keys}
        if found <= reached:
            return frozenset(reached)
        reached |= found
        keys |= {key for one in circles if one.id in reached for key in one.entity}
