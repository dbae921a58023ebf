"""`rwd recode`: the best generalisation of a file that reaches k. Needs no database, key or configuration."""

from __future__ import annotations

import csv
import errno
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.files import (
    CANNOT_WRITE,
    check_not_an_input,
    existing,
    existing_files,
    shown_name,
    text_of,
)
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.core.toml_place import place_of

if TYPE_CHECKING:
    import pandas as pd

    from deidentify.risk.lattice import Codes, Ladder
    from deidentify.risk.recode import Recoding, Sensitive
    from deidentify.risk.suppress import Suppression
    from deidentify.risk.uniques import Uniques

HIERARCHY_MISSING = Problem(
    code="recode.hierarchy_missing",
    zh="没有列 {column} 的泛化层次。",
    en="There is no hierarchy for the column {column}.",
    next_zh="请在文件夹中放入 {column}.csv 或 *_hierarchy_{column}.csv，或在 TOML 中写明该列的 CSV 或内置层次名。",
    next_en="Put {column}.csv or *_hierarchy_{column}.csv into the folder, or name the column's CSV or one of the "
    "built-in hierarchies in the TOML file.",
)
HIERARCHIES_UNREADABLE = Problem(
    code="recode.hierarchies_unreadable",
    zh="{name} 不能作为泛化层次清单读取：{why_zh}。",
    en="{name} cannot be read as a list of hierarchies: {why}.",
    next_zh='请给出放有 CSV 的文件夹，或每行形如 `age = "age"` 或 `ward = "ward.csv"` 的 TOML 文件。',
    next_en='Give a folder of CSVs, or a TOML file of lines such as `age = "age"` or `ward = "ward.csv"`.',
)
CELLS_ONLY_FOR_K = Problem(
    code="recode.cells_only_for_k",
    zh="--cells 只能与 k 同用，不能与 l 或 t 的要求同用。",
    en="--cells works towards k alone, not towards demands on l or t.",
    next_zh="请去掉 --cells，或去掉 --distinct-l、--entropy-l 与 --t。",
    next_en="Leave out --cells, or --distinct-l, --entropy-l and --t.",
)

KEEP_IDENTIFIER = Problem(
    code="recode.keep_identifier",
    zh="--keep 指明的列 {column_zh} 疑似直接标识符，不能写入输出；未写出任何文件。",
    en="The column {column} that --keep names is suspected to be a direct identifier and cannot be in the output; no "
    "file was written.",
    next_zh="请去掉该 --keep；如需关联同一人的记录，请改用平台生成的假名列。",
    next_en="Leave that --keep out; to link a person's records, keep a column of the platform's pseudonyms instead.",
    exit=Exit.REFUSED,
)


def register(app: typer.Typer) -> None:
    app.command("recode", help="最优泛化 · optimal generalisation")(recode)


Quasi = Annotated[
    str, typer.Option("--quasi", help="准标识符，逗号分隔 · quasi-identifiers, comma-separated")
]
Hierarchies = Annotated[
    Path, typer.Option("--hierarchies", help="CSV 文件夹或 TOML · a folder of CSVs or a TOML")
]
SmallestClass = Annotated[int, typer.Option("--k", help="最小等价类 · smallest class")]
Share = Annotated[
    float, typer.Option("--suppression", help="可抑制记录的比例 · share of records that may be left out")
]
Metric = Annotated[
    str, typer.Option("--metric", help="entropy | entropy-suppressed | dm | dm-star | classes")
]
SensitiveColumn = Annotated[str | None, typer.Option("--sensitive", help="敏感列 · the sensitive column")]
DistinctL = Annotated[int | None, typer.Option("--distinct-l", help="每类至少几种敏感值 · values per class")]
EntropyL = Annotated[float | None, typer.Option("--entropy-l", help="exp(熵) · exp of a class's entropy")]
Closeness = Annotated[
    float | None, typer.Option("--t", help="与全表分布的最大距离 · distance from the whole, 0–1")
]
Cells = Annotated[
    bool, typer.Option("--cells", help="抑制单元格而非整条记录 · blank cells instead of leaving records out")
]
MostColumns = Annotated[
    int | None,
    typer.Option("--uniques", help="另查至多 N 列的最小唯一组合 · also minimal uniques of up to N columns"),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep", help="仍写出的疑似列，可重复 · a column left out as doubtful that is written all the same"
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="写出泛化后的 CSV · write the recoded CSV")]


