"""`rwd transfer`: one case put to the rules, and the rules themselves; no database, key or configuration is needed."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.files import existing_files, shown_name
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, say, sum_up
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.json_text import JsonRefused, loads

if TYPE_CHECKING:
    from rwd_platform.compliance.shipped import Shelf, Shipped

CASE_NOT_JSON = Problem(
    code="transfer.case_not_json",
    zh="{name} 不是一个 JSON 对象。",
    en="{name} is not a JSON object.",
    next_zh="请提供 docs/reference/commands.md 所述格式的案例文件。",
    next_en="Give a case file in the form that docs/reference/commands.md describes.",
)

CASE_REFUSED = Problem(
    code="transfer.case_refused",
    zh="文件 {name} 不能使用：{why_zh}",
    en="The file {name} cannot be used: {why}",
    next_zh="请改正该文件后重试；每项事实只写一次。",
    next_en="Mend the file and try again; each fact stands in it once.",
)

Case = Annotated[Path, typer.Argument(help="案例 JSON · the case")]
Rules = Annotated[
    str, typer.Option("--rules", help="规则包，缺省为当日有效者 · rule pack; left out, the one in force")
]

_STANDINGS = {
    "in_force": "今日适用 · in force today",
    "to_come": "尚未适用 · to come",
    "ended": "已不再适用 · ended",
}


def register(app: typer.Typer) -> None:
    transfer = typer.Typer(help="数据出境与入境判定 · transfers abroad and inbound", no_args_is_help=True)
    transfer.command("decide", help="按规则包判定一个案例 · decide one case by a rule pack")(decide)
    transfer.command("inbound", help="境外个人数据能否入境 · may data of persons abroad come in")(inbound)
    transfer.command("rules", help="列出随附的规则包及其规则 · the shipped rule packs and their rules")(rules)
    app.add_typer(transfer, name="transfer")


def decide(case: Case, rules: Rules = "", as_json: Json = False) -> int:
    """Print the decision. Exit 0 whenever one was printed, HOLD and BLOCK included."""
    from rwd_platform.compliance.case import read_case
    from rwd_platform.compliance.decide import decide as decide_case
    from rwd_platform.compliance.rulepack import NATIONAL, load_pack
    from rwd_platform.compliance.series import pack_in_force

    facts = _facts(case)
    pack = load_pack(rules) if rules else pack_in_force(NATIONAL, read_case(facts).on)
    decision = decide_case(facts, pack)
    if as_json:
        answer(decision.as_dict())
    say(f"{decision.verdict}\n{decision.zh}\n{decision.en}")
    return Exit.YES


def inbound(case: Case, rules: Rules = "", as_json: Json = False) -> int:
    """Print the gate's answer about one import. Exit 0 whenever one was printed, HOLD included."""
    from rwd_platform.compliance.inbound import inbound as ask
    from rwd_platform.compliance.inbound import read_import
    from rwd_platform.compliance.rulepack import INBOUND, load_pack
    from rwd_platform.compliance.series import pack_in_force

    facts = _facts(case)
    pack = load_pack(rules) if rules else pack_in_force(INBOUND, read_import(facts).on)
    found = ask(facts, pack)
    if as_json:
        answer(found.as_dict())
    say(f"{found.verdict}\n{found.zh}\n{found.en}")
    return Exit.YES


def rules(as_json: Json = False) -> int:
    """Print every shipped pack with its rules, as of today. Exit 1 while one of them cannot be used."""
    from rwd_platform.compliance.shipped import as_dict, shelf
    from rwd_platform.core.clock import shanghai_date, system_clock

    found = shelf(shanghai_date(system_clock()))
    if as_json:
        answer(as_dict(found))
    for family in found.families:
        for one in family.packs:
            for line in _lines(one):
                say(line)
    _say_problems(found)
    packs = sum(len(family.packs) for family in found.families)
    sum_up(f"规则包 {packs} · {many(packs, 'rule pack')} · {found.on}")
    sound = found.decides and all(family.problem is None for family in found.families)
    return Exit.YES if sound else Exit.NO


def _facts(case: Path) -> dict[str, Any]:
    raw = existing_files([case])[0].read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        facts = loads(raw)
    except JsonRefused as refused:
        raise CASE_REFUSED.error(name=shown_name(case), why=refused.en, why_zh=refused.zh) from None
    if not isinstance(facts, dict):
        raise CASE_NOT_JSON.error(name=shown_name(case))
    return facts


def _lines(one: Shipped) -> Iterator[str]:
    from rwd_platform.compliance.shipped import worded
    from rwd_platform.compliance.zone_list import ZoneList

    pack = one.content
    until = pack.effective_until or "…"
    unused = isinstance(pack, ZoneList) and not pack.adopted
    standing = "未采用 · not adopted" if unused else _STANDINGS[one.standing]
    yield f"{one.family} {pack.version} · {pack.effective_from} – {until} · {standing}"
    yield f"  {pack.title.zh}\n  {pack.title.en}\n  SHA-256 {pack.sha256}（与登记一致 · as pinned）"
    if isinstance(pack, ZoneList):
        domains = "、".join(one.zh for one in pack.domains), ", ".join(one.en for one in pack.domains)
        yield f"  {pack.edition} · {pack.announced}\n  {domains[0]}\n  {domains[1]}"
        for text in (pack.silence, pack.reads):
            yield f"  {text.zh}\n  {text.en}"
        for text in pack.confirm:
            yield f"  尚未确认 · not confirmed: {text.zh} · {text.en}"
    else:
        for rule in pack.rules:
            yield f"  {rule.id} {rule.result} · {rule.source.zh} · {rule.source.en}"
            words = worded(rule)
            yield f"    {words.zh}\n    {words.en}"
            for name, at in rule.thresholds.items():
                yield f"    {name} {at:,}"
            if rule.confirm:
                yield f"    尚未确认 · not confirmed: {rule.confirm.zh} · {rule.confirm.en}"
    yield f"  {pack.disclaimer.zh} · {pack.disclaimer.en}"


def _say_problems(found: Shelf) -> None:
    """Part of the answer: what is wrong with a file is what was asked about."""
    problems = [
        found.problem,
        *(one.problem for one in found.unusable),
        *(one.problem for one in found.families),
    ]
    for problem in problems:
        if problem is not None:
            say(f"✗ {problem.zh} {problem.en} → {problem.next_zh} {problem.next_en} [{problem.code}]")
