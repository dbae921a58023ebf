"""`rwd risk`: the re-identification measures of one file. Needs no database, key or configuration."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rwd_platform.cli.files import existing_files, writable_folder, write_text
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, note, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from deidentify.risk.measures import Measures
    from deidentify.risk.people import People
    from deidentify.risk.population import Journalist, Uniqueness
    from deidentify.risk.table import Table

SENSITIVE_IS_QUASI = (
    "警告：敏感列同时列为准标识符，每个等价类只有一个敏感值，l、熵 l 与 t 无从判断；"
    "请从 --quasi 中去掉该列，或另行指定敏感列。",
    "Warning: the sensitive column is a quasi-identifier too: every class has one value of it, so l, entropy l and t "
    "say nothing; leave it out of --quasi, or name another sensitive column.",
)

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
Person = Annotated[
    str | None, typer.Option("--person", help="标明个人的列 · the column that says whose row it is")
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
    person: Person = None,
    report: ReportFolder = None,
    memory: Memory = "2GB",
    as_json: Json = False,
) -> int:
    """Print the measures. Exit 0 whenever they were printed, whatever they say."""
    from deidentify.risk.measures import measure
    from deidentify.risk.people import count_people
    from deidentify.risk.population import journalist, population_uniqueness
    from deidentify.risk.table import open_table

    existing_files([file] if population is None else [file, population])
    columns = _names(quasi)
    if sensitive in columns:
        note(*SENSITIVE_IS_QUASI)
    with ExitStack() as stack:
        table = stack.enter_context(open_table(file, memory=memory))
        measures = measure(table, columns, sensitive, categorical=categorical)
        people = count_people(table, columns, person)
        uniqueness = outside = None
        if sampling_fraction is not None:
            uniqueness = population_uniqueness(measures.class_sizes, sampling_fraction)
        if population is not None:
            peers = stack.enter_context(open_table(population, memory=memory))
            outside = journalist(table, peers, columns)
        found = _Found(measures, people, uniqueness, outside)
        if report is not None:
            _write_report(writable_folder(report), table, found)
    if as_json:
        answer(_document(found))
    _say(found)
    return Exit.YES


class _Found(NamedTuple):
    measures: Measures
    people: People
    uniqueness: Uniqueness | None
    outside: Journalist | None


def _names(text: str) -> list[str]:
    """The column names; one that holds a comma is written in quotes, as in a CSV header."""
    return next(csv.reader([text]), [])


def _document(found: _Found) -> dict[str, Any]:
    """The keys of docs/reference/commands.md, and no others."""
    measures, people, uniqueness, outside = found
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
        "persons": people.as_dict(),
    }


def _say(found: _Found) -> None:
    from deidentify.risk.people_words import words_of

    measures, people, uniqueness, outside = found
    sum_up(
        f"k = {measures.k} · l = {measures.l} · t = {measures.t:.4f} · 记录 records {measures.records:,}"
        f" · 等价类 classes {measures.classes:,} · 唯一 uniques {measures.uniques:,}"
    )
    for words in words_of(people) if people.column is not None else ():
        note(f"警告：{words.zh}", f"Warning: {words.en}")
    if measures.numeric:
        note("敏感列按数值计算 t · the sensitive column is numeric: t is the ordered distance")
    if outside is not None and outside.classes_absent:
        note(
            f"总体表中缺少或少于样本的等价类：{outside.classes_absent:,}，按样本计 · "
            f"{outside.classes_absent:,} classes are not, or not fully, in the population file: "
            "the table's own sizes were taken"
        )
    for model, why in sorted(uniqueness.reasons.items()) if uniqueness else ():
        note(f"{model}：{why.zh} · {why.en}")


def _write_report(folder: Path, table: Table, taken: _Found) -> None:
    from deidentify.risk.render import as_html, as_markdown
    from deidentify.risk.report import risk_report_of

    found = risk_report_of(
        table, taken.measures, uniqueness=taken.uniqueness, outside=taken.outside, people=taken.people
    )
    for language in ("zh", "en"):
        write_text(folder / f"risk.{language}.md", as_markdown(found, language))
        write_text(folder / f"risk.{language}.html", as_html(found, language))
