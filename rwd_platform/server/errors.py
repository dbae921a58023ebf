"""Every error as a card or as JSON: what happened, what to do next, and the code that support asks for.

Nothing that a client sent comes back in an error, and an unexpected exception shows only a number that
stands beside it in the server's log.
"""

from __future__ import annotations

import json
import logging
import secrets
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from rwd_platform.access.permissions import NOT_ALLOWED
from rwd_platform.access.refusals import record_refusal
from rwd_platform.core.errors import Exit, PlatformError, Problem
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.server.deps import ENROL_FIRST, LOGIN_NEEDED, Visitor, platform_of
from rwd_platform.server.security import SAFE_METHODS, TOO_LARGE
from rwd_platform.server.templating import render

_LOG = logging.getLogger("rwd.server")

PAGE_NOT_FOUND = Problem(
    code="server.not_found",
    zh="没有这一页，或您无权查看。",
    en="There is no such page, or it is not yours to see.",
    next_zh="请核对网址，或从左侧菜单进入。",
    next_en="Check the address, or use the menu.",
    http=404,
)
METHOD_NOT_ALLOWED = Problem(
    code="server.method",
    zh="这个地址不支持这种操作。",
    en="This address does not take this kind of request.",
    next_zh="请从页面上的按钮操作；接口说明见 /api/v1/openapi.json。",
    next_en="Use the page's buttons; /api/v1/openapi.json describes the API.",
    http=405,
)
WRONG_FIELDS = Problem(
    code="server.fields",
    zh="这些栏目缺失或格式不对：{fields}。",
    en="These fields are missing or malformed: {fields}.",
    next_zh="请改正后重新提交。",
    next_en="Correct them and send again.",
    http=422,
)
BAD_REQUEST = Problem(
    code="server.request",
    zh="服务器无法理解这个请求。",
    en="The server could not understand the request.",
    next_zh="请从页面重新操作。",
    next_en="Start again from the page.",
    http=400,
)
UNEXPECTED = Problem(
    code="server.unexpected",
    zh="平台遇到了意外错误，编号 {number}。",
    en="The platform met an unexpected error, number {number}.",
    next_zh="请把编号告诉平台运营人员；您的数据没有因此改变。",
    next_en="Give this number to the platform's operator; nothing of yours was changed by it.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)
ENROL_PAGE = "/account/second-factor"
_BY_STATUS = {404: PAGE_NOT_FOUND, 405: METHOD_NOT_ALLOWED, 413: TOO_LARGE}


def wants_json(request: Request) -> bool:
    return request.url.path.startswith("/api/")


def answer(request: Request, error: PlatformError) -> Response:
    """The error as the client can use it: JSON, a login page, a card for htmx, or a page."""
    if wants_json(request):
        return JSONResponse(error.as_dict(), status_code=error.http)
    if error.problem is LOGIN_NEEDED:
        return _to_login(request)
    if error.problem is ENROL_FIRST:
        return _elsewhere(request, ENROL_PAGE)
    is_fragment = request.headers.get("hx-request") == "true"
    template = "fragments/error.html" if is_fragment else "error.html"
    return render(request, template, status=error.http, error=error)


def _to_login(request: Request) -> Response:
    wanted = request.url.path if request.method == "GET" else "/"
    is_fragment = request.headers.get("hx-request") == "true"
    plain = wanted == "/" or is_fragment
    return _elsewhere(request, "/login" if plain else f"/login?next={quote(wanted)}")


def _elsewhere(request: Request, target: str) -> Response:
    """htmx would put the other page into this one's place: it is told to go there instead."""
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"hx-redirect": target})
    return RedirectResponse(target, status_code=303)


async def on_platform_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, PlatformError)  # noqa: S101 - registered for this class alone
    try:
        await run_in_threadpool(_record_refusal, request, error)
    except PlatformError as unrecorded:  # a log that takes no entry: nothing else is answered
        return answer(request, unrecorded)
    return answer(request, error)


def _record_refusal(request: Request, error: PlatformError) -> None:
    """What somebody asked for that is not theirs goes on record; a list that a role has not got does not."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    if visitor is None:
        return
    asked = [str(value) for value in request.path_params.values()]
    if error.problem is NOT_FOUND:
        kind, id, action = str(error.details["kind"]), str(error.details["id"]), ""
    elif error.problem is NOT_ALLOWED and (asked or request.method not in SAFE_METHODS):
        action = str(error.details["action"])
        kind, id = action.partition(".")[0], asked[0] if asked else ""
    else:
        return
    record_refusal(platform_of(request).records, visitor.actor, action, kind, id, error)


async def on_wrong_fields(request: Request, error: Exception) -> Response:
    """Names the fields, never what they held."""
    assert isinstance(error, RequestValidationError)  # noqa: S101
    fields = sorted({str(one["loc"][-1]) for one in error.errors() if _is_name(str(one["loc"][-1]))})
    return answer(request, WRONG_FIELDS.error(fields=", ".join(fields) or "-"))


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii() and len(text) <= 40  # not a key that the client made up


async def on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    return answer(request, _BY_STATUS.get(error.status_code, BAD_REQUEST).error())


async def on_unexpected(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(4)
    # The class alone: an exception's text may quote what it choked on.
    _LOG.error("unexpected %s: %s at %s", number, type(error).__name__, _where(error))
    return answer(request, UNEXPECTED.error(number=number))


def _where(error: Exception) -> str:
    """File and line of each step of the traceback, as JSON, without any values."""
    steps, frame = [], error.__traceback__
    while frame is not None:
        steps.append(f"{frame.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}")
        frame = frame.tb_next
    return json.dumps(steps[-8:])


def install(app: FastAPI) -> None:
    app.add_exception_handler(PlatformError, on_platform_error)
    app.add_exception_handler(RequestValidationError, on_wrong_fields)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(Exception, on_unexpected)
