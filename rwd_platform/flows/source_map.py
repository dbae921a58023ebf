"""Which source line each `source_row` of a lock stands for: a sealed map, left at the lock, read by a trace.

A lock names its lines by tokens of its own project, so that two projects' locks cannot be joined line by line.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rwd_platform.core.canonical import canonical_json
from rwd_platform.core.columns import PROVENANCE, SOURCE_ROW
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import seal, unseal

if TYPE_CHECKING:
    import pandas as pd

SOURCES = "sources"

SOURCE_UNKNOWN = Problem(
    code="ledger.source_unknown",
    zh="数据锁定 {lock} 的来源对照表缺少 {rows} 行，无法追溯到来源文件。",
    en="The source map of lock {lock} lacks {rows} rows, so they cannot be traced to a hospital's file.",
    next_zh="请从备份恢复 home/ledger 下该锁定的对照表，或重新锁定数据。",
    next_en="Restore that lock's map under home/ledger from a backup, or lock the data again.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


def seal_source_map(platform: Platform, lock_id: str, sources: Mapping[str, tuple[str, int, str]]) -> None:
    """Keep what each source row of a lock stands for: name -> (file, line, digest)."""
    files = sorted({file for file, _, _ in sources.values()})
    place = {file: number for number, file in enumerate(files)}
    rows = [[name, place[file], line, digest] for name, (file, line, digest) in sorted(sources.items())]
    seal(platform, lock_id, SOURCES, gzip.compress(canonical_json({"files": files, "rows": rows}), mtime=0))


def with_source_lines(platform: Platform, lock_id: str, lineage: pd.DataFrame) -> pd.DataFrame:
    """`lineage` with file, line and digest in place of `source_row`. Raises `ledger.source_unknown`.

    An older lock has no map: its source rows say `<file>:<line>:<digest>` themselves.
    """
    import pandas as pd

    plain = unseal(platform, lock_id, SOURCES)
    names = lineage[SOURCE_ROW].drop_duplicates()
    known = _said_by_themselves(names) if plain is None else _from_map(json.loads(gzip.decompress(plain)))
    sources = pd.DataFrame(
        [(name, *known[name]) for name in names if name in known], columns=[SOURCE_ROW, *PROVENANCE]
    )
    if len(sources) < len(names):
        raise SOURCE_UNKNOWN.error(lock=lock_id, rows=len(names) - len(sources))
    text = {SOURCE_ROW: "object"}  # an empty column has no kind of its own
    joined = lineage.astype(text).merge(sources.astype(text), on=SOURCE_ROW, validate="many_to_one")
    return joined.drop(columns=SOURCE_ROW)


def _from_map(found: Mapping[str, Any]) -> dict[str, tuple[str, int, str]]:
    files = found["files"]
    return {name: (files[place], line, digest) for name, place, line, digest in found["rows"]}


def _said_by_themselves(names: pd.Series[str]) -> dict[str, tuple[str, int, str]]:
    parts = {name: name.split(":") for name in names}
    return {
        name: (part[0], int(part[1]), part[2])
        for name, part in parts.items()
        if len(part) == 3 and part[1].isdecimal()
    }
