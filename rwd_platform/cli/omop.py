"""Verbs for those who work with OHDSI's tools: a study's lock as OMOP CDM 5.4, in the enclave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.files import existing_folder
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit


def register(app: typer.Typer) -> None:
    omop = typer.Typer(help="OMOP 通用数据模型 · OMOP common data model", no_args_is_help=True)
    omop.command("export", help="将数据锁定导出为 OMOP CDM 5.4 · a data lock as OMOP CDM 5.4")(export)
    app.add_typer(omop, name="omop")


def export(
    study_id: Annotated[str | None, typer.Argument(metavar="STUDY", help="研究编号 · study id")] = None,
    lake: Annotated[
        bool, typer.Option("--lake", help="研究数据库（一律拒绝）· the study store (refused)")
    ] = False,
    vocabulary: Annotated[
        Path | None, typer.Option("--vocabulary", help="Athena 词汇表文件夹 · a folder of Athena files")
    ] = None,
    as_json: Json = False,
) -> int:
    """Write the newest lock's tables into the enclave, and say what was left out. Exit 0 when it is written."""
    from rwd_platform.flows.omop import export_lake, export_omop
    from rwd_platform.log.entry import Actor

    if (study_id is None) != lake:
        raise typer.BadParameter("请给出研究编号或 --lake 之一 · give a study or --lake, one of them")
    if vocabulary is not None:
        existing_folder(vocabulary)
    with deployment() as platform:
        actor = Actor(caller(), "researcher", platform.settings.operator)
        if study_id is None:
            export_lake(platform, actor)
            return Exit.REFUSED
        made = export_omop(platform, actor, study_id, vocabulary)
    if as_json:
        answer({"lock": made.lock_id, "path": str(made.path), **made.report.as_dict()})
    say(made.report.text("zh"))
    say(made.report.text("en"))
    out = sum(sum(one.left_out.values()) for one in made.report.accounts)
    rows = sum(rows for name, rows in made.report.tables.items() if name != "cdm_source")
    sum_up(f"{made.path}: 导出 {rows} 行，未导出 {out} 行 · {rows} rows written, {out} left out")
    return Exit.YES
