"""What every answer carries and every request must pass, before any route sees it.

Strict content policy: scripts, styles, fonts and requests come from this host alone, nothing inline, nothing
evaluated. `data:` is allowed for images only: Tabler's form controls draw their marks that way.
"""

from __future__ import annotations

import json
import re
import unicodedata
from urllib.parse import urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rwd_platform.core.errors import Exit, Problem

SESSION_COOKIE = "rwd_session"
HALF_COOKIE = "rwd_half_login"
PROVIDER_COOKIE = "rwd_provider_login"
LANGUAGE_COOKIE = "rwd_language"
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

MAX_FORM_BYTES = 1 << 20  # a protocol of 1 MiB is longer than any we have seen
MAX_FILE_BYTES = 16 << 30  # one file of an upload

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}

FOREIGN_REQUEST = Problem(
    code="server.foreign_request",
    zh="请求并非来自本站页面，已拒绝。",
    en="The request did not come from a page of this site and was refused.",
    next_zh="请从本站页面重新操作。",
    next_en="Start again from a page of this site.",
    http=403,
    exit=Exit.REFUSED,
)
TOO_LARGE = Problem(
    code="server.too_large",
    zh="发送的内容超过了这里允许的大小。",
    en="What was sent is larger than is allowed here.",
    next_zh="请拆分后分批发送；大文件请用上传页面或 `rwd upload`。",
    next_en="Send it in parts; for large files use the upload page or `rwd upload`.",
    http=413,
)
_UNSAFE_IN_LABEL = re.compile(r"[\\/:*?\"<>|]")
_LABEL_LENGTH = 160
_TOO_LARGE_BODY = json.dumps(TOO_LARGE.error().as_dict(), ensure_ascii=False).encode()


class SecurityHeaders:
    """Puts the headers on every answer; pages and API answers are never stored by a cache."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        refused = False  # a body over its limit is answered below the application, in plain English

        async def send_with_headers(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                refused = message["status"] == 413 and headers.get("content-type", "").startswith(
                    "text/plain"
                )
                if refused:
                    headers["content-type"] = "application/json"
                    headers["content-length"] = str(len(_TOO_LARGE_BODY))
                for name, value in HEADERS.items():
                    headers[name] = value
                if not scope["path"].startswith("/static/"):
                    headers["cache-control"] = "no-store"
            elif refused and message["type"] == "http.response.body":
                message = {"type": "http.response.body", "body": _TOO_LARGE_BODY}
            await send(message)

        await self.app(scope, receive, send_with_headers)


def is_same_origin(headers: Headers) -> bool:
    """True unless a browser says that another site made the request. Programs send neither header."""
    origin = headers.get("origin")
    if origin is not None:
        return urlsplit(origin).netloc == headers.get("host", "")
    return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


def check_origin(request: Request) -> None:
    if request.method not in SAFE_METHODS and not is_same_origin(request.headers):
        raise FOREIGN_REQUEST.error()


async def sent_csrf_token(request: Request) -> str:
    """The token a request carries: in a header (htmx, scripts, programs) or in a form's field."""
    header = request.headers.get(CSRF_HEADER)
    if header is not None:
        return header
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        value = (await request.form()).get(CSRF_FIELD)
        return value if isinstance(value, str) else ""
    return ""


def file_label(name: str) -> str:
    """A file's name as a label: never a path, no control characters, not too long.

    The name is shown and stored; it never decides where anything is written.
    """
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = _UNSAFE_IN_LABEL.sub("_", name).strip(" .")
    if len(name) > _LABEL_LENGTH:
        keep = _LABEL_LENGTH - 24
        name = f"{name[:keep]}…{name[-20:]}"  # the ending says what kind of file it is
    return name or "unnamed"


def cookie_name(name: str, *, secure: bool) -> str:
    """With `__Host-` a browser takes the cookie from this very host alone, over https, for the whole of it."""
    return f"__Host-{name}" if secure else name


def keep_session(response: Response, token: str, *, secure: bool) -> None:
    """The session's cookie: not readable by scripts, not sent by other sites, gone with the browser."""
    response.set_cookie(
        cookie_name(SESSION_COOKIE, secure=secure),
        token,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
    )
    _forget(response, HALF_COOKIE, secure=secure)


def keep_half_login(response: Response, token: str, *, seconds: int, secure: bool) -> None:
    """The cookie between password and code. No page of another site, not even a link, brings it along."""
    response.set_cookie(
        cookie_name(HALF_COOKIE, secure=secure),
        token,
        max_age=seconds,
        httponly=True,
        samesite="strict",
        secure=secure,
        path="/",
    )


def keep_provider_login(response: Response, token: str, *, seconds: int, secure: bool) -> None:
    """The cookie while the browser is at the identity provider, whose redirect has to bring it along: Lax."""
    response.set_cookie(
        cookie_name(PROVIDER_COOKIE, secure=secure),
        token,
        max_age=seconds,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
    )


def forget_provider_login(response: Response, *, secure: bool) -> None:
    _forget(response, PROVIDER_COOKIE, secure=secure)


def forget_session(response: Response, *, secure: bool) -> None:
    _forget(response, SESSION_COOKIE, secure=secure)
    _forget(response, HALF_COOKIE, secure=secure)


def _forget(response: Response, name: str, *, secure: bool) -> None:
    """A browser drops a `__Host-` cookie only when told in the form in which it took it."""
    response.delete_cookie(
        cookie_name(name, secure=secure), path="/", secure=secure, httponly=True, samesite="lax"
    )


def keep_language(response: Response, language: str, *, secure: bool) -> None:
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=365 * 86400, httponly=True, samesite="lax", secure=secure, path="/"
    )
