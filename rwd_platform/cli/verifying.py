"""The inspector's verb: verify a package. It needs no trust in whoever runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.files import existing, existing_files, existing_folder
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say
from rwd_platform.core.errors import Exit


def register(app: typer.Typer) -> None:
    app.command("verify", help="核验证据包 · verify an evidence package")(verify)


def verify(
    package: Annotated[Path, typer.Argument(help=".zip 或文件夹 · .zip or folder")],
    key: Annotated[str | None, typer.Option("--key", help="可信公钥 · the trusted public key")] = None,
    rerun: Annotated[Path | None, typer.Option("--rerun", help="数据锁目录 · a data lock's folder")] = None,
    notice: Annotated[Path | None, typer.Option("--notice", help="告知文件 · the package's notice")] = None,
    timestamp: Annotated[
        Path | None, typer.Option("--timestamp", help="时间戳文件 · the package's time stamp (.tsr)")
    ] = None,
    timestamp_roots: Annotated[
        Path | None, typer.Option("--timestamp-roots", help="时间戳机构的根证书 · its authority's roots, PEM")
    ] = None,
    as_json: Json = False,
) -> int:
    """Exit 0 only if every file, the archive, the signature, the proofs and every number hold.

    A notice tells what happened since the package was made: the one given, one beside the package
    (`PACKAGE.notice.json`), or this deployment's. One that does not hold is a no; one that does is shown. So it is
    with a time stamp (`PACKAGE.tsr`), which is checked against the roots given, or this deployment's.
    """
    from rwd_platform.flows.verify_notice import read_notice
    from rwd_platform.flows.verify_package import verify_package_at
    from rwd_platform.flows.verify_timestamp import read_stamp
    from studies.evidence.verify import read_public_key

    existing([package])
    if rerun is not None:
        existing_folder(rerun)
    existing_files([one for one in (notice, timestamp, timestamp_roots) if one is not None])
    verification = verify_package_at(package, read_public_key(key) if key else None, rerun)
    told = read_notice(package, verification, notice)
    stamp = read_stamp(package, timestamp, timestamp_roots)
    verification = replace(verification, failures=verification.failures + told.failures + stamp.failures)
    if as_json:
        answer({**verification.as_dict(), "notice": told.as_dict(), "timestamp": stamp.as_dict()})
    for line in (*verification.lines(), *told.lines(), *stamp.lines()):
        say(line)
    if rerun is not None:
        say(f"从数据锁定复算 · recomputed from the lock: {verification.rerun}")
    return Exit.YES if verification.holds else Exit.NO
