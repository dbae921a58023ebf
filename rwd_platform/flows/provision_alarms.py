"""Alarms about split provisions over all exporters of a year, in sentences with names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import select

from rwd_platform.compliance.forecast import Threshold
from rwd_platform.compliance.splitting import Alarm, Movement, alarms
from rwd_platform.compliance.standing import purposes
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_counts import Part, as_ledgers
from rwd_platform.records.tables import LegalParty

Opened = Mapping[
    str, list[Part] | PlatformError
]  # by exporter; the error where persons on record are damaged


@dataclass(frozen=True)
class AlarmSeen:
    """An alarm about split provisions, in a sentence with names."""

    alarm: Alarm
    text: Bilingual


def split_alarms(
    platform: Platform,
    opened: Opened,
    at: Sequence[Threshold],
    names: Mapping[str, Bilingual],
) -> tuple[AlarmSeen, ...]:
    """Of one year, over all exporters. Exporters whose persons cannot be opened are left out; their page says so."""
    whole = {exporter: parts for exporter, parts in opened.items() if not isinstance(parts, PlatformError)}
    groups = {row.id: row.group_name for row in platform.records.all(select(LegalParty))}
    wanted = _may_be_split(whole, groups, min((one.at_least for one in at), default=0))
    movements = []
    for exporter, parts in whole.items():
        mine = [one for one in parts if one.provision.id in wanted]
        for one, ledger in zip(mine, as_ledgers([part.persons for part in mine]), strict=True):
            row = one.provision
            movements.append(
                Movement(
                    exporter, groups.get(exporter, ""), row.recipient_id, groups.get(row.recipient_id, ""),
                    row.purpose, one.on, ledger,
                )
            )  # fmt: skip
    by_id = {one.id: one for one in at}
    return tuple(AlarmSeen(one, _in_words(one, by_id[one.threshold], names)) for one in alarms(movements, at))


def _may_be_split(whole: Mapping[str, Sequence[Part]], groups: Mapping[str, str], least: int) -> set[str]:
    """The provisions that could be part of an alarm, without comparing anybody: towards one group of recipients, of
    several exporters of one group or for several purposes of one, and together as many as the lowest threshold.
    """
    members: dict[tuple[str, ...], set[str]] = defaultdict(set)
    parts_of: dict[tuple[str, ...], list[Part]] = defaultdict(list)
    for exporter, parts in whole.items():
        for one in parts:
            row = one.provision
            to = groups.get(row.recipient_id) or f"alone {row.recipient_id}"
            source = groups.get(exporter) or f"alone {exporter}"
            for key, member in (
                (("exporters", source, to), exporter),
                (("purposes", exporter, to), row.purpose),
            ):
                members[key].add(member)
                parts_of[key].append(one)
    return {
        one.provision.id
        for key, parts in parts_of.items()
        if len(members[key]) > 1 and sum(each.persons.size for each in parts) >= least
        for one in parts
    }


def is_about(alarm: Alarm, exporter: str, *, alone: bool) -> bool:
    """Whether it concerns the exporter. `alone`: for somebody who may see this exporter and no other one."""
    if alarm.kind == "purposes":
        return alarm.source == exporter
    return exporter in alarm.members and not alone


def _in_words(alarm: Alarm, at: Threshold, names: Mapping[str, Bilingual]) -> Bilingual:
    words = {**names, **purposes()}

    def name(id: str) -> Bilingual:
        return words.get(id, Bilingual(id, id))

    members = [name(one) for one in alarm.members]
    zh, en = "、".join(one.zh for one in members), ", ".join(one.en for one in members)
    to, source = name(alarm.recipient_group), name(alarm.source)
    counts_zh = f"一般 {alarm.general:,} 人、敏感 {alarm.sensitive:,} 人"
    counts_en = f"{alarm.general:,} persons (general) and {alarm.sensitive:,} (sensitive)"
    reached_zh = f"合计达到 {at.at_least:,} 人（{at.name.zh}），单独均未达到"
    reached_en = f"together {at.at_least:,} is reached ({at.name.en}), and by none of them alone"
    if alarm.kind == "purposes":
        return Bilingual(
            f"{alarm.year} 年，{source.zh}按不同目的（{zh}）提供给{to.zh}：{counts_zh}；{reached_zh}。请核实是否拆分。",
            f"In {alarm.year} {source.en} provided for several purposes ({en}) to {to.en}: {counts_en}; {reached_en}. "
            "Find out whether one provision was split.",
        )
    return Bilingual(
        f"{alarm.year} 年，{source.zh}各提供方（{zh}）提供给{to.zh}：至多{counts_zh}；{reached_zh}。请核实是否拆分。",
        f"In {alarm.year} several exporters of {source.en} ({en}) provided to {to.en}: at most {counts_en}; "
        f"{reached_en}. Find out whether one provision was split.",
    )
