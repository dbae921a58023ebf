"""Verbs about the log: verify it, write it out for somebody who has no platform, have it witnessed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli import reviewing
from rwd_platform.cli.deployment import caller, deployment
from rwd_platform.cli.files import existing_files, text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.audit.verify import LogVerification
    from rwd_platform.audit.verify_extract import ExtractVerification

Database = Annotated[str | None, typer.Option("--database", help="数据库地址 · database URL")]
Extract = Annotated[Path | None, typer.Option("--extract", help="日志摘录 · a log extract")]
Kept = Annotated[
    list[Path] | None, typer.Option("--checkpoint", help="保存的检查点 · a signed note that was kept")
]
WitnessKeys = Annotated[
    list[str] | None, typer.Option("--witness", help="见证方公钥 · a witness's public key")
]


def register(app: typer.Typer) -> None:
    audit = typer.Typer(help="审计日志 · the audit log", no_args_is_help=True)
    audit.command("verify", help="核验日志 · verify the log")(verify_log)
    audit.command("export", help="导出日志与离线核验程序 · the log and its offline verifier as files")(export)
    audit.command("to-witness", help="生成交给见证方的文件 · a file for a witness")(to_witness)
    audit.command("from-witness", help="收下见证方的共同签名 · keep what a witness cosigned")(from_witness)
    witness = typer.Typer(help="日志的见证方 · the log's witnesses", no_args_is_help=True)
    witness.command("add", help="登记见证方 · register a witness")(add_witness)
    witness.command("list", help="见证方与其证明到第几条 · witnesses, and how far they vouch")(list_witnesses)
    audit.add_typer(witness, name="witness")
    audit.add_typer(reviewing.verbs(), name="review")
    app.add_typer(audit, name="audit")


def verify_log(
    database: Database = None,
    extract: Extract = None,
    checkpoint: Kept = None,
    key: Annotated[str | None, typer.Option("--key")] = None,
    witness: WitnessKeys = None,
    as_json: Json = False,
) -> int:
    """Exit 0 only if the log is whole, its trees equal its entries, signatures hold, and it extends every checkpoint.

    A checkpoint is a signed note, or the `checkpoints.jsonl` of an earlier export. With a witness's key, what that
    witness cosigned counts as kept.
    """
    from rwd_platform.audit.notes import notes_in
    from rwd_platform.audit.verify_extract import ExtractVerification
    from rwd_platform.flows.verify_log import deployment_key, verify_log_of
    from rwd_platform.signing.vkey import read_vkey
    from studies.evidence.verify import read_public_key

    notes = [note for path in checkpoint or () for note in notes_in(text_of(path))]
    if extract is not None:
        existing_files([extract])
    keys = [read_vkey(one) for one in witness or ()]
    given = read_public_key(key) if key else None
    found = verify_log_of(database, extract, notes, given, keys)
    if as_json:
        answer(found.as_dict())
    for finding in found.findings:
        say(f"✗ {finding.zh}\n  {finding.en}")
    if not isinstance(found, ExtractVerification):
        say(
            f"签名的检查点证明至前 {found.signed_size:,} 条 · a signed head vouches for the first {found.signed_size:,}"
        )
        if found.records_compared:
            say("业务记录已与日志逐行比对 · the records were compared with the log, row by row")
        else:
            say("业务记录未与日志比对 · the records were NOT compared with the log, which alone was verified")
        for tree, root in found.roots.items():
            say(f"根 · root ({tree}): {root.hex()}")
        if keys:
            say(f"见证方证明至 · witnesses vouch for the first {found.witnessed_size:,}")
    if given is not None:
        say(f"公钥（所给）· key given: {given.hex()}")
    else:
        say(f"公钥（本部署）· this deployment's key: {deployment_key().hex()}")
    sum_up(_verdict(found))
    return Exit.YES if found.ok else Exit.NO


def _verdict(found: LogVerification | ExtractVerification) -> str:
    """`size` of an extract is of the tree it was taken from; what was looked at are its entries."""
    from rwd_platform.audit.verify_extract import ExtractVerification

    entries = found.entries if isinstance(found, ExtractVerification) else found.size
    if found.ok:
        return f"✓ 核验通过，条目 {entries:,} · verified, {many(entries, 'entry', 'entries')}"
    return f"✗ 核验不通过，条目 {entries:,} · NOT verified, {many(entries, 'entry', 'entries')}"


def export(
    out: Annotated[Path, typer.Option("--out", help="新目录或空目录 · a new or empty folder")],
    as_json: Json = False,
) -> int:
    """Entries, signed heads and `verify_log.py`, which checks them anywhere. No key is among them."""
    from rwd_platform.flows.verify_log import export_log_of

    with deployment() as platform:
        done = export_log_of(platform, platform.operator(caller()), out)
        key = platform.log_signer.public_key.hex()
    if as_json:
        answer({"entries": done.entries, "checkpoints": done.checkpoints, "cosignatures": done.cosignatures})
    say("日志公钥请另行交给核验人 · give the log's public key to whoever verifies by another way:")
    say(key)
    sum_up(f"条目 · entries {done.entries:,}, 检查点 · checkpoints {done.checkpoints:,}")
    return Exit.YES


def to_witness(
    out: Annotated[Path, typer.Option("--out", help="文件 · the file")],
    witness: Annotated[str | None, typer.Option("--witness", help="见证方名称 · the witness's name")] = None,
    old: Annotated[
        int | None, typer.Option("--old", min=0, help="见证方所说的旧大小 · its last size")
    ] = None,
    tree: Annotated[str | None, typer.Option("--hash", help="sha256 | sm3")] = None,
) -> int:
    """The log's head, signed now, with the proof that it extends what the witness cosigned last."""
    from rwd_platform.cli.files import write_text
    from rwd_platform.flows.witnessed import make_request

    if tree not in (None, "sha256", "sm3"):
        raise typer.BadParameter("sha256 | sm3", param_hint="--hash")
    with deployment() as platform:
        request = make_request(platform, witness, tree=tree, old_size=old)
    write_text(out, request)
    sum_up(f"✓ {out.name}")
    return Exit.YES


