"""A time stamp authority, asked over http (RFC 3161 3.4): one request, one answer, unread.

Plain http is enough: what is sent is a hash and a random number, and what comes back is signed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.access.web_requests import AnswerTooLarge, Unanswered, ask
from rwd_platform.signing.timestamps import MOST_BYTES, StampRefused

SECONDS = 10.0
_ASKED, _ANSWERED = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True)
class TimeAuthority:
    """One authority. Somebody waits for the act that is stamped, so it is asked once and not again."""

    address: str

    def answer(self, request: bytes) -> bytes:
        """Raises StampRefused: `unreachable`, `too_large`, `wrong_status`, `wrong_type`."""
        headers = {"content-type": _ASKED, "accept": _ANSWERED}
        try:
            found = ask(self.address, request, headers, seconds=SECONDS, most_bytes=MOST_BYTES)
        except Unanswered:
            raise StampRefused("unreachable") from None
        except AnswerTooLarge:
            raise StampRefused("too_large") from None
        if found.status != 200:
            raise StampRefused("wrong_status")
        if found.kind != _ANSWERED:
            raise StampRefused("wrong_type")
        return found.content
