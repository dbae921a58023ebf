"""ICCBBA: ISBT 128 data structures, one after the other, each known by its first two characters.

ISBT 128 Standard Technical Specification (ST-001) and ST-011: data structure 034 `=/` the device identifier, 006 `=,`
serial number, 001 `=` donation identification number, 004 `=>` expiry date, 008 `=}` production date, 035 `&,1` lot,
023 `=+` the head of a compound message. Dates are cYYJJJ, `c` the last digit of the century.
"""

from __future__ import annotations

import re

from ingestion.udi.parts import Issuer, Refused, Udi, only, ordinal_day

_STRUCTURES = (
    ("di", re.compile(r"=/[A-Z][A-Z0-9]{4}[A-Z0-9]{6}[A-Z][0-9]{4}")),
    ("serial", re.compile(r"=,([A-Z0-9]{6})")),
    ("expiry", re.compile(r"=>([0-9]{6})")),
    ("manufactured", re.compile(r"=\}([0-9]{6})")),
    ("lot", re.compile(r"&,1([A-Z0-9]{18})")),
    ("donation", re.compile(r"=([A-NP-Z1-9][A-Z0-9]{4}[0-9]{8})[0-9A-Z]{2}")),
)
_COMPOUND = re.compile(r"=\+[0-9]{5}")
_NEXT_CENTURY = 8  # 9yy is of the last century, 0yy of this one


def read(text: str, _year: int) -> Udi:
    """The parts of an ICCBBA text. Raises Refused."""
    head = _COMPOUND.match(text)
    here = head.end() if head else 0
    parts: dict[str, str] = {}
    while here < len(text):
        for name, form in _STRUCTURES:
            found = form.match(text, here)
            if found is not None:
                value = found[0] if name == "di" else found[1]
                only(parts, name, _date(value) if name in ("expiry", "manufactured") else value)
                here = found.end()
                break
        else:
            raise Refused("含有不支持的数据结构", "it has a data structure that is not known here")
    if "di" not in parts:
        raise Refused("缺少产品标识 =/", "it has no =/, the product")
    if "lot" in parts:
        parts["lot"] = parts["lot"].lstrip("0") or "0"  # filled up with zeros to its 18 places
    return Udi(Issuer.ICCBBA, **parts)


def _date(value: str) -> str:
    first = 1000 if int(value[0]) > _NEXT_CENTURY else 2000
    return ordinal_day(first + 100 * int(value[0]) + int(value[1:3]), int(value[3:]))
