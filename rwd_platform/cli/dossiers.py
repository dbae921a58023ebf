"""Verbs of a package: what people have to say, what is missing, and assembling it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import deployment, person, researcher
from rwd_platform.cli.files import text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.flows.dossier_inputs import Wanted
    from rwd_platform.flows.platform import Platform
    from rwd_platform.log.entry import Actor

Study = Annotated[str, typer.Argument(help="研究编号 · study id")]
Purpose = Annotated[
    str,
    typer.Option(
        help="registration | indication | special_food | insurance | post_market | commercial | award | "
        "pre_communication"
    ),
]
Audience = Annotated[str, typer.Option(help="authority | aggregate")]
Rows = Annotated[str, typer.Option(help="行级数据层级 · tier of row data: T0 | T1 | T2 | T3")]
Certificate = Annotated[
    Path | None, typer.Option(help="接收方证书（PEM），T3 需要 · the recipient's certificate, for T3")
]


def statements(
    study_id: Study,
    file: Annotated[
        Path | None, typer.Argument(help="填写好的 YAML；不给则只显示 · the file filled in; none: show")
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="输出供填写的文件 · print the file to be filled in")
    ] = False,
    purpose: Purpose = "registration",
    login: Annotated[
        str, typer.Option("--login", help="登录名，提交时需要 · your login name, to send a file")
    ] = "",
    as_json: Json = False,
) -> int:
    """All that the file says is kept under the name of who logs in, or nothing of it. Exit 0, also where there is
    nothing to show."""
    from rwd_platform.access.permissions import Action, get_visible
    from rwd_platform.flows.dossier import profile_of
    from rwd_platform.flows.statements import put_statements, statements_of
    from rwd_platform.records.tables import Study as StudyRow
    from studies.evidence.statements import asked, blank_file, read_statements

    with person(login) if login else _at_the_command_line() as (platform, actor):
        new = read_statements(text_of(file)) if file is not None else {}
        written = put_statements(platform, actor, study_id, new) if new else []
        study = get_visible(platform.records, actor, Action.PACKAGE_ASSEMBLE, StudyRow, study_id)
        said = statements_of(platform, study_id)
    if blank:
        say(blank_file(profile_of(study, purpose), said).rstrip("\n"))
        return Exit.YES
    if as_json:
        answer(
            {
                "written": [one.statement for one in written],
                "statements": {id: list(one) for id, one in said.items()},
            }
        )
    for id, one in said.items():
        say(f"{id}  {asked()[id].asks.zh} · {asked()[id].asks.en}")
        for text in dict.fromkeys(one):
            say(f"  {text}")
    sum_up(
        f"已填写 {len(said)} 项，本次写入 {len(written)} 项 · {len(said)} written, {len(written)} of them now"
    )
    return Exit.YES


def missing(
    study_id: Study,
    purpose: Purpose = "registration",
    audience: Audience = "authority",
    rows: Rows = "",
    certificate: Certificate = None,
    as_json: Json = False,
) -> int:
    """What the package would lack. Exit 1 where something is missing, 0 where nothing is."""
    from rwd_platform.flows.dossier import check_dossier

    with deployment() as platform:
        found = check_dossier(
            platform, researcher(platform), study_id, _wanted(purpose, audience, rows, certificate)
        ).lacking
    if as_json:
        answer({"lacking": found})
    for one in found:
        say(f"{one['id']}  {one['title']['zh']} · {one['title']['en']}")
        say(f"  {one['who']['zh']}：{one['next']['zh']}")
        say(f"  {one['who']['en']}: {one['next']['en']}")
    sum_up(f"缺 {len(found)} 项 · {len(found)} missing" if found else "什么都不缺 · nothing is missing")
    return Exit.NO if found else Exit.YES


def assemble(
    study_id: Study,
    purpose: Purpose = "registration",
    audience: Audience = "authority",
    rows: Rows = "",
    certificate: Certificate = None,
    as_json: Json = False,
) -> int:
    """Build the package of the newest run and put it on record."""
    from rwd_platform.flows.evidence import assemble_evidence

    wanted = _wanted(purpose, audience, rows, certificate)
    with deployment() as platform:
        made = assemble_evidence(
            platform,
            researcher(platform),
            study_id,
            wanted.purpose,
            wanted.audience,
            tier=wanted.tier,
            certificate=wanted.certificate,
        )
        path = platform.layout.packages / made.file_name
    facts = {"id": made.id, "path": str(path), "sha256": made.sha256}
    if as_json:
        answer(facts)
    for name, value in facts.items():
        say(f"{name}: {value}")
    return Exit.YES


def _wanted(purpose: str, audience: str, rows: str, certificate: Path | None) -> Wanted:
    from rwd_platform.flows.dossier_inputs import Wanted

    return Wanted(purpose, audience, rows, text_of(certificate) if certificate else "")


@contextmanager
def _at_the_command_line() -> Iterator[tuple[Platform, Actor]]:
    with deployment() as platform:
        yield platform, researcher(platform)
