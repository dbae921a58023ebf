"""The reviewer's verb: would this package be accepted, part by part (docs/reference/commands.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.files import existing, existing_files, existing_folder
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from studies.evidence.acceptance import Acceptance

_SHOWN = 5  # places of a part that a person is told; the JSON has more
HELP = "验收证据包 · would a reviewer accept a package"
_MARKS = {"holds": "✓", "fails": "✗", "not_asked": "·", "not_given": "…"}
_WORDS = {
    "holds": "成立 · holds",
    "fails": "不成立 · fails",
    "not_asked": "不适用 · not asked",
    "not_given": "未提供 · not given",
}


def accept(
    package: Annotated[Path, typer.Argument(help=".zip 或文件夹 · .zip or folder")],
    key: Annotated[str | None, typer.Option("--key", help="可信公钥 · the trusted public key")] = None,
    rerun: Annotated[Path | None, typer.Option("--rerun", help="数据锁目录 · a data lock's folder")] = None,
    decision: Annotated[
        Path | None, typer.Option("--decision", help="出境判定 JSON · the decision about a transfer abroad")
    ] = None,
    as_json: Json = False,
) -> int:
    """Seven parts, each `holds`, `fails`, `not_asked` or `not_given`. Exit 0 where none fails, else 1.

    Without --key an exit 0 says that the files agree with each other, and not who signed them.

    Needs no database. Nothing of a package is run unless its signature holds and its programs are this platform's.
    """
    from rwd_platform.flows.accept_package import accept_package
    from studies.evidence.verify import read_public_key

    existing([package])
    if rerun is not None:
        existing_folder(rerun)
    if decision is not None:
        existing_files([decision])
    found = accept_package(package, read_public_key(key) if key else None, rerun, decision)
    if as_json:
        answer(found.as_dict())
    _tell(found)
    return Exit.YES if found.accepted else Exit.NO


def _tell(found: Acceptance) -> None:
    for part in found.as_dict()["parts"]:
        title = part["title"]
        say(
            f"{_MARKS[part['status']]} {part['part']} {title['zh']} · {title['en']}  [{_WORDS[part['status']]}]"
        )
        say(f"    {part['zh']}\n    {part['en']}")
        for place in part["places"][:_SHOWN]:
            say(f"    - {place['place']}：{place['zh']} {place['en']}")
        if len(part["places"]) > _SHOWN:
            say(f"    … {len(part['places']) + part['further_places'] - _SHOWN}")
        if part["next"]:
            say(f"    → {part['next']['zh']}\n      {part['next']['en']}")
    counted = [one.status for one in found.parts]
    told = " · ".join(f"{_WORDS[status]} {counted.count(status)}" for status in _WORDS if status in counted)
    sum_up(f"{_verdict(found)}（{told}）")


def _verdict(found: Acceptance) -> str:
    """Without the signer's key nothing says whose package it is, however whole it is."""
    if not found.accepted:
        return "不予验收 · NOT accepted"
    if not found.key_was_given:
        return "仅完整性成立，签署人不明 · integrity alone, signer unknown"
    return "可以验收 · nothing fails"
