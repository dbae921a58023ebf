"""What a protocol says about the versions before it: what was changed, why, and what was known by then.

amendments:
  - number: "1"
    changes: 9e0b...        SHA-256 of the text that was frozen before, as `rwd study list` tells it
    dated: "2026-11-20"
    section: {zh: 结局, en: Outcome}
    change: {zh: ..., en: ...}
    reason: {zh: ..., en: ...}
    outcomes_seen: "no"     by the authors' own word; the platform sets beside it what its log says
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from rwd_platform.core.text import Bilingual
from studies.yaml_reader import Node

Seen = Literal["no", "yes", "unknown"]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = ("number", "changes", "dated", "section", "change", "reason", "outcomes_seen")


@dataclass(frozen=True)
class Amendment:
    """One change after a freeze. `changes`: SHA-256 of the frozen text that it changes; `dated`: YYYY-MM-DD."""

    number: str
    changes: str
    dated: str
    section: Bilingual
    change: Bilingual
    reason: Bilingual
    outcomes_seen: Seen


def read_amendments(node: Node, dated: str) -> tuple[Amendment, ...]:
    """In the order written. `dated`: the protocol's own day. Raises `protocol.refused`, naming the place."""
    found: list[Amendment] = []
    for item in node.items(least=1):
        one = _amendment(item)
        if one.number in {other.number for other in found}:
            raise item.at("number").wrong("编号重复", "the number stands twice")
        if one.dated > dated or (found and one.dated < found[-1].dated):
            raise item.at("dated").wrong(
                "修订须按日期先后排列，且不晚于方案日期",
                "amendments stand in the order of their days, none after the protocol's own",
            )
        found.append(one)
    return tuple(found)


def _amendment(node: Node) -> Amendment:
    node.keys(_KEYS)
    if _SHA256.fullmatch(node.at("changes").text()) is None:
        raise node.at("changes").wrong(
            "应为此前冻结文本的 SHA-256（64 位十六进制）",
            "the SHA-256 of the text frozen before, 64 hex digits",
        )
    return Amendment(
        number=node.at("number").text(),
        changes=node.at("changes").text(),
        dated=node.at("dated").day(),
        section=node.at("section").bilingual(),
        change=node.at("change").bilingual(),
        reason=node.at("reason").bilingual(),
        outcomes_seen=cast(Seen, node.at("outcomes_seen").choice("no", "yes", "unknown")),
    )
