"""Sums of amounts: a total is nearly one person's amount where one or two persons hold most of it.

NK dominance: the n largest contributions are more than the share k of the total. p-percent rule: what is
left without the two largest is less than p of the largest, so that the second largest contributor could
tell the largest to within p (Handbook on Statistical Disclosure Control, 2nd ed. 2024, section 4.2.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deidentify.disclosure.findings import Case, Finding, Rule
from rwd_platform.core.text import Bilingual

NK = Rule(
    "nk_dominance",
    Bilingual("NK 优势", "NK dominance"),
    Bilingual(
        "最大的 {n} 个贡献者占合计的比例超过 {k:.0%}。",
        "The {n} largest contributors hold more than {k:.0%} of the total.",
    ),
    Bilingual("隐藏该合计，或与另一类别合并。", "Withhold the total, or merge it with another level."),
)
P_PERCENT = Rule(
    "p_percent",
    Bilingual("p% 规则", "p-percent rule"),
    Bilingual(
        "第二大贡献者可将最大贡献估计到 {p:.0%} 以内。",
        "The second largest contributor could tell the largest to within {p:.0%}.",
    ),
    Bilingual("隐藏该合计，或与另一类别合并。", "Withhold the total, or merge it with another level."),
)
FEW = Rule(
    "small_cell",
    Bilingual("小单元", "Small cells"),
    Bilingual("合计的贡献者少于 {minimum} 人。", "Fewer than {minimum} persons contribute to the total."),
    Bilingual("隐藏该合计，或与另一类别合并。", "Withhold the total, or merge it with another level."),
)
UNKNOWN = Rule(
    "contributions_unknown",
    Bilingual("缺少逐人贡献", "Contributions are missing"),
    Bilingual(
        "合计没有附各人的金额，或金额为负，无法检查优势。",
        "The total comes without the contributions, or some are negative: dominance cannot be looked at.",
    ),
    Bilingual(
        "请在安全环境中附上 contributions 后再检查；它们不随结果发出。",
        "Check it in the enclave with its contributions; they do not leave with the result.",
    ),
)

OTHER_SUM = Rule(
    "contributions_differ",
    Bilingual("逐人贡献与合计不符", "Contributions of another total"),
    Bilingual(
        "所附逐人贡献之和与该合计不符，不能据以检查优势。",
        "The contributions do not add up to this total, so that they prove nothing about it.",
    ),
    Bilingual("附上该合计本身的逐人贡献后再检查。", "Check it with the contributions of this very total."),
)


def _rounded_by(total: float) -> float:
    """How far a total may be from its contributions: it is printed to the unit."""
    return 0.5 + 1e-9 * abs(total)


def is_nk_dominated(contributions: Sequence[float], n: int, k: float) -> bool:
    """Whether the n largest exceed the share k of the total."""
    largest = sorted(contributions, reverse=True)
    return sum(largest[:n]) > k * sum(largest)


def is_within_p_percent(contributions: Sequence[float], p: float) -> bool:
    """Whether the rest without the two largest is less than the share p of the largest."""
    largest = sorted(contributions, reverse=True)
    return bool(largest) and sum(largest[2:]) < p * largest[0]


def find(case: Case) -> Iterator[Finding]:
    policy = case.recipient
    known = {row.id: row.contributions for row in case.support.rows} if case.support else {}
    for row, field in case.declared():
        if field.minimum != "total" or row.value is None:
            continue
        contributions = row.contributions if row.contributions is not None else known.get(row.id)
        if contributions is None or any(one < 0 for one in contributions):
            yield UNKNOWN.finding(row.id, outcome="review")
        elif row.number is not None and abs(sum(contributions) - row.number) > _rounded_by(row.number):
            yield OTHER_SUM.finding(row.id, outcome="review")
        elif len(contributions) < case.minimum:
            yield FEW.finding(row.id, minimum=case.minimum)
        else:
            # Both are told: one of them may be laxer by configuration.
            if is_nk_dominated(contributions, policy.nk_n, policy.nk_k):
                yield NK.finding(row.id, n=policy.nk_n, k=policy.nk_k)
            if is_within_p_percent(contributions, policy.p_percent):
                yield P_PERCENT.finding(row.id, p=policy.p_percent)
