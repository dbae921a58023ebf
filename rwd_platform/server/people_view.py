"""What the security administrator's pages read: accounts and how they stand. Nothing of any study or patient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import col, func, select

from rwd_platform.access.accounts import is_in_use
from rwd_platform.access.attempts import is_locked, login_sha256
from rwd_platform.access.permissions import check_may
from rwd_platform.access.policy import access_policy, needs_second_factor
from rwd_platform.access.roles import ROLE_NAMES, Role
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import (
    LoginAttempt,
    OidcIdentity,
    Organisation,
    SecondFactor,
    User,
    WebSession,
)
from rwd_platform.server.deps import Visitor

SOON = timedelta(days=30)  # an account that ends within these is named on the home page


@dataclass(frozen=True)
class Account:
    """A person's account as it stands now. `standing`: in_use, disabled or ended."""

    user: User
    organisation: Organisation | None
    standing: str
    locked: bool
    guarded: bool
    unguarded: bool  # should have a second factor and has none
    ends_soon: bool
    sessions: int
    bound: bool  # to an identity at the provider


def accounts(platform: Platform, visitor: Visitor) -> list[Account]:
    """Every account: those in use first, by login."""
    check_may(visitor.actor, "people.read")
    found = _read(platform)
    return sorted(found, key=lambda one: (one.standing != "in_use", one.user.login))


def account(platform: Platform, visitor: Visitor, user_id: str) -> Account:
    check_may(visitor.actor, "people.read")
    found = next((one for one in _read(platform, user_id)), None)
    if found is None:
        raise NOT_FOUND.error(kind="user_account", id=user_id if _is_id(user_id) else "?")
    return found


def to_look_at(found: list[Account]) -> dict[str, list[Account]]:
    """The accounts that wait for the administrator, by why: locked, unguarded, ending."""
    in_use = [one for one in found if one.standing == "in_use"]
    return {
        "locked": [one for one in found if one.locked],
        "unguarded": [one for one in in_use if one.unguarded],
        "ending": [one for one in in_use if one.ends_soon],
    }


def organisations(platform: Platform) -> list[Organisation]:
    return list(platform.records.all(select(Organisation).order_by(col(Organisation.id))))


def kinds() -> Mapping[str, Bilingual]:
    return {name: kind.name for name, kind in access_policy().kinds.items()}


def roles_by_kind() -> list[tuple[Bilingual, list[Bilingual]]]:
    """Which roles there may be in which kind of organisation, in words."""
    return [
        (kind.name, [ROLE_NAMES[role] for role in Role if role in kind.roles])
        for kind in access_policy().kinds.values()
    ]


def _read(platform: Platform, user_id: str = "") -> list[Account]:
    query = select(User).where(User.id == user_id) if user_id else select(User)
    users = platform.records.all(query)
    organisations = {one.id: one for one in platform.records.all(select(Organisation))}
    factors = {one.user_id for one in platform.records.all(select(SecondFactor)) if one.confirmed_at}
    bound = {one.user_id for one in platform.records.all(select(OidcIdentity))}
    attempts = {one.login_sha256: one for one in platform.records.all(select(LoginAttempt))}
    with platform.records.reading() as session:
        logins = dict(
            session.exec(select(WebSession.user_id, func.count()).group_by(WebSession.user_id)).all()
        )
    now = platform.clock()
    soon = shanghai_date(now + SOON).isoformat()
    found = []
    for user in users:
        attempt, used = attempts.get(login_sha256(user.login)), is_in_use(user, now)
        found.append(
            Account(
                user,
                organisations.get(user.organisation_id),
                "in_use" if used else "disabled" if user.disabled_at is not None else "ended",
                attempt is not None and is_locked(attempt, now),
                user.id in factors,
                user.id not in factors
                and needs_second_factor(user.role)
                and platform.settings.second_factor_required,
                used and bool(user.valid_until) and user.valid_until <= soon,
                logins.get(user.id, 0),
                user.id in bound,
            )
        )
    return found


def _is_id(text: str) -> bool:
    return len(text) <= 80 and text.isascii() and text.isprintable()
