"""rwd people: accounts. A security administrator does it, under their own account; the first is made on the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli import clients
from rwd_platform.cli.deployment import caller, deployment, person
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.log.entry import Actor
    from rwd_platform.records.tables import User

Who = Annotated[str, typer.Argument(help="登录名 · the person's login")]
Reason = Annotated[str, typer.Option("--reason", help="理由，写入日志 · why, kept in the log")]
Until = Annotated[str, typer.Option("--until", help="有效期至 YYYY-MM-DD · last day")]
Name = Annotated[str, typer.Option("--name", help="姓名 · the person's name")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="账号 · accounts", no_args_is_help=True)
    group.command("list", help="账号一览 · the accounts")(list_people)
    group.command("first", help="在服务器上新建首位安全管理员 · the first security administrator")(first)
    group.command(
        "recover", help="在服务器上找回安全管理员的账号 · a security administrator who lost everything"
    )(recover)
    group.command("add", help="新建账号 · a new account")(add)
    group.command("organisation", help="登记机构 · register an organisation")(organisation)
    group.command("role", help="更改角色或机构 · another role or organisation")(role)
    group.command("end", help="设定有效期 · set the time limit")(end)
    group.command("password", help="发放新密码 · give a new password")(password)
    group.command("log-out", help="退出所有登录 · end every login")(log_out)
    group.command("unlock", help="解除锁定 · forget failed logins")(unlock)
    group.command("reset-factor", help="重置动态验证码 · reset the second factor")(reset_factor)
    group.command("disable", help="停用账号 · disable")(disable)
    clients.register_in(group)
    app.add_typer(group, name="people")


def list_people(login: Login, as_json: Json = False) -> int:
    """Every account by login: role, organisation, until when, and whether it is disabled."""
    from sqlmodel import col, select

    from rwd_platform.access.permissions import Action, check_may
    from rwd_platform.records.tables import User

    with person(login) as (platform, actor):
        check_may(actor, Action.PEOPLE_READ)
        for one in platform.records.all(select(User).order_by(col(User.login))):
            until, gone = one.valid_until or "-", "disabled" if one.disabled_at else "-"
            say(f"{one.login}  {one.role}  {one.organisation_id}  {until}  {gone}  {one.name}")
            if as_json:
                answer(_shown(one))
    return Exit.YES


def first(
    who: Who,
    name: Name,
    reason: Reason,
    organisation_zh: Annotated[str, typer.Option("--organisation-zh", help="运营机构中文名 · its name")] = "",
    organisation_en: Annotated[str, typer.Option("--organisation-en", help="英文名 · in English")] = "",
    as_json: Json = False,
) -> int:
    """Only while there is no security administrator in use. Prints the password, once.

    The operator's own organisation is registered with it where it is not on record yet.
    """
    from rwd_platform.flows.people import NewAccount, create_first_administrator
    from rwd_platform.records.tables import Organisation

    with deployment() as platform:
        home = platform.settings.operator
        asked = NewAccount(who, "security", home, name)
        named = Organisation(id=home, kind="operator", name_zh=organisation_zh, name_en=organisation_en)
        actor = platform.operator(caller())
        user, secret = create_first_administrator(platform, actor, asked, reason, named)
    return _tell(user, secret, as_json)


def recover(who: Who, reason: Reason, as_json: Json = False) -> int:
    """A new password without a second factor, for a security administrator alone. Prints it, once."""
    from rwd_platform.flows.people import recover_administrator

    with deployment() as platform:
        secret = recover_administrator(platform, platform.operator(caller()), who, reason)
    if as_json:
        answer({"login": who, "password": secret})
    say(f"{who}  {secret}")
    return Exit.YES


def add(
    who: Who,
    role: Annotated[str, typer.Option("--role")],
    organisation: Annotated[str, typer.Option("--organisation")],
    name: Name,
    reason: Reason,
    login: Login,
    until: Until = "",
    as_json: Json = False,
) -> int:
    """Prints the new account's password, once."""
    from rwd_platform.flows.people import NewAccount, create_account

    with person(login) as (platform, actor):
        asked = NewAccount(who, role, organisation, name, until)
        user, secret = create_account(platform, actor, asked, reason)
    return _tell(user, secret, as_json)


