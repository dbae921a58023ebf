"""Provisions for the pages: lines of a list, and the decision card with its rules, papers and facts in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from rwd_platform.access.permissions import can_see
from rwd_platform.compliance.case import Case, read_case
from rwd_platform.compliance.instruments import kinds
from rwd_platform.compliance.rulepack import Rule, RulePack
from rwd_platform.compliance.standing import AGREEMENT, purposes
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import provision_view
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_facts import UNKNOWN
from rwd_platform.records.tables import (
    InstrumentRecord,
    LegalParty,
    OutputRelease,
    PersonPosting,
    Provision,
)
from rwd_platform.server import queries, texts, transfer_form
from rwd_platform.server.countries import country_name
from rwd_platform.server.deps import Visitor
from rwd_platform.server.papers import DIMENSIONS

_WITHHELD = Bilingual("（略）", "(withheld)")
_COUNT_KEYS = ("persons.", "ledger_this_year.", "data.exome_genome_persons")

# The rules that cannot determine a path, by what nobody has checked.
_UNDETERMINED: Mapping[str, Bilingual] = {
    "U1": Bilingual("是否为重要数据尚未核查", "whether these are important data was not checked"),
    "U2": Bilingual(
        "提供方是否为关键信息基础设施运营者尚未核查",
        "whether the exporter operates critical information infrastructure was not checked",
    ),
}
# What a state means for whoever reads it, and what happens next.
NEXT: Mapping[str, Bilingual] = {
    "held": Bilingual(
        "不能提供。缺少的补齐后再次判定；发布的批准继续有效。",
        "It may not go. Once what is missing is there it is decided again; the release's approvals stand.",
    ),
    "blocked": Bilingual(
        "规则禁止提供。事实改变之前，再次判定的结论不变。",
        "The rules forbid it. Deciding again changes nothing until the facts do.",
    ),
    "reserved": Bilingual(
        "可以提供，人数已预留。执行发布时再判定一次，同时记账。",
        "It may go, and its persons are reserved. When the release is carried out it is decided once more and posted.",
    ),
    "posted": Bilingual("已提供，人数已计入台账。", "It has left, and its persons are in the ledger."),
    "cancelled": Bilingual(
        "没有提供，预留的人数已释放。", "Nothing left, and the persons reserved for it are free again."
    ),
    "recalled": Bilingual(
        "已要求接收方退回；人数仍计入台账。",
        "The recipient was asked to give it back; its persons stay in the ledger.",
    ),
    "deleted": Bilingual(
        "接收方已确认删除；人数仍计入台账。",
        "The recipient confirmed the deletion; its persons stay in the ledger.",
    ),
}


@dataclass(frozen=True)
class Line:
    """A provision in a list. `lacks`: what is missing or unknown, as (code, words)."""

    row: Provision
    title: Bilingual
    exporter: Bilingual
    recipient: Bilingual
    country: Bilingual | None
    purpose: Bilingual
    lacks: tuple[tuple[str, Bilingual], ...]


@dataclass(frozen=True)
class Reason:
    """A rule that fired, or a duty that is missing: its words, the article, and who supplies it."""

    id: str
    sentence: Bilingual
    source: Bilingual
    supplied_by: Bilingual | None = None


@dataclass(frozen=True)
class OnPaper:
    """A paper that a fact rests on, or that falls short; `about` says which fact, or in what."""

    about: Bilingual
    id: str
    name: Bilingual
    number: str


@dataclass(frozen=True)
class CountSeen:
    """One of the year's two counts before and with this provision, and the threshold of an assessment."""

    name: Bilingual
    before: int
    after: int
    threshold: int | None


@dataclass(frozen=True)
class Card:
    """One provision with everything it was decided on. `release` is None where it is not the visitor's to see."""

    line: Line
    rules: tuple[Reason, ...]
    missing: tuple[Reason, ...]
    unknown: tuple[Bilingual, ...]
    advisories: tuple[Bilingual, ...]
    rests_on: tuple[OnPaper, ...]
    fell_short: tuple[OnPaper, ...]
    counts: tuple[CountSeen, ...]
    facts: tuple[tuple[Bilingual, tuple[tuple[Bilingual, Bilingual], ...]], ...]
    since: str
    party: LegalParty | None
    release: OutputRelease | None
    may_decide: bool
    is_outdated: bool
    shows_counts: bool


