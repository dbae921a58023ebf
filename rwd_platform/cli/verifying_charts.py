"""rwd verification: rows of a lock are compared with the charts. The team draws; hospitals fetch and return sheets.

Whoever draws, closes, fetches or returns does it under a person's own account, with its password. A sheet names lines
of patients: it is written so that its owner alone can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import deployment, person, researcher
from rwd_platform.cli.files import bytes_of, check_new, write_private
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, note, say, sum_up
from rwd_platform.core.errors import Exit
from rwd_platform.records.state_words import state

if TYPE_CHECKING:
    from rwd_platform.core.text import Bilingual
    from rwd_platform.flows.platform import Platform
    from rwd_platform.flows.verification_rounds import RoundSeen, SheetSeen
    from studies.evidence.sample.agreement import VariableAgreement
    from studies.evidence.sample.rounds import ClosedRound, Verified

StudyId = Annotated[str, typer.Argument(help="研究编号 · study id")]
SheetId = Annotated[str, typer.Argument(help="核查表编号 · the sheet's id")]
_SHEET = ("id", "organisation_id", "state", "returned_at", "refused")
_ROUND = (
    "id",
    "lock_id",
    "known_until",
    "policy_version",
    "state",
    "drawn_at",
    "closed_at",
    "closed_because",
)
_OWN = ("id", "items", "issued_sha256", "state", "returned_sha256", "returned_at", "answered", "refused")


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="源数据核查 · source verification", no_args_is_help=True)
    group.command("draw", help="抽取要核查的行 · draw the rows")(draw)
    group.command("show", help="核查进展与一致性 · how far it is, and agreement")(show)
    group.command("close", help="关闭，不再接收 · take no more sheets")(close)
    group.command("sheets", help="本院的核查表 · the sheets of one's own hospital")(list_sheets)
    group.command("fetch", help="下载核查表 · download a sheet")(fetch)
    group.command("return", help="交回填好的核查表 · return a sheet filled in")(give_back)
    app.add_typer(group, name="verification")


def draw(
    study_id: StudyId,
    until: Annotated[
        datetime, typer.Option("--until", formats=["%Y-%m-%d"], help="病历查阅截止日 · charts up to")
    ],
    login: Login,
    as_json: Json = False,
) -> int:
    """Rows of the newest lock, by the rule; a sheet for each hospital. Drawn again it is the same round."""
    from rwd_platform.flows.source_verification import draw_round

    with person(login) as (platform, actor):
        made = draw_round(platform, actor, study_id, until.date().isoformat())
    if as_json:
        answer(_round(made))
    _tell(made)
    return Exit.YES


def show(study_id: StudyId, as_json: Json = False) -> int:
    """The rounds, and agreement of those that are closed once results are unsealed."""
    from rwd_platform.access.permissions import get_visible
    from rwd_platform.flows.verification_rounds import rounds_of, titles_of
    from rwd_platform.records.tables import Study

    with deployment() as platform:
        study = get_visible(platform.records, researcher(platform), "study.read", Study, study_id)
        found = rounds_of(platform, study_id)
        agreed = _agreement(platform, study) if any(one.accepted for one in found) else None
    if as_json:
        answer({"rounds": [_round(one) for one in found], "agreement": agreed and _facts(agreed)})
    if not found:
        sum_up("还没有进行过源数据核查 · no round of source verification has been drawn")
    for one in found:
        _tell(one)
    titles = titles_of(study) if agreed and agreed.rounds else {}
    for told in agreed.rounds if agreed else ():
        _tell_agreement(told, titles)
    if agreed and agreed.open_round:
        note("进行中的一轮关闭之后才显示一致性。", "Agreement of the open round is shown once it is closed.")
    return Exit.YES


def close(
    study_id: StudyId,
    reason: Annotated[
        str, typer.Option("--reason", help="理由，会写入之后的证据包 · later packages repeat it")
    ],
    login: Login,
    as_json: Json = False,
) -> int:
    """What came back stays, counts, and is told from now on."""
    from rwd_platform.flows.source_verification import close_round
    from rwd_platform.flows.verification_rounds import rounds_of

    with person(login) as (platform, actor):
        closed = close_round(platform, actor, study_id, reason)
        made = next(one for one in rounds_of(platform, study_id) if one.round.id == closed.id)
    if as_json:
        answer(_round(made))
    _tell(made)
    return Exit.YES


def list_sheets(login: Login, as_json: Json = False) -> int:
    """Those that wait come first. Exit 1 while one waits."""
    from rwd_platform.flows.verification_rounds import is_waiting, sheets_of

    with person(login) as (platform, actor):
        found = sheets_of(platform, actor)
    if as_json:
        answer([_sheet(one) for one in found])
    for one in found:
        sheet = one.sheet
        say(
            f"{sheet.id}  {_both(one.standing)}  {sheet.answered}/{sheet.items}  "
            f"病历查阅至 · charts up to {one.round.known_until}"
        )
    waiting = sum(map(is_waiting, found))
    sum_up(f"待核查 · waiting: {waiting}")
    return Exit.NO if waiting else Exit.YES


def fetch(
    sheet_id: SheetId,
    out: Annotated[Path, typer.Option("--out", help="写入文件，仅本人可读 · a file that only you can read")],
    login: Login,
    as_json: Json = False,
) -> int:
    """The sheet as it was issued, CSV. How it is filled in is told on stderr."""
    from rwd_platform.core.canonical import sha256_hex
    from rwd_platform.flows.chart_sheets import sheet_for
    from studies.evidence.sample.guide import GUIDE

    check_new(out)  # it may be the sheet as somebody has filled it in by now
    with person(login) as (platform, actor):
        content = sheet_for(platform, actor, sheet_id)
    write_private(out, content)
    note(GUIDE.zh, GUIDE.en)
    if as_json:
        answer({"id": sheet_id, "bytes": len(content), "sha256": sha256_hex(content)})
    sum_up(f"✓ {sheet_id}  {len(content):,} B")
    return Exit.YES


def give_back(
    sheet_id: SheetId,
    file: Annotated[Path, typer.Argument(help="填好的核查表 · the sheet filled in")],
    login: Login,
    as_json: Json = False,
) -> int:
    """Exit 1 where it cannot be used: every problem is told with its line, and nothing of it was kept."""
    from rwd_platform.flows.chart_sheets import return_sheet, sheet_seen
    from studies.evidence.sample.policy import policy

    content = bytes_of(file, policy().most_bytes)
    with person(login) as (platform, actor):
        outcome = return_sheet(platform, actor, sheet_id, content)
        one = sheet_seen(platform, actor, sheet_id)
    if as_json:
        told = [problem.as_dict() for problem in outcome.problems]
        hints = [asdict(hint) | {"title": hint.title._asdict()} for hint in outcome.hints]
        answer({"accepted": outcome.accepted, "sheet": _sheet(one), "problems": told, "hints": hints})
    for problem in outcome.problems:
        say(f"✗ {problem.zh} {problem.next_zh}")
        say(f"  {problem.en} {problem.next_en}")
    for hint in outcome.hints:
        say(f"! {hint.words.zh}")
        say(f"  {hint.words.en}")
    if outcome.hints:
        many = len(outcome.hints)
        say(f"有 {many} 个值看起来不可能，请再核对 · values that can hardly be, look once more: {many}")
    if outcome.accepted:
        done, items = one.sheet.answered, one.sheet.items
        sum_up(
            f"✓ {sheet_id}  已接受，共 {items} 项，填写 {done} 项 · accepted, {done} of {items} items answered"
        )
    else:
        sum_up(f"✗ 未接受，{len(outcome.problems)} 处问题 · not accepted, problems: {len(outcome.problems)}")
    return Exit.YES if outcome.accepted else Exit.NO


def _agreement(platform: Platform, study: Any) -> Verified | None:
    from rwd_platform.flows.chart_agreement import agreement_for
    from rwd_platform.flows.sealed_results import is_sealed
    from rwd_platform.flows.study import newest_run

    run = newest_run(platform, study)
    return None if is_sealed(run) else agreement_for(platform, study, run)


def _facts(found: Verified) -> dict[str, Any]:
    return {"waits": found.open_round is not None, "rounds": [_round_facts(one) for one in found.rounds]}


def _round_facts(one: ClosedRound) -> dict[str, Any]:
    facts = {name: getattr(one, name) for name in ("number", "known_until", "closed_because")}
    return {**facts, "computed": one.agreement is not None, "lines": [_line(line) for line in _overall(one)]}


def _line(one: VariableAgreement) -> dict[str, Any]:
    names = ("variable", "compared", "agreed", "share", "lower", "upper", "chart_not_found", "not_recorded")
    return {**{name: getattr(one, name) for name in names}, "kappa": one.kappa.kappa if one.kappa else None}


def _overall(one: ClosedRound) -> tuple[VariableAgreement, ...]:
    return one.agreement.overall if one.agreement else ()


def _tell_agreement(one: ClosedRound, titles: Mapping[str, Bilingual]) -> None:
    say(f"第 {one.number} 轮 · round {one.number}  病历查阅至 · charts up to {one.known_until}")
    if one.agreement is None:
        say("  交回的核查表已不能读取 · what came back can no longer be read")
    for line in _overall(one):
        share = "-" if line.share is None else f"{line.share:.1%}"
        kappa = "" if line.kappa is None or line.kappa.kappa is None else f"  κ {line.kappa.kappa:.2f}"
        name = _both(titles[line.variable]) if line.variable in titles else line.variable
        say(f"  {name}: {line.agreed} / {line.compared}  {share}{kappa}")


def _round(one: RoundSeen) -> dict[str, Any]:
    facts = {name: getattr(one.round, name) for name in _ROUND}
    return {**facts, "sheets": [{name: getattr(sheet, name) for name in _SHEET} for sheet in one.sheets]}


def _sheet(one: SheetSeen) -> dict[str, Any]:
    facts = {name: getattr(one.sheet, name) for name in _OWN}
    return {**facts, "known_until": one.round.known_until, "can_return": one.can_return}


def _tell(one: RoundSeen) -> None:
    from rwd_platform.flows.verification_rounds import sheet_standing

    say(f"{one.round.id}  {_both(state(one.round.state))}  病历查阅至 · charts up to {one.round.known_until}")
    say(f"  数据锁定 · lock  {one.round.lock_id}")
    for sheet in one.sheets:
        standing = _both(sheet_standing(one.round, sheet))
        say(f"  {sheet.organisation_id}  {sheet.id}  {standing}  {sheet.returned_at}".rstrip())


def _both(words: Bilingual) -> str:
    return f"{words.zh} · {words.en}"
