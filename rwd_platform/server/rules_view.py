"""Rule packs for people: each rule in words, with its numbers, its article and what counsel has yet to confirm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rwd_platform.compliance.pins import FOLDER
from rwd_platform.compliance.rulepack import Rule, RulePack
from rwd_platform.compliance.shipped import Shelf, Shipped, shelf, worded
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND

FAMILIES: Mapping[str, Bilingual] = {
    "national": Bilingual("向境外提供数据（国家规则）", "Data abroad: the national rules"),
    "genetic_resources": Bilingual("外方参与与人类遗传资源", "Foreign parties and human genetic resources"),
    "hainan": Bilingual("海南自由贸易港负面清单", "Hainan Free Trade Port: the negative list"),
    "inbound": Bilingual("境外数据入境", "Data of persons abroad, brought in"),
}
STANDINGS: Mapping[str, tuple[Bilingual, str]] = {
    "in_force": (Bilingual("今日适用", "In force today"), "good"),
    "to_come": (Bilingual("尚未适用", "To come"), "held"),
    "ended": (Bilingual("已不再适用", "Ended"), "quiet"),
}
BLOCKS: Mapping[str, Bilingual] = {
    "prohibitions": Bilingual("禁止", "Prohibitions"),
    "genetic_resources": Bilingual("人类遗传资源", "Human genetic resources"),
    "personal_information": Bilingual("个人信息与重要数据", "Personal information and important data"),
    "participation": Bilingual("冻结研究方案之前", "Before a protocol is frozen"),
    "inbound": Bilingual("数据入境之前", "Before data come in"),
}
# What the smaller gates answer by a rule; the national pack has its own words.
RESULTS: Mapping[str, Bilingual] = {
    "PROHIBITED": Bilingual("禁止", "Prohibited"),
    "UNDETERMINED": Bilingual("事实不明，无法判定", "Undetermined: a fact is not known"),
    "AS_LISTED": Bilingual("按清单所定的路径", "By the route that the list sets"),
    "EXIT_CERTIFICATE": Bilingual("须有材料出境证明", "Needs an exit certificate"),
    "NO_FOREIGN_PARTY": Bilingual("没有外方参加", "No foreign party"),
    "NO_GENETIC_RESOURCES": Bilingual("不涉及人类遗传资源", "No human genetic resources"),
    "COVERED_BY_COOPERATION": Bilingual("已由国际合作覆盖", "Covered by a cooperation"),
    "COOPERATION_NEEDED": Bilingual("须有国际合作批准或者备案", "Needs an approved or filed cooperation"),
    "RESTRICTED": Bilingual("受到禁止或者限制", "Restricted or prohibited"),
    "BELOW": Bilingual("未超过人数标准", "Below the numbers"),
    "TRANSFER_TOOL": Bilingual("提供方须有传输工具", "Needs the sender's transfer tool"),
    "NOT_PERSONAL": Bilingual("不是个人数据", "Not personal data"),
    "NO_RULE_KNOWN": Bilingual("本包没有该地的规则", "No rule for that place"),
}
# By a threshold's name: what it says with its number. The code compares with "at least" or "more than".
THRESHOLDS: Mapping[str, Bilingual] = {
    "general": Bilingual("一般个人信息累计 {n} 人起", "general information: from {n} persons"),
    "sensitive": Bilingual("敏感个人信息累计 {n} 人起", "sensitive information: from {n} persons"),
    "transfer_sensitive": Bilingual(
        "本次敏感个人信息 {n} 人起", "sensitive information in one transfer: from {n} persons"
    ),
    "exome_genome_persons": Bilingual(
        "外显子组、基因组测序超过 {n} 人", "exomes or genomes: more than {n} persons"
    ),
    "persons": Bilingual("健康数据超过 {n} 人", "health data: more than {n} persons"),
    "genomic_persons": Bilingual("基因组数据超过 {n} 人", "genomic data: more than {n} persons"),
}


@dataclass(frozen=True)
class RuleSeen:
    """One rule in words.

    heads -- it is the first of its block, and the pack has several
    bases -- the grounds of an exemption with the day from which each serves
    """

    id: str
    block: Bilingual
    heads: bool
    result: Bilingual
    code: str
    sentence: Bilingual
    source: Bilingual
    since: date
    thresholds: tuple[Bilingual, ...]
    bases: tuple[tuple[Bilingual, date], ...]
    confirm: Bilingual | None


def rules_today(platform: Platform) -> Shelf:
    return shelf(shanghai_date(platform.clock()), FOLDER)


def pack_of(found: Shelf, family: str, version: str) -> Shipped:
    """Raises 404 for a version that is not shipped, and `transfer.no_such_family` for another family."""
    one = found.pack(family, version)
    if one is None:
        raise NOT_FOUND.error(kind="rule pack", id=f"{family} {version}" if version.isprintable() else family)
    return one


def address_of(platform: Platform, rule_pack: Mapping[str, Any]) -> str:
    """The page of the pack that decided, by its hash; "" for one that is not shipped: a decision names its bytes."""
    one = rules_today(platform).by_hash(str(rule_pack.get("sha256", "")))
    return f"/rules/{one.family}/{one.content.version}" if one else ""


def in_words(pack: RulePack) -> tuple[RuleSeen, ...]:
    """Its rules in their order."""
    before = (None, *pack.rules)
    blocks = len({rule.block for rule in pack.rules})
    return tuple(
        _seen(rule, pack, heads=blocks > 1 and (last is None or last.block != rule.block))
        for last, rule in zip(before, pack.rules, strict=False)
    )


def _seen(rule: Rule, pack: RulePack, *, heads: bool) -> RuleSeen:
    paths = {**RESULTS, **pack.genetic_resources_paths, **pack.personal_information_paths}
    return RuleSeen(
        id=rule.id,
        block=BLOCKS[rule.block],
        heads=heads,
        result=paths.get(rule.result, Bilingual(rule.result, rule.result)),
        code=rule.result,
        sentence=worded(rule),
        source=rule.source,
        since=rule.effective_from,
        thresholds=tuple(_threshold(name, at) for name, at in rule.thresholds.items()),
        bases=tuple((pack.exemption_bases[base], since) for base, since in rule.bases.items()),
        confirm=rule.confirm,
    )


def _threshold(name: str, at: int) -> Bilingual:
    words = THRESHOLDS.get(name, Bilingual(f"{name} {{n}}", f"{name} {{n}}"))
    return Bilingual(words.zh.format(n=f"{at:,}"), words.en.format(n=f"{at:,}"))
