"""Bodies that are facts: read by the parser that lets nothing through which another would repair in silence.

The framework's parser takes the last of two equal keys and reads NaN; a case with `restricted_list` in it twice would
be decided by one of the two answers (core/json_text.py).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from rwd_platform.core.errors import Problem
from rwd_platform.core.json_text import JsonRefused, loads
from rwd_platform.server.security import SAFE_METHODS

BODY_REFUSED = Problem(
    code="server.body_refused",
    zh="发送的 JSON 不能使用：{why_zh}",
    en="The JSON that was sent cannot be used: {why}",
    next_zh="请改正后重新发送；每项事实只写一次。",
    next_en="Mend it and send it again; each fact stands in it once.",
)


class StrictJson(APIRoute):
    """Routes whose body is JSON: `APIRouter(route_class=StrictJson)`. Raises BODY_REFUSED (400)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            body = await request.body() if request.method not in SAFE_METHODS else b""
            try:
                found = loads(body) if body else None
            except JsonRefused as refused:
                raise BODY_REFUSED.error(why=refused.en, why_zh=refused.zh) from None
            if body:
                request._json = found  # where the request keeps what it has read
            return await handle(request)

        return strict
