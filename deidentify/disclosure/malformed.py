"""What is no result: the one refusal, and the questions that every number is asked. No value is repeated."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from rwd_platform.core.errors import PlatformError, Problem

LARGEST = 10**18  # no count and no amount of money is larger
_SHOWN = 120

RESULTS_MALFORMED = Problem(
    code="disclosure.results_malformed",
    zh="结果文件不能检查：{where}：{why_zh}。",
    en="The results cannot be checked: {where}: {why}.",
    next_zh="请提供平台写出的结果 JSON，或首行为列名、含已声明统计量列的 CSV 表格。",
    next_en="Give the results JSON that the platform writes, or a CSV table with a header"
    " and at least one declared statistic as a column.",
)


def malformed(where: str, why: str, why_zh: str) -> PlatformError:
    shown = "".join(letter if letter.isprintable() else "?" for letter in where)[:_SHOWN]
    return RESULTS_MALFORMED.error(where=shown, why=why, why_zh=why_zh)


def check_count(value: float | int, where: str) -> None:
    if value < 0:
        raise malformed(where, "a count below 0", "计数为负")
    if value != int(value):
        raise malformed(where, "a count is no whole number", "计数不是整数")


def is_number(text: str) -> bool:
    try:
        float(unicodedata.normalize("NFKC", text).replace(",", "").replace("%", ""))
    except ValueError:
        return False
    return True


def finite(value: Any, where: str) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise malformed(where, "a number is needed", "应为数字")
    if (isinstance(value, int) and abs(value) > LARGEST) or not math.isfinite(value):
        raise malformed(where, "it is not finite, or too large", "不是有限数，或过大")
    return value
