"""rwd people client-...: hospitals' own systems and their public keys, for a security administrator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import person
from rwd_platform.cli.files import text_of
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.records.tables import MachineClient

Client = Annotated[str, typer.Argument(help="系统编号 · the system's id")]
Keys = Annotated[Path, typer.Argument(help="公钥文件，JWK 集 · its public keys, a JWK set")]
Reason = Annotated[str, typer.Option("--reason", help="理由，写入日志 · why, kept in the log")]


def register_in(group: typer.Typer) -> None:
    group.command("clients", help="已登记的医院系统 · the systems")(list_clients)
    group.command("client-add", help="登记医院系统 · register a system")(add)
    group.command("client-keys", help="更换医院系统的公钥 · change its keys")(change_keys)
    group.command("client-revoke", help="撤销医院系统 · revoke it")(revoke)


def list_clients(login: Login, as_json: Json = False) -> int:
    """Every system: its id, hospital, keys, and whether it is revoked."""
    from rwd_platform.flows.machine_keys import registered_clients

    with person(login) as (platform, actor):
        for one in registered_clients(platform, actor):
            _tell(one, as_json)
    return Exit.YES


def add(
    keys: Keys,
    organisation: Annotated[str, typer.Option("--organisation")],
    name: Annotated[str, typer.Option("--name", help="系统名称 · its name")],
    reason: Reason,
    login: Login,
    as_json: Json = False,
) -> int:
    """Prints the id with which the system names itself."""
    from rwd_platform.flows.machine_keys import register_client

    document = text_of(keys)
    with person(login) as (platform, actor):
        row = register_client(platform, actor, organisation, name, document, reason)
    _tell(row, as_json)
    return Exit.YES


def change_keys(client: Client, keys: Keys, reason: Reason, login: Login, as_json: Json = False) -> int:
    """The old keys and every token that was issued by them end."""
    from rwd_platform.flows.machine_keys import rotate_keys

    document = text_of(keys)
    with person(login) as (platform, actor):
        row = rotate_keys(platform, actor, client, document, reason)
    _tell(row, as_json)
    return Exit.YES


def revoke(client: Client, reason: Reason, login: Login, as_json: Json = False) -> int:
    """The system is out at once."""
    from rwd_platform.flows.machine_keys import revoke_client

    with person(login) as (platform, actor):
        row = revoke_client(platform, actor, client, reason)
    _tell(row, as_json)
    return Exit.YES


def _tell(row: MachineClient, as_json: bool) -> None:
    kids = [key["kid"] for key in row.jwks["keys"]]
    if as_json:
        answer(
            {
                "id": row.id,
                "organisation": row.organisation_id,
                "name": row.name,
                "keys": kids,
                "revoked_at": row.revoked_at,
            }
        )
    say(f"{row.id}  {row.organisation_id}  {','.join(kids)}  {row.revoked_at or '-'}  {row.name}")
