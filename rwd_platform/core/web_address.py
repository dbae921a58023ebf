"""Addresses that another program is asked at: https, and plain http only to this very machine."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

LONGEST = 2000


def is_web_address(text: str, *, loopback: bool = False) -> bool:
    """An https address with a host, without a user's name in it and without a fragment.

    loopback -- http is allowed as well where the host is a loopback address in figures: a name may lead elsewhere
    """
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or {"\\", " ", "#"} & set(text):
        return False
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (loopback and parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host, in figures, is this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
