"""rwd audit review: reviews of the audit trail, under a person's own account with its password.

A review is a person's: an account of the operating system neither opens nor signs one.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from rwd_platform.audit.query import LogLine
    from rwd_platform.flows.platform import Platform
    from rwd_platform.log.entry import Actor
    from rwd_platform.records.tables import LogReview

ReviewId = Annotated[str, typer.Argument(help="审查编号 · the review's id")]
Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="北京时间的日 · a day in Asia/Shanghai")
]

NOT_CONFIRMED = Problem(
    code="cli.signature_not_confirmed",
    zh="尚未确认：签署后不能撤回，也不能再添加发现。",
    en="It was not confirmed: a signature cannot be taken back, and no finding can be added after it.",
    next_zh="请用 `rwd audit review show` 核对内容，确认后加 --yes 签署。",
    next_en="Check it with `rwd audit review show`, then sign with --yes.",
)
PERIOD_HALF = Problem(
    code="cli.period_half",
    zh="--since 与 --until 须同时给出，或都不给出。",
    en="--since and --until are given together, or neither is.",
    next_zh="都不给出时，审查自最早一条尚无签署审查的日志至今。",
    next_en="With neither, the period is from the earliest entry that is in no signed review until now.",
)


def verbs() -> typer.Typer:
    review = typer.Typer(help="日志审查 · reviews of the audit trail", no_args_is_help=True)
    review.command("list", help="列出审查与待审查的条目 · reviews, and what waits")(list_reviews)
    review.command("open", help="开始审查一段期间 · open one of a period")(open_one)
    review.command("show", help="查看一次审查 · one, with findings and signatures")(show)
    review.command("finding", help="记录发现 · note a finding")(finding)
    review.command("sign", help="签署 · sign")(sign)
    return review


def list_reviews(login: Login, as_json: Json = False) -> int:
    """The newest first. Exit 1 where entries are in no signed review."""
    from rwd_platform.flows.log_review import reviews_of, signatures_of, waiting

    with person(login) as (platform, reader):
        rows = reviews_of(platform, reader)
        signed = {row.id: [one.signer_id for one in signatures_of(platform, reader, row.id)] for row in rows}
        left = waiting(platform, reader)
    if as_json:
        answer(
            {
                "waiting": {"entries": left.entries, "earliest": left.earliest},
                "reviews": [{**_review(row), "signed_by": signed[row.id]} for row in rows],
            }
        )
    for row in rows:
        mark = "✓" if signed[row.id] else "…"
        say(
            f"{mark} {row.id}  {row.since} – {row.until}  {row.entries:,}  {' '.join(signed[row.id])}".rstrip()
        )
    sum_up(f"尚无签署的审查 · in no signed review: {left.entries:,}")
    return Exit.NO if left.entries else Exit.YES


def open_one(
    login: Login,
    since: Day = None,
    until: Day = None,
    action: Annotated[str, typer.Option("--action", help="动作，如 study. · an action")] = "",
    object_id: Annotated[str, typer.Option("--object", help="对象编号 · an object's id")] = "",
    actor_id: Annotated[str, typer.Option("--person", help="操作人编号 · a person's id")] = "",
    as_json: Json = False,
) -> int:
    """Days of Asia/Shanghai, both included; today ends now. Without days: all that waits."""
    from rwd_platform.flows.log_review import open_review

    given = {"action": action, "object_id": object_id, "actor_id": actor_id}
    chosen = {name: value for name, value in given.items() if value}
    if (since is None) != (until is None):
        raise PERIOD_HALF.error()
    with person(login) as (platform, reader):
        begins, ends = _period(platform, reader, since, until)
        row = open_review(platform, reader, begins, ends, **chosen)
    if as_json:
        answer(_review(row))
    say(f"{row.since} – {row.until}  #{row.first_sequence} – #{row.last_sequence}")
    sum_up(f"✓ {row.id}  {row.entries:,}")
    return Exit.YES


def show(
    review_id: ReviewId,
    login: Login,
    page: Annotated[int, typer.Option("--page", min=1, help="条目的页 · which page of entries")] = 1,
    as_json: Json = False,
) -> int:
    """With its findings, signatures and a page of its entries, each with what it changed."""
    from rwd_platform.flows.log_review import entries_of, findings_of, review_of, signatures_of

    with person(login) as (platform, reader):
        row = review_of(platform, reader, review_id)
        found = findings_of(platform, reader, review_id)
        signed = signatures_of(platform, reader, review_id)
        entries = entries_of(platform, reader, review_id, page)
        lines = [(line, _changes(platform, line)) for line in entries.lines]
    if as_json:
        answer(
            {
                **_review(row),
                "findings": [one.model_dump() for one in found],
                "signatures": [one.model_dump() for one in signed],
                "page": entries.page,
                "pages": entries.pages,
                "listed": [{**_line(line), "changes": changes} for line, changes in lines],
            }
        )
    say(f"{row.since} – {row.until}  {row.entries:,}  {row.leaves_sha256}")
    for line, changes in lines:
        altered = "  ✗ 内容被改动 · altered" if line.broken else ""
        say(f"#{line.sequence}  {line.at}  {line.actor_id}  {line.action}  {line.object_id}{altered}")
        for one in changes:
            say(f"    {one['table']} {one['id']} {one['field']}: {one['old']} → {one['new']}")
    for each in found:
        say(f"! #{each.sequence}  {each.text}  ({each.reason})  {each.found_by}")
    for signature in signed:
        say(f"✓ {signature.signer_id}  {signature.signed_at}")
    sum_up(f"{entries.page}/{entries.pages}  发现 · findings {len(found)}, 签署 · signatures {len(signed)}")
    return Exit.YES


def finding(
    review_id: ReviewId,
    login: Login,
    entry: Annotated[int, typer.Option("--entry", min=0, help="条目序号 · the entry's number")],
    text: Annotated[str, typer.Option("--text", help="发现了什么 · what was found")],
    reason: Annotated[str, typer.Option("--reason", help="理由 · why it is a finding")],
    as_json: Json = False,
) -> int:
    """Not after somebody signed."""
    from rwd_platform.flows.log_review import add_finding

    with person(login) as (platform, reader):
        row = add_finding(platform, reader, review_id, entry, text, reason)
    if as_json:
        answer(row.model_dump())
    sum_up(f"✓ #{row.sequence}")
    return Exit.YES


def sign(
    review_id: ReviewId,
    login: Login,
    yes: Annotated[bool, typer.Option("--yes", help="已核对内容 · I have looked at it")] = False,
    as_json: Json = False,
) -> int:
    """It cannot be taken back, and no finding can be added after it. Exit 3 when the entries have changed."""
    from rwd_platform.flows.log_review import sign_review

    if not yes:
        raise NOT_CONFIRMED.error()
    with person(login) as (platform, reader):
        row = sign_review(platform, reader, review_id)
    if as_json:
        answer(row.model_dump())
    sum_up(f"✓ {row.signer_id} {row.signed_at}")
    return Exit.YES


def _period(
    platform: Platform, reader: Actor, since: datetime | None, until: datetime | None
) -> tuple[datetime, datetime]:
    from rwd_platform.flows.log_review import period_of_days, period_waiting

    if since is None or until is None:
        return period_waiting(platform, reader)
    return period_of_days(platform, since.date(), until.date())


def _changes(platform: Platform, line: LogLine) -> list[dict[str, Any]]:
    """Old and new values; none of an entry whose detail cannot be believed or is gone."""
    from rwd_platform.audit.changes import changes_of
    from rwd_platform.core.errors import PlatformError

    if line.broken or not line.has_detail:
        return []
    try:
        return [asdict(one) for one in changes_of(platform.records, line.sequence).changes]
    except PlatformError:
        return []


def _line(line: LogLine) -> dict[str, Any]:
    names = (
        "sequence",
        "at",
        "actor_id",
        "actor_role",
        "action",
        "object_type",
        "object_id",
        "outcome",
        "reason",
    )
    return {**{name: getattr(line, name) for name in names}, "altered": line.broken}


def _review(row: LogReview) -> dict[str, Any]:
    return dict(row.model_dump())
