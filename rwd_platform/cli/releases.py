"""Disclosure control: release check (no database, no key), and release request, vote, complete, list."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.files import existing_files, text_of
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from deidentify.disclosure.findings import Verdict
    from rwd_platform.records.tables import OutputRelease

MOST_SHOWN = 20

CONDITIONS_NOT_JSON = Problem(
    code="release.conditions_not_json",
    zh="{name} 不是一个 JSON 对象。",
    en="{name} is not a JSON object.",
    next_zh="按 docs/reference/commands.md 写出 purpose、authorisation、encryption、approvers、requester。",
    next_en="Write purpose, authorisation, encryption, approvers and requester as docs/reference/commands.md says.",
)

ONE_WORD = Problem(
    code="release.one_word",
    zh="审批只能有一个结论。",
    en="A vote has one word.",
    next_zh="--approve、--return、--refuse 三者择一。",
    next_en="Give one of --approve, --return, --refuse.",
)


def register(app: typer.Typer) -> None:
    release = typer.Typer(help="结果发布 · releases of results", no_args_is_help=True)
    release.command("check", help="输出检查 · may these results go to this recipient")(check_results)
    release.command("request", help="申请发布 · ask for a release")(request)
    release.command("vote", help="审批 · a privacy officer's word")(cast_vote)
    release.command("complete", help="执行已批准的发布 · carry out an approved release")(complete)
    release.command("withdraw", help="撤回申请 · take a request back")(withdraw)
    release.command("recall", help="收回已发布的结果 · recall what was released")(recall)
    release.command("list", help="列出发布 · list the releases")(list_releases)
    release.command("circles", help="已登记的接收机构 · who may be given results")(list_circles)
    release.command("register", help="登记接收机构 · register a receiving organisation")(register_one)
    app.add_typer(release, name="release")


def check_results(
    file: Annotated[Path, typer.Argument(help="结果 JSON 或 CSV 表 · results JSON or a CSV table")],
    recipient: Annotated[
        str, typer.Option("--recipient", help="public | insurer | sponsor | researcher | competent_authority")
    ],
    conditions: Annotated[Path | None, typer.Option("--conditions", help="JSON")] = None,
    released: Annotated[
        list[Path] | None, typer.Option("--released", help="该接收机构已有的结果 · what this circle holds")
    ] = None,
    as_json: Json = False,
) -> int:
    """Exit 0 pass, 1 fail or review, 2 malformed, 3 a condition of the recipient is not met."""
    from deidentify.disclosure.check import CONDITION, check
    from deidentify.disclosure.read import read_file, read_results
    from deidentify.disclosure.relabelled import released_of

    results = read_file(existing_files([file])[0])
    before = [
        released_of(path.name, read_results(read_file(path))) for path in existing_files(released or [])
    ]
    verdict = check(results, recipient, _conditions(conditions), before)
    if as_json:
        answer(verdict.as_dict())
    _tell(verdict)
    if any(finding.rule == CONDITION.id for finding in verdict.findings):
        return Exit.REFUSED
    return Exit.YES if verdict.outcome == "pass" else Exit.NO


def _conditions(path: Path | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(text_of(path))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CONDITIONS_NOT_JSON.error(name=path.name)
    return found


def _tell(verdict: Verdict) -> None:
    """For a person: the outcome, the first findings with their remedy, and how many changes would pass."""
    for finding in verdict.findings[:MOST_SHOWN]:
        where = "".join(letter if letter.isprintable() else "?" for letter in finding.where)
        say(
            f"✗ {finding.rule}  {where}\n  {finding.zh}{finding.remedy_zh}\n  {finding.en} {finding.remedy_en}"
        )
    if len(verdict.findings) > MOST_SHOWN:
        rest = Counter(finding.rule for finding in verdict.findings[MOST_SHOWN:])
        say("  … " + " · ".join(f"{rule} {count:,}" for rule, count in rest.items()))
    if verdict.smallest_change:
        done = Counter((change["action"], change["rule"]) for change in verdict.smallest_change)
        say("→ " + " · ".join(f"{action} ({rule}) {count:,}" for (action, rule), count in done.items()))
    say(verdict.outcome)


# -- with the deployment: under a person's own account, so that whoever asks is known not to be who approves -------


def request(
    package_id: Annotated[str, typer.Argument(help="证据包编号 · package id")],
    recipient: Annotated[str, typer.Option("--recipient")],
    login: Login,
    circle: Annotated[str, typer.Option("--circle", help="已登记的接收机构 · registered holder")] = "",
    purpose: Annotated[str, typer.Option("--purpose")] = "",
    authorisation: Annotated[str, typer.Option("--authorisation")] = "",
    encryption: Annotated[str, typer.Option("--encryption")] = "",
    judicial: Annotated[
        str,
        typer.Option(
            "--foreign-judicial-request",
            help="是否应外国司法或执法机构的请求，向境外提供必答 · whether a foreign judicial body asked: yes | no",
        ),
    ] = "",
    as_json: Json = False,
) -> int:
    """Exit 1 when the check refuses it: the findings stand in the release."""
    from rwd_platform.flows.provision_facts import JUDICIAL_REQUEST
    from rwd_platform.flows.release import request_release

    given = {
        "purpose": purpose,
        "authorisation": authorisation,
        "encryption": encryption,
        JUDICIAL_REQUEST: judicial,
    }
    conditions = {name: text for name, text in given.items() if text}
    with person(login) as (platform, requester):
        asked = request_release(platform, requester, package_id, recipient, circle, conditions)
    _say_release(asked, as_json)
    return Exit.NO if asked.verdict["outcome"] == "fail" else Exit.YES


def cast_vote(
    release_id: Annotated[str, typer.Argument(help="发布编号 · release id")],
    reason: Annotated[str, typer.Option("--reason")],
    login: Login,
    approve: Annotated[bool, typer.Option("--approve")] = False,
    back: Annotated[bool, typer.Option("--return", help="退回修改 · to be mended")] = False,
    refuse: Annotated[bool, typer.Option("--refuse")] = False,
    objections: Annotated[
        list[str] | None, typer.Option("--object", help="文件=意见 · FILE=what is wrong with it")
    ] = None,
    as_json: Json = False,
) -> int:
    """A vote is a person's: under their own account, with its password."""
    from rwd_platform.flows.release_votes import vote

    word = _one_word(approve=approve, back=back, refuse=refuse)
    about = dict(one.partition("=")[::2] for one in objections or ())
    with person(login) as (platform, officer):
        asked = vote(platform, officer, release_id, word, reason, about)
    _say_release(asked, as_json)
    return Exit.YES


