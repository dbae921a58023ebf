"""May data of persons abroad be brought in for a multi-regional trial? What the sender's law asks, read from afar.

Two laws are known: the United States' rule on bulk sensitive data (28 CFR part 202) and the GDPR. The platform is on
the receiving side, and much of this is for counsel to confirm, so the gate holds and never blocks. Data of several
origins are asked about one origin at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rwd_platform.compliance.gates import GateAnswer, answer, check_pack
from rwd_platform.compliance.rulepack import INBOUND, PACK_MALFORMED, Rule, RulePack
from rwd_platform.core.errors import PlatformError, Problem
from rwd_platform.core.text import Bilingual

ORIGINS = ("US", "EEA_UK", "OTHER", "unknown")
EXEMPTIONS = (None, "regulatory_approval", "clinical_investigation")
DUTIES = ("ORIGIN", "SENDER_MECHANISM", "US_EXEMPTION", "US_EXEMPTION_EVIDENCE")

INBOUND_UNKNOWN_KEY = Problem(
    code="inbound.unknown_key",
    zh="入境事实中有不认识的键 {key}。",
    en="The import's facts have a key that is not known: {key}.",
    next_zh="请删除该键或改正拼写；可用的键：{known}。",
    next_en="Remove it or correct its spelling; the keys are {known}.",
)
INBOUND_MISSING_KEY = Problem(
    code="inbound.missing_key",
    zh="入境事实中缺少键 {key}。",
    en="The import's facts lack the key {key}.",
    next_zh="请补充该事实；来源地不明的写 unknown，而不是省略。",
    next_en="Supply this fact; an origin that is not known is `unknown`, not left out.",
)
INBOUND_BAD_VALUE = Problem(
    code="inbound.bad_value",
    zh="入境事实 {key} 的值 {value} 不被接受；可用的是：{allowed_zh}。",
    en="The import's {key} cannot be {value}; it takes {allowed_en}.",
    next_zh="请改为可用的值后重试。",
    next_en="Give one of the values it takes and try again.",
)

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHOWN = 40  # characters of a refused value or key that an error repeats
_MOST = 10_000_000_000  # more persons than there are

Reader = Callable[[Any, str], Any]


@dataclass(frozen=True)
class Import:
    """One import, of one origin.

    on                         -- the day, Asia/Shanghai
    persons                    -- distinct persons whose data come, with those already brought in that counsel adds up
    genomic_persons            -- those of them of whom human genomic data come
    health                     -- health data are among them
    key_coded_or_identified    -- somebody, anywhere, can still tell who a record belongs to
    exemption                  -- of the United States' rule: which one is claimed
    exemption_evidence         -- counsel's written ground for it is on file
    sender_mechanism_on_file   -- the sender's standard contractual clauses and transfer impact assessment are on file
    """

    on: date
    origin: str
    persons: int
    genomic_persons: int
    health: bool
    key_coded_or_identified: bool
    exemption: str | None
    exemption_evidence: bool
    sender_mechanism_on_file: bool


def _bad(key: str, value: Any, allowed_en: str, allowed_zh: str = "") -> PlatformError:
    if isinstance(value, int) and abs(value) > _MOST:
        shown = "…"  # too many digits to be written out
    else:
        shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown
    return INBOUND_BAD_VALUE.error(
        key=key, value=shown, allowed_en=allowed_en, allowed_zh=allowed_zh or allowed_en
    )


# -- readers: a value and its key in, a typed fact out ---------------------------------------------------------------


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _bad(key, value, "true | false")
    return value


def _count(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST:
        raise _bad(key, value, f"an integer from 0 to {_MOST:,}", f"0 至 {_MOST:,} 的整数")
    return value


def _one_of(*allowed: str | None) -> Reader:
    def read(value: Any, key: str) -> str | None:
        if not (value is None or isinstance(value, str)) or value not in allowed:
            raise _bad(key, value, " | ".join("null" if one is None else one for one in allowed))
        return value

    return read


def _day(value: Any, key: str) -> date:
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass  # 2026-02-30 looks like a day and is none
    raise _bad(key, value, "a day as YYYY-MM-DD", "YYYY-MM-DD 格式的日期")


# The list of facts: every accepted key, and how it is read.
_FACTS: Mapping[str, Reader] = {
    "on": _day,
    "origin": _one_of(*ORIGINS),
    "persons": _count,
    "genomic_persons": _count,
    "health": _flag,
    "key_coded_or_identified": _flag,
    "exemption": _one_of(*EXEMPTIONS),
    "exemption_evidence": _flag,
    "sender_mechanism_on_file": _flag,
}


def read_import(facts: Mapping[str, Any]) -> Import:
    """The typed facts. Raises PlatformError (exit 2) naming a key that is unknown, missing or impossible."""
    if not isinstance(facts, Mapping):
        raise _bad("facts", facts, "an object", "一个对象")
    for key in facts:
        if key not in _FACTS:
            shown = (
                str(key).encode("utf-8", "replace").decode()[:_SHOWN]
            )  # a lone surrogate could not be printed
            raise INBOUND_UNKNOWN_KEY.error(key=shown, known=", ".join(_FACTS))
    missing = sorted(_FACTS.keys() - facts.keys())
    if missing:
        raise INBOUND_MISSING_KEY.error(key=missing[0])
    read = Import(**{key: reader(facts[key], key) for key, reader in _FACTS.items()})
    if read.genomic_persons > read.persons:
        raise _bad("genomic_persons", read.genomic_persons, "at most `persons`", "不大于 persons 的整数")
    return read


def _too_many(data: Import, rule: Rule) -> bool:
    """Health data of more than so many persons. Whether records are key-coded makes no difference here."""
    return data.origin == "US" and data.health and data.persons > rule.thresholds["persons"]


def _too_many_genomes(data: Import, rule: Rule) -> bool:
    return data.origin == "US" and data.genomic_persons > rule.thresholds["genomic_persons"]


# What each rule looks at, in the order that a pack must keep.
PREDICATES: Mapping[str, Callable[[Import, Mapping[str, Rule]], bool]] = {
    "I1": lambda data, rules: data.origin == "unknown",
    "I2": lambda data, rules: _too_many(data, rules["I2"]),
    "I3": lambda data, rules: _too_many_genomes(data, rules["I3"]),
    "I4": lambda data, rules: (
        data.origin == "US" and not _too_many(data, rules["I2"]) and not _too_many_genomes(data, rules["I3"])
    ),
    "I5": lambda data, rules: data.origin == "EEA_UK" and data.key_coded_or_identified,
    "I6": lambda data, rules: data.origin == "EEA_UK" and not data.key_coded_or_identified,
    "I7": lambda data, rules: data.origin == "OTHER",
}


def inbound(facts: Mapping[str, Any], pack: RulePack) -> GateAnswer:
    """ALLOW or HOLD for one import, every rule that fired, what is missing, and why in both languages.

    `facts` has exactly the keys of `Import`, the day as YYYY-MM-DD. Missing are ORIGIN; US_EXEMPTION (none is claimed)
    or US_EXEMPTION_EVIDENCE (one is claimed without its ground); SENDER_MECHANISM.

    `pack` is of the family `inbound` (`series.pack_in_force`). Raises PlatformError (exit 2) naming a key that is
    unknown, missing or impossible, for another pack, or for one that does not apply on the day.
    """
    data = read_import(facts)
    check_pack(pack, INBOUND, tuple(PREDICATES), DUTIES, data.on)
    rules = _rules(pack)
    fired = [rule for rule in pack.rules if PREDICATES[rule.id](data, rules)]
    words = {"persons": f"{data.persons:,}", "genomic_persons": f"{data.genomic_persons:,}"}
    return answer(
        pack,
        fired,
        _missing(data, {rule.id for rule in fired}),
        {name: Bilingual(count, count) for name, count in words.items()},
    )


def _rules(pack: RulePack) -> Mapping[str, Rule]:
    """The rules by id, once the pack has what the gate asks it for: an absent threshold would be a guess."""
    rules = {rule.id: rule for rule in pack.rules}
    for id, threshold in (("I2", "persons"), ("I3", "genomic_persons")):
        if threshold not in rules[id].thresholds:
            raise PACK_MALFORMED.error(name=pack.id, where=f"{id}.thresholds.{threshold}")
    return rules


def _missing(data: Import, fired: set[str]) -> list[str]:
    missing = []
    if "I1" in fired:
        missing.append("ORIGIN")
    if fired & {"I2", "I3"} and data.exemption is None:
        missing.append("US_EXEMPTION")
    elif fired & {"I2", "I3"} and not data.exemption_evidence:
        missing.append("US_EXEMPTION_EVIDENCE")
    if "I5" in fired and not data.sender_mechanism_on_file:
        missing.append("SENDER_MECHANISM")
    return missing
