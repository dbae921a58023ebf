"""What the smaller gates share: their answer, the check that a pack is theirs, and their sentences.

A gate (participation, inbound) answers ALLOW or HOLD, never BLOCK: where its ground still has to be confirmed by
counsel, a person lifts the hold with evidence. Every word comes from the pack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rwd_platform.compliance.rulepack import PACK_MALFORMED, Duty, Rule, RulePack
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

ALLOW, HOLD = "ALLOW", "HOLD"

PACK_NOT_FOR_DAY = Problem(
    code="transfer.pack_not_for_day",
    zh="规则包 {pack} 适用于 {since} 至 {until_zh}，不能用于 {on}。",
    en="The rule pack {pack} applies from {since} to {until_en} and cannot decide about {on}.",
    next_zh="请核对日期 on，或选用当时有效的规则包。",
    next_en="Check the day `on`, or take the pack that was in force then.",
)


@dataclass(frozen=True)
class GateAnswer:
    """What a gate answers, and why.

    verdict -- ALLOW or HOLD
    rules   -- ids of the rules that fired, in the pack's order
    missing -- ids of what must be supplied, sorted; never empty for a HOLD, always empty for an ALLOW
    confirm -- what counsel must still confirm about the rules that fired
    """

    verdict: str
    rules: tuple[str, ...]
    missing: tuple[str, ...]
    rule_pack: Mapping[str, str]
    zh: str
    en: str
    confirm: tuple[Bilingual, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The answer as JSON values, for a record."""
        return {
            "verdict": self.verdict,
            "rules": list(self.rules),
            "missing": list(self.missing),
            "rule_pack": dict(self.rule_pack),
            "zh": self.zh,
            "en": self.en,
            "confirm": [one._asdict() for one in self.confirm],
        }


def check_pack(pack: RulePack, family: str, rules: Sequence[str], duties: Sequence[str], on: date) -> None:
    """Raises PlatformError (exit 2) unless the pack is of the family, holds what the gate's code knows, and applies."""
    if pack.family != family:
        raise PACK_MALFORMED.error(name=pack.id, where="family")
    if tuple(rule.id for rule in pack.rules) != tuple(rules):
        raise PACK_MALFORMED.error(name=pack.id, where="rules")
    if set(pack.duties) != set(duties):
        raise PACK_MALFORMED.error(name=pack.id, where="duties")
    if set(pack.verdicts) != {ALLOW, HOLD}:
        raise PACK_MALFORMED.error(name=pack.id, where="verdicts")
    until = pack.effective_until
    if on < pack.effective_from or (until is not None and until < on):
        raise PACK_NOT_FOR_DAY.error(
            pack=f"{pack.id} {pack.version}",
            since=pack.effective_from,
            until_zh=until or "今后",
            until_en=until or "further notice",
            on=on,
        )
    # A rule that begins later would allow by silence.
    if any(rule.effective_from > on for rule in pack.rules):
        raise PACK_MALFORMED.error(name=pack.id, where="effective_from")


def answer(
    pack: RulePack, fired: Sequence[Rule], missing: Sequence[str], words: Mapping[str, Bilingual]
) -> GateAnswer:
    """The answer in words. `words` fills the braces of the rules' sentences; something missing holds."""
    verdict = HOLD if missing else ALLOW
    lacking = tuple(sorted(set(missing)))
    confirm = tuple(rule.confirm for rule in fired if rule.confirm is not None)
    said = [
        Bilingual(f"{pack.verdicts[verdict].zh}。", f"{pack.verdicts[verdict].en}."),
        _reasons(fired, words),
        *([_missing([pack.duties[id] for id in lacking])] if lacking else []),
        *([_confirm(confirm)] if confirm else []),
        pack.disclaimer,
    ]
    return GateAnswer(
        verdict=verdict,
        rules=tuple(rule.id for rule in fired),
        missing=lacking,
        rule_pack={"id": pack.id, "version": pack.version, "sha256": pack.sha256},
        zh="".join(one.zh for one in said),
        en=" ".join(one.en for one in said),
        confirm=confirm,
    )


def _reasons(fired: Sequence[Rule], words: Mapping[str, Bilingual]) -> Bilingual:
    zh, en = [], []
    for rule in fired:
        filled = {
            **words,
            **{f"{name}_threshold": Bilingual(f"{at:,}", f"{at:,}") for name, at in rule.thresholds.items()},
        }
        in_zh = rule.sentence.zh.format_map({name: one.zh for name, one in filled.items()})
        in_en = rule.sentence.en.format_map({name: one.en for name, one in filled.items()})
        zh.append(f"{in_zh}（{rule.source.zh}）")
        en.append(f"{in_en} ({rule.source.en})")
    return Bilingual(f"理由：{'；'.join(zh)}。", f"Why: {'; '.join(en)}.")


def _missing(duties: Sequence[Duty]) -> Bilingual:
    zh = "；".join(f"{one.sentence.zh}（{one.source.zh}；由{one.supplied_by.zh}提供）" for one in duties)
    en = "; ".join(f"{one.sentence.en} ({one.source.en}; from {one.supplied_by.en})" for one in duties)
    return Bilingual(f"尚缺：{zh}。", f"Missing: {en}.")


def _confirm(confirm: Sequence[Bilingual]) -> Bilingual:
    zh, en = "；".join(one.zh for one in confirm), "; ".join(one.en for one in confirm)
    return Bilingual(f"须由法务核对：{zh}。", f"Counsel must confirm: {en}.")
