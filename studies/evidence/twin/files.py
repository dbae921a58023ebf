"""The twin as files of a package, and back."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import Problem
from studies.dataset import build
from studies.evidence.documents import json_bytes
from studies.evidence.templates import rerun
from studies.evidence.twin.make import SEED
from studies.protocol import Protocol
from studies.results import ResultSet
from studies.run import run_analyses
from studies.tables import SUBJECT_TABLE

FORMAT_VERSION = 1
LOCK_ID = "synthetic-twin"  # what results of the twin carry in place of a lock's id
FOLDER, EXPECTED = f"data/{rerun.SYNTHETIC}", f"data/{rerun.EXPECTED}"
README = f"{FOLDER}/README.md"
_CRLF = "\r\n"
_KIND_OF = {dtype: kind for kind, dtype in rerun.KINDS.items()}

NOT_OF_THE_TWIN = Problem(
    code="twin.other_results",
    zh="所给结果不是由该方案和合成数据得出的，不能作为复算的预期结果。",
    en="These results are not those of the protocol's synthetic twin: a rerun cannot be held against them.",
    next_zh="请用 twin_results 重新计算预期结果。",
    next_en="Compute what is expected with twin_results.",
)
CANNOT_HOLD = Problem(
    code="twin.cannot_hold",
    zh="合成数据表 {table} 的列 {column} 含有 CSV 无法原样保存的值或类型。",
    en="The column {column} of the synthetic table {table} holds what a CSV file cannot keep as it is.",
    next_zh="请用 make_twin 生成合成数据；文字不得为空。",
    next_en="Make the twin with make_twin; a text cannot be empty.",
)
UNREADABLE = Problem(
    code="twin.unreadable",
    zh="合成数据文件 {file} 缺失、被改动或不属于此包。",
    en="The synthetic file {file} is missing, was edited, or is not of this package.",
    next_zh="请使用未改动的证据包。",
    next_en="Use the package as it was built.",
)


def twin_results(protocol: Protocol, twin: Mapping[str, pd.DataFrame]) -> ResultSet:
    """All planned analyses on the twin: what `rerun.py --synthetic` is to find."""
    return run_analyses(build(twin, protocol), protocol, LOCK_ID)


def twin_files(
    protocol: Protocol, twin: Mapping[str, pd.DataFrame], results: ResultSet, seed: int = SEED
) -> dict[str, bytes]:
    """Path in the package -> bytes. `results` are those of `twin_results`, never those of a lock.

    Raises `twin.other_results`, `twin.cannot_hold`.
    """
    if (results.lock_id, results.protocol_sha256) != (LOCK_ID, protocol.sha256):
        raise NOT_OF_THE_TWIN.error()
    files, listed = {}, {}
    for name, frame in sorted(twin.items()):
        content = _csv(name, frame)
        files[f"{FOLDER}/{name}.csv"] = content
        kinds = {str(column): _kind(name, frame, str(column)) for column in frame.columns}
        listed[name] = {"rows": len(frame), "sha256": sha256_hex(content), "columns": kinds}
    files[f"{FOLDER}/{rerun.LISTING}"] = json_bytes(
        {
            "format_version": FORMAT_VERSION,
            "study": protocol.id,
            "protocol_sha256": protocol.sha256,
            "seed": seed,
            "tables": listed,
        }
    )
    files[EXPECTED] = json_bytes(results.as_dict())
    files[README] = _readme(protocol, twin, seed)
    return dict(sorted(files.items()))


def read_twin(folder: Path) -> dict[str, pd.DataFrame]:
    """The tables of `data/07_code/synthetic`, exactly as they were made. Raises `twin.unreadable`.

    A package reads them with the same lines: `rerun.py` has to stand alone.
    """
    try:
        return rerun.read_twin(folder)
    except rerun.Unreadable as error:
        raise UNREADABLE.error(file=error.args[0]) from error


def _csv(name: str, frame: pd.DataFrame) -> bytes:
    columns = [str(column) for column in frame.columns]
    texts = [_texts(name, frame, column) for column in columns]
    lines: list[str] = []
    # The writer puts quotes round what its own line end holds: with "\r\n" a lone "\r" in a text comes back too.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator=_CRLF)
    writer.writerow(columns)
    writer.writerows(zip(*texts, strict=True))
    return "".join(line.removesuffix(_CRLF) + "\n" for line in lines).encode()


def _kind(table: str, frame: pd.DataFrame, column: str) -> str:
    kind = _KIND_OF.get(str(frame[column].dtype))
    if kind is None:
        raise CANNOT_HOLD.error(table=table, column=column)
    return kind


def _texts(table: str, frame: pd.DataFrame, column: str) -> list[str]:
    """Numbers in the shortest form that gives them back; nothing for what is missing."""
    kind = _kind(table, frame, column)
    texts = []
    for value in frame[column]:
        text = "" if _is_missing(value) else _text(value, kind)
        if text is None or (text == "" and not _is_missing(value)):
            raise CANNOT_HOLD.error(table=table, column=column)
        texts.append(text)
    return texts


def _is_missing(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _text(value: Any, kind: str) -> str | None:
    if kind == "text":
        return value if isinstance(value, str) and value.encode(errors="ignore").decode() == value else None
    if kind == "flag":
        return "true" if value else "false"
    return repr(float(value)) if kind == "number" else str(int(value))


def _readme(protocol: Protocol, twin: Mapping[str, pd.DataFrame], seed: int) -> bytes:
    text = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    return text.format(
        subjects=len(twin[SUBJECT_TABLE]),
        study=protocol.id,
        version=protocol.version,
        title_zh=protocol.title.zh,
        title_en=protocol.title.en,
        relative=_short(rerun.RELATIVE),
        absolute=_short(rerun.ABSOLUTE),
        seed=seed,
        sha256=protocol.sha256,
    ).encode()


def _short(tolerance: float) -> str:
    return f"{tolerance:.0e}".replace("e-0", "e-")