def recode(
    file: Annotated[Path, typer.Argument(help=".csv[.gz] .parquet")],
    quasi: Quasi,
    hierarchies: Hierarchies,
    k: SmallestClass,
    suppression: Share = 0.0,
    metric: Metric = "dm",
    sensitive: SensitiveColumn = None,
    distinct_l: DistinctL = None,
    entropy_l: EntropyL = None,
    t: Closeness = None,
    cells: Cells = False,
    uniques: MostColumns = None,
    out: Out = None,
    keep: Keep = None,
    as_json: Json = False,
) -> int:
    """Print the optimal levels. Exit 1 when no combination of levels meets the demands."""
    from deidentify.risk import recode as recoding

    _check_files(file, hierarchies, out)
    if cells and (distinct_l, entropy_l, t) != (None, None, None):
        raise CELLS_ONLY_FOR_K.error()
    names = next(csv.reader([quasi]), [])
    frame = _frame(file, names, [*([sensitive] if sensitive else []), *(keep or ())], whole=out is not None)
    ladders = _ladders(hierarchies, frame[names])
    codes = _encoded(frame, ladders)
    told = _sensitive(frame[sensitive]) if sensitive else None
    diverse = partial(recoding.recode, distinct_l=distinct_l, entropy_l=entropy_l, t=t, sensitive=told)
    best = diverse(codes, ladders, k=k, suppression=suppression, metric=metric)
    found = _uniques(codes, uniques) if uniques is not None else None
    blanked = _blanked(best, codes, ladders) if cells else None
    answered = _Answer(best, recoding.plan(best), found, blanked)
    if out is not None:
        written = _recoded(frame, recoding.generalised(best, codes, ladders), answered)
        answered = _write(out, written, sensitive, keep or (), answered)
    if as_json:
        answer(answered.document())
    answered.say()
    return Exit.YES


def _check_files(file: Path, hierarchies: Path, out: Path | None) -> None:
    existing_files([file])
    existing([hierarchies])
    if out is not None:
        check_not_an_input(out, [file, hierarchies])


@dataclass(frozen=True)
class _Answer:
    best: Recoding
    plan: Mapping[str, str]
    uniques: Uniques | None
    cells: Suppression | None
    notes: tuple[Bilingual, ...] = ()  # of the file that was written

    def document(self) -> dict[str, Any]:
        best, cells, uniques = self.best, self.cells, self.uniques
        return {
            "records": best.records,
            "quasi": list(best.node),
            "k": best.demands.k,
            "metric": best.metric,
            "node": dict(best.node),
            "score": best.score,
            "suppressed": best.suppressed,
            "classes": sum(best.class_sizes.values()),
            "class_sizes": {str(size): often for size, often in best.class_sizes.items()},
            "plan": dict(self.plan),
            "nodes": best.nodes,
            "counted": best.counted,
            "cells": None
            if cells is None
            else {"by_column": dict(cells.cells), "removed": int(cells.removed.sum()), "k": cells.k},
            "uniques": None
            if uniques is None
            else {
                "records": uniques.special,
                "dis": uniques.dis,
                "contribution": _shares(uniques),
                "sets": {" + ".join(chosen): len(rows) for chosen, rows in uniques.minimal.items()},
            },
            "notes": [{"zh": zh, "en": en} for zh, en in (*best.notes, *self.notes)],
        }

    def say(self) -> None:
        best = self.best
        share = best.suppressed / best.records
        sum_up(
            f"{best.metric} = {best.score!r} · 抑制 suppressed {best.suppressed:,} / {best.records:,} ({share:.2%})"
            f" · 等价类 classes {sum(best.class_sizes.values()):,}"
            f" · 最小 smallest {min(best.class_sizes, default=0):,}"
            f" · 计数节点 nodes counted {best.counted:,} / {best.nodes:,}"
        )
        for column, level in best.node.items():
            say(f"  {column}：第 {level} 级 · level {level}  {self.plan.get(column, '')}".rstrip())
        if self.cells is not None:
            blanks = (
                ", ".join(f"{name} {count:,}" for name, count in self.cells.cells.items() if count) or "0"
            )
            say(
                f"抑制单元格 blanked cells: {blanks} · 移除 removed {int(self.cells.removed.sum()):,}"
                f" · k = {self.cells.k}"
            )
        if self.uniques is not None:
            shares = ", ".join(f"{name} {part:.1%}" for name, part in _shares(self.uniques).items())
            say(f"泛化前的特殊唯一记录 special uniques before: {self.uniques.special:,} · {shares}")
        for zh, en in (*best.notes, *self.notes):
            say(f"{zh} {en}")


def _shares(uniques: Uniques) -> dict[str, float]:
    """By column: the share of all scores that minimal uniques with this column bring, highest first."""
    total = float(uniques.score.sum())
    shares = {
        name: float((part * uniques.score).sum()) / total if total else 0.0
        for name, part in uniques.contribution.items()
    }
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def _frame(file: Path, quasi: list[str], others: list[str], *, whole: bool) -> pd.DataFrame:
    """Columns as texts, in the file's order: sums of floating-point numbers depend on it in the last digit."""
    from deidentify.risk.table import open_table

    with open_table(file) as table:
        table.positions(quasi)
        for column in others:
            table.position(column)
        columns = list(table.columns) if whole else list(dict.fromkeys([*quasi, *others]))
        named = ", ".join(f"c{table.position(column)}" for column in columns)
        with table.reading() as connection:
            connection.execute("SET preserve_insertion_order = true")
            frame = connection.execute(f"SELECT {named} FROM ({table.select})").df()  # noqa: S608 - names made here
    frame.columns = columns
    return frame


