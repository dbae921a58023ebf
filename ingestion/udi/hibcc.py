"""HIBCC: the primary data structure, and the secondary data that follow it after a `/`.

ANSI/HIBC 2.6: 2.1 (primary: `+`, labeller, product, unit of measure), 2.2 (secondary: lot or serial number with an
expiry date in one of seven forms, and further elements `/S`, `/14D`, `/16D`, `/Q`), appendix B (the mod 43 character,
which stands at the end and is over everything before it).
"""

from __future__ import annotations

import re

from ingestion.udi.parts import Issuer, Refused, Udi, century, digits, mod_43, only, ordinal_day, ymd

_PRIMARY = re.compile(r"\+[A-Z][A-Z0-9]{3}[A-Z0-9]{1,18}[0-9]")
_NUMBER = re.compile(r"[A-Z0-9\-. %]{0,18}")
_QUANTITIES = {"8": 2, "9": 5}  # `$$8QQ` and `$$9QQQQQ`: how many digits of a quantity come first


def read(text: str, year: int) -> Udi:
    """The parts of a HIBCC text. Raises Refused."""
    printed = text[1:-1] if len(text) > 2 and text[0] == text[-1] == "*" else text  # Code 39's start and stop
    message, check = printed[:-1], printed[-1:]
    if not message or mod_43(message) != check:
        raise Refused("校验字符不符", "its check character is wrong")
    product, *further = message.split("/")
    if not _PRIMARY.fullmatch(product):
        raise Refused("没有产品部分", "it has no product part")
    parts: dict[str, str] = {}
    for place, element in enumerate(further):
        _secondary(element, year, parts) if place == 0 else _additional(element, parts)
    return Udi(Issuer.HIBCC, product + mod_43(product), **parts)


def _secondary(element: str, year: int, parts: dict[str, str]) -> None:
    kind = "serial" if element.startswith(("$+", "$$+")) else "lot"
    if element.startswith("$$"):
        rest = _dated(element[3:] if kind == "serial" else element[2:], year, parts)
    elif element.startswith("$"):
        rest = element[2:] if kind == "serial" else element[1:]
    elif re.match(r"[0-9]{5}", element):  # YYJJJ, then the lot
        only(parts, "expiry", ordinal_day(century(int(element[:2]), year), int(element[2:5])))
        rest = element[5:]
    else:
        _additional(element, parts)
        return
    if not _NUMBER.fullmatch(rest):
        raise Refused("批号或序列号的写法不对", "its lot or serial number is not of the right form")
    if rest:
        only(parts, kind, rest)


def _dated(rest: str, year: int, parts: dict[str, str]) -> str:
    """The expiry date after `$$`, by the flag that says its form; what is left is the lot or serial number."""
    skipped = _QUANTITIES.get(rest[:1])
    if skipped is not None:
        digits(rest[1:], skipped)
        rest = rest[1 + skipped :]
        if not rest[:1].isdigit():
            return rest
    flag, body = rest[:1], rest[1:]
    if flag == "7":
        return body
    if flag in ("0", "1"):  # MMYY: the month's first digit is the flag
        at = digits(rest, 4)
        only(parts, "expiry", ymd(century(int(at[2:]), year), int(at[:2]), 0))
        return rest[4:]
    if flag == "2":
        at = digits(body, 6)  # MMDDYY
        only(parts, "expiry", ymd(century(int(at[4:]), year), int(at[:2]), int(at[2:4])))
        return body[6:]
    if flag in ("3", "4"):
        length = 6 if flag == "3" else 8  # YYMMDD, YYMMDDHH
        at = digits(body, length)
        only(parts, "expiry", ymd(century(int(at[:2]), year), int(at[2:4]), int(at[4:6])))
        return body[length:]
    if flag in ("5", "6"):
        length = 5 if flag == "5" else 7  # YYJJJ, YYJJJHH
        at = digits(body, length)
        only(parts, "expiry", ordinal_day(century(int(at[:2]), year), int(at[2:5])))
        return body[length:]
    raise Refused("失效日期的写法不对", "its expiry date is not of a known form")


def _additional(element: str, parts: dict[str, str]) -> None:
    for mark, name in (("14D", "expiry"), ("16D", "manufactured")):
        if element.startswith(mark):
            at = digits(element[3:], 8)
            if len(element) != 11:
                raise Refused("其中的日期不存在", "a date in it is none")
            only(parts, name, ymd(int(at[:4]), int(at[4:6]), int(at[6:])))
            return
    if element.startswith("S") and _NUMBER.fullmatch(element[1:]):
        only(parts, "serial", element[1:])
        return
    if re.fullmatch(r"Q[0-9]{1,5}", element):
        return
    raise Refused("含有不支持的部分", "it has a part that is not known here")
