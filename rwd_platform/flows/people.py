"""Accounts: a security administrator makes, changes and ends them. Each act needs a reason and is in the log.

A role exists only in the kinds of organisation that rwd_platform/access/policy.toml names, and one person never holds
two of the three administrators' roles. Whoever loses a role, an organisation, a password or a second factor is logged
out everywhere in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlmodel import Session, col, select

from deidentify.disclosure.reasons import one_person
from rwd_platform.access import second_factor
from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.attempts import pardon
from rwd_platform.access.passwords import generate_password, hash_password
from rwd_platform.access.permissions import Action, check_may
from rwd_platform.access.policy import access_policy, may_exist
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.access.roles import ADMINISTRATORS, ROLE_NAMES, Role
from rwd_platform.access.sessions import end_sessions
from rwd_platform.core.clock import as_text
from rwd_platform.core.ids import new_id
from rwd_platform.flows import people_problems as problems
from rwd_platform.flows.oidc_login import NOTHING_BOUND, forget_identities
from rwd_platform.flows.people_problems import checked_day, checked_name, checked_reason, today
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import Organisation, User

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{2,63}")
_MANAGE = Action.PEOPLE_MANAGE


@dataclass(frozen=True)
class NewAccount:
    """What is asked for a new person. `valid_until` "" is no end; else the last day, as a date."""

    login: str
    role: str
    organisation_id: str
    name: str
    valid_until: str = ""


def register_organisation(
    platform: Platform, actor: Actor, organisation: Organisation, reason: str
) -> Organisation:
    """Put an organisation on record. Raises KIND_UNKNOWN, NAME_WRONG, LOGIN_NAME_WRONG and ORGANISATION_TAKEN."""
    with refusals_recorded(platform.records, actor, _MANAGE, "organisation", organisation.id):
        check_may(actor, _MANAGE)
        row, said = _checked_organisation(organisation), checked_reason(reason)
        act = Act(actor, "organisation.registered", Object("organisation", row.id), reason=said)
        with platform.records.transaction(audit=act) as session:
            if session.get(Organisation, row.id) is not None:
                raise problems.ORGANISATION_TAKEN.error()
            session.add(row)
    return row


def create_account(platform: Platform, actor: Actor, asked: NewAccount, reason: str) -> tuple[User, str]:
    """A new account and its password, which exists in clear only in what this returns."""
    with refusals_recorded(platform.records, actor, _MANAGE, "user_account", ""):
        check_may(actor, _MANAGE)
        return _create(platform, actor, asked, checked_reason(reason))


def create_first_administrator(
    platform: Platform, actor: Actor, asked: NewAccount, reason: str, home: Organisation | None = None
) -> tuple[User, str]:
    """The first security administrator, from the server's command line; never while there is one in use.

    home -- the operator's own organisation, registered with it where it is not on record yet
    """
    said = checked_reason(reason)
    if asked.role != Role.SECURITY:
        raise problems.NOT_AN_ADMINISTRATOR.error()
    if _administrators(platform):
        raise problems.ADMINISTRATOR_EXISTS.error()
    if home is not None and platform.records.find(Organisation, home.id) is None:
        row = _checked_organisation(home)
        act = Act(actor, "organisation.registered", Object("organisation", row.id), reason=said)
        platform.records.write(row, audit=act)
    return _create(platform, actor, asked, said)


def recover_administrator(platform: Platform, actor: Actor, login: str, reason: str) -> str:
    """For a security administrator who lost password and codes: a new password, no second factor, logged out.

    From the server's command line alone: whoever stands there has the root key already.
    """
    said = checked_reason(reason)
    user = _by_login(platform, login)
    if user.role != Role.SECURITY:
        raise problems.NOT_AN_ADMINISTRATOR.error()
    _check_not_disabled(user)
    password = generate_password()
    act = Act(actor, "user.recovered", Object("user_account", user.id), reason=said)
    with platform.records.transaction(audit=act) as session:
        row = session.get_one(User, user.id)
        row.password_hash = hash_password(password)
        session.add(row)
        second_factor.remove(session, user.id)
        forget_identities(session, user.id)
        pardon(session, user.login)
        end_sessions(session, user.id)
    return password


def disable(platform: Platform, actor: Actor, user_id: str, reason: str) -> User:
    """The account is not used again; its login and name stay, because the log names them."""
    with _managing(platform, actor, user_id, reason, "user.disabled", oneself=False) as (session, row):
        _check_not_last(session, platform, row)
        row.disabled_at = as_text(platform.clock())
        end_sessions(session, row.id)
    return platform.records.get(User, user_id)


def change_role(
    platform: Platform, actor: Actor, user_id: str, role: str, organisation_id: str, reason: str
) -> User:
    """Another role, another organisation or both. The person logs in anew."""
    with _managing(platform, actor, user_id, reason, "user.role_changed", oneself=False) as (session, row):
        if role != Role.SECURITY:
            _check_not_last(session, platform, row)
        _check_place(session, role, organisation_id)
        _check_separated(session, platform, role, row.name, except_for=row.id)
        row.role, row.organisation_id = role, organisation_id
        end_sessions(session, row.id)
    return platform.records.get(User, user_id)


def set_end(platform: Platform, actor: Actor, user_id: str, valid_until: str, reason: str) -> User:
    """The last day of an account, or none. Raises DATE_WRONG for a day that has passed: that is `disable`."""
    until = _checked_end(platform, valid_until)
    with _managing(platform, actor, user_id, reason, "user.end_set", oneself=False) as (session, row):
        if until:
            _check_not_last(session, platform, row)
        row.valid_until = until
    return platform.records.get(User, user_id)


def give_password(platform: Platform, actor: Actor, user_id: str, reason: str) -> str:
    """A new password, shown once. The old one, every session and what was bound by means of it end."""
    password = generate_password()
    with _managing(platform, actor, user_id, reason, "user.password_given") as (session, row):
        row.password_hash = hash_password(password)
        forget_identities(session, row.id)
        pardon(session, row.login)
        end_sessions(session, row.id)
    return password


def log_out_everywhere(platform: Platform, actor: Actor, user_id: str, reason: str) -> None:
    with _managing(platform, actor, user_id, reason, "user.sessions_ended") as (session, row):
        end_sessions(session, row.id)


def unlock(platform: Platform, actor: Actor, user_id: str, reason: str) -> None:
    """Forget the failures of the person's login name."""
    with _managing(platform, actor, user_id, reason, "user.unlocked") as (session, row):
        pardon(session, row.login)


