"""Verbs of the people who run the platform: demo, serve, work, doctor, upload, quality."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.main import Json, existing
from rwd_platform.cli.output import Progress, answer, say
from rwd_platform.core.errors import Exit


def register(app: typer.Typer) -> None:
    app.command("demo", help="主流程演示 · the main job, on three demo hospitals")(demo)
    app.command("serve", help="网页与接口 · web pages and API")(serve)
    app.command("work", help="工作进程 · a worker")(work)
    app.command("doctor", help="环境自检 · check the environment")(doctor)
    app.command("upload", help="上传文件 · send files")(upload)
    quality = typer.Typer(help="质量 · quality", no_args_is_help=True)
    quality.command("check", help="质量检查 · check the study store")(check_store)
    app.add_typer(quality, name="quality")


def demo(out: Annotated[Path, typer.Option("--out", help="目录 · directory")] = Path("var/demo")) -> int:
    """Three hospitals' files become a signed evidence package. Its path is the last line on stdout."""
    from rwd_platform.demo.journey import run_demo

    package = run_demo(out, Progress(), say)
    typer.echo(str(package))
    return Exit.YES


def serve(
    home: Annotated[Path | None, typer.Option("--home")] = None,
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port")] = 8000,
    with_worker: Annotated[bool, typer.Option("--with-worker/--without-worker")] = True,
) -> int:
    """The pages and a worker. In a demo home, with the demo's users."""
    from rwd_platform.cli.serving import serve_home

    return serve_home(home, host, port, say, with_worker=with_worker)


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
    """Receive, admit, check. Exit 1 when something was rejected or quarantined."""
    from rwd_platform.flows.jobs import drain
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.flows.receipts import receipt
    from rwd_platform.flows.receive_upload import UploadTerms, receive_upload
    from rwd_platform.log.entry import Actor
    from rwd_platform.records.tables import Organisation
    from rwd_platform.settings import load_settings

    platform = open_platform(load_settings())
    platform.records.get(Organisation, organisation)
    actor = Actor("cli", "hospital", organisation)
    terms = UploadTerms(
        source_system, agreement, platform_role, consent_version, ethics_id, fhir_version, mapping, corrects
    )
    with ExitStack() as streams:
        opened = [(path.name, streams.enter_context(path.open("rb"))) for path in existing(files)]
        job = receive_upload(platform, actor, terms, opened)
    drain(platform, "cli")
    given = receipt(platform, actor, job.payload["upload_id"])
    account = given["account"]
    if as_json:
        answer(given)
    say(
        f"{given['upload']}: {account['received']:,} = {account['accepted']:,} + {account['rejected']:,}"
        f" + {account['quarantined']:,} + {account['duplicate']:,}"
    )
    return Exit.YES if account["rejected"] == account["quarantined"] == 0 else Exit.NO


def check_store(as_json: Json = False) -> int:
    """Run the quality suites. Exit 1 when the gate holds a table back."""
    from rwd_platform.flows.check_quality import check_quality
    from rwd_platform.flows.platform import open_platform
    from rwd_platform.settings import load_settings

    platform = open_platform(load_settings())
    run = check_quality(platform, platform.operator())
    if as_json:
        answer(run.report)
    say(run.verdict)
    return Exit.YES if run.verdict == "admit" else Exit.NO
