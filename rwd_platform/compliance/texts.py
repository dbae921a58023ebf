"""A decision in words: the verdict, the path and why, what is missing and who supplies it.

Every word comes from the rule pack; this file only puts the sentences together.
"""

from __future__ import annotations

from collections.abc import Mapping

from rwd_platform.compliance.case import Case
from rwd_platform.compliance.rulepack import Duty, Rule, RulePack
from rwd_platform.core.text import Bilingual, Language


def explain(
    case: Case,
    pack: RulePack,
    fired: tuple[Rule, ...],
    path: str,
    genetic_path: str,
    verdict: str,
    missing: tuple[str, ...],
) -> Bilingual:
    """Two or three sentences in each language, and the disclaimer at the end."""
    sentences = [
        _verdict(pack, path, genetic_path, verdict),
        _reasons(fired, case, pack),
        *([_missing([pack.duties[id] for id in missing])] if missing else []),
        pack.disclaimer,
    ]
    return Bilingual("".join(one.zh for one in sentences), " ".join(one.en for one in sentences))


def _verdict(pack: RulePack, path: str, genetic_path: str, verdict: str) -> Bilingual:
    said, personal = pack.verdicts[verdict], pack.personal_information_paths[path]
    zh, en = f"{said.zh}；个人信息路径：{personal.zh}", f"{said.en}; personal information: {personal.en}"
    if genetic_path != "NONE":
        genetic = pack.genetic_resources_paths[genetic_path]
        zh, en = f"{zh}；人类遗传资源路径：{genetic.zh}", f"{en}; human genetic resources: {genetic.en}"
    return Bilingual(f"{zh}。", f"{en}.")


def _reasons(fired: tuple[Rule, ...], case: Case, pack: RulePack) -> Bilingual:
    """Each rule's sentence with its numbers, and the article it rests on."""
    zh, en = [], []
    for rule in fired:
        zh.append(f"{rule.sentence.zh.format_map(_words(rule, case, pack, 'zh'))}（{rule.source.zh}）")
        en.append(f"{rule.sentence.en.format_map(_words(rule, case, pack, 'en'))} ({rule.source.en})")
    return Bilingual(f"理由：{'；'.join(zh)}。", f"Why: {'; '.join(en)}.")


def _missing(duties: list[Duty]) -> Bilingual:
    zh = "；".join(f"{one.sentence.zh}（{one.source.zh}；由{one.supplied_by.zh}提供）" for one in duties)
    en = "; ".join(f"{one.sentence.en} ({one.source.en}; from {one.supplied_by.en})" for one in duties)
    return Bilingual(f"尚缺：{zh}。", f"Missing: {en}.")


def _words(rule: Rule, case: Case, pack: RulePack, language: Language) -> Mapping[str, str]:
    """What a rule's sentence may say in braces."""
    ledger = case.ledger_after
    basis = pack.exemption_bases.get(case.basis) if case.basis is not None else None
    return {
        "general": f"{ledger.general:,}",
        "sensitive": f"{ledger.sensitive.count:,}",
        "transfer_sensitive": f"{case.sensitive_persons:,}",
        "basis": basis.in_language(language) if basis else "",
        **{f"{name}_threshold": f"{value:,}" for name, value in rule.thresholds.items()},
    }
