"""A number for a set of patients, by a secret key: the sum of a number for each, so that every engine can add it up.

A patient's number is the weighted sum of the characters at the end of the pseudonym, which is random already; the
weights are drawn from the key. Two sets that differ in one patient have sums that say nothing about each other to
whoever does not know the weights, once the sum has gone through an HMAC (`feasibility.py`).
"""

from __future__ import annotations

import hashlib
import hmac
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

CHARACTERS = 12  # at the end of a pseudonym: 60 bits of base 32
CHARACTER_COLUMNS = tuple(
    f"_character{place}" for place in range(CHARACTERS)
)  # where they are columns of their own
_BITS = 24  # so that the sum over 16 million patients fits into 64 bits

# Ibis comes without types: its expressions are Any here.
Expr = Any


@dataclass(frozen=True)
class PatientWeights:
    key: bytes = field(repr=False)

    @property
    def weights(self) -> tuple[int, ...]:
        drawn = (
            hmac.new(self.key, f"patient weight {place}".encode(), hashlib.sha256).digest()
            for place in range(CHARACTERS)
        )
        return tuple(int.from_bytes(one[:8], "big") % 2**_BITS for one in drawn)

    def of(self, patient: Any) -> int:
        text = str(patient)
        characters = text[-CHARACTERS:].rjust(CHARACTERS, "\0")
        return sum(weight * (ord(one) % 128) for weight, one in zip(self.weights, characters, strict=True))

    def of_characters(self, characters: Sequence[Expr]) -> Expr:
        """The same number as an expression, of what `characters_of` gives."""
        parts = [one * weight for one, weight in zip(characters, self.weights, strict=True)]
        return reduce(operator.add, parts)


def characters_of(column: Expr) -> list[Expr]:
    """The characters at the end of the pseudonyms in a column, as numbers; 0 where one is shorter."""
    text = column.cast("string")
    length = text.length()
    return [
        (length >= CHARACTERS - place).ifelse(
            text.substr(length - (CHARACTERS - place), 1).ascii_str().cast("int64") % 128, 0
        )
        for place in range(CHARACTERS)
    ]
