"""A text in the two languages of the house, and which signs a text that people write may hold."""

from __future__ import annotations

from typing import Literal, NamedTuple
from unicodedata import category

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, Language] = ("zh", "en")


class Bilingual(NamedTuple):
    """Chinese first; English is a translation of meaning, never a second document."""

    zh: str
    en: str

    def in_language(self, language: Language) -> str:
        return self.zh if language == "zh" else self.en


def is_shown(sign: str) -> bool:
    """Lines of what can be printed; spaces of every width count as such: Chinese paragraphs begin with two.

    A character of the planes of rare Chinese characters is one also where this Python's tables are older than it.
    """
    rare = 0x20000 <= ord(sign) <= 0x3FFFD and ord(sign) & 0xFFFE != 0xFFFE
    return sign.isprintable() or sign == "\n" or category(sign) == "Zs" or rare
