"""Verbs of whoever keeps the study store: store files, store compact, store sweep."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, show_card, sum_up
from rwd_platform.core.errors import PROBLEMS, Exit

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.records.tables import Job

_LOOK_AGAIN_SECONDS = 0.5
Tables = Annotated[
    list[str] | None, typer.Option("--table", help="表名，可多次给出 · a table; may be repeated")
]


def register(app: typer.Typer) -> None:
    store = typer.Typer(help="研究数据库 · the study store", no_args_is_help=True)
    store.command("files", help="各表的文件 · the files of each table")(files)
    store.command("compact", help="合并小文件并清除旧版本 · make small files few, forget old versions")(
        compact
    )
    store.command("sweep", help="清除中断后的残留 · remove what dead writers left")(sweep)
    app.add_typer(store, name="store")


def files(as_json: Json = False) -> int:
    """Rows, files and bytes of each table, and how many files are small or belong to older versions alone."""
    from rwd_platform.flows.compact import store_files

    with deployment() as platform:
        found = store_files(platform, platform.operator(caller()))
        size = platform.settings.lake_file_mb
    if as_json:
        answer({"file_mb": size, "tables": [one.as_dict() for one in found]})
    for one in found:
        say(
            f"{one.table}: 行 · rows {one.rows:,}, 文件 · files {one.files:,} ({one.bytes:,} B),"
            f" 小文件 · small {one.small_files:,}, 旧版本文件 · of older versions {one.older_files:,}"
        )
    sum_up(f"表 · tables {len(found)}, 文件 · files {sum(one.files for one in found):,}")
    return Exit.YES


def compact(table: Tables = None, as_json: Json = False) -> int:
    """Queue a compaction and do it. Rows and quality verdicts stay as they are; older versions are forgotten."""
    from rwd_platform.flows.compact import queue_compaction, store_files

    with deployment() as platform:
        actor = platform.operator(caller())
        before = {one.table: one for one in store_files(platform, actor)}
        job = _ended(platform, queue_compaction(platform, actor, table or ()))
        after = {one.table: one for one in store_files(platform, actor)}
    if job.problem is not None:
        show_card(job.problem, job=job.id)
        known = PROBLEMS.get(job.problem["code"])
        return known.exit if known else Exit.BROKEN_ENVIRONMENT
    tables = [
        {
            "table": name,
            "rows": after[name].rows,
            "files_before": before[name].files,
            "files_after": after[name].files,
            "older_files_before": before[name].older_files,
            "older_files_after": after[name].older_files,
        }
        for name in job.payload["tables"]
    ]
    if as_json:
        answer({"job": job.id, "tables": tables})
    for one in tables:
        say(f"{one['table']}: 文件 · files {one['files_before']:,} → {one['files_after']:,}")
    forgotten = sum(before[name].older_files for name in job.payload["tables"])
    sum_up(f"表 · tables {len(tables)}, 旧版本文件已清除 · files of older versions removed {forgotten:,}")
    return Exit.YES


def sweep(as_json: Json = False) -> int:
    """What a worker does when it starts. Files that a living writer holds stay."""
    from rwd_platform.flows.sweep import sweep_leftovers

    with deployment() as platform:
        removed = sweep_leftovers(platform)
    if as_json:
        answer(removed)
    for zone, count in removed.items():
        say(f"{zone}: {count:,}")
    sum_up(f"已清除 · removed {sum(removed.values()):,}")
    return Exit.YES


def _ended(platform: Platform, job: Job) -> Job:
    """The job when it has ended. A worker that runs beside this command may have taken it."""
    from rwd_platform.flows.jobs import drain
    from rwd_platform.records.lifecycles import JobState
    from rwd_platform.records.tables import Job as JobRow

    while True:
        drain(platform, "cli")
        now = platform.records.get(JobRow, job.id)
        if now.state in (JobState.DONE, JobState.FAILED):
            return now
        time.sleep(_LOOK_AGAIN_SECONDS)
