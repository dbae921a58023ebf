"""`rwd risk`: the re-identification measures of one file. Needs no database, key or configuration."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.main import Json, existing, writable_folder
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from deidentify.risk.measures import Measures
    from deidentify.risk.population import Journalist, Uniqueness
    from deidentify.risk.table import Table


File = Annotated[Path, typer.Argument(help=".csv[.gz] .parquet")]
Quasi = Annotated[
    str, typer.Option("--quasi", help="准标识符，逗号分隔 · quasi-identifiers, comma-separated")
]
Sensitive = Annotated[str, typer.Option("--sensitive", help="敏感列 · the sensitive column")]
Fraction = Annotated[
    float | None,
    typer.Option("--sampling-fraction", help="抽样比例，(0, 1] · people in FILE / in the population"),
]
Population = Annotated[
    Path | None, typer.Option("--population", help="总体表，含相同准标识符 · a population table")
]
Categorical = Annotated[
    bool, typer.Option("--categorical", help="敏感列为代码，不作数值 · its digits are codes, not numbers")
]
ReportFolder = Annotated[
    Path | None, typer.Option("--report", help="另写报告（md 与 html，中英文）· also write the report here")
]
Memory = Annotated[
    str, typer.Option("--memory", help="内存上限，超出则用磁盘 · more than this spills to disk")
]


def register(app: typer.Typer) -> None:
    app.command("risk", help="重识别风险 · re-identification risk")(risk)


def risk(
    file: File,
    quasi: Quasi,
    sensitive: Sensitive,
    sampling_fraction: Fraction = None,
    population: Population = None,
    categorical: Categorical = False,
    report: ReportFolder = None,
    memory: Memory = "2GB",
    as_json: Json = False,
) -> int:
    """Print the measures. Exit 0 whenever they were printed, whatever they say."""
    from deidentify.risk.measures import measure
    from deidentify.risk.population import journalist, population_uniqueness
    from deidentify.risk.table import open_table

    existing([file] if population is None else [file, population])
    columns = _names(quasi)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(file, memory=memory))
        measures = measure(table, columns, sensitive, categorical=categorical)
        uniqueness = outside = None
        if sampling_fraction is not None:
            uniqueness = population_uniqueness(measures.class_sizes, sampling_fraction)
        if population is not None:
            peers = stack.enter_context(open_table(population, memory=memory))
            outside = journalist(table, peers, columns)
        if report is not None:
            _write_report(writable_folder(report), table, measures, uniqueness, outside)
    if as_json:
        answer(_document(measures, uniqueness, outside))
    _say(measures, uniqueness, outside)
    return Exit.YES


def _names(text: str) -> list[str]:
    """The column names; one that holds a comma is written in quotes, as in a CSV header."""
    return next(csv.reader([text]), [])


def _document(
    measures: Measures, uniqueness: Uniqueness | None, outside: Journalist | None
) -> dict[str, Any]:
    """The keys of docs/reference/commands.md, and no others."""
    return {
        "records": measures.records,
        "quasi": list(measures.quasi),
        "k": measures.k,
        "classes": measures.classes,
        "uniques": measures.uniques,
        "class_sizes": {str(size): count for size, count in measures.class_sizes.items()},
        "l": measures.l,
        "entropy_l": measures.entropy_l,
        "t": measures.t,
        "prosecutor_max": measures.prosecutor_max,
        "marketer": measures.marketer,
        "journalist_max": None if outside is None else outside.maximum,
        "population_uniqueness": None if uniqueness is None else uniqueness.as_dict(),
    }


def _say(measures: Measures, uniqueness: Uniqueness | None, outside: Journalist | None) -> None:
    say(
        f"k = {measures.k} · l = {measures.l} · t = {measures.t:.4f} · 记录 records {measures.records:,}"
        f" · 等价类 classes {measures.classes:,} · 唯一 uniques {measures.uniques:,}"
    )
    if measures.numeric:
        say("敏感列按数值计算 t · the sensitive column is numeric: t is the ordered distance")
    if outside is not None and outside.classes_absent:
        say(
            f"总体表中缺少或少于样本的等价类：{outside.classes_absent:,}，按样本计 · "
            f"{outside.classes_absent:,} classes are not, or not fully, in the population file: "
            "the table's own sizes were taken"
        )
    for model, why in sorted(uniqueness.reasons.items()) if uniqueness else ():
        say(f"{model}：{why.zh} · {why.en}")


def _write_report(
    folder: Path,
    table: Table,
    measures: Measures,
    uniqueness: Uniqueness | None,
    outside: Journalist | None,
) -> None:
    from deidentify.risk.render import as_html, as_markdown
    from deidentify.risk.report import risk_report_of

    found = risk_report_of(table, measures, uniqueness=uniqueness, outside=outside)
    for language in ("zh", "en"):
        (folder / f"risk.{language}.md").write_text(as_markdown(found, language), encoding="utf-8")
        (folder / f"risk.{language}.html").write_text(as_html(found, language), encoding="utf-8")
