"""The identity provider, asked: discovery, keys, and a code for an ID token (OpenID Connect, authorization code flow).

It is another organisation's machine on the way of a login, so nothing it does may hold the platform up: ten seconds a
request, 1 MiB an answer, no redirects, four requests at once and everybody else told to try again.
"""

from __future__ import annotations

import base64
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote_plus, urlencode

from rwd_platform.access.oidc import (
    DocumentRefused,
    Key,
    Metadata,
    TokenRefused,
    check_id_token,
    checked_keys,
    checked_metadata,
    id_token_of,
)
from rwd_platform.access.web_requests import AnswerTooLarge, Unanswered, ask
from rwd_platform.core.clock import Clock
from rwd_platform.core.errors import Exit, Problem

SECONDS = 10.0
MOST_BYTES = 1 << 20
AT_ONCE = 4
KEPT = timedelta(minutes=10)  # metadata and keys
FETCHED_AGAIN = timedelta(minutes=1)  # keys, for one that nobody knows
_WAIT_SECONDS = 1.0

UNREACHABLE = Problem(
    code="oidc.unreachable",
    zh="机构统一身份认证没有响应。",
    en="The organisation's identity provider does not answer.",
    next_zh="请稍后重试，或改用登录名与密码；持续如此请联系平台管理员。",
    next_en="Try again later, or log in with your password; if it goes on, tell the platform's operator.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)
UNUSABLE = Problem(
    code="oidc.unusable",
    zh="机构统一身份认证返回的内容无法使用（{why}）。",
    en="The organisation's identity provider answered something that cannot be used ({why}).",
    next_zh="请改用登录名与密码，并把代码与原因告诉平台管理员，由其核对提供方地址与配置。",
    next_en="Log in with your password, and tell the platform's operator code and reason: provider and settings have to"
    " be looked at.",
    http=502,
    exit=Exit.BROKEN_ENVIRONMENT,
)
CODE_REFUSED = Problem(
    code="oidc.code_refused",
    zh="机构统一身份认证不接受这次登录的授权码：可能已用过或已过期。",
    en="The organisation's identity provider does not take the code of this login: used already, or too old.",
    next_zh="请重新登录；仍然如此请联系平台管理员核对客户端设置。",
    next_en="Log in again; if it goes on, have the platform's operator look at the client's settings.",
    http=401,
    exit=Exit.REFUSED,
)
SECRET_UNREADABLE = Problem(
    code="oidc.secret_unreadable",
    zh="统一身份认证的客户端密钥文件不能使用：{why_zh}。",
    en="The file with the client's secret for the identity provider cannot be used: {why}.",
    next_zh="请平台管理员检查 RWD_OIDC_CLIENT_SECRET_FILE：文件存在、非空、仅所有者可读（chmod 600）。",
    next_en="The operator checks RWD_OIDC_CLIENT_SECRET_FILE: it is there, not empty, and readable by its owner alone.",
    http=503,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass
class IdentityProvider:
    """One provider, with what it said in the last ten minutes.

    loopback -- the demo: http is allowed where the host is a loopback address
    """

    issuer: str
    client_id: str
    secret_file: Path | None
    clock: Clock
    loopback: bool = False
    _metadata: tuple[Metadata, datetime] | None = field(default=None, init=False, repr=False)
    _keys: tuple[tuple[Key, ...], datetime] | None = field(default=None, init=False, repr=False)
    _again_at: datetime | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _places: threading.BoundedSemaphore = field(
        default_factory=lambda: threading.BoundedSemaphore(AT_ONCE), init=False, repr=False
    )

    def metadata(self) -> Metadata:
        """Raises UNREACHABLE and UNUSABLE, as everything here that asks the provider."""
        now = self.clock()
        if self._metadata is not None and _is_fresh(self._metadata[1], now):
            return self._metadata[0]
        document = self._document(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        try:
            found = checked_metadata(document, issuer=self.issuer, loopback=self.loopback)
        except DocumentRefused as refused:
            raise UNUSABLE.error(why=str(refused)) from None
        self._metadata = (found, now)
        return found

    def redeem(self, code: str, *, verifier: str, redirect: str) -> str:
        """The ID token that a code is good for, unread (RFC 6749 4.1.3, RFC 7636 4.5). Raises CODE_REFUSED."""
        metadata = self.metadata()
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "client_id": self.client_id,
        }
        headers = self._prove(metadata, fields)
        status, kind, document = self._answer(metadata.token_endpoint, urlencode(fields).encode(), headers)
        if 400 <= status < 500:
            raise CODE_REFUSED.error()
        try:
            return id_token_of(_json(status, kind, document))
        except DocumentRefused as refused:
            raise UNUSABLE.error(why=str(refused)) from None

    def subject(self, token: str, *, nonce: str) -> str:
        """Whom an ID token names. Raises TokenRefused. Keys are fetched once more for one that nobody knows."""
        try:
            return self._subject(token, self.keys(), nonce)
        except TokenRefused as refused:
            if str(refused) != "unknown_key" or not self._may_fetch_again():
                raise
        return self._subject(token, self.keys(anew=True), nonce)

    def keys(self, *, anew: bool = False) -> tuple[Key, ...]:
        """Those that are known stay until others have come."""
        now, kept = self.clock(), self._keys
        if kept is not None and _is_fresh(kept[1], now) and not anew:
            return kept[0]
        document = self._document(self.metadata().jwks_uri)
        try:
            found = checked_keys(document)
        except DocumentRefused as refused:
            raise UNUSABLE.error(why=str(refused)) from None
        self._keys = (found, now)
        return found

    def _subject(self, token: str, keys: tuple[Key, ...], nonce: str) -> str:
        return check_id_token(
            token, keys, issuer=self.issuer, client_id=self.client_id, nonce=nonce, now=self.clock()
        )

    def _may_fetch_again(self) -> bool:
        """At most once a minute: a token can name any key it likes."""
        now = self.clock()
        with self._lock:
            if self._again_at is not None and now - FETCHED_AGAIN < self._again_at <= now:
                return False
            self._again_at = now
            return True

    def _prove(self, metadata: Metadata, fields: dict[str, str]) -> dict[str, str]:
        """What shows which client this is: a header, or a field more (RFC 6749 2.3.1); without a secret, PKCE alone."""
        if self.secret_file is None:
            return {}
        secret = _secret(self.secret_file)
        if metadata.token_auth == "client_secret_post":  # noqa: S105 - the name of a method
            fields["client_secret"] = secret
            return {}
        if not metadata.token_auth:
            raise UNUSABLE.error(why="no_token_auth")
        both = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
        return {"authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}

    def _document(self, address: str) -> bytes:
        try:
            return _json(*self._answer(address))
        except DocumentRefused as refused:
            raise UNUSABLE.error(why=str(refused)) from None

    def _answer(
        self, address: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Status, media type and content. A redirect is an answer like any other: nothing follows it."""
        if not self._places.acquire(timeout=_WAIT_SECONDS):
            raise UNREACHABLE.error()
        asked = {"accept": "application/json", **(headers or {})}
        try:
            answer = ask(address, body, asked, seconds=SECONDS, most_bytes=MOST_BYTES)
        except Unanswered:
            raise UNREACHABLE.error() from None
        except AnswerTooLarge:
            raise UNUSABLE.error(why="too_large") from None
        finally:
            self._places.release()
        return answer.status, answer.kind, answer.content


def _json(status: int, kind: str, content: bytes) -> bytes:
    """The content, where the answer says that it went well and that this is JSON."""
    if status >= 500:
        raise UNREACHABLE.error()
    if status != 200:
        raise DocumentRefused("wrong_status")
    if kind != "application/json" and not kind.endswith("+json"):
        raise DocumentRefused("wrong_type")
    return content


def _secret(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SECRET_UNREADABLE.error(why="others can read it", why_zh="其他用户可读")
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SECRET_UNREADABLE.error(why="it cannot be read", why_zh="无法读取") from None
    if not secret:
        raise SECRET_UNREADABLE.error(why="it is empty", why_zh="内容为空")
    return secret


def _is_fresh(at: datetime, now: datetime) -> bool:
    return now - KEPT < at <= now
