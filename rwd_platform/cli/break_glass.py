"""rwd break-glass: ask who one patient is, vote, look once. Under a person's own account, with its password.

The operating system's account is not enough here: two approvers have to be two people, and whoever runs
commands on the server could otherwise be all of them.
"""

from __future__ import annotations

from typing import Annotated

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.options import Json, Login, RequestId
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="应急查看 · break-glass", no_args_is_help=True)
    group.command("list", help="申请一览 · the requests")(list_requests)
    group.command("request", help="申请查看一位患者的身份 · ask who one patient is")(make_request)
    group.command("vote", help="审批 · approve or refuse")(cast_vote)
    group.command("open", help="查看身份，仅一次 · look, once")(look)
    app.add_typer(group, name="break-glass")


def list_requests(login: Login, as_json: Json = False) -> int:
    """The requests that you may read, the newest first."""
    from rwd_platform.flows.break_glass import requests_seen

    with person(login) as (platform, actor):
        for seen in requests_seen(platform, actor):
            row = seen.row
            say(f"{row.id}  {seen.state}  {row.requested_at}  {row.patient_id}")
            if as_json:
                answer(
                    {"id": row.id, "state": seen.state, "patient_id": row.patient_id, "reason": row.reason}
                )
    return Exit.YES


def make_request(
    patient: Annotated[str, typer.Argument(help="假名 · the pseudonym")],
    login: Login,
    reason: Annotated[str, typer.Option("--reason", help="理由 · why")],
    minutes: Annotated[int, typer.Option("--minutes", help="批准后的查看时限 · to look, once approved")] = 60,
    as_json: Json = False,
) -> int:
    """Prints the request's id."""
    from rwd_platform.flows.break_glass import request

    with person(login) as (platform, actor):
        row = request(platform, actor, patient, reason, minutes)
    if as_json:
        answer({"id": row.id, "state": row.state})
    say(row.id)
    return Exit.YES


def cast_vote(
    request_id: RequestId,
    login: Login,
    reason: Annotated[str, typer.Option("--reason", help="依据 · why")],
    approved: Annotated[
        bool, typer.Option("--approve/--refuse", "--yes/--no", help="同意或不同意 · approve or refuse")
    ],
    as_json: Json = False,
) -> int:
    """Prints the request's state after the vote."""
    from rwd_platform.flows.break_glass import vote

    with person(login) as (platform, actor):
        row = vote(platform, actor, request_id, approved, reason)
    if as_json:
        answer({"id": row.id, "state": row.state, "open_until": row.open_until})
    say(row.state)
    return Exit.YES


def look(request_id: RequestId, login: Login, as_json: Json = False) -> int:
    """Who it is. It is printed once; what the terminal or a file keeps of it is yours to guard."""
    from rwd_platform.flows.break_glass import open_identity

    with person(login) as (platform, actor):
        who = open_identity(platform, actor, request_id)
    shown = {
        "names": list(who.names),
        "birth_date": who.birth_date,
        "identifiers": [list(pair) for pair in who.identifiers],
        "telecom": [list(pair) for pair in who.telecom],
        "addresses": list(who.addresses),
        "resource_id": who.resource_id,
        "source_system": who.source_system,
    }
    if as_json:
        answer(shown)
        return Exit.YES
    say("只显示一次 · shown once")
    for name, value in shown.items():
        say(f"{name}: {value}")
    return Exit.YES
