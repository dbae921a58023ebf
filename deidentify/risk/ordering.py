"""The order of a sensitive column's values, exact for numbers of any length: one for every measure and search.

A column is numeric when every value that is there is a finite decimal number (`12`, `-3.5`, `1e6`). Two texts that
write one number (`1`, `1.0`) are one value, and no two numbers fall together. What is absent comes first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable

NUMBER = r"[\t\n\f\r ]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,18})?[\t\n\f\r ]*"
_NUMBER = re.compile(NUMBER)
_NINES = str.maketrans("0123456789", "9876543210")


def are_numbers(texts: Iterable[str]) -> bool:
    """Whether there are values at all and each is a finite decimal number."""
    seen = False
    for text in texts:
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            return False
        seen = True
    return seen


def decimal_order(text: str | None) -> tuple[int, int, str]:
    """Compares as the decimal number itself, and equal for equal numbers: sign, magnitude, digits.

    0.d1d2... times ten to the magnitude, without zeros at either end. Below zero all is turned round: digits to
    their complement of nine, and `~` after them, for -0.12 is above -0.123. What is absent comes first of all.
    """
    if text is None:
        return -2, 0, ""
    mantissa, _, power = text.strip().lower().partition("e")
    sign = -1 if mantissa.startswith("-") else 1
    before, _, after = mantissa.lstrip("+-").partition(".")
    digits = (before + after).lstrip("0")
    if not digits.rstrip("0"):
        return 0, 0, ""
    magnitude = int(power or 0) + len(before) - (len(before + after) - len(digits))
    digits = digits.rstrip("0")
    return (1, magnitude, digits) if sign > 0 else (-1, -magnitude, digits.translate(_NINES) + "~")


def places_of_numbers(texts: Collection[str | None]) -> dict[str | None, int]:
    """Each text -> the rank of its number among them, from 0; equal numbers have one rank."""
    keys = {text: decimal_order(text) for text in texts}
    places = {key: place for place, key in enumerate(sorted(set(keys.values())))}
    return {text: places[key] for text, key in keys.items()}
