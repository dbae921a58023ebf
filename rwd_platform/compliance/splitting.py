"""The alarm against splitting: transfers that stay below a threshold one by one and reach it together.

Two ways of taking one provision apart are looked for, each towards one group of recipients in one calendar year
(Asia/Shanghai): over related exporters, and over the purposes of one exporter. Inside one exporter persons are
compared exactly. Two exporters' person keys cannot be compared, so across exporters the sum is an upper bound: the
same patient of two hospitals counts twice. An alarm is a question to a person and decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from rwd_platform.compliance.forecast import Threshold
from rwd_platform.compliance.ledger import Ledger, Persons
from rwd_platform.core.text import Bilingual

Kind = Literal["exporters", "purposes"]


@dataclass(frozen=True)
class Movement:
    """What one exporter provided to one recipient on one day for one purpose.

    exporter_group, recipient_group -- who belongs together (one owner, one sponsor); "" is somebody who stands alone
    on                              -- the day, Asia/Shanghai
    persons                         -- their keys; comparable only with those of the same exporter
    """

    exporter: str
    exporter_group: str
    recipient: str
    recipient_group: str
    purpose: str
    on: date
    persons: Ledger


@dataclass(frozen=True)
class Alarm:
    """Several members together reach a threshold that none of them reaches by itself.

    kind      -- exporters: `members` are exporters of one group; purposes: they are purposes of one exporter
    source    -- that group, or that exporter
    recipient_group -- the group of recipients, or the recipient that stands alone
    general, sensitive -- persons of all the members together
    threshold -- the id of the threshold that they reach
    exact     -- False: the counts are an upper bound, since persons of two exporters cannot be compared
    """

    kind: Kind
    year: int
    source: str
    recipient_group: str
    members: tuple[str, ...]
    general: int
    sensitive: int
    threshold: str
    exact: bool
    text: Bilingual


@dataclass(frozen=True)
class _Count:
    general: int
    sensitive: int

    def reaches(self, at: Threshold) -> bool:
        return (self.general if at.counts == "general" else self.sensitive) >= at.at_least


# Whom it is about: year, who provides, who receives. A group and somebody alone of the same name are two.
_Party = tuple[bool, str]
_Key = tuple[int, _Party, _Party]
_Members = dict[str, list[Ledger]]


def alarms(movements: Iterable[Movement], at: Sequence[Threshold]) -> tuple[Alarm, ...]:
    """The alarms, sorted; the order of the movements does not matter, and one movement alone never alarms.

    `at` are the thresholds of the pack in force (`forecast.thresholds`).
    """
    by_exporters: dict[_Key, _Members] = defaultdict(lambda: defaultdict(list))
    by_purposes: dict[_Key, _Members] = defaultdict(lambda: defaultdict(list))
    for one in movements:
        recipient = _party(one.recipient_group, one.recipient)
        related = (one.on.year, _party(one.exporter_group, one.exporter), recipient)
        by_exporters[related][one.exporter].append(one.persons)
        by_purposes[one.on.year, (False, one.exporter), recipient][one.purpose].append(one.persons)
    found = [
        *(alarm for key, members in by_exporters.items() for alarm in _exporters(key, members, at)),
        *(alarm for key, members in by_purposes.items() for alarm in _purposes(key, members, at)),
    ]
    return tuple(
        sorted(
            found,
            key=lambda one: (one.year, one.kind, one.recipient_group, one.source, one.members, one.threshold),
        )
    )


def _party(group: str, alone: str) -> _Party:
    return (True, group) if group else (False, alone)


def _exporters(key: _Key, members: _Members, at: Sequence[Threshold]) -> list[Alarm]:
    """Each exporter's persons are counted once; the exporters' counts are added, which can only be too many."""
    single = {name: _count(ledgers) for name, ledgers in members.items()}
    together = _Count(
        sum(one.general for one in single.values()), sum(one.sensitive for one in single.values())
    )
    return _alarms("exporters", key, single, together, at, exact=False)


def _purposes(key: _Key, members: _Members, at: Sequence[Threshold]) -> list[Alarm]:
    single = {name: _count(ledgers) for name, ledgers in members.items()}
    together = _count([one for ledgers in members.values() for one in ledgers])
    return _alarms("purposes", key, single, together, at, exact=True)


def _count(ledgers: Sequence[Ledger]) -> _Count:
    """The distinct persons of one exporter's ledgers, as `Ledger.plus` would count them, in one pass over the keys."""
    general = _union(one.general_only for one in ledgers)
    sensitive = _union(one.sensitive for one in ledgers)
    return _Count((general | sensitive).count - sensitive.count, sensitive.count)


def _union(parts: Iterable[Persons]) -> Persons:
    return Persons() | Persons(tuple(interval for part in parts for interval in part.intervals))


def _alarms(
    kind: Kind,
    key: _Key,
    single: Mapping[str, _Count],
    together: _Count,
    at: Sequence[Threshold],
    *,
    exact: bool,
) -> list[Alarm]:
    year, (_, source), (_, recipients) = key
    members = tuple(sorted(single))
    return [
        Alarm(
            kind=kind,
            year=year,
            source=source,
            recipient_group=recipients,
            members=members,
            general=together.general,
            sensitive=together.sensitive,
            threshold=one.id,
            exact=exact,
            text=_say(kind, key, members, together, one),
        )
        for one in at
        if together.reaches(one) and not any(count.reaches(one) for count in single.values())
    ]


def _say(kind: Kind, key: _Key, members: Sequence[str], together: _Count, at: Threshold) -> Bilingual:
    year, (_, source), (_, recipients) = key
    names = Bilingual("、".join(members), ", ".join(members))
    counts = Bilingual(
        f"一般个人信息 {together.general:,} 人、敏感个人信息 {together.sensitive:,} 人",
        f"{together.general:,} persons (general) and {together.sensitive:,} persons (sensitive)",
    )
    reached = Bilingual(
        f"达到“{at.name.zh}”的 {at.at_least:,} 人标准", f"which reaches {at.at_least:,}: {at.name.en}"
    )
    if kind == "exporters":
        return Bilingual(
            f"{year} 年，{source} 的 {len(members)} 家提供方（{names.zh}）向 {recipients} 提供的合计最多为{counts.zh}，"
            f"{reached.zh}，而任何一家单独都未达到。不同提供方的人员不能比对，合计是上限。"
            "请确认不是把一项提供拆分到多家。",
            f"In {year}, {len(members)} exporters of {source} ({names.en}) together provided {recipients} with data of "
            f"at most {counts.en}, {reached.en}; none of them reaches it alone. Persons of two exporters cannot be "
            "compared, so this is an upper bound. Make sure that one provision is not being split over several "
            "exporters.",
        )
    return Bilingual(
        f"{year} 年，{source} 以 {len(members)} 个目的（{names.zh}）向 {recipients} 提供的合计为{counts.zh}"
        f"（同一人只计一次），{reached.zh}，而任何一个目的单独都未达到。请确认不是把一项提供按目的拆分。",
        f"In {year}, {source} provided {recipients} for {len(members)} purposes ({names.en}) with data of {counts.en}, "
        f"each person once, {reached.en}; none of the purposes reaches it alone. Make sure that one provision is not "
        "being split over several purposes.",
    )
