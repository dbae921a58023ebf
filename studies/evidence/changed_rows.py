"""What a version of a package holds of single rows, and what the version before held: the tier, and who can open them.

The envelope of sealed rows is drawn anew each time, so two of them say nothing by their bytes: where both versions
have one it counts as changed, and who it is for is told by the certificate that package.json names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.recipient import recipient_told, recipient_words

SEALED_ROWS = "data/03_data/rows.p7m"
NO_TIER = Bilingual("未说明", "not stated")
NOT_SEALED = Bilingual("没有加密的行级数据", "no sealed rows")
NOBODY_NAMED = Bilingual(
    "有加密的行级数据，包内未写明接收方", "sealed rows; the package does not say to whom"
)


@dataclass(frozen=True)
class RowFact:
    """One line of the comparison. `id`: its name in changes.json."""

    id: str
    title: Bilingual
    before: Bilingual
    after: Bilingual
    same: bool


def rows_of(description: Mapping[str, Any], sealed: bool) -> dict[str, Any]:
    """Of one version, by its package.json and whether it holds an envelope. Raises ValueError as `recipient_told`."""
    tier = description.get("row_data_tier")
    if tier is not None and not isinstance(tier, str):
        raise ValueError("row_data_tier")
    return {"tier": tier, "sealed": sealed, "sealed_to": recipient_told(description) if sealed else None}


def changed_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """changes.json of two `rows_of`. Two recipients are the same where the certificate is."""
    sealed = tuple((one["sealed"], (one["sealed_to"] or {}).get("sha256")) for one in (before, after))
    return {
        "before": dict(before),
        "after": dict(after),
        "same": {"tier": before["tier"] == after["tier"], "sealed_to": sealed[0] == sealed[1]},
    }


def with_sealed(files: Mapping[str, list[str]], rows: Mapping[str, Any]) -> dict[str, list[str]]:
    """The envelope among the files that are new, gone or different."""
    kinds = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    kind = kinds.get((rows["before"]["sealed"], rows["after"]["sealed"]))
    return {name: sorted([*paths, SEALED_ROWS]) if name == kind else paths for name, paths in files.items()}


def row_facts(rows: Mapping[str, Any]) -> tuple[RowFact, RowFact]:
    """For people, of `changed_rows`: the tier, then the recipient."""
    sides = (rows["before"], rows["after"])
    tier_before, tier_after = (
        Bilingual(one["tier"], one["tier"]) if one["tier"] else NO_TIER for one in sides
    )
    to_before, to_after = (_sealed_to(one) for one in sides)
    tier = Bilingual("行级数据级别", "Tier of row data")
    sealed_to = Bilingual("行级数据加密给", "Rows sealed to")
    return (
        RowFact("tier", tier, tier_before, tier_after, rows["same"]["tier"]),
        RowFact("sealed_to", sealed_to, to_before, to_after, rows["same"]["sealed_to"]),
    )


def row_lines(rows: Mapping[str, Any], is_zh: bool) -> list[str]:
    """The same as points of changes_*.md."""
    return [_line(one, is_zh) for one in row_facts(rows)]


def _line(fact: RowFact, is_zh: bool) -> str:
    title, before, after = (one.zh if is_zh else one.en for one in (fact.title, fact.before, fact.after))
    if fact.same:
        return f"{title}：相同（{after}）" if is_zh else f"{title}: the same ({after})"
    return f"{title}：由“{before}”变为“{after}”" if is_zh else f'{title}: "{before}" is now "{after}"'


def _sealed_to(side: Mapping[str, Any]) -> Bilingual:
    if not side["sealed"]:
        return NOT_SEALED
    return recipient_words(side["sealed_to"]) if side["sealed_to"] else NOBODY_NAMED
