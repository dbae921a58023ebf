"""The product's part (DI) of a unique device identifier (UDI): what it can be cut to for sure.

A UDI is DI and PI; the PI (serial number, lot, dates) names the single device and so its patient. Kept are

GS1      a GTIN of 14 digits with its check digit, bare or after (01) or 01; what follows is cut off
         (GS1 General Specifications 3.3.2 and 7.9)
HIBCC    `+`, labeller (LIC), product, unit of measure, where the mod 43 check character is right; what
         follows `/` is cut off (ANSI/HIBC 2.6)
ICCBBA   `=/` and the 16 characters of processor, product and ISBT 128 product code (ISBT 128 ST-001, DS 034)

Everything else is nothing: a hospital's own number cannot be told from a product's.
"""

from __future__ import annotations

import re

_GS1 = re.compile(r"(?:\(01\)|01(?=[0-9]{14}))?([0-9]{14})(.*)", re.DOTALL)
_ELEMENT = re.compile(r"[\x1d(0-9]")
_HIBCC = re.compile(r"\+[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}[0-9]")
_HIBCC_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"  # their places are their values
_ICCBBA = re.compile(r"(=/[A-Z][A-Z0-9]{4}[A-Z0-9]{6}[A-Z][0-9]{4})(?:[=&].*)?", re.DOTALL)
# A phone number filled up with zeros to 14 digits; GS1 has given no prefix 861 to 864.
_MOBILE = re.compile(r"0{3}1[3-9][0-9]{9}|0861[3-9][0-9]{9}")
_LONGEST = 200


def device_identifier(text: str) -> str | None:
    """The DI in a text that may hold a whole UDI; None where none can be told for sure."""
    if len(text) > _LONGEST:
        return None
    gs1 = _GS1.fullmatch(text)
    if gs1 is not None:
        bare = gs1.start(1) == 0
        number, rest = gs1[1], gs1[2]
        follows = not rest or (not bare and bool(_ELEMENT.match(rest)))
        return number if follows and is_gtin(number) and not _MOBILE.fullmatch(number) else None
    iccbba = _ICCBBA.fullmatch(text)
    return iccbba[1] if iccbba is not None else _hibcc(text)


def is_gtin(number: str) -> bool:
    """GS1's check digit: weights 3 and 1 in turn from the right, the sum a multiple of ten."""
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(number))) % 10 == 0


def _hibcc(text: str) -> str | None:
    if len(text) < 2 or any(letter not in _HIBCC_CHARACTERS for letter in text):
        return None
    if sum(map(_HIBCC_CHARACTERS.index, text[:-1])) % 43 != _HIBCC_CHARACTERS.index(text[-1]):
        return None
    product, slash, _ = text[:-1].partition("/")
    if not _HIBCC.fullmatch(product):
        return None
    return product if slash else text
