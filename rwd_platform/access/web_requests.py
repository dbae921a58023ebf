"""Another organisation's machine, asked by http, so that nothing it does can hold the platform up.

Bounded in time and size; no redirects, no cookies, no files: an answer is whatever the address itself says.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rwd_platform.core.web_address import is_loopback

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

_PIECE = 1 << 16


class Unanswered(Exception):
    """Nobody there, or too slow, or not http."""


class AnswerTooLarge(Exception):
    """More than was asked for at most."""


@dataclass(frozen=True)
class Answer:
    """Status, media type and content. A redirect is an answer like any other."""

    status: int
    kind: str
    content: bytes


def ask(
    address: str, body: bytes | None, headers: Mapping[str, str], *, seconds: float, most_bytes: int
) -> Answer:
    """GET, or POST of a body. Raises Unanswered, AnswerTooLarge. `address` has been checked to be http or https."""
    from urllib.request import Request

    request = Request(address, body, dict(headers))  # noqa: S310 - the settings let no other scheme in
    try:
        until = time.monotonic() + seconds
        with _opener(address).open(request, timeout=seconds) as answer:
            content = bytearray()
            while piece := answer.read1(_PIECE):
                content += piece
                if len(content) > most_bytes:
                    raise AnswerTooLarge
                if time.monotonic() > until:
                    raise Unanswered
            return Answer(answer.status, answer.headers.get_content_type(), bytes(content))
    except (OSError, http.client.HTTPException):
        raise Unanswered from None


def _opener(address: str) -> OpenerDirector:
    """Of the standard library's handlers those for http and https alone: none for files, redirects or cookies.

    Other machines are asked through a proxy where the environment names one; this machine itself directly.
    """
    from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler

    opener = OpenerDirector()
    opener.addheaders = [("user-agent", "rwd-platform")]
    direct = is_loopback(urlsplit(address).hostname or "")
    for handler in (ProxyHandler({} if direct else None), HTTPHandler(), HTTPSHandler()):
        opener.add_handler(handler)
    return opener
