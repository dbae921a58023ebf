"""`rwd cohort codes`: the code lists, what became of one, and what a new release of a code system would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rwd_platform.cli.files import existing_files, text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

Reference = Annotated[str, typer.Argument(help="代码表 名称@版本 · code list name@version")]


def add_verbs(cohort: typer.Typer) -> None:
    codes = typer.Typer(help="代码表 · code lists", no_args_is_help=True)
    codes.command("list", help="现有代码表 · the lists there are")(list_lists)
    codes.command("show", help="一份代码表 · one list")(show)
    codes.command("diff", help="两个版本的差异 · what became of a list")(diff)
    codes.command("impact", help="代码系统新版本的影响 · what a new release would change")(impact)
    cohort.add_typer(codes, name="codes")


def list_lists(as_json: Json = False) -> int:
    """Every list in every version, and whether it is signed."""
    from studies.code_lists import every_list

    found = every_list()
    for one in found:
        signed = f"{one.reviewer} {one.signed_date}" if one.signed else "未签署 · not signed"
        say(f"{one.reference}  {len(one.entries)}  {signed}  {one.title.zh} · {one.title.en}")
    if as_json:
        answer({"lists": [_said(one) for one in found]})
    sum_up(f"{len(found)} 份代码表 · {len(found)} code lists")
    return Exit.YES


def show(reference: Reference, as_json: Json = False) -> int:
    """The codes of one list."""
    from studies.code_lists import load
    from studies.cohorts.as_json import as_json as plain

    found = load(reference)
    for one in found.entries:
        say(f"{one.system}  {one.code}  {one.display.zh} · {one.display.en}")
    if as_json:
        answer({**_said(found), "codes": plain(found.entries)})
    return Exit.YES


def diff(old: Reference, new: Reference, as_json: Json = False) -> int:
    """Codes added, removed and renamed. Exit 1 if there are any."""
    from studies.code_lists import diff as differ
    from studies.code_lists import load
    from studies.cohorts.as_json import as_json as plain

    found = differ(load(old), load(new))
    for sign, codes in (("+", found.added), ("-", found.removed), ("~", found.renamed)):
        for one in codes:
            say(f"{sign} {one.system}  {one.code}  {one.display.zh} · {one.display.en}")
    if as_json:
        answer(plain(found))
    sum_up(f"+{len(found.added)} -{len(found.removed)} ~{len(found.renamed)}")
    return Exit.NO if found.added or found.removed or found.renamed else Exit.YES


def impact(
    old: Annotated[Path, typer.Argument(help="旧版本 CSV · the release in use")],
    new: Annotated[Path, typer.Argument(help="新版本 CSV · the new release")],
    definitions: Annotated[list[Path], typer.Argument(help="队列定义或方案 · cohorts or protocols")],
    as_json: Json = False,
) -> int:
    """For each cohort the codes that its lists would gain and lose. Changes nothing. Exit 1 if any would change."""
    from studies.cohorts.as_json import as_json as plain
    from studies.cohorts.terminology import impact as impacts
    from studies.cohorts.terminology import read_release
    from studies.cohorts.written import read_written

    existing_files([old, new, *definitions])
    cohorts = {str(path): read_written(text_of(path), path.stem).cohort for path in definitions}
    found = impacts(
        read_release(old.read_bytes(), old.name), read_release(new.read_bytes(), new.name), cohorts
    )
    for one in found:
        say(f"{Path(one.cohort).name}  {'有变化 · changes' if one.changed else '无变化 · unchanged'}")
        for codes in one.lists:
            added, removed = (" ".join(code for _, code in pairs) for pairs in (codes.added, codes.removed))
            say(f"  {codes.name or '（内联代码 · codes in the text）'}  +{added or '0'}  -{removed or '0'}")
    if as_json:
        answer({"cohorts": [{"cohort": one.cohort, "lists": plain(one.lists)} for one in found]})
    return Exit.NO if any(one.changed for one in found) else Exit.YES


def _said(one: Any) -> dict[str, Any]:
    return {
        "reference": one.reference, "zh": one.title.zh, "en": one.title.en, "codes_count": len(one.entries),
        "author": one.author, "reviewer": one.reviewer, "signed_date": one.signed_date, "signed": one.signed,
        "source": one.source, "sha256": one.sha256,
    }  # fmt: skip