def _uniques(codes: Mapping[str, Codes], most_columns: int) -> Uniques:
    from deidentify.risk.uniques import find_minimal_uniques

    return find_minimal_uniques(codes, most_columns=most_columns)


def _ladders(source: Path, frame: pd.DataFrame) -> dict[str, Ladder]:
    from deidentify.risk.lattice import house_ladder, read_ladder

    listed = None if source.is_dir() else _listed(source)
    ladders = {}
    for column in frame.columns:
        path: Path | None
        if listed is None:
            path = _csv_of(source, column)
        elif column not in listed:
            raise HIERARCHY_MISSING.error(column=column)
        elif listed[column].endswith(".csv"):
            path = existing_files([source.parent / listed[column]])[0]
        else:
            ladders[column] = house_ladder(listed[column], frame[column].dropna().unique())
            continue
        ladders[column] = read_ladder(column, path.read_bytes())
    return ladders


def _listed(source: Path) -> dict[str, str]:
    try:
        document = tomllib.loads(text_of(source))
    except tomllib.TOMLDecodeError as error:
        where = place_of(error)
        why = {"why": f"a TOML syntax error {where.en}", "why_zh": f"{where.zh}有 TOML 语法错误"}
        raise HIERARCHIES_UNREADABLE.error(name=shown_name(source), **why) from None
    except RecursionError:
        raise HIERARCHIES_UNREADABLE.error(
            name=shown_name(source), why="it is nested", why_zh="层层嵌套"
        ) from None
    for column, value in document.items():
        if not isinstance(value, str):
            why = {"why": f"what stands for {column} is no text", "why_zh": f"{column} 的值不是文本"}
            raise HIERARCHIES_UNREADABLE.error(name=shown_name(source), **why)
    return document


def _csv_of(folder: Path, column: str) -> Path:
    """`<column>.csv`, or as ARX names them `<table>_hierarchy_<column>.csv`."""
    named = [path for path in sorted(folder.glob("*.csv")) if path.stem.split("_hierarchy_")[-1] == column]
    if not named:
        raise HIERARCHY_MISSING.error(column=column)
    return named[0]


def _encoded(frame: pd.DataFrame, ladders: Mapping[str, Ladder]) -> dict[str, Codes]:
    from deidentify.risk.lattice import encode

    return {
        column: encode(column, frame[column].to_numpy(object), ladder) for column, ladder in ladders.items()
    }


def _sensitive(values: pd.Series[Any]) -> Sensitive:
    """Ordered when every value that is there is a number, in the very order that `rwd risk` takes t by."""
    import numpy as np

    from deidentify.risk.ordering import are_numbers, places_of_numbers
    from deidentify.risk.recode import Sensitive

    texts = [None if value is None or value != value else str(value) for value in values]
    distinct = set(texts)
    ordered = are_numbers(text for text in distinct if text is not None)
    places = places_of_numbers(distinct) if ordered else {text: place for place, text in enumerate(distinct)}
    return Sensitive(np.array([places[text] for text in texts], np.int64), ordered)


def _blanked(best: Recoding, codes: Mapping[str, Codes], ladders: Mapping[str, Ladder]) -> Suppression:
    from deidentify.risk.suppress import suppress_cells

    levels = {name: ladders[name].levels[level][codes[name]] for name, level in best.node.items()}
    return suppress_cells(levels, best.demands.k)


def _recoded(frame: pd.DataFrame, labels: Mapping[str, Any], answered: _Answer) -> pd.DataFrame:
    """All records, recoded and with cells blanked, without the columns that the plan drops."""
    written = frame.copy()
    for column, values in labels.items():
        written[column] = values
    if answered.cells is not None:
        for column, blank in answered.cells.blank.items():
            written.loc[blank, column] = None
    return written.drop(columns=list(answered.best.dropped))


def _write(
    out: Path, recoded: pd.DataFrame, sensitive: str | None, keep: Sequence[str], answered: _Answer
) -> _Answer:
    """Writes the records that stay, without columns that identify by themselves; the answer says which those are."""
    from deidentify.risk.left_out import suspects_of
    from deidentify.risk.shown import shown_column

    best, cells = answered.best, answered.cells
    suspects = suspects_of(recoded, [name for name in best.node if name in recoded], sensitive)
    for column in suspects.direct:
        if column in keep:
            shown = shown_column(column, suspects.columns.index(column) + 1)
            raise KEEP_IDENTIFIER.error(column=shown.en, column_zh=shown.zh)
    gone = best.left_out if cells is None else cells.removed
    written = recoded.loc[~gone].drop(columns=suspects.left_out(keep))
    try:
        written.to_csv(out, index=False, lineterminator="\n")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise CANNOT_WRITE.error(name=shown_name(out)) from error
    return replace(answered, notes=tuple(suspects.notes(keep)))