def organisation(
    id: Annotated[str, typer.Argument(help="机构编号 · its id")],
    kind: Annotated[str, typer.Option("--kind")],
    name_zh: Annotated[str, typer.Option("--name-zh")],
    name_en: Annotated[str, typer.Option("--name-en")],
    reason: Reason,
    login: Login,
    as_json: Json = False,
) -> int:
    """Prints the organisation's id."""
    from rwd_platform.flows.people import register_organisation
    from rwd_platform.records.tables import Organisation

    with person(login) as (platform, actor):
        asked = Organisation(id=id, kind=kind, name_zh=name_zh, name_en=name_en)
        row = register_organisation(platform, actor, asked, reason)
    if as_json:
        answer({"id": row.id, "kind": row.kind})
    say(row.id)
    return Exit.YES


def role(
    who: Who,
    role: Annotated[str, typer.Option("--role")],
    organisation: Annotated[str, typer.Option("--organisation")],
    reason: Reason,
    login: Login,
    as_json: Json = False,
) -> int:
    """The person is logged out everywhere."""
    from rwd_platform.flows.people import change_role

    def change(platform: Platform, actor: Actor, user: User) -> object:
        return change_role(platform, actor, user.id, role, organisation, reason)

    return _do(login, who, change, as_json)


def end(who: Who, reason: Reason, login: Login, until: Until = "", as_json: Json = False) -> int:
    """Without --until the account has no end."""
    from rwd_platform.flows.people import set_end

    def change(platform: Platform, actor: Actor, user: User) -> object:
        return set_end(platform, actor, user.id, until, reason)

    return _do(login, who, change, as_json)


def password(who: Who, reason: Reason, login: Login, as_json: Json = False) -> int:
    """Prints the new password, once. The old one and every login end."""
    from rwd_platform.flows.people import give_password

    with person(login) as (platform, actor):
        user = _found(platform, actor, who)
        secret = give_password(platform, actor, user.id, reason)
    return _tell(user, secret, as_json)


def log_out(who: Who, reason: Reason, login: Login, as_json: Json = False) -> int:
    from rwd_platform.flows.people import log_out_everywhere

    def act(platform: Platform, actor: Actor, user: User) -> None:
        log_out_everywhere(platform, actor, user.id, reason)

    return _do(login, who, act, as_json)


def unlock(who: Who, reason: Reason, login: Login, as_json: Json = False) -> int:
    from rwd_platform.flows import people

    def act(platform: Platform, actor: Actor, user: User) -> None:
        people.unlock(platform, actor, user.id, reason)

    return _do(login, who, act, as_json)


def reset_factor(who: Who, reason: Reason, login: Login, as_json: Json = False) -> int:
    from rwd_platform.flows.people import reset_second_factor

    def act(platform: Platform, actor: Actor, user: User) -> None:
        reset_second_factor(platform, actor, user.id, reason)

    return _do(login, who, act, as_json)


def disable(who: Who, reason: Reason, login: Login, as_json: Json = False) -> int:
    from rwd_platform.flows import people

    def act(platform: Platform, actor: Actor, user: User) -> object:
        return people.disable(platform, actor, user.id, reason)

    return _do(login, who, act, as_json)


def _do(login: str, who: str, act: Callable[[Platform, Actor, User], object], as_json: bool) -> int:
    """Prints the account as it is afterwards."""
    from rwd_platform.records.tables import User

    with person(login) as (platform, actor):
        user = _found(platform, actor, who)
        act(platform, actor, user)
        after = platform.records.get(User, user.id)
    if as_json:
        answer(_shown(after))
    say(f"{after.login}  {after.role}  {after.organisation_id}  {after.valid_until or '-'}")
    return Exit.YES


def _found(platform: Platform, actor: Actor, who: str) -> User:
    from sqlmodel import select

    from rwd_platform.access.permissions import Action, check_may
    from rwd_platform.records.records import NOT_FOUND
    from rwd_platform.records.tables import User

    check_may(actor, Action.PEOPLE_MANAGE)
    found = platform.records.all(select(User).where(User.login == who))
    if not found:
        raise NOT_FOUND.error(kind="user_account", id="?")
    return found[0]


def _tell(user: User, secret: str, as_json: bool) -> int:
    if as_json:
        answer({**_shown(user), "password": secret})
    say(f"{user.login}  {secret}")
    say("密码只显示这一次 · the password is shown this once")
    return Exit.YES


def _shown(user: User) -> dict[str, str | bool]:
    return {
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "role": user.role,
        "organisation": user.organisation_id,
        "valid_until": user.valid_until,
        "disabled": user.disabled_at is not None,
    }
