"""Every pseudonym of one hospital in a lake table exchanged for another, and nothing else changed.

A pseudonym stands alone in a cell (`p1.intl.1.abc...`) or at the end of a reference (`Patient/p1.intl.1.abc...`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core import columns as core
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.store.lake import Lake
from rwd_platform.store.replacing import CONTENT_SHA256

_LETTERS = r"[a-z2-7]{26}"

TOKENS_LEFT = Problem(
    code="keys.tokens_left",
    zh="表 {table} 的列 {column} 有 {count} 个旧版本假名在原始文件中找不到来源，未做任何更改。",
    en="In table {table}, column {column} has {count} tokens of the old version that no raw file accounts for; "
    "nothing was changed.",
    next_zh="请检查原始文件是否齐全（`rwd doctor`），恢复缺失的文件后重试。",
    next_en="See that the files as received are all there (`rwd doctor`), restore what is missing, and try again.",
    http=409,
    exit=Exit.NO,
)


@dataclass(frozen=True)
class NewNames:
    """Old pseudonym -> new one, and the hash of a scrubbed resource with the old ones -> with the new."""

    tokens: Mapping[str, str]
    contents: Mapping[str, str]


@dataclass(frozen=True)
class Retokenised:
    rows: int  # of the hospital
    contents_kept: int  # rows whose content hash no raw file gives any more: sent again they count as new


def rename_tokens(
    lake: Lake, table: str, organisation_id: str, prefix: str, names: NewNames, note: str
) -> Retokenised:
    """Rewrite the hospital's rows of one table. `prefix` is that of the old tokens: `p1.intl.1.`

    Raises `keys.tokens_left` before anything is written, when a token has no new name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counted: list[Retokenised] = []

    def change(rows: Any) -> Any:
        # A merge writes text in a kind that Arrow cannot filter by.
        own = pc.equal(rows.column(core.ORGANISATION_ID).cast(pa.string()), organisation_id)
        mine, others = rows.filter(own), rows.filter(pc.invert(own))
        kept = 0
        for number, field in enumerate(mine.schema):
            if not _is_text(field.type):
                continue
            cells = mine.column(number).to_pylist()
            if field.name == CONTENT_SHA256:
                kept = sum(cell not in names.contents for cell in cells)
                cells = [names.contents.get(cell, cell) for cell in cells]
            else:
                cells = _renamed(cells, prefix, names.tokens, table, field.name)
            mine = mine.set_column(number, field.name, pa.array(cells, pa.string()).cast(field.type))
        counted.append(Retokenised(len(mine), kept))
        return pa.concat_tables([others, mine])

    lake.rewrite(table, change, note)
    return counted[0]


def count_tokens(lake: Lake, table: str, organisation_id: str, prefix: str) -> int:
    """How many cells of the hospital's rows hold a token with that prefix."""
    frame = lake.read(table)
    own = frame[frame[core.ORGANISATION_ID] == organisation_id]
    token = re.compile(rf"(?:.*/)?{re.escape(prefix)}{_LETTERS}")
    return sum(
        isinstance(cell, str) and token.fullmatch(cell) is not None for name in own for cell in own[name]
    )


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _renamed(
    cells: list[str | None], prefix: str, tokens: Mapping[str, str], table: str, column: str
) -> list[str | None]:
    token = re.compile(rf"((?:.*/)?)({re.escape(prefix)}{_LETTERS})")
    new: dict[str | None, str | None] = {}
    unknown = 0
    for cell in set(cells):
        match = token.fullmatch(cell) if cell is not None else None
        if match is None:
            new[cell] = cell
        elif match[2] in tokens:
            new[cell] = match[1] + tokens[match[2]]
        else:
            unknown += 1
    if unknown:
        raise TOKENS_LEFT.error(table=table, column=column, count=unknown)
    return [new[cell] for cell in cells]
