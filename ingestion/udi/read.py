"""Which agency's rules a text follows, and its parts by them."""

from __future__ import annotations

from ingestion.udi import gs1, hibcc, iccbba
from ingestion.udi.parts import UDI_MALFORMED, Reader, Refused, Udi

_LONGEST = 200


def parse_udi(text: str, *, year: int) -> Udi:
    """The parts of a UDI as printed or scanned. `year` decides the century of a two-digit year (GS1's rule).

    Raises PlatformError `udi.malformed`, which says why and never repeats the text.
    """
    if not 2000 <= year <= 2100:
        raise ValueError("the year decides a century and lies between 2000 and 2100")
    try:
        if not text or len(text) > _LONGEST or not text.isascii():
            raise Refused("为空、过长或含有非 ASCII 字符", "it is empty, too long, or not ASCII")
        return _reader(text)(text, year)
    except Refused as refused:
        raise UDI_MALFORMED.error(why=refused.en, why_zh=refused.zh) from None


def _reader(text: str) -> Reader:
    if text.startswith(("=/", "=+", "=", "&")):
        return iccbba.read
    return hibcc.read if text.startswith(("+", "*")) else gs1.read
