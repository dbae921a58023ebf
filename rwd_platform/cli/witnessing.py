"""Verbs of a witness of somebody's log. They use no setting and no home: a folder of the witness's own is all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rwd_platform.cli.files import existing_files, write_text
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

Folder = Annotated[Path, typer.Option("--dir", help="见证方自己的目录 · the witness's own folder")]


def register(app: typer.Typer) -> None:
    witness = typer.Typer(help="为他人的日志作见证 · be a witness of a log", no_args_is_help=True)
    witness.command("init", help="建立见证方与密钥 · a new witness and its key")(init)
    witness.command("trust", help="登记要见证的日志 · a log to be witnessed")(trust)
    witness.command("sign", help="核对并共同签名 · check a request and cosign it")(sign)
    witness.command("serve", help="在本机提供 add-checkpoint · answer on this machine")(serve)
    witness.command("list", help="各日志见证到第几条 · how far each log is witnessed")(list_logs)
    app.add_typer(witness, name="witness")


def init(
    folder: Folder,
    name: Annotated[str, typer.Option("--name", help="如 witness.example/hainan · like an address")],
) -> int:
    """Its public key is said once more by `rwd witness list`; the key file never leaves the folder."""
    from rwd_platform.audit.witness_book import make_book

    say(make_book(folder, name).verifier_key.text)
    sum_up(f"✓ {folder.name}")
    return Exit.YES


def trust(
    folder: Folder,
    origin: Annotated[str, typer.Argument(help="日志名称 · the log's name")],
    key: Annotated[str, typer.Option("--key", help="日志公钥 · the log's public key")],
) -> int:
    """Name and key come from the log's operator by a way of their own, not with a request."""
    from rwd_platform.audit.witness_book import open_book
    from rwd_platform.signing.vkey import read_vkey

    open_book(folder).trust(origin, read_vkey(key))
    sum_up(f"✓ {origin}")
    return Exit.YES


def sign(
    folder: Folder,
    request: Annotated[Path, typer.Argument(help="由 `rwd audit to-witness` 生成 · a request")],
    out: Annotated[Path, typer.Option("--out", help="交回的文件 · the file to give back")],
) -> int:
    """Exit 3 when the log was cut, forked or is not known: nothing is signed then, and the request is worth keeping."""
    from rwd_platform.audit.witness_book import open_book
    from rwd_platform.core.clock import system_clock
    from rwd_platform.flows.witness import cosign_file
    from rwd_platform.log.checkpoint import parse_checkpoint

    (path,) = existing_files([request])
    note = cosign_file(open_book(folder), path.read_bytes(), system_clock)
    write_text(out, note)
    head = parse_checkpoint(note)
    sum_up(f"✓ {head.origin} {head.size:,}")
    return Exit.YES


def serve(
    folder: Folder,
    port: Annotated[int, typer.Option("--port", min=0, max=65535)] = 8765,
) -> int:
    """POST /add-checkpoint on 127.0.0.1, until it is interrupted. A proxy in front brings it to a network."""
    from rwd_platform.audit.witness_book import open_book
    from rwd_platform.core.clock import system_clock
    from rwd_platform.flows.witness import serve as make_door

    with make_door(open_book(folder), port, system_clock) as door:
        say(f"http://127.0.0.1:{door.server_address[1]}/add-checkpoint")
        try:
            door.serve_forever()
        except KeyboardInterrupt:
            sum_up("✓")
    return Exit.YES


def list_logs(folder: Folder, as_json: Json = False) -> int:
    """The witness's public key, and for each log the largest head it cosigned."""
    from rwd_platform.audit.witness_book import open_book

    book = open_book(folder)
    logs = book.logs()
    if as_json:
        answer(
            {
                "name": book.name,
                "key": book.verifier_key.text,
                "logs": [{"origin": one.origin, "size": one.size, "time": one.time} for one in logs],
            }
        )
    say(book.verifier_key.text)
    for one in logs:
        say(f"{one.origin}  {one.size:,}")
    sum_up(f"日志 · logs {len(logs)}")
    return Exit.YES
