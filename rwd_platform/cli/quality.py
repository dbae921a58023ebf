"""Verbs about quality: check the store, write a suite for Great Expectations, thresholds, and scores over time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.files import existing_files, text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, note, say, sum_up
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from quality.thresholds import Change
    from rwd_platform.records.tables import QualityRun

NO_SUITE = Problem(
    code="quality.no_suite",
    zh="没有表 {table} 的质量规则集。已有：{tables}。",
    en="There is no quality suite of a table {table}. There are: {tables}.",
    next_zh="请核对表名。",
    next_en="Check the table's name.",
    http=404,
    exit=Exit.MALFORMED,
)
_STATUSES = {  # in the order of their lines
    "pass": "通过 · pass",
    "pass_with_rows": "通过，有违规行 · pass with rows",
    "fail": "未通过 · fail",
    "not_applicable": "不适用 · not applicable",
    "error": "未能检查 · error",
}
_VERDICTS = {
    "admit": "放行 · admit",
    "quarantine": "隔离 · quarantine",
    "not_applicable": "没有可检查的数据 · not applicable: nothing to check",
}
Thresholds = Annotated[Path, typer.Argument(help="阈值文件 · a thresholds file")]


def register(app: typer.Typer) -> None:
    verbs = typer.Typer(help="质量 · quality", no_args_is_help=True)
    verbs.command("check", help="质量检查 · check the study store")(check_store)
    verbs.command("suite", help="导出规则集 · a suite for Great Expectations")(suite)
    verbs.command("preview", help="试用阈值 · what other thresholds would change")(preview)
    verbs.command("adopt", help="采用阈值 · put thresholds in force")(adopt)
    verbs.command("series", help="历次评分 · scores over time")(series)
    app.add_typer(verbs, name="quality")


def check_store(as_json: Json = False) -> int:
    """Run the quality suites. Exit 1 when the gate holds a table back."""
    from rwd_platform.flows.check_quality import check_quality
    from rwd_platform.flows.quality_questions import follow_up

    with deployment() as platform:
        run = check_quality(
            platform, platform.operator(caller()), lambda table: None if as_json else note(f"  … {table}")
        )
        follow_up(platform, run)
    if as_json:
        answer(run.report)
    _say_run(run)
    sum_up(_VERDICTS[run.verdict])
    return Exit.YES if run.verdict == "admit" else Exit.NO


def _say_run(run: QualityRun) -> None:
    """How many rules have which status in the hospitals, and those that failed or could not be asked.

    A rule that is asked of two hospitals counts twice.
    """
    from rwd_platform.flows.quality_findings import Findings

    findings = Findings(run)
    found = list(findings.all())
    for status, words in _STATUSES.items():
        say(f"{sum(one.status == status for one in found):>7,}  {words}")
    for one in found:
        if one.status in ("fail", "error"):
            text = findings.rules[one.rule].text
            mark, counts = (
                ("✗", f"{one.failing:,}/{one.applicable:,}") if one.status == "fail" else ("!", "-")
            )
            say(f"{mark} {one.rule}  {one.organisation_id}  {counts}\n    {text.zh}\n    {text.en}")
    for table in run.report["gate"]["tables"]:
        if table["verdict"] == "quarantine":
            say(f"✗ {table['table']}: {_VERDICTS[table['verdict']]}")
            for reason in table["reasons"]:
                say(f"    {reason['zh']}\n    {reason['en']}")


def suite(
    table: Annotated[str, typer.Argument(help="表名 · the table")],
    counts: Annotated[
        bool, typer.Option("--counts", help="针对计数 · of a check's counts, not of rows")
    ] = False,
    as_json: Json = False,
) -> int:
    """A table's rules as one Great Expectations suite. It needs no database and no configuration."""
    from quality.expectations import COUNTS, ROWS, gx_suite
    from quality.suite import load_suites

    suites = load_suites()
    if table not in suites:
        raise NO_SUITE.error(table=table, tables=", ".join(sorted(suites)))
    document: dict[str, Any] = gx_suite(suites[table], COUNTS if counts else ROWS).to_json_dict()
    if as_json:
        answer(document)
        sum_up(f"{table}: {len(document['expectations'])}")
    else:  # the document alone, so that it can be kept as a file
        say(json.dumps(document, ensure_ascii=False, indent=2))
    return Exit.YES


def preview(thresholds: Thresholds, as_json: Json = False) -> int:
    """Which verdicts of the newest check these thresholds would change. Exit 1 when there are any."""
    from rwd_platform.flows.quality_thresholds import preview_thresholds

    (path,) = existing_files([thresholds])
    with deployment() as platform:
        found = preview_thresholds(platform, platform.operator(caller()), text_of(path))
    if as_json:
        answer([change.as_dict() for change in found])
    for change in found:
        say(_line(change))
    sum_up(f"{len(found)} 项判定会改变 · {many(len(found), 'verdict')} would change")
    return Exit.NO if found else Exit.YES


def adopt(thresholds: Thresholds, as_json: Json = False) -> int:
    """Judge the newest check by these thresholds, and every later one. Exit 1 when the gate holds a table back."""
    from rwd_platform.flows.quality_thresholds import adopt_thresholds

    (path,) = existing_files([thresholds])
    with deployment() as platform:
        run = adopt_thresholds(platform, platform.operator(caller()), text_of(path))
    if as_json:
        answer(run.report)
    sum_up(run.verdict)
    return Exit.YES if run.verdict == "admit" else Exit.NO


def series(
    rule: Annotated[list[str] | None, typer.Option("--rule", help="规则 · a rule's id")] = None,
    as_json: Json = False,
) -> int:
    """Every rule (or those named) in every hospital, from check to check."""
    from rwd_platform.flows.quality_thresholds import quality_series

    with deployment() as platform:
        found = quality_series(platform, platform.operator(caller()), frozenset(rule) if rule else None)
    if as_json:
        answer([one.as_dict() for one in found])
    for one in found:
        last = one.points[-1]
        counts = f"{last.applicable - last.failing}/{last.applicable}"
        say(f"{one.rule}\t{one.organisation_id or '-'}\t{last.status}\t{counts}\t{len(one.points)}")
    sum_up(f"{len(found)} 条序列 · {len(found)} series")
    return Exit.YES


def _line(change: Change) -> str:
    return (
        f"{change.rule or change.table}\t{change.organisation_id or '-'}\t{change.before} -> {change.after}"
    )
