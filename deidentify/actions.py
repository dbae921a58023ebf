"""What a policy can do with one element, and how it is written.

keep                          the value stays as the hospital wrote it
pseudonym                     an id becomes a token that only the key's holder can make
reference, reference:<Type>   a pointer's id becomes the same token; a `urn:` pointer is taken to mean <Type>
date:month, date:year         a date is cut
date:shift                    a date moves back by 1 to 365 days, all dates of one patient alike
age-band:<N>                  a birth date, or an age, in bands of N years; 90 and above are one
generalise:<hierarchy>:<level>   a code or a place made coarser, see deidentify/generalise.py
device-identifier             of a UDI the product's part (DI); serial, lot and what cannot be told apart go
mask                          the value goes, a mark `masked` stays
drop, text                    nothing stays; `text` says that people typed it
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deidentify.dates import PRECISIONS
from deidentify.generalise import hierarchy_named
from rwd_platform.core.errors import PlatformError, Problem

POLICY_MALFORMED = Problem(
    code="policy.malformed",
    zh="去标识化策略 {name} 不能使用：{where}：{why_zh}。",
    en="The de-identification policy {name} cannot be used: {where}: {why}.",
    next_zh="请按 deidentify/policies/lake.toml 的写法修改后重试；策略有误时不处理任何数据。",
    next_en="Mend it after the model of deidentify/policies/lake.toml; a faulty policy touches nothing.",
)

SHIFT = "shift"
_PLAIN = frozenset({"keep", "pseudonym", "reference", "device-identifier", "mask", "drop", "text"})
_TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
_WIDTH = re.compile(r"[1-9]|[12][0-9]|30")
LEFT_OUT = frozenset({"drop", "text", "mask"})


@dataclass(frozen=True)
class Rule:
    """What is done with the value at one path.

    `argument`: a date's precision or `shift`, a urn reference's type, a band's years, `hierarchy:level name`.
    """

    action: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.action}:{self.argument}" if self.argument else self.action


def refusal(name: str, where: str, why: str, why_zh: str) -> PlatformError:
    return POLICY_MALFORMED.error(name=name, where=where, why=why, why_zh=why_zh)


def read_rule(file_name: str, where: str, text: object) -> Rule:
    """The rule that a policy's text asks for. Raises `policy.malformed`, naming the place."""
    action, colon, argument = text.partition(":") if isinstance(text, str) else ("", "", "")
    if action == "date" and argument in (*PRECISIONS, SHIFT):
        return Rule(action, argument)
    if action == "reference" and _TYPE.fullmatch(argument):
        return Rule(action, argument)
    if action == "age-band" and _WIDTH.fullmatch(argument):
        return Rule(action, argument)
    if action == "generalise":
        return _generalisation(file_name, where, argument)
    if action in _PLAIN and not colon:
        return Rule(action)
    shown = repr(text)[:60]
    raise refusal(file_name, where, f"{shown} is no action", f"{shown} 不是已知动作")


def _generalisation(file_name: str, where: str, argument: str) -> Rule:
    """Dates and ages have actions of their own; what FHIR cannot express is refused here, not found empty."""
    name, _, asked = argument.partition(":")
    try:
        hierarchy = hierarchy_named(name)
        number = hierarchy.level(asked)
    except PlatformError as error:
        raise refusal(file_name, where, error.en.rstrip("."), error.zh.rstrip("。")) from error
    if number == 0 or not hierarchy.levels[number - 1].fhir:
        raise refusal(
            file_name,
            where,
            f"level {asked} of {name} is nothing that FHIR can express",
            f"层级 {name} 的第 {asked} 级无法用 FHIR 表示",
        )
    level = hierarchy.levels[number - 1]
    if hierarchy.method == "date":
        return Rule("date", level.name)
    if hierarchy.method == "bands":
        return Rule("age-band", str(level.width))
    return Rule("generalise", f"{name}:{level.name}")
