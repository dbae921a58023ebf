"""What countries and regions are called, by their ISO 3166-1 codes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.parties import countries

_FIRST = ("CN", "HK", "MO", "TW")  # asked for most; the last three count as abroad
# Where the list of locales is shorter than what documents in China write.
_NAMES: Mapping[str, Bilingual] = {
    "HK": Bilingual("中国香港", "Hong Kong, China"),
    "MO": Bilingual("中国澳门", "Macao, China"),
    "TW": Bilingual("中国台湾", "Taiwan, China"),
}


@lru_cache(maxsize=1)
def country_names() -> Mapping[str, Bilingual]:
    """Every country that may be put on record, those asked for most first, the others by code."""
    from babel import Locale

    zh, en = Locale("zh").territories, Locale("en").territories
    others = sorted(countries() - set(_FIRST))
    return {code: _NAMES.get(code) or Bilingual(zh[code], en[code]) for code in (*_FIRST, *others)}


def country_name(code: str) -> Bilingual:
    return country_names().get(code, Bilingual(code, code))