def reset_second_factor(platform: Platform, actor: Actor, user_id: str, reason: str) -> None:
    """For somebody who lost the device and the recovery codes. They set up a new one at the next login."""
    with _managing(platform, actor, user_id, reason, "user.second_factor_reset", oneself=False) as (
        session,
        row,
    ):
        second_factor.remove(session, row.id)
        end_sessions(session, row.id)


def unbind_identity(platform: Platform, actor: Actor, user_id: str, reason: str) -> None:
    """No identity provider logs the person in until they bind their identity anew."""
    with _managing(platform, actor, user_id, reason, "identity.unbound") as (session, row):
        if not forget_identities(session, row.id):
            raise NOTHING_BOUND.error()
        end_sessions(session, row.id)


# -- what is checked ---------------------------------------------------------------------------------------


@contextmanager
def _managing(
    platform: Platform, actor: Actor, user_id: str, reason: str, act: str, *, oneself: bool = True
) -> Iterator[tuple[Session, User]]:
    """A transaction on one account: permission, reason and entry are the same for every act.

    oneself -- whether somebody may do this to their own account
    """
    with refusals_recorded(platform.records, actor, _MANAGE, "user_account", user_id):
        check_may(actor, _MANAGE)
        said = checked_reason(reason)
        if user_id == actor.id and not oneself:
            raise problems.NOT_ONESELF.error()
        entry = Act(actor, act, Object("user_account", user_id), reason=said)
        with platform.records.transaction(audit=entry) as session:
            row = session.get(User, user_id)
            if row is None:
                raise NOT_FOUND.error(kind="user_account", id=user_id[:80])
            _check_not_disabled(row)
            yield session, row
            session.add(row)