def lines(platform: Platform, visitor: Visitor, rows: Sequence[Provision]) -> list[Line]:
    """In words, in the order given."""
    names, titles = provision_view.names_of(platform), queries.project_titles(platform.records, visitor)
    parties = {id: platform.records.find(LegalParty, id) for id in {row.recipient_id for row in rows}}
    found = []
    for row in rows:
        party = parties[row.recipient_id]
        found.append(
            Line(
                row=row,
                title=titles.get(row.project_id, Bilingual(row.project_id, row.project_id)),
                exporter=names.get(row.organisation_id, Bilingual(row.organisation_id, row.organisation_id)),
                recipient=names.get(row.recipient_id, Bilingual(row.recipient_id, row.recipient_id)),
                country=country_name(party.country) if party else None,
                purpose=purposes().get(row.purpose, Bilingual(row.purpose, row.purpose)),
                lacks=tuple((code, lack_word(code)) for code in provision_view.lacking(row)),
            )
        )
    return found


def lack_word(code: str) -> Bilingual:
    for table in (texts.DUTIES, UNKNOWN, _UNDETERMINED):
        if code in table:
            return table[code]
    return Bilingual(code, code)


def reason_words(platform: Platform, year: int) -> Callable[[str], Bilingual]:
    """What a reason of a report is called: a duty, an unknown, or the rule that forbade it."""
    pack = provision_view.pack_of_year(platform, year)
    rules = {rule.id: rule.sentence for rule in pack.block("prohibitions")} if pack else {}
    return lambda code: rules.get(code) or lack_word(code)


def card(platform: Platform, visitor: Visitor, id: str) -> Card:
    """One with everything; absent and hidden look alike."""
    row = provision_view.provision(platform, visitor.actor, id)
    exact = provision_view.sees_counts(visitor.actor)
    case = read_case(row.facts) if row.facts else None
    pack = provision_view.pack_of_year(platform, _year(platform, row))
    release = platform.records.find(OutputRelease, row.source_id)
    posting = platform.records.find(PersonPosting, row.id)
    return Card(
        line=lines(platform, visitor, [row])[0],
        rules=_rules(row, case, pack, exact=exact),
        missing=_missing(row, pack),
        unknown=tuple(lack_word(code) for code in row.decision.get("unknown", ())),
        advisories=tuple(Bilingual(**one) for one in row.decision.get("advisories", ())),
        rests_on=_rests_on(platform, row),
        fell_short=_fell_short(platform, row),
        counts=_counts(case, pack) if case is not None and exact and case.crosses_border else (),
        facts=_facts(row.facts, exact=exact),
        since=row.ended_at or (posting.posted_at if posting else "") or row.decided_at,
        party=platform.records.find(LegalParty, row.recipient_id),
        release=release if release and _may_see(platform, visitor, release) else None,
        may_decide=provision_view.may_decide_again(visitor.actor, release, row),
        is_outdated=provision_view.is_outdated(platform, row),
        shows_counts=exact,
    )


def _year(platform: Platform, row: Provision) -> int:
    if row.facts:
        return date.fromisoformat(row.facts["on"]).year
    return shanghai_date(platform.clock()).year


def _may_see(platform: Platform, visitor: Visitor, release: OutputRelease) -> bool:
    return can_see(platform.records, visitor.actor, "release.read", release)


# -- why ---------------------------------------------------------------------------------------------------------


def _rules(row: Provision, case: Case | None, pack: RulePack | None, *, exact: bool) -> tuple[Reason, ...]:
    """Each rule that fired, with its numbers filled in; by its id alone where the pack has it no longer."""
    known = {rule.id: rule for rule in pack.rules} if pack else {}
    nothing = Bilingual("–", "–")
    found = []
    for id in row.decision["rules"]:
        rule = known.get(id)
        if rule is None or case is None or pack is None:
            found.append(Reason(id, nothing, nothing))
            continue
        zh, en = _words(rule, case, pack, exact=exact)
        sentence = Bilingual(rule.sentence.zh.format_map(zh), rule.sentence.en.format_map(en))
        found.append(Reason(id, sentence, rule.source))
    return tuple(found)