def _one_word(*, approve: bool, back: bool, refuse: bool) -> str:
    said = [word for word, given in (("approve", approve), ("return", back), ("refuse", refuse)) if given]
    if len(said) != 1:
        raise ONE_WORD.error()
    return said[0]


def withdraw(
    release_id: Annotated[str, typer.Argument(help="发布编号 · release id")],
    reason: Annotated[str, typer.Option("--reason")],
    login: Login,
    as_json: Json = False,
) -> int:
    """Taken back before it leaves; what was reserved is free again."""
    from rwd_platform.flows.release_ends import withdraw_release

    with person(login) as (platform, requester):
        asked = withdraw_release(platform, requester, release_id, reason)
    _say_release(asked, as_json)
    return Exit.YES


def recall(
    release_id: Annotated[str, typer.Argument(help="发布编号 · release id")],
    reason: Annotated[str, typer.Option("--reason")],
    login: Login,
    as_json: Json = False,
) -> int:
    """The recipient is asked to give it back; no door hands it out any more."""
    from rwd_platform.flows.release_ends import recall_release

    with person(login) as (platform, officer):
        asked = recall_release(platform, officer, release_id, reason)
    _say_release(asked, as_json)
    return Exit.YES


def complete(
    release_id: Annotated[str, typer.Argument(help="发布编号 · release id")],
    login: Login,
    as_json: Json = False,
) -> int:
    from rwd_platform.flows.release import release

    with person(login) as (platform, requester):
        asked = release(platform, requester, release_id)
    _say_release(asked, as_json)
    return Exit.YES


def list_releases(login: Login, as_json: Json = False) -> int:
    """Those that the person may read, the newest first."""
    from sqlmodel import col, select

    from rwd_platform.access.permissions import check_may, visible_rows
    from rwd_platform.access.refusals import refusals_recorded
    from rwd_platform.records.tables import OutputRelease

    query = select(OutputRelease).order_by(
        col(OutputRelease.requested_at).desc(), col(OutputRelease.id).desc()
    )
    with person(login) as (platform, reader):
        with refusals_recorded(platform.records, reader, "release.read", "output_release", ""):
            check_may(reader, "release.read")
        for asked in visible_rows(platform.records, reader, "release.read", platform.records.all(query)):
            _say_release(asked, as_json)
    return Exit.YES


def list_circles(login: Login, as_json: Json = False) -> int:
    """Everybody whom a release may name, by kind of recipient."""
    from rwd_platform.access.permissions import check_may
    from rwd_platform.access.refusals import refusals_recorded
    from rwd_platform.flows.release_circles import registered_circles

    with person(login) as (platform, reader):
        with refusals_recorded(platform.records, reader, "release.read", "release_circle", ""):
            check_may(reader, "release.read")
        for one in registered_circles(platform):
            if as_json:
                answer({"id": one.id, "kind": one.kind, "zh": one.title.zh, "en": one.title.en})
            say(f"{one.id}  {one.kind}  {one.title.zh} · {one.title.en}")
    return Exit.YES


def register_one(
    kind: Annotated[str, typer.Option("--kind", help="insurer | sponsor | researcher")],
    zh: Annotated[str, typer.Option("--zh", help="中文名 · name in Chinese")],
    en: Annotated[str, typer.Option("--en", help="英文名 · name in English")],
    legal_name: Annotated[str, typer.Option("--legal-name", help="法律主体全称 · legal entity")],
    login: Login,
    credit_code: Annotated[
        str, typer.Option("--credit-code", help="统一社会信用代码 · where it has one")
    ] = "",
    as_json: Json = False,
) -> int:
    """A privacy officer puts a receiving organisation on record, once."""
    from rwd_platform.flows.release_circles import NewCircle, register_circle

    with person(login) as (platform, officer):
        made = register_circle(platform, officer, NewCircle(kind, zh, en, legal_name, credit_code))
    if as_json:
        answer({"id": made.id, "kind": made.kind, "zh": made.name_zh, "en": made.name_en})
    say(f"{made.id}  {made.kind}  {made.name_zh} · {made.name_en}")
    return Exit.YES


def _say_release(asked: OutputRelease, as_json: bool) -> None:
    if as_json:
        answer(
            {
                "id": asked.id,
                "package": asked.package_id,
                "recipient": asked.recipient_kind,
                "circle": asked.circle,
                "state": asked.state,
                "verdict": asked.verdict,
            }
        )
    say(
        f"{asked.id}  {asked.state}  {asked.recipient_kind} · {asked.circle}  {asked.package_id}"
        f"  {asked.verdict.get('outcome', '')} ({len(asked.verdict.get('findings', []))})"
    )
