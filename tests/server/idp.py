"""An identity provider of the tests' own, on this machine: discovery, authorisation, tokens and keys (OpenID Connect).

Its tokens are made with `cryptography`. What it says can be spoilt: `claims` and `header` of the next tokens,
`metadata`, and whole answers by path in `instead`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

from cryptography.hazmat.primitives import hashes

from rwd_platform.core.clock import Clock
from tests.access.signing import Key, rsa_key, signed

CLIENT, SECRET = "rwd-platform", "a secret: of the client%"
Instead = Callable[[BaseHTTPRequestHandler], None]


class Provider:
    def __init__(self, clock: Clock, port: int) -> None:
        self.clock = clock
        self.issuer = f"http://127.0.0.1:{port}/idp"
        self.key, self.published = rsa_key(), [rsa_key()]
        self.secret: str | None = SECRET
        self.who = "0-staff-1001"
        self.metadata: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.token: Callable[[dict[str, Any]], str] = self.sign
        self.says_iss: str | None = None
        self.instead: dict[str, Instead] = {}
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []  # paths, in order
        self.forms: list[dict[str, str]] = []
        self.tokens: list[str] = []

    # -- what a browser does -------------------------------------------------------------------------------

    def visit(self, address: str) -> str:
        """A browser follows our page's address; gives the path and query it is sent back to."""

        class Stay(HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        from urllib.error import HTTPError

        try:
            build_opener(Stay, ProxyHandler({})).open(address, timeout=10)
        except HTTPError as answer:
            assert answer.code == 302, answer.read()
            back = urlsplit(answer.headers["location"])
            assert f"{back.scheme}://{back.netloc}" == "https://rwd.example", "nobody else is given the code"
            return f"{back.path}?{back.query}"
        raise AssertionError("the provider did not send the browser back")

    # -- what it answers -----------------------------------------------------------------------------------

    def discovery(self) -> dict[str, Any]:
        base = self.issuer
        said = {
            "issuer": base,
            "authorization_endpoint": f"{base}/authorize",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "response_types_supported": ["code"],
            **self.metadata,
        }
        return {name: value for name, value in said.items() if value is not ...}

    def authorize(self, query: dict[str, str]) -> str:
        assert query["response_type"] == "code" and query["scope"] == "openid"
        assert query["client_id"] == CLIENT and query["code_challenge_method"] == "S256"
        assert min(len(query[name]) for name in ("state", "nonce", "code_challenge")) >= 43, "32 bytes each"
        code = secrets.token_urlsafe(24)
        self.codes[code] = {**query, "sub": self.who}
        back = {"code": code, "state": query["state"]}
        if self.says_iss is not None:
            back["iss"] = self.says_iss
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        asked = self.codes.pop(form.get("code", ""), None)  # once
        if asked is None or form["grant_type"] != "authorization_code":
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": asked["sub"], "nonce": asked["nonce"], "iat": now,
            "exp": now + 300, **self.claims,
        }  # fmt: skip
        token = self.token({name: value for name, value in claims.items() if value is not ...})
        self.tokens.append(token)
        return 200, {"access_token": secrets.token_urlsafe(24), "token_type": "Bearer", "id_token": token}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.secret is None:
            return form.get("client_id") == CLIENT and not authorization and "client_secret" not in form
        if "client_secret" in form:
            return (form["client_id"], form["client_secret"]) == (CLIENT, self.secret)
        kind, _, encoded = authorization.partition(" ")
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
        return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT, self.secret)

    def sign(self, claims: dict[str, Any]) -> str:
        header = {"alg": "RS256", "kid": self.key.jwk["kid"], "typ": "JWT", **self.header}
        return signed(self.key, header, claims, hashes.SHA256())

    def rotate(self, key: Key) -> None:
        self.key, self.published = key, [key]


def send(
    handler: BaseHTTPRequestHandler, body: bytes, kind: str = "application/json", status: int = 200
) -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def running(clock: Clock) -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            place = parts.path.removeprefix("/idp")
            provider.asked.append(place)
            if place in provider.instead:
                provider.instead[place](self)
            elif place == "/.well-known/openid-configuration":
                send(self, json.dumps(provider.discovery()).encode())
            elif place == "/jwks":
                send(self, json.dumps({"keys": [key.jwk for key in provider.published]}).encode())
            elif place == "/authorize":
                query = {name: value for name, [value] in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("location", provider.authorize(query))
                self.end_headers()
            else:
                send(self, b"{}", status=404)

        def do_POST(self) -> None:
            place = urlsplit(self.path).path.removeprefix("/idp")
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: value for name, [value] in parse_qs(raw, keep_blank_values=True).items()}
            provider.asked.append(place)
            provider.forms.append(form)
            if place in provider.instead:
                provider.instead[place](self)
                return
            status, said = provider.redeem(form, self.headers.get("authorization", ""))
            send(self, json.dumps(said).encode(), status=status)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = Provider(clock, server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
