"""The product's part (DI) of a unique device identifier (UDI): what it can be cut to for sure.

A UDI is DI and PI; the PI (serial number, lot, dates) names the single device and so its patient. Kept are

GS1      a GTIN of 14 digits with its check digit, bare or after (01) or 01, with or without the reader's
         symbology identifier and FNC1 before it; what follows is cut off (GS1 General Specifications 3.3.2,
         5.4.3.2, 7.8 and 7.9)
HIBCC    the primary data structure: `+`, labeller (LIC), product (PCN), unit of measure, check character. Where
         secondary data follow a `/`, the mod 43 check character is that of the whole; they are cut off, and the
         primary structure gets its own again, so that one product is one text (ANSI/HIBC 2.6, 2.1, 2.2.1.1, App. B)
ICCBBA   `=/` and the 16 characters of processor, product and ISBT 128 product code, also where a compound
         message `=+` begins with it (ISBT 128 ST-011, data structures 034 and 023)

Everything else is nothing: a hospital's own number cannot be told from a product's. So are HIBCC's secondary data
alone (`+$`) and the provider's structures (`+/`), which hold lots, serial numbers and patients' numbers.
"""

from __future__ import annotations

import re

# ]C1 GS1-128, ]d2 GS1 DataMatrix, ]Q3 GS1 QR, ]e0 GS1 DataBar: what a reader puts before the text it read.
_GS1 = re.compile(r"((?:\](?:C1|d2|Q3|e0))?\x1d?(?:\(01\)|01(?=[0-9]{14})))?([0-9]{14})(.*)", re.DOTALL)
_ELEMENT = re.compile(r"[\x1d(0-9]")
_HIBCC = re.compile(r"\+[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}[0-9]")
_HIBCC_CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"  # their places are their values
_ICCBBA = re.compile(r"(?:=\+[0-9]{5})?(=/[A-Z][A-Z0-9]{4}[A-Z0-9]{6}[A-Z][0-9]{4})(?:[=&].*)?", re.DOTALL)
# A phone number filled up with zeros to 14 digits; GS1 has given no prefix 861 to 864.
_MOBILE = re.compile(r"0{3}1[3-9][0-9]{9}|0861[3-9][0-9]{9}")
_LONGEST = 200


def device_identifier(text: str) -> str | None:
    """The DI in a text that may hold a whole UDI; None where none can be told for sure."""
    if len(text) > _LONGEST:
        return None
    gs1 = _GS1.fullmatch(text)
    if gs1 is not None:
        announced, number, rest = gs1.groups()
        follows = not rest or (announced is not None and bool(_ELEMENT.match(rest)))
        return number if follows and is_gtin(number) and not _MOBILE.fullmatch(number) else None
    iccbba = _ICCBBA.fullmatch(text)
    return iccbba[1] if iccbba is not None else _hibcc(text)


def is_gtin(number: str) -> bool:
    """GS1's check digit: weights 3 and 1 in turn from the right, the sum a multiple of ten."""
    return sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(reversed(number))) % 10 == 0


def _hibcc(text: str) -> str | None:
    printed = text[1:-1] if len(text) > 2 and text[0] == text[-1] == "*" else text  # Code 39's start and stop
    message, check = printed[:-1], printed[-1:]
    if not message or any(letter not in _HIBCC_CHARACTERS for letter in printed) or _mod43(message) != check:
        return None
    product, slash, _ = message.partition("/")
    if not _HIBCC.fullmatch(product):
        return None
    return product + (_mod43(product) if slash else check)


def _mod43(message: str) -> str:
    return _HIBCC_CHARACTERS[sum(map(_HIBCC_CHARACTERS.index, message)) % len(_HIBCC_CHARACTERS)]
