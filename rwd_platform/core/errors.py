"""One kind of error: what happened and what to do next, in Chinese and English, never with patient data.

A `Problem` is declared once, beside the code that finds it; raising it fills in the details:

    NOT_LOCKED = Problem(code="study.not_locked", zh="研究 {study} 尚未锁定数据。", ...)
    raise NOT_LOCKED.error(study="R-017")

Details are names, numbers and places (file, line, column) - never a value that came out of a record.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PROBLEMS: dict[str, Problem] = {}


class Exit(IntEnum):
    """What a command answers to the shell (docs/reference/commands.md)."""

    YES = 0
    NO = 1
    MALFORMED = 2
    REFUSED = 3
    BROKEN_ENVIRONMENT = 4


@dataclass(frozen=True)
class Problem:
    """A kind of error. `code` is stable and is what support asks for."""

    code: str
    zh: str
    en: str
    next_zh: str
    next_en: str
    http: int = 400
    exit: Exit = Exit.MALFORMED

    def __post_init__(self) -> None:
        if self.code in PROBLEMS and PROBLEMS[self.code] != self:
            raise ValueError(f"two problems share the code {self.code}")
        PROBLEMS[self.code] = self

    def error(self, **details: Any) -> PlatformError:
        return PlatformError(self, details)


class PlatformError(Exception):
    """A problem that happened, with its details filled in."""

    def __init__(self, problem: Problem, details: dict[str, Any]) -> None:
        self.problem = problem
        self.details = details
        self.code = problem.code
        self.zh = problem.zh.format(**details)
        self.en = problem.en.format(**details)
        self.next_zh = problem.next_zh.format(**details)
        self.next_en = problem.next_en.format(**details)
        self.http = problem.http
        self.exit = problem.exit
        super().__init__(f"{self.code}: {self.en}")

    def as_dict(self) -> dict[str, str]:
        return {
            "code": self.code,
            "zh": self.zh,
            "en": self.en,
            "next_zh": self.next_zh,
            "next_en": self.next_en,
        }
