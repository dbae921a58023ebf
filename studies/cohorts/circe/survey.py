"""How many definitions of a library can be imported, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Language
from studies.cohorts.circe.concepts import EveryConcept
from studies.cohorts.circe.expression import read_circe
from studies.cohorts.circe.refusals import NOT_JSON, REASONS, REFUSED

NO_DEFINITION = Problem(
    code="circe.no_definition",
    zh="文件夹 {folder} 中没有队列定义：没有扩展名为 .json 的文件。",
    en="There is no definition here: the folder {folder} has no file that ends in .json.",
    next_zh="请给出存放 ATLAS 导出的 JSON 文件的文件夹（不含下级文件夹）。",
    next_en="Give the folder in which the JSON files from ATLAS lie; folders within it are not read.",
)
_TITLES: Mapping[Language, tuple[str, str, str, str]] = {
    "zh": ("定义总数", "可导入", "拒绝", "拒绝原因（元素）：定义数"),
    "en": ("definitions", "imported", "refused", "refused because (element): definitions"),
}


@dataclass(frozen=True)
class Survey:
    """
    imported, refused -- definitions; they add up to all that were read
    reasons           -- (reason, element) -> definitions refused for it; one definition may have several
    examples          -- (reason, element) -> the first definition with it
    """

    imported: int
    refused: int
    reasons: Mapping[tuple[str, str], int]
    examples: Mapping[tuple[str, str], str]

    def as_dict(self) -> dict[str, Any]:
        """JSON values; of each reason how many definitions, and the first of them."""
        return {
            "imported": self.imported,
            "refused": self.refused,
            "reasons": [
                {
                    "reason": reason,
                    "element": element,
                    "definitions": number,
                    "example": self.examples[reason, element],
                }
                for (reason, element), number in sorted(self.reasons.items())
            ],
        }

    def table(self, language: Language) -> str:
        """The survey as lines of text, the most frequent reason first."""
        total, imported, refused, because = _TITLES[language]
        share = 100 * self.imported / max(1, self.imported + self.refused)
        lines = [
            f"{total}\t{self.imported + self.refused}",
            f"{imported}\t{self.imported}\t{share:.1f} %",
            f"{refused}\t{self.refused}",
        ]
        ranked = sorted(self.reasons.items(), key=lambda one: (-one[1], one[0]))
        lines += [because] if ranked else []
        lines += [
            f"{REASONS[reason].in_language(language)} ({element})\t{number}\t{self.examples[reason, element]}"
            for (reason, element), number in ranked
        ]
        return "\n".join(lines)


def survey(definitions: Path | Iterable[tuple[str, str]]) -> Survey:
    """Reads every definition of a folder of `.json` files, or of (name, text) pairs, as if each set expanded.

    Raises `circe.no_definition` for a folder without one.
    """
    pairs = _files(definitions) if isinstance(definitions, Path) else definitions
    imported = refused = 0
    reasons: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for name, text in pairs:
        try:
            read_circe(text, EveryConcept(), name)
            imported += 1
        except PlatformError as error:
            if error.problem not in (REFUSED, NOT_JSON):
                raise
            refused += 1
            found = {(one.reason, one.element) for one in error.details["refusals"]}
            reasons.update(found)
            for one in found:
                examples.setdefault(one, name)
    return Survey(imported, refused, reasons, examples)


def _files(folder: Path) -> Iterable[tuple[str, str]]:
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise NO_DEFINITION.error(folder=folder.name)
    for path in paths:
        yield path.name, path.read_text(encoding="utf-8-sig", errors="replace")
