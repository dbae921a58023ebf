"""The rules as people read them: every shipped pack by family, and one pack with an anchor for each rule."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from rwd_platform.server import rules_view
from rwd_platform.server.api.rules import ReadsRules
from rwd_platform.server.deps import PlatformDep
from rwd_platform.server.templating import render

router = APIRouter()


@router.get("/rules")
def get_rules(visitor: ReadsRules, request: Request, platform: PlatformDep) -> Response:
    return render(request, "rules.html", shelf=rules_view.rules_today(platform), view=rules_view)


@router.get("/rules/{family}/{version}")
def get_pack(
    visitor: ReadsRules, request: Request, platform: PlatformDep, family: str, version: str
) -> Response:
    found = rules_view.rules_today(platform)
    one = rules_view.pack_of(found, family, version)
    return render(request, "rules_pack.html", shelf=found, one=one, view=rules_view)