def _create(platform: Platform, actor: Actor, asked: NewAccount, reason: str) -> tuple[User, str]:
    login = asked.login.strip()
    if not _LOGIN.fullmatch(login):
        raise problems.LOGIN_NAME_WRONG.error()
    now, password = platform.clock(), generate_password()
    user = User(
        id=new_id("user", now),
        organisation_id=asked.organisation_id,
        login=login,
        role=asked.role,
        name=checked_name(asked.name),
        password_hash=hash_password(password),
        created_at=as_text(now),
        valid_until=_checked_end(platform, asked.valid_until),
    )
    act = Act(actor, "user.registered", Object("user_account", user.id), reason=reason)
    with platform.records.transaction(audit=act) as session:
        _check_place(session, user.role, user.organisation_id)
        _check_separated(session, platform, user.role, user.name)
        if session.exec(select(User).where(User.login == login)).first() is not None:
            raise problems.LOGIN_TAKEN.error()
        session.add(user)
    return user, password


def _check_place(session: Session, role: str, organisation_id: str) -> None:
    """Whether there may be such a role in such an organisation."""
    if role not in set(Role):
        raise problems.ROLE_UNKNOWN.error(roles=", ".join(Role))
    organisation = session.get(Organisation, organisation_id)
    if organisation is None:
        raise problems.ORGANISATION_UNKNOWN.error()
    if may_exist(role, organisation.kind):
        return
    kind = access_policy().kinds.get(organisation.kind)
    if kind is None:  # from before the kinds were a table
        raise problems.KIND_UNKNOWN.error(kinds=", ".join(access_policy().kinds))
    names, there = ROLE_NAMES[Role(role)], [ROLE_NAMES[one] for one in sorted(kind.roles)]
    raise problems.ROLE_NOT_THERE.error(
        kind=kind.name.en,
        kind_zh=kind.name.zh,
        role=names.en,
        role_zh=names.zh,
        roles=", ".join(one.en for one in there),
        roles_zh="、".join(one.zh for one in there),
    )


def _check_separated(
    session: Session, platform: Platform, role: str, name: str, *, except_for: str = ""
) -> None:
    """Nobody of this name holds another of the administrators' roles, under whatever login."""
    if role not in ADMINISTRATORS:
        return
    others = session.exec(select(User).where(col(User.role).in_(ADMINISTRATORS - {Role(role)}))).all()
    now, person = platform.clock(), one_person(name)
    for other in others:
        if other.id != except_for and is_in_use(other, now) and one_person(other.name) == person:
            held = ROLE_NAMES[Role(other.role)]
            raise problems.SEPARATED_ROLES.error(held=held.en, held_zh=held.zh)


def _administrators(platform: Platform) -> list[User]:
    """The security administrators in use."""
    with platform.records.reading() as session:
        return _administrators_in(session, platform)


def _administrators_in(session: Session, platform: Platform) -> list[User]:
    now = platform.clock()
    rows = session.exec(select(User).where(User.role == Role.SECURITY)).all()
    return [row for row in rows if is_in_use(row, now)]


def _check_not_last(session: Session, platform: Platform, row: User) -> None:
    """One whose end is set does not count: the platform must not lose its last administrator by a date."""
    others = [
        one for one in _administrators_in(session, platform) if one.id != row.id and not one.valid_until
    ]
    if row.role == Role.SECURITY and not others:
        raise problems.LAST_ADMINISTRATOR.error()


def _check_not_disabled(row: User) -> None:
    if row.disabled_at is not None:
        raise problems.IS_DISABLED.error()


def _checked_end(platform: Platform, valid_until: str) -> str:
    return checked_day(
        valid_until, not_before=today(platform.clock), field="last day", field_zh="截止日", empty=True
    )


def _checked_organisation(asked: Organisation) -> Organisation:
    if asked.kind not in access_policy().kinds:
        raise problems.KIND_UNKNOWN.error(kinds=", ".join(access_policy().kinds))
    if not _LOGIN.fullmatch(asked.id):
        raise problems.LOGIN_NAME_WRONG.error()
    return Organisation(
        id=asked.id,
        kind=asked.kind,
        name_zh=checked_name(asked.name_zh, longest=200, field="Chinese name", field_zh="中文名称"),
        name_en=checked_name(asked.name_en, longest=200, field="English name", field_zh="英文名称"),
    )


def _by_login(platform: Platform, login: str) -> User:
    with platform.records.reading() as session:
        row = session.exec(select(User).where(User.login == login)).first()
    if row is None:
        raise NOT_FOUND.error(kind="user_account", id="?")
    return row
