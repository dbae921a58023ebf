"""GS1: application identifiers, in parentheses or as read from the symbol with FNC1 between them.

GS1 General Specifications: 3.3 (AI 01), 3.4 (10, 11, 17, 21), 5.4.3.2 (symbology identifiers), 7.8 (FNC1; elements
of predefined length need none after them), 7.11 (the characters of 10 and 21), 7.12 (dates).
"""

from __future__ import annotations

import re

from ingestion.udi.parts import Issuer, Refused, Udi, century, mod_10, only, ymd

FNC1 = "\x1d"
# An identifier in parentheses; in a lot number such as `A(17)` nothing tells it from one, and it is taken for one.
_HEAD = re.compile(r"\(([0-9]{2,4})\)")
_SYMBOLOGY = re.compile(r"\](?:C1|d2|Q3|e0)")
_TEXT = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}")
_NAMES = {"01": "di", "10": "lot", "11": "manufactured", "17": "expiry", "21": "serial"}
_LENGTHS = {"01": 14, "11": 6, "17": 6}  # of the others, up to FNC1 or the end


def read(text: str, year: int) -> Udi:
    """The parts of a GS1 text. Raises Refused."""
    bare = _SYMBOLOGY.sub("", text, count=1) if text.startswith("]") else text
    elements = _printed(bare) if bare.startswith("(") else _scanned(bare.removeprefix(FNC1))
    parts: dict[str, str] = {}
    for identifier, value in elements:
        only(parts, _NAMES[identifier], _value(identifier, value, year))
    if "di" not in parts:
        raise Refused("缺少产品标识 (01)", "it has no (01), the product")
    return Udi(Issuer.GS1, **parts)


def _printed(text: str) -> list[tuple[str, str]]:
    """`(01)...(17)...`: an identifier in parentheses, then its value up to the next one."""
    elements: list[tuple[str, str]] = []
    here = 0
    while here < len(text):
        head = _HEAD.match(text, here)
        if head is None:
            raise Refused("括号不成对", "its parentheses do not fit")
        _known(head[1])
        following = _HEAD.search(text, head.end())
        end = following.start() if following else len(text)
        elements.append((head[1], text[head.end() : end]))
        here = end
    return elements


def _scanned(text: str) -> list[tuple[str, str]]:
    elements: list[tuple[str, str]] = []
    while text:
        identifier, rest = text[:2], text[2:]
        _known(identifier)
        length = _LENGTHS.get(identifier)
        if length is None:
            value, _, text = rest.partition(FNC1)
        else:
            value, text = rest[:length], rest[length:].removeprefix(FNC1)
        elements.append((identifier, value))
    return elements


def _known(identifier: str) -> None:
    if identifier not in _NAMES:
        raise Refused("含有不支持的应用标识符", "it has an application identifier that is not known here")


def _value(identifier: str, value: str, year: int) -> str:
    length = _LENGTHS.get(identifier)
    if length is not None and not re.fullmatch(f"[0-9]{{{length}}}", value):
        raise Refused("某一部分长度或字符不对", "a part of it has a wrong length or character")
    if identifier == "01":
        if not mod_10(value):
            raise Refused("校验位不符", "its check digit is wrong")
        return value
    if length is not None:
        return ymd(century(int(value[:2]), year), int(value[2:4]), int(value[4:]))
    if not _TEXT.fullmatch(value):
        raise Refused("某一部分长度或字符不对", "a part of it has a wrong length or character")
    return value
