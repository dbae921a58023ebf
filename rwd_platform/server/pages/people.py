"""Accounts and organisations: the list, one person with everything that can be done, and the forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import people
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Organisation
from rwd_platform.server import people_view, texts
from rwd_platform.server.api.people import ManagesPeople, ReadsPeople
from rwd_platform.server.deps import PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

Short = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(max_length=5000)]


@router.get("/people")
def get_people(visitor: ReadsPeople, request: Request, platform: PlatformDep) -> Response:
    return render(request, "people.html", accounts=people_view.accounts(platform, visitor))


@router.get("/people/new")
def get_new_person(_: ManagesPeople, request: Request, platform: PlatformDep) -> Response:
    return _new(request, platform)


@router.post("/people")
def post_person(
    visitor: ManagesPeople,
    request: Request,
    platform: PlatformDep,
    login: Short = "",
    role: Short = "",
    organisation_id: Short = "",
    name: Short = "",
    valid_until: Short = "",
    reason: Reason = "",
) -> Response:
    """The answer shows the password, once. What was filled in stays when something is wrong."""
    asked = people.NewAccount(login, role, organisation_id, name, valid_until)
    try:
        user, password = people.create_account(platform, visitor.actor, asked, reason)
    except PlatformError as error:
        return _new(request, platform, error, asked, reason)
    return render(request, "password_once.html", user=user, password=password)


@router.get("/people/organisations")
def get_organisations(_: ManagesPeople, request: Request, platform: PlatformDep) -> Response:
    return _organisations(request, platform)


@router.post("/people/organisations")
def post_organisation(
    visitor: ManagesPeople,
    request: Request,
    platform: PlatformDep,
    id: Short = "",
    kind: Short = "",
    name_zh: Short = "",
    name_en: Short = "",
    reason: Reason = "",
) -> Response:
    asked = Organisation(id=id.strip(), kind=kind, name_zh=name_zh, name_en=name_en)
    try:
        people.register_organisation(platform, visitor.actor, asked, reason)
    except PlatformError as error:
        return _organisations(request, platform, error, asked, reason)
    return RedirectResponse("/people/organisations", status_code=303)


@router.get("/people/{user_id}")
def get_person(visitor: ReadsPeople, request: Request, platform: PlatformDep, user_id: str) -> Response:
    return _one(request, platform, visitor, user_id)


@router.post("/people/{user_id}/disable")
def post_disable(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    return change_person(
        request, platform, visitor, user_id, lambda: people.disable(platform, visitor.actor, user_id, reason)
    )


@router.post("/people/{user_id}/role")
def post_role(
    visitor: ManagesPeople,
    request: Request,
    platform: PlatformDep,
    user_id: str,
    role: Short = "",
    organisation_id: Short = "",
    reason: Reason = "",
) -> Response:
    def change() -> object:
        return people.change_role(platform, visitor.actor, user_id, role, organisation_id, reason)

    return change_person(request, platform, visitor, user_id, change)


@router.post("/people/{user_id}/end")
def post_end(
    visitor: ManagesPeople,
    request: Request,
    platform: PlatformDep,
    user_id: str,
    valid_until: Short = "",
    reason: Reason = "",
) -> Response:
    def change() -> object:
        return people.set_end(platform, visitor.actor, user_id, valid_until, reason)

    return change_person(request, platform, visitor, user_id, change)


@router.post("/people/{user_id}/password")
def post_password(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    try:
        password = people.give_password(platform, visitor.actor, user_id, reason)
    except PlatformError as error:
        return _one(request, platform, visitor, user_id, error)
    user = people_view.account(platform, visitor, user_id).user
    return render(request, "password_once.html", user=user, password=password)


@router.post("/people/{user_id}/log-out")
def post_log_out(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    def end() -> None:
        people.log_out_everywhere(platform, visitor.actor, user_id, reason)

    return change_person(request, platform, visitor, user_id, end)


@router.post("/people/{user_id}/unlock")
def post_unlock(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    return change_person(
        request, platform, visitor, user_id, lambda: people.unlock(platform, visitor.actor, user_id, reason)
    )


@router.post("/people/{user_id}/second-factor/reset")
def post_reset(
    visitor: ManagesPeople, request: Request, platform: PlatformDep, user_id: str, reason: Reason = ""
) -> Response:
    def reset() -> None:
        people.reset_second_factor(platform, visitor.actor, user_id, reason)

    return change_person(request, platform, visitor, user_id, reset)


def change_person(
    request: Request, platform: Platform, visitor: Visitor, user_id: str, act: Callable[[], object]
) -> Response:
    """Back to the person's page; with what was wrong, if something was."""
    try:
        act()
    except PlatformError as error:
        return _one(request, platform, visitor, user_id, error)
    return RedirectResponse(f"/people/{user_id}", status_code=303)


def _one(
    request: Request, platform: Platform, visitor: Visitor, user_id: str, error: PlatformError | None = None
) -> Response:
    return render(
        request,
        "person.html",
        status=error.http if error else 200,
        account=people_view.account(platform, visitor, user_id),
        organisations=people_view.organisations(platform),
        roles=texts.ROLES,
        is_self=user_id == visitor.user.id,
        error=error,
    )


def _new(
    request: Request,
    platform: Platform,
    error: PlatformError | None = None,
    asked: people.NewAccount | None = None,
    reason: str = "",
) -> Response:
    return render(
        request,
        "person_new.html",
        status=error.http if error else 200,
        error=error,
        asked=asked or people.NewAccount("", "", "", ""),
        reason=reason,
        organisations=people_view.organisations(platform),
        roles=texts.ROLES,
        there=people_view.roles_by_kind(),
    )


def _organisations(
    request: Request,
    platform: Platform,
    error: PlatformError | None = None,
    asked: Organisation | None = None,
    reason: str = "",
) -> Response:
    return render(
        request,
        "organisations.html",
        status=error.http if error else 200,
        error=error,
        asked=asked or Organisation(id="", kind="", name_zh="", name_en=""),
        reason=reason,
        organisations=people_view.organisations(platform),
        kinds=people_view.kinds(),
    )
