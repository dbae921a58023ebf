"""Accounts over the API, for the security administrator: who there is, a new one, and every change with its reason."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from rwd_platform.flows import people
from rwd_platform.server import people_view
from rwd_platform.server.api.models import REFUSALS, Out
from rwd_platform.server.deps import Door, PlatformDep, Visitor

router = APIRouter(prefix="/api/v1/people", tags=["people"], responses=REFUSALS)

ReadsPeople = Annotated[Visitor, Depends(Door("people.read"))]
ManagesPeople = Annotated[Visitor, Depends(Door("people.manage"))]

_Short = Annotated[str, Field(max_length=200)]
_Reason = Annotated[str, Field(max_length=5000)]


class ReasonIn(BaseModel):
    """Why: kept in the log."""

    model_config = ConfigDict(extra="forbid")

    reason: _Reason


class AccountIn(ReasonIn):
    """`valid_until`: the last day in Asia/Shanghai, as a date; "" for no end."""

    login: _Short
    role: _Short
    organisation_id: _Short
    name: _Short
    valid_until: _Short = ""


class RoleIn(ReasonIn):
    role: _Short
    organisation_id: _Short


class EndIn(ReasonIn):
    valid_until: _Short = ""


class AccountOut(Out):
    """An account as it stands. `standing`: in_use, disabled or ended."""

    id: str
    login: str
    name: str
    role: str
    organisation_id: str
    created_at: str
    valid_until: str
    standing: str
    locked: bool
    second_factor: bool
    sessions: int

    @classmethod
    def of(cls, one: people_view.Account) -> AccountOut:
        fields = {"id", "login", "name", "role", "organisation_id", "created_at", "valid_until"}
        return cls(
            **one.user.model_dump(include=fields),
            standing=one.standing,
            locked=one.locked,
            second_factor=one.guarded,
            sessions=one.sessions,
        )


class PasswordOut(Out):
    """A password, this once: the platform keeps its hash alone."""

    id: str
    password: str


@router.get("", response_model=list[AccountOut])
def get_people(visitor: ReadsPeople, platform: PlatformDep) -> list[AccountOut]:
    """Every account, those in use first."""
    return [AccountOut.of(one) for one in people_view.accounts(platform, visitor)]


@router.post("", response_model=PasswordOut, status_code=201)
def post_person(visitor: ManagesPeople, platform: PlatformDep, asked: AccountIn) -> PasswordOut:
    """A new account."""
    wanted = people.NewAccount(**asked.model_dump(exclude={"reason"}))
    user, password = people.create_account(platform, visitor.actor, wanted, asked.reason)
    return PasswordOut(id=user.id, password=password)


@router.get("/{user_id}", response_model=AccountOut)
def get_person(visitor: ReadsPeople, platform: PlatformDep, user_id: str) -> AccountOut:
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/disable", response_model=AccountOut)
def post_disable(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: ReasonIn) -> AccountOut:
    """The account is not used again."""
    people.disable(platform, visitor.actor, user_id, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/role", response_model=AccountOut)
def post_role(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: RoleIn) -> AccountOut:
    """Another role or organisation; every login of the person ends."""
    people.change_role(platform, visitor.actor, user_id, asked.role, asked.organisation_id, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/end", response_model=AccountOut)
def post_end(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: EndIn) -> AccountOut:
    """The account's last day, or none."""
    people.set_end(platform, visitor.actor, user_id, asked.valid_until, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/password", response_model=PasswordOut)
def post_password(
    visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: ReasonIn
) -> PasswordOut:
    """A new password; the old one and every login end."""
    password = people.give_password(platform, visitor.actor, user_id, asked.reason)
    return PasswordOut(id=user_id, password=password)


@router.post("/{user_id}/log-out", response_model=AccountOut)
def post_log_out(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: ReasonIn) -> AccountOut:
    """End every login of the person."""
    people.log_out_everywhere(platform, visitor.actor, user_id, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/unlock", response_model=AccountOut)
def post_unlock(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: ReasonIn) -> AccountOut:
    """Forget the failed logins."""
    people.unlock(platform, visitor.actor, user_id, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))


@router.post("/{user_id}/second-factor/reset", response_model=AccountOut)
def post_reset(visitor: ManagesPeople, platform: PlatformDep, user_id: str, asked: ReasonIn) -> AccountOut:
    """Take the second factor away; the person sets up a new one."""
    people.reset_second_factor(platform, visitor.actor, user_id, asked.reason)
    return AccountOut.of(people_view.account(platform, visitor, user_id))
