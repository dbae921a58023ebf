"""May these results go to this recipient? pass | fail | review, with reasons and a change that would pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deidentify.disclosure import accounts, merged, relabelled
from deidentify.disclosure.differencing import NOT_COMPARED, SETS, TOTALS, ReleasedTable, compare
from deidentify.disclosure.fields import Fields, load_fields, with_quoted
from deidentify.disclosure.findings import Case, Finding, Outcome, Rule, Verdict
from deidentify.disclosure.malformed import malformed
from deidentify.disclosure.names import is_plain
from deidentify.disclosure.places import shown_place
from deidentify.disclosure.read import Results, read_results
from deidentify.disclosure.recipients import (
    CONDITION_NAMES,
    CONDITION_TEXTS,
    Recipient,
    missing_conditions,
    recipient_of,
)
from deidentify.disclosure.rules import FIND, RULES
from rwd_platform.core.text import Bilingual

MOST_FINDINGS = 500  # told one by one; the rest is counted in a finding of its own
CONDITION = Rule(
    "condition",
    Bilingual("接收条件", "Conditions of the recipient"),
    Bilingual("缺少条件“{name_zh}”：{what_zh}。", "The condition {name} is not met: {what}."),
    Bilingual("补齐该条件后重新申请。", "Meet the condition and ask again."),
)
MORE = Rule(
    "more",
    Bilingual("其余发现", "Further findings"),
    Bilingual(
        "另有 {count} 项同类发现未逐一列出。",
        "There are {count} more findings that are not listed one by one.",
    ),
    Bilingual("先处理已列出的各项，再检查一次。", "Mend those that are listed and check again."),
)

# Every rule that a verdict may name, by id.
ALL_RULES: Mapping[str, Rule] = {
    **RULES,
    **{rule.id: rule for rule in (CONDITION, MORE, SETS, TOTALS, NOT_COMPARED, merged.RULE)},
    **{rule.id: rule for rule in (relabelled.RULE, relabelled.WITHIN, relabelled.NOTHING)},
    **{rule.id: rule for rule in (accounts.RULE, accounts.NOBODY, accounts.UNKNOWN)},
}


def check(
    results: Mapping[str, Any],
    recipient: str,
    conditions: Mapping[str, Any] | None = None,
    released: Sequence[ReleasedTable] = (),
    *,
    support: Mapping[str, Any] | None = None,
    sets: Mapping[str, frozenset[str]] | None = None,
    tokens: str = "",
    pending: frozenset[str] = frozenset(),
    quoted: Collection[float] = (),
    propose: bool = True,
) -> Verdict:
    """The verdict on results (the mapping of `ResultSet.as_dict` or of a CSV table) for a kind of recipient.

    support -- the same results as the enclave holds them, before anything was withheld or rounded
    sets    -- name -> keyed person tokens behind the new results, of the kind `tokens`
    pending -- conditions that are not asked for yet (two approvals come after the question)
    quoted  -- the numbers that the study's protocol on record quotes from a publication; of a file alone: none
    propose -- whether to look for the smallest change that would pass

    For a competent authority the conditions are the whole gate. Raises RESULTS_MALFORMED and RECIPIENT_UNKNOWN.
    """
    policy = recipient_of(recipient)
    read = read_results(results)
    if not read.rows and not read.series:
        raise malformed("rows", "there are no results in it", "其中没有任何结果")
    findings = list(_conditions(policy, conditions or {}, pending))
    if not policy.full_listings:
        before = read_results(support) if support is not None else None
        case = Case(read, policy, with_quoted(quoted), before, sets is not None)
        findings += _about(case, released, sets, tokens)
    outcome, told = outcome_of(findings), tuple(_told(read, one) for one in _limited(findings))
    if not propose or outcome != "fail" or policy.full_listings:
        return Verdict(recipient, outcome, told)
    from deidentify.disclosure.mitigate import mitigate  # it asks this module back

    made = mitigate(results, recipient, support=support, quoted=quoted)
    return Verdict(recipient, outcome, told, _shown(read, made.account), made.minimal)


def check_papers(
    recipient: str, conditions: Mapping[str, Any] | None = None, *, pending: frozenset[str] = frozenset()
) -> Verdict:
    """The verdict on a package of papers alone: there is nobody in it, and the conditions are the whole gate."""
    findings = tuple(_conditions(recipient_of(recipient), conditions or {}, pending))
    return Verdict(recipient, outcome_of(findings), findings)


def _about(
    case: Case, released: Sequence[ReleasedTable], sets: Mapping[str, frozenset[str]] | None, tokens: str
) -> Iterator[Finding]:
    """What the results tell by themselves, and then beside what was released before."""
    read, differencing = case.results, case.recipient.differencing
    for find in FIND:
        yield from find(case)
    yield from merged.find(case, released)
    yield from compare(read, released, differencing, sets=sets, tokens=tokens)
    yield from relabelled.find(read, released, differencing)
    yield from relabelled.find_within(case)
    if sets is None:  # else every release was compared person by person, or a finding says that it was not
        yield from relabelled.find_nothing_compared(read, released, differencing)


def _shown(read: Results, account: Sequence[Mapping[str, str]]) -> tuple[Mapping[str, str], ...]:
    return tuple({**one, "where": shown_place(read, one["where"])} for one in account)


def _told(read: Results, finding: Finding) -> Finding:
    """A row's id may be somebody's name: its place is told where it is not plain."""
    return finding if is_plain(finding.where) else replace(finding, where=shown_place(read, finding.where))


def findings_of(
    results: Results,
    recipient: Recipient,
    support: Results | None,
    *,
    fields: Fields | None = None,
) -> list[Finding]:
    """What the rules about the results themselves find, in the order of the rules."""
    case = Case(results, recipient, fields or load_fields(), support)
    return [finding for find in FIND for finding in find(case)]


def outcome_of(findings: Sequence[Finding]) -> Outcome:
    outcomes = {finding.outcome for finding in findings}
    return "fail" if "fail" in outcomes else "review" if outcomes else "pass"


def _conditions(
    policy: Recipient, conditions: Mapping[str, Any], pending: frozenset[str]
) -> Sequence[Finding]:
    return [
        CONDITION.finding(
            f"condition.{name}",
            name=CONDITION_NAMES[name].en,
            name_zh=CONDITION_NAMES[name].zh,
            what=CONDITION_TEXTS[name].en,
            what_zh=CONDITION_TEXTS[name].zh,
        )
        for name in missing_conditions(policy, conditions)
        if name not in pending
    ]


def _limited(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    if len(findings) <= MOST_FINDINGS:
        return tuple(findings)
    rest = findings[MOST_FINDINGS:]
    return (
        *findings[:MOST_FINDINGS],
        MORE.finding("…", outcome=outcome_of(rest), count=len(rest)),
    )
