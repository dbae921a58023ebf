"""Accounts beside the results, which count people too: the steps of an attrition, and what charts said of a sample.

Accounts of what a hospital sent count records, of which nobody has exactly one: they are not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

from deidentify.disclosure.findings import Finding, Rule
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "account_of_few",
    Bilingual("账目中的小单元", "Small cells of an account"),
    Bilingual("{what_zh}在 1 至 {most} 之间。", "{what} is between 1 and {most}."),
    Bilingual(
        "与相邻步骤合并或隐藏，直至不少于 {minimum}。",
        "Merge it with a neighbour or withhold it, until it is {minimum} or more.",
    ),
)
NOBODY = Rule(
    "account_of_nobody",
    Bilingual("账目中的零", "A zero of an account"),
    Bilingual("{what_zh}为 0，说明了其中每一个人。", "{what} is 0, which speaks of each of the others."),
    Bilingual("请隐藏该数及其后各数。", "Withhold it and those that follow it."),
)
UNKNOWN = Rule(
    "account_unknown",
    Bilingual("账目中无法判定的数", "A number of an account that nobody can judge"),
    Bilingual(
        "账目中有不应出现的数：{what_zh}。", "There is a number that has no place in the account: {what}."
    ),
    Bilingual("请从账目中去掉该数。", "Take it out of the account."),
)
CHAIN = ("asked", "compared", "agreed")  # of a sample's rows, each the part of the one before
_WORDS = {
    "rows": ("抽取的行数", "the number of rows drawn"),
    "asked": ("核查的人数", "the number of people asked about"),
    "compared": ("已比较的人数", "the number of people compared"),
    "agreed": ("一致的人数", "the number of people who agree"),
    "left": ("该步排除的人数", "the number of people who left at this step"),
    "remaining": ("该步剩余的人数", "the number of people who remained at this step"),
    "difference": ("与前一步的差", "the difference from the step before"),
    "others": ("其余的人数", "the number of all others"),
    "rounds": ("与另一轮之差", "the difference from another round"),
}


def steps(where: str, told: Sequence[Mapping[str, Any]], minimum: int) -> list[Finding]:
    """An attrition: `left` and `remaining` of each step, in order. Raises ValueError for what is no count."""
    found = []
    for place, step in enumerate(told):
        for name in ("left", "remaining"):
            found += _small(f"{where}[{place}]", name, _count(step[name]), minimum)
    for place, (before, step) in enumerate(pairwise(told), start=1):
        apart = _count(before["remaining"]) - _count(step["remaining"])
        if apart != step["left"]:  # else it was looked at
            found += _small(f"{where}[{place}]", "difference", abs(apart), minimum)
    return found


def rounds(where: str, document: Mapping[str, Any], minimum: int) -> list[Finding]:
    """Agreement with charts: rows and lines of the newest round, and of each in `other_rounds`. Raises ValueError."""
    told = [document, *document.get("other_rounds", [])]
    found = []
    counts: list[dict[str, int]] = []
    for place, one in enumerate(told):
        at = f"{where}[{place}]"
        mine = dict(_counts(one))
        counts.append(mine)
        found += _small(at, "rows", mine.get("rows", 0), minimum)
        for line in one.get("lines", []):
            found += list(_line(f"{at}.{line['variable']}", line, mine.get("rows"), minimum))
    for (first, mine), (second, other) in combinations(enumerate(counts), 2):
        for name in mine.keys() & other.keys():
            at = f"{where}[{first}].{name}-[{second}]"
            found += _small(at, "rounds", abs(mine[name] - other[name]), minimum)
    return found


def _line(where: str, line: Mapping[str, Any], rows: int | None, minimum: int) -> Iterator[Finding]:
    before = rows
    for name in CHAIN:
        if line.get(name) is None:
            continue
        count = _count(line[name])
        yield from _small(where, name, count, minimum)
        if count == 0:
            yield NOBODY.finding(where, what=_WORDS[name][1], what_zh=_WORDS[name][0])
        if before is not None:
            yield from _small(where, "others", abs(before - count), minimum)
        before = count
    for name in sorted(line.keys() - {*CHAIN}):
        if isinstance(line[name], int | float) and not isinstance(line[name], bool):
            yield UNKNOWN.finding(where, what=name, what_zh=name)


def _counts(told: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Every count of a round by its name."""
    if told.get("rows") is not None:
        yield "rows", _count(told["rows"])
    for line in told.get("lines", []):
        for name in CHAIN:
            if line.get(name) is not None:
                yield f"{line['variable']}.{name}", _count(line[name])


def _small(where: str, what: str, count: int, minimum: int) -> list[Finding]:
    if not 0 < count < minimum:
        return []
    zh, en = _WORDS[what]
    return [RULE.finding(where, what=en, what_zh=zh, most=minimum - 1, minimum=minimum)]


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("no count")
    return value
