"""Verbs of the people who hold the keys: keys status, keys rotate, keys backfill."""

from __future__ import annotations

from typing import Annotated

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit


def register(app: typer.Typer) -> None:
    keys = typer.Typer(help="密钥 · keys", no_args_is_help=True)
    keys.command("status", help="各密钥的版本 · which version each key has")(status)
    keys.command("rotate", help="轮换医院的假名密钥 · rotate a hospital's pseudonym key")(rotate)
    keys.command("backfill", help="为升级前入库的患者补建身份保管库 · a vault for patients of before")(
        backfill
    )
    app.add_typer(keys, name="keys")


def status(as_json: Json = False) -> int:
    """Suite and versions, never a key. Exit 1 while a rotation is not complete."""
    from rwd_platform.flows.key_status import key_status

    with deployment() as platform:
        found = key_status(platform, platform.operator(caller()))
    if as_json:
        answer(found.as_dict())
    say(f"套件 · suite {found.suite}")
    for one in found.versions:
        say(f"{one.purpose} {one.scope or '-'}  v{one.version} {one.suite} {one.changed_at}")
    for organisation_id in found.unfinished:
        say(f"{organisation_id}: 轮换尚未完成 · rotation not complete")
    return Exit.NO if found.unfinished else Exit.YES


def rotate(
    hospital: Annotated[str, typer.Option("--hospital", help="医疗机构编号 · organisation")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只检查，不更改 · look, change nothing")] = False,
    as_json: Json = False,
) -> int:
    """Raise the version of a hospital's pseudonym key and re-tokenise the lake. Quality is to be checked after it."""
    from rwd_platform.flows.rotate_keys import rotate_hospital_key

    with deployment() as platform:
        done = rotate_hospital_key(platform, platform.operator(caller()), hospital, dry_run=dry_run)
    if as_json:
        answer(done.as_dict())
    said = "将改为 · would become" if dry_run else "已改为 · is now"
    sum_up(f"{hospital}: v{done.old_version} {said} v{done.new_version}")
    sum_up(f"假名 · names {done.names:,}, 行 · rows {sum(done.rows.values()):,}, 文件 · files {done.files:,}")
    return Exit.YES


def backfill(as_json: Json = False) -> int:
    """After an upgrade from version 0.1. May be done again at any time. Exit 1 while an upload is left."""
    from rwd_platform.flows.backfill import backfill as fill

    with deployment() as platform:
        done = fill(platform, platform.operator(caller()))
    if as_json:
        answer(done.as_dict())
    sum_up(f"上传 · uploads {done.uploads:,}, 患者 · patients {done.entries:,}, 文件 · files {done.files:,}")
    for upload, code in sorted(done.left.items()):
        say(f"{upload}: 未完成 · left ({code})")
    return Exit.NO if done.left else Exit.YES
