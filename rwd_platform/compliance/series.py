"""Series of packs: the packs of one family follow each other in time, and the day of a transfer picks one.

Every shipped pack names its family, its first day and, where it has ended, its last; both are inclusive and days in
Asia/Shanghai (an instant is turned into one by `core.clock.shanghai_date`). Packs of one family join without a gap
and without an overlap: otherwise no rule, or two, would apply on a day, and a family like that picks nothing at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal, overload

from rwd_platform.compliance.pins import FOLDER, shipped_bytes, shipped_names
from rwd_platform.compliance.rulepack import (
    GENETIC_RESOURCES,
    INBOUND,
    NATIONAL,
    RulePack,
    malformed,
    read_pack,
    read_period,
    read_toml,
)
from rwd_platform.compliance.zone_list import HAINAN, ZoneList, read_zone_list
from rwd_platform.core.errors import Exit, PlatformError, Problem

RuleFamily = Literal["national", "genetic_resources", "inbound"]
ZoneFamily = Literal["hainan"]
FAMILIES = (NATIONAL, GENETIC_RESOURCES, HAINAN, INBOUND)

PACKS_GAP = Problem(
    code="transfer.packs_gap",
    zh="规则包 {earlier} 与 {later} 之间有空档：{first} 至 {last} 没有可适用的规则。",
    en="Between the rule packs {earlier} and {later} is a gap: no rules apply from {first} to {last}.",
    next_zh="请核对两个规则包的起止日期，或补上这段时间的规则包。",
    next_en="Check the days on which the two begin and end, or add the pack of that time.",
    http=500,
    exit=Exit.REFUSED,
)
PACKS_OVERLAP = Problem(
    code="transfer.packs_overlap",
    zh="规则包 {earlier} 与 {later} 的适用期重叠：{first} 起两者同时适用。",
    en="The rule packs {earlier} and {later} overlap: from {first} on both apply.",
    next_zh="请为较早的规则包填写截止日期 effective_until，即较晚者起始日的前一天。",
    next_en="Give the earlier one its `effective_until`: the day before the later one begins.",
    http=500,
    exit=Exit.REFUSED,
)
NO_PACK_ON = Problem(
    code="transfer.no_pack_on",
    zh="规则系列 {family} 没有适用于 {on} 的规则包；现有规则包适用于 {since} 至 {until_zh}。",
    en="No rule pack of the family {family} applies on {on}; those at hand apply from {since} to {until_en}.",
    next_zh="请核对日期；确需判定该日的，请用 --rules 指明当时有效的规则包文件。",
    next_en="Check the day; to decide about it, state the pack that was in force then with --rules.",
)
NO_SUCH_FAMILY = Problem(
    code="transfer.no_such_family",
    zh="没有规则系列 {family}。",
    en="There is no family of rule packs called {family}.",
    next_zh="可用的规则系列：{known}。",
    next_en="The families are: {known}.",
)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Head:
    """The top of a shipped pack: which file, of which family, from when until when (inclusive; None: no end yet)."""

    name: str
    family: str
    effective_from: date
    effective_until: date | None

    def applies_on(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_until is None or day <= self.effective_until)


@overload
def pack_in_force(family: RuleFamily, on: date, folder: Path = FOLDER) -> RulePack: ...
@overload
def pack_in_force(family: ZoneFamily, on: date, folder: Path = FOLDER) -> ZoneList: ...
def pack_in_force(family: str, on: date, folder: Path = FOLDER) -> RulePack | ZoneList:
    """The family's pack that applies on the day (Asia/Shanghai).

    Raises PlatformError: exit 2 where none applies or a pack is malformed; exit 3 where the family's packs leave a
    gap or overlap anywhere in time, or where the shipped files are not those that were pinned.
    """
    heads = series(family, folder)
    found = next((head for head in heads if head.applies_on(on)), None)
    if found is None:
        since, until = heads[0].effective_from, heads[-1].effective_until
        raise NO_PACK_ON.error(
            family=family, on=on, since=since, until_zh=until or "今后", until_en=until or "further notice"
        )
    raw, name = shipped_bytes(found.name, folder), f"{found.name}.toml"
    return read_zone_list(raw, name) if family == HAINAN else read_pack(raw, name)


def adopted_scenarios(on: date, folder: Path = FOLDER) -> frozenset[str]:
    """Scenarios of medicine of the zone's list that applies on the day; none where nobody adopted it, or there is none.

    A signed opinion leans on a list (Cross-Border Data Flow Provisions Art. 6), so without one it leans on nothing.
    """
    try:
        found = pack_in_force("hainan", on, folder)
    except PlatformError as error:
        if error.problem is NO_PACK_ON:
            return frozenset()
        raise
    return frozenset(found.medicine_scenarios) if found.adopted else frozenset()


def series(family: str, folder: Path = FOLDER) -> tuple[Head, ...]:
    """The family's shipped packs, earliest first, once they are shown to join. Raises PlatformError as above."""
    if family not in FAMILIES:
        raise NO_SUCH_FAMILY.error(family=family, known=", ".join(FAMILIES))
    heads = [head for head in shipped_heads(folder) if head.family == family]
    if not heads:
        raise NO_SUCH_FAMILY.error(family=family, known=", ".join(FAMILIES))
    return check_joined(heads)


def shipped_heads(folder: Path = FOLDER) -> tuple[Head, ...]:
    """The top of every shipped pack. Raises PlatformError where one is malformed, or is not what its pin says."""
    return tuple(_head(name, shipped_bytes(name, folder)) for name in shipped_names(folder))


def check_joined(heads: Sequence[Head]) -> tuple[Head, ...]:
    """The heads in the order of time. Raises PlatformError (exit 3) where two neighbours leave a gap or overlap."""
    ordered = tuple(sorted(heads, key=lambda head: (head.effective_from, head.name)))
    for earlier, later in pairwise(ordered):
        end, start = earlier.effective_until, later.effective_from
        if end is None or end >= start:
            raise PACKS_OVERLAP.error(earlier=earlier.name, later=later.name, first=start)
        if end + _DAY < start:
            raise PACKS_GAP.error(earlier=earlier.name, later=later.name, first=end + _DAY, last=start - _DAY)
    return ordered


def _head(name: str, raw: bytes) -> Head:
    content = read_toml(raw, f"{name}.toml")
    with malformed(f"{name}.toml"):
        if content["family"] not in FAMILIES:
            raise ValueError("family")
        since, until = read_period(content)
        return Head(name, content["family"], since, until)
