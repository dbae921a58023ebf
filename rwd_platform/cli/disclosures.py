"""rwd disclosures: where one patient's data went. Under a person's own account, with its password.

The patient's number stands on no command line, where the shell's history and other people's programs would see it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import person, typed
from rwd_platform.cli.files import check_not_an_input, text_of, write_private
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, many, note, say, sum_up
from rwd_platform.core.errors import Exit, Problem

if TYPE_CHECKING:
    from rwd_platform.flows.disclosures import Disclosure, Disclosures
    from rwd_platform.flows.platform import Platform

NUMBER_NEEDED = Problem(
    code="cli.patient_needed",
    zh="需要患者在医院的编号或平台假名，但没有可输入的终端，标准输入中也没有这一行。",
    en="The patient's id at the hospital or pseudonym is needed; there is no terminal to type it at, and no further"
    " line on standard input.",
    next_zh="请在终端中运行；或把编号写入仅本人可读的文件，用 --patient-file 指明；或在标准输入中密码的下一行给出。",
    next_en="Run it at a terminal; or name a file that only you can read with --patient-file; or give it on standard"
    " input, on the line after the password.",
)


def register(app: typer.Typer) -> None:
    app.command("disclosures", help="患者数据去向 · where one patient's data went")(disclosures)


def disclosures(
    hospital: Annotated[str, typer.Argument(help="医院的机构编号 · the hospital's id")],
    login: Login,
    source: Annotated[str, typer.Option("--source", help="来源系统 · the source system of the number")] = "",
    patient_file: Annotated[
        Path | None,
        typer.Option("--patient-file", help="首行为患者编号的文件 · a file whose first line is the number"),
    ] = None,
    fhir: Annotated[
        bool, typer.Option("--fhir", help="FHIR AuditEvent（IHE BALP）· FHIR AuditEvents after IHE BALP")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="写入文件，仅本人可读 · a file that only you can read")
    ] = None,
    as_json: Json = False,
) -> int:
    """Every release that has left and was about the patient, and those of which it cannot be told.

    With --fhir --out the hospital's own number stands in the file; on stdout it never does.
    """
    from rwd_platform.core.canonical import canonical_json
    from rwd_platform.flows.disclosure_events import fhir_file
    from rwd_platform.flows.disclosures import as_facts, disclosures_of

    if out is not None:
        check_not_an_input(out, [patient_file] if patient_file else [])
    number = _first_line(text_of(patient_file)) if patient_file else ""
    with person(login) as (platform, actor):
        asked = number or typed("患者编号 · patient's number: ", NUMBER_NEEDED)
        form = "fhir" if fhir else "list"
        found = disclosures_of(platform, actor, hospital, asked, source, form=form)
        lines = list(_lines(platform, found))
        if fhir:
            document = fhir_file(platform, found, asked if out is not None else "")
        else:
            document = canonical_json(as_facts(found))
    if out is not None:
        write_private(out, document + b"\n")
    elif fhir:
        sys.stdout.buffer.write(document + b"\n")
        sys.stdout.buffer.flush()
    elif as_json:
        answer(as_facts(found))
    if fhir:
        note(_summary(found))
        return Exit.YES
    for line in lines:
        say(line)
    sum_up(_summary(found))
    return Exit.YES


def _first_line(text: str) -> str:
    return text.lstrip("\ufeff").partition("\n")[0].strip()


def _lines(platform: Platform, found: Disclosures) -> Iterator[str]:
    from rwd_platform.compliance.standing import purposes
    from rwd_platform.core.text import Bilingual
    from rwd_platform.flows.disclosures import WHY_UNTOLD
    from rwd_platform.flows.provision_view import names_of

    names = names_of(platform)
    for one in found.told:
        to = names.get(one.recipient, Bilingual(one.recipient, one.recipient))
        why = purposes().get(one.purpose, Bilingual(one.purpose, one.purpose))
        yield f"{_day(one.left_at)}  {to.zh} · {to.en}  {why.zh} · {why.en}  {one.package_id}"
        yield from _more(one)
    for one in found.untold:
        why = WHY_UNTOLD[one.certainty]
        yield f"{_day(one.left_at)}  {one.release_id}  无法判断 · cannot be told: {why.zh} {why.en}"


def _more(one: Disclosure) -> Iterator[str]:
    if one.logged:
        yield f"  日志 · log: {one.logged.sequence} {one.logged.leaf_hash}"
    for paper in one.papers:
        yield f"  依据 · rests on: {paper.kind} {paper.number} ({paper.id})"
    for at in one.downloads:
        yield f"  下载 · downloaded: {at}"
    if one.recalled_at:
        yield f"  已收回 · recalled: {one.recalled_at}"
    if one.deleted_on:
        yield f"  接收方确认删除 · the recipient confirmed the deletion: {one.deleted_on}"


def _day(at: str) -> str:
    return at[:10] or "----------"


def _summary(found: Disclosures) -> str:
    """A release of which it cannot be told is never summed up as none."""
    told, untold = len(found.told), len(found.untold)
    if told:
        zh, en = f"涉及这位患者的发布 {told} 次", f"{many(told, 'release')} about this patient"
    elif untold:
        zh, en = "没有查到确定涉及这位患者的发布", "no release is known to be about this patient"
    else:
        return "没有一次发布涉及这位患者 · no release was about this patient"
    if untold:
        zh += f"，有 {untold} 次无法判断"
        en += f"; of {many(untold, 'release')} it cannot be told"
    return f"{zh} · {en}"