def _words(rule: Rule, case: Case, pack: RulePack, *, exact: bool) -> tuple[dict[str, str], dict[str, str]]:
    """What a rule's sentence says in braces, in both languages. Counts that are not the reader's stay out."""
    after = case.ledger_after
    counts = {
        "general": after.general,
        "sensitive": after.sensitive.count,
        "transfer_sensitive": case.sensitive_persons,
    }
    at = {f"{name}_threshold": f"{value:,}" for name, value in rule.thresholds.items()}
    basis = pack.exemption_bases.get(case.basis or "", Bilingual("", ""))
    zh, en = (
        {name: f"{count:,}" if exact else hidden for name, count in counts.items()} for hidden in _WITHHELD
    )
    return {**zh, **at, "basis": basis.zh}, {**en, **at, "basis": basis.en}


def _missing(row: Provision, pack: RulePack | None) -> tuple[Reason, ...]:
    found = []
    for id in row.decision["missing"]:
        duty = pack.duties.get(id) if pack else None
        if duty is None:
            found.append(Reason(id, lack_word(id), Bilingual("–", "–")))
        else:
            found.append(Reason(id, duty.sentence, duty.source, duty.supplied_by))
    return tuple(found)


def _counts(case: Case, pack: RulePack | None) -> tuple[CountSeen, ...]:
    before, after = case.ledger_this_year, case.ledger_after
    at: Mapping[str, int] = pack.rule("M9").thresholds if pack else {}
    return (
        CountSeen(
            Bilingual("敏感个人信息", "Sensitive"),
            before.sensitive.count,
            after.sensitive.count,
            at.get("sensitive"),
        ),
        CountSeen(Bilingual("一般个人信息", "General"), before.general, after.general, at.get("general")),
    )


# -- papers and facts --------------------------------------------------------------------------------------------

_HINT = re.compile(r"（[^）]*）$| \([^)]*\)$")  # what a question says to whoever answers it
_ASKED: Mapping[str, Bilingual] = {
    one.key: Bilingual(_HINT.sub("", one.ask.zh), _HINT.sub("", one.ask.en))
    for one in transfer_form.QUESTIONS
}


_AGREED = Bilingual("医疗机构同意如此使用其数据", "The hospital agreed to this use of its data")


def _rests_on(platform: Platform, row: Provision) -> tuple[OnPaper, ...]:
    found: Mapping[str, str] = row.papers.get("rests_on", {})
    return tuple(
        _paper(platform, id, _AGREED if key.startswith(AGREEMENT) else _ASKED.get(key, Bilingual(key, key)))
        for key, id in sorted(found.items())
    )


def _fell_short(platform: Platform, row: Provision) -> tuple[OnPaper, ...]:
    found = []
    for one in row.papers.get("fell_short", ()):
        words = [DIMENSIONS.get(name, Bilingual(name, name)) for name in one["dimensions"]]
        about = Bilingual("、".join(each.zh for each in words), ", ".join(each.en for each in words))
        found.append(_paper(platform, one["instrument"], about))
    return tuple(found)


def _paper(platform: Platform, id: str, about: Bilingual) -> OnPaper:
    row = platform.records.find(InstrumentRecord, id)
    if row is None:
        return OnPaper(about, id, Bilingual(id, id), "")
    return OnPaper(about, id, kinds()[row.kind].name, row.number)


def _facts(
    facts: Mapping[str, Any], *, exact: bool
) -> tuple[tuple[Bilingual, tuple[tuple[Bilingual, Bilingual], ...]], ...]:
    """The facts by group, in words. Numbers that stand for persons say nothing to a reader and are left out."""
    given = transfer_form.flat(facts)
    found = []
    for group in transfer_form.GROUPS:
        answers = tuple(
            (_ASKED[one.key], transfer_form.answer_of(one, given[one.key]))
            for one in group.questions
            if one.key in given and not one.key.endswith("first_key") and (exact or not _is_count(one.key))
        )
        if answers:
            found.append((group.title, answers))
    return tuple(found)


def _is_count(key: str) -> bool:
    return key.startswith(_COUNT_KEYS)
