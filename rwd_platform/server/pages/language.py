"""The language switch: kept in a cookie, back to where one was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from rwd_platform.server.deps import Anybody, request_is_secure
from rwd_platform.server.pages.login import inside
from rwd_platform.server.security import keep_language
from rwd_platform.server.texts import as_language

router = APIRouter()


@router.get("/language/{language}")
def get_language(
    _: Anybody, request: Request, language: str, back: Annotated[str, Query(max_length=500)] = "/"
) -> Response:
    response = RedirectResponse(inside(back), status_code=303)
    keep_language(response, as_language(language), secure=request_is_secure(request))
    return response