def from_witness(
    note: Annotated[Path, typer.Argument(help="见证方交回的文件 · what the witness gave back")],
    as_json: Json = False,
) -> int:
    """Checked against the registered key and this log before it is kept. Keep the file elsewhere too."""
    from rwd_platform.flows.witnessed import store_cosignature

    text = text_of(note)
    with deployment() as platform:
        stored = store_cosignature(platform, platform.operator(caller()), text)
    if as_json:
        answer(asdict(stored))
    sum_up(f"✓ {stored.witness}: {stored.origin} {stored.size:,} ({stored.cosigned_at})")
    return Exit.YES


def add_witness(
    name: Annotated[str, typer.Argument(help="见证方名称 · the witness's name")],
    key: Annotated[str, typer.Option("--key", help="见证方公钥 · its public key")],
) -> int:
    """The key comes from the witness by a way of its own, not from a file that the platform holds."""
    from rwd_platform.flows.witnessed import add_witness as register_witness
    from rwd_platform.signing.vkey import read_verifier_key

    with deployment() as platform:
        row = register_witness(platform, platform.operator(caller()), name, read_verifier_key(key))
    sum_up(f"✓ {row.name} {row.public_key}")
    return Exit.YES


def list_witnesses(as_json: Json = False) -> int:
    """For each tree of the log, the largest head that the witness cosigned."""
    from rwd_platform.flows.witnessed import witnesses

    with deployment() as platform:
        found = witnesses(platform)
    if as_json:
        answer([{"name": row.name, "public_key": row.public_key, "sizes": sizes} for row, sizes in found])
    for row, sizes in found:
        reach = ", ".join(f"{tree} {size:,}" for tree, size in sizes.items())
        say(f"{row.name}  {reach}  {row.public_key}")
    sum_up(f"见证方 · witnesses {len(found)}")
    return Exit.YES
