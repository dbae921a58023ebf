"""Kinds of recipients, what each may be given, and the conditions under which."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deidentify.disclosure.names import folded
from deidentify.disclosure.reasons import is_filler, mixes_scripts, one_spelling
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual

RECIPIENTS = Path(__file__).parent / "recipients.toml"
APPROVERS = "approvers"
APPROVERS_NEEDED = 2
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_LONGEST = 2000

RECIPIENT_UNKNOWN = Problem(
    code="disclosure.recipient_unknown",
    zh="没有名为 {name} 的接收方类别。",
    en="There is no kind of recipient called {name}.",
    next_zh="请使用：{known}。",
    next_en="Use one of: {known}.",
)
# What each condition asks for, as a person would be told.
CONDITION_TEXTS: Mapping[str, Bilingual] = {
    "purpose": Bilingual("写明用途（“无”“-”之类不算）", "the purpose, in words (“none” is no purpose)"),
    "authorisation": Bilingual(
        "授权依据：文号或法定职责（“无”“-”之类不算）",
        "the authorisation: a document's number or a legal duty (`none` or `-` is none)",
    ),
    "encryption": Bilingual(
        "加密方式：接收方 X25519 公钥指纹（64 位十六进制）或传输方式（tls-1.3、sm2-tls、offline-media-encrypted）",
        "the encryption: the fingerprint of the recipient's X25519 key (64 hex digits), or the transport"
        " (tls-1.3, sm2-tls, offline-media-encrypted)",
    ),
    APPROVERS: Bilingual(
        "两位不同的批准人，均非申请人", "two different approvers, neither of them the requester"
    ),
}
CONDITION_NAMES: Mapping[str, Bilingual] = {
    "purpose": Bilingual("用途", "purpose"),
    "authorisation": Bilingual("授权依据", "authorisation"),
    "encryption": Bilingual("加密方式", "encryption"),
    APPROVERS: Bilingual("批准人", "approvers"),
}
TRANSPORTS = ("tls-1.3", "sm2-tls", "offline-media-encrypted")


@dataclass(frozen=True)
class Recipient:
    """The policy for one kind. `full_listings`: nothing is suppressed, the conditions are the gate."""

    kind: str
    title: Bilingual
    conditions: tuple[str, ...]
    full_listings: bool = False
    minimum_cell: int = 0
    zeros: bool = True
    rounding_base: int = 0
    nk_n: int = 2
    nk_k: float = 0.9
    p_percent: float = 0.1
    dof: int = 0
    km_events: int = 0
    km_at_risk: int = 0
    days: int = 0
    differencing: int = 0


@cache
def load_recipients(path: Path = RECIPIENTS) -> Mapping[str, Recipient]:
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return {kind: _recipient(kind, dict(entry)) for kind, entry in document.items()}


def recipient_of(kind: str) -> Recipient:
    """The policy of that kind, or RECIPIENT_UNKNOWN."""
    known = load_recipients()
    if kind not in known:
        raise RECIPIENT_UNKNOWN.error(name=repr(kind[:40]), known=", ".join(known))
    return known[kind]


def _recipient(kind: str, entry: dict[str, Any]) -> Recipient:
    title = Bilingual(entry.pop("zh"), entry.pop("en"))
    conditions = tuple(entry.pop("conditions"))
    nk = entry.pop("nk", None)
    if not set(conditions) <= set(CONDITION_TEXTS):
        raise ValueError(f"recipients.toml: {kind} names an unknown condition")
    dominance = {"nk_n": nk["n"], "nk_k": nk["k"]} if nk else {}
    return Recipient(kind=kind, title=title, conditions=conditions, **dominance, **entry)


def missing_conditions(recipient: Recipient, conditions: Mapping[str, Any]) -> tuple[str, ...]:
    """The conditions that are not met, by name, in the recipient's order.

    `conditions`: purpose, authorisation and encryption are texts, `approvers` the ids of those who approved,
    `requester` the id of who asked. A declared key or transport is checked for its form only: nothing here
    says that anything was encrypted.
    """
    return tuple(name for name in recipient.conditions if not _is_met(name, conditions))


def _is_met(name: str, conditions: Mapping[str, Any]) -> bool:
    given = conditions.get(name)
    if name == APPROVERS:
        return isinstance(given, list | tuple) and _are_two(given, conditions.get("requester"))
    if not isinstance(given, str) or not folded(given) or len(given) > _LONGEST:
        return False
    if name == "encryption":
        return given in TRANSPORTS or _is_fingerprint(given)
    return not is_filler(given)


def _is_fingerprint(given: str) -> bool:
    """64 hex digits, and no place holder: one digit over and over is the fingerprint of no key."""
    return bool(_FINGERPRINT.fullmatch(given)) and len(set(given)) > 1


def _are_two(approvers: Iterable[Any], requester: Any) -> bool:
    """Two persons besides the requester: spellings that look alike are one person, a mixture of alphabets is none."""
    asked = one_spelling(requester) if isinstance(requester, str) else ""
    plain = [one for one in approvers if isinstance(one, str) and not mixes_scripts(one)]
    others = {one_spelling(one) for one in plain} - {"", asked}
    return bool(asked) and len(others) >= APPROVERS_NEEDED
