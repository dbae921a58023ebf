"""Verbs of validation: a certificate from a report of the tests, and the certificate put on record."""

from __future__ import annotations

import json
import platform as machine
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.files import text_of, write_text
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

# What numbers are computed with.
_PACKAGES = ("numpy", "pandas", "scipy", "lifelines")


def register(app: typer.Typer) -> None:
    validation = typer.Typer(help="程序验证 · validation of the programs", no_args_is_help=True)
    validation.command("certify", help="由测试报告生成证书 · a certificate from a report of the tests")(
        certify
    )
    validation.command("record", help="登记证书 · put a certificate on record")(record)
    app.add_typer(validation, name="validation")


def certify(
    report: Annotated[Path, typer.Argument(help="JUnit XML")],
    suite: Annotated[
        Path, typer.Option("--suite", help="测试文件夹，须全部运行 · the tests' folder, all of it run")
    ],
    out: Annotated[Path, typer.Option("--out", help="证书文件 · the certificate")],
    as_json: Json = False,
) -> int:
    """Exit 0 where no test failed and each module of the suite has one that passed; else 1, and it is written too."""
    from rwd_platform.core.clock import shanghai_date, system_clock
    from studies.evidence.code import program_sha256
    from studies.evidence.validation import certificate, not_run

    made = certificate(
        text_of(report).encode(),
        program_sha256(),
        _versions(),
        shanghai_date(system_clock()).isoformat(),
        _modules(suite),
    )
    write_text(out, json.dumps(made, ensure_ascii=False, indent=1) + "\n")
    if as_json:
        answer(made)
    for one in made["modules"]:
        if one["failed"]:
            say(f"✗ {one['module']}: {one['failed']}")
    for module in not_run(made):
        say(f"✗ {module}: 没有通过的测试 · none of its tests passed")
    counts = f"{made['passed']} / {made['failed']} / {made['skipped']}"
    sum_up(f"通过 / 未通过 / 跳过 · passed / failed / skipped: {counts}")
    return Exit.YES if made["holds"] else Exit.NO


def record(
    file: Annotated[Path, typer.Argument(help="证书 · the certificate")], as_json: Json = False
) -> int:
    """Of the programs that run here, and where no test failed."""
    from rwd_platform.flows.validation import record_certificate

    with deployment() as platform:
        row = record_certificate(platform, platform.operator(caller()), text_of(file).encode())
    if as_json:
        answer({"id": row.id, "program": row.program})
    sum_up(f"已登记 · recorded  {row.id}")
    return Exit.YES


def _modules(suite: Path) -> list[str]:
    """The suite's modules as the tests' report names them: from the folder that is no package downwards."""
    folder = suite.resolve()
    top = next(one for one in (folder, *folder.parents) if not (one / "__init__.py").exists())
    found = sorted(folder.rglob("test_*.py"))
    return [".".join(path.relative_to(top).with_suffix("").parts) for path in found]


def _versions() -> dict[str, str]:
    found = {"python": machine.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
