"""Verbs of the people who run the platform: demo, serve, work, doctor, upload."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.files import existing_files, writable_folder
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import Terminal, answer, note, say, show_card, sum_up
from rwd_platform.core.errors import PROBLEMS, Exit

if TYPE_CHECKING:
    from rwd_platform.flows.platform import Platform
    from rwd_platform.records.tables import Job

_LOOK_AGAIN_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    app.command("demo", help="主流程演示 · the main job, on three demo hospitals")(demo)
    app.command("serve", help="网页与接口 · web pages and API")(serve)
    app.command("work", help="工作进程 · a worker")(work)
    app.command("doctor", help="环境自检 · check the environment")(doctor)
    app.command("upload", help="上传文件 · send files")(upload)


def demo(out: Annotated[Path, typer.Option("--out", help="目录 · directory")] = Path("var/demo")) -> int:
    """Three hospitals' files become a signed evidence package. Its path is the last line on stdout."""
    from rwd_platform.demo.journey import run_demo

    terminal = Terminal()
    package = run_demo(writable_folder(out), terminal.say, terminal.begin)
    typer.echo(str(package))
    return Exit.YES


def serve(
    home: Annotated[Path | None, typer.Option("--home")] = None,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8000,
    with_worker: Annotated[bool, typer.Option("--with-worker/--without-worker")] = True,
) -> int:
    """The pages and a worker. In a demo home, with the demo's users."""
    from rwd_platform.cli.serving import serve_home

    return serve_home(home, host, port, note, with_worker=with_worker)


def work() -> int:
    """Do queued jobs until stopped."""
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import load_settings
    from rwd_platform.worker import run_worker

    run_worker(open_platform(load_settings()))
    return Exit.YES


def doctor(
    make_root_key: Annotated[
        bool, typer.Option("--make-root-key", help="生成根密钥 · make a root key")
    ] = False,
    as_json: Json = False,
) -> int:
    """Each check with its finding. Exit 4 if one fails."""
    from rwd_platform.flows.doctor import examine
    from rwd_platform.settings import load_settings
    from rwd_platform.signing.keys import make_root_key as make

    settings = load_settings()
    if make_root_key and not settings.key_file.exists():
        make(settings.key_file)
    findings = examine(settings)
    for finding in findings:
        say(f"{'✓' if finding.ok else '✗'} {finding.zh} · {finding.en}")
    if as_json:
        answer({"checks": [{"name": f.name, "ok": f.ok, "zh": f.zh, "en": f.en} for f in findings]})
    return Exit.YES if all(finding.ok for finding in findings) else Exit.BROKEN_ENVIRONMENT


def upload(
    files: Annotated[list[Path], typer.Argument(help="FHIR, CSV, zip")],
    organisation: Annotated[str, typer.Option("--organisation")],
    source_system: Annotated[str, typer.Option("--source-system")],
    agreement: Annotated[str, typer.Option("--agreement", help="数据协议编号 · data agreement")],
    platform_role: Annotated[str, typer.Option("--platform-role", help="entrusted | joint | recipient")],
    consent_version: Annotated[str, typer.Option("--consent-version")],
    ethics_id: Annotated[str, typer.Option("--ethics-id")],
    fhir_version: Annotated[str, typer.Option("--fhir-version")] = "R4",
    mapping: Annotated[str, typer.Option("--mapping", help="表格映射 · table mapping")] = "",
    corrects: Annotated[
        str, typer.Option("--corrects", help="所修正的上传编号 · the upload it corrects")
    ] = "",
    as_json: Json = False,
) -> int:
    """Receive, admit, check. Exit 1 when something was rejected or quarantined.

    When the work itself failed: its reason, and the exit code that belongs to it.
    """
    from rwd_platform.flows.receipts import receipt
    from rwd_platform.flows.receive_upload import UploadTerms, receive_upload
    from rwd_platform.log.entry import Actor
    from rwd_platform.records.tables import Organisation

    terms = UploadTerms(
        source_system, agreement, platform_role, consent_version, ethics_id, fhir_version, mapping, corrects
    )
    with deployment() as platform, ExitStack() as streams:
        platform.records.get(Organisation, organisation)
        actor = Actor(caller(), "hospital", organisation)
        opened = [(path.name, streams.enter_context(path.open("rb"))) for path in existing_files(files)]
        job = _done(platform, receive_upload(platform, actor, terms, opened))
        given = receipt(platform, actor, job.payload["upload_id"])
    if job.problem is not None:
        return _say_failed(given["upload"], job.problem, as_json=as_json)
    account = given["account"]
    if as_json:
        answer(given)
    sum_up(
        f"{given['upload']}: {account['received']:,} = {account['accepted']:,} + {account['rejected']:,}"
        f" + {account['quarantined']:,} + {account['duplicate']:,}"
    )
    return Exit.YES if account["rejected"] == account["quarantined"] == 0 else Exit.NO


def _done(platform: Platform, job: Job) -> Job:
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


def _say_failed(upload_id: str, problem: dict[str, str], *, as_json: bool) -> int:
    if not as_json:
        note(upload_id)
    show_card(problem, upload=upload_id)
    # Kept by another version of the program, its kind may be unknown here; it is a failure all the same.
    known = PROBLEMS.get(problem["code"])
    return known.exit if known else Exit.BROKEN_ENVIRONMENT
