"""Hospitals' own systems and their public keys. Routed before the people's pages, whose addresses they share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.access.clients import LIFE
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import machine_keys
from rwd_platform.flows.platform import Platform
from rwd_platform.server import people_view
from rwd_platform.server.deps import Door, PlatformDep, Visitor
from rwd_platform.server.templating import render

router = APIRouter()

ManagesClients = Annotated[Visitor, Depends(Door("client.manage"))]
Short = Annotated[str, Form(max_length=200)]
Reason = Annotated[str, Form(max_length=5000)]
Keys = Annotated[str, Form(max_length=machine_keys.LONGEST_KEYS)]


@router.get("/people/clients")
def get_clients(visitor: ManagesClients, request: Request, platform: PlatformDep) -> Response:
    return _page(request, platform, visitor)


@router.post("/people/clients")
def post_client(
    visitor: ManagesClients,
    request: Request,
    platform: PlatformDep,
    organisation_id: Short = "",
    name: Short = "",
    keys: Keys = "",
    reason: Reason = "",
) -> Response:
    def register() -> object:
        return machine_keys.register_client(platform, visitor.actor, organisation_id, name, keys, reason)

    return _do(request, platform, visitor, register, {"organisation_id": organisation_id, "name": name})


@router.post("/people/clients/{client_id}/keys")
def post_keys(
    visitor: ManagesClients,
    request: Request,
    platform: PlatformDep,
    client_id: str,
    keys: Keys = "",
    reason: Reason = "",
) -> Response:
    def rotate() -> object:
        return machine_keys.rotate_keys(platform, visitor.actor, client_id, keys, reason)

    return _do(request, platform, visitor, rotate)


@router.post("/people/clients/{client_id}/revoke")
def post_revoke(
    visitor: ManagesClients, request: Request, platform: PlatformDep, client_id: str, reason: Reason = ""
) -> Response:
    def revoke() -> object:
        return machine_keys.revoke_client(platform, visitor.actor, client_id, reason)

    return _do(request, platform, visitor, revoke)


def _do(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    act: Callable[[], object],
    kept: dict[str, str] | None = None,
) -> Response:
    """Keys that were refused are not shown again: a private one may be among them."""
    try:
        act()
    except PlatformError as error:
        if error.http == 404:
            raise
        return _page(request, platform, visitor, error, kept)
    return RedirectResponse("/people/clients", status_code=303)


def _page(
    request: Request,
    platform: Platform,
    visitor: Visitor,
    error: PlatformError | None = None,
    kept: dict[str, str] | None = None,
) -> Response:
    organisations = people_view.organisations(platform)
    rows = machine_keys.registered_clients(platform, visitor.actor)
    return render(
        request,
        "clients.html",
        status=error.http if error else 200,
        error=error,
        kept={"organisation_id": "", "name": "", **(kept or {})},
        clients=[
            (row, json.dumps(row.jwks, indent=1), [key["kid"] for key in row.jwks["keys"]]) for row in rows
        ],
        hospitals=[one for one in organisations if one.kind == "hospital"],
        names={one.id: one for one in organisations},
        minutes=int(LIFE.total_seconds()) // 60,
        address=machine_keys.TOKEN_PATH,
    )
