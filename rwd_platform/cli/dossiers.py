"""Verbs of a package: what people have to say, what is missing, and assembling it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli.deployment import deployment, person, researcher
from rwd_platform.cli.files import bytes_of, text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.cli.unexpected import Debug, in_words
from rwd_platform.core.errors import Exit, PlatformError

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
Audience = Annotated[
    str,
    typer.Option(
        help="authority | aggregate；不给则取该用途的第一种 · the purpose's first where none is given"
    ),
]
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
    # Whoever sent a file knows what it says: of that only what is new is told, and how much there is.
    new_ids = {one.statement for one in written}
    for id, one in said.items():
        if file is not None and id not in new_ids:
            continue
        say(f"{id}  {asked()[id].asks.zh} · {asked()[id].asks.en}")
        for text in () if file is not None else dict.fromkeys(one):
            say(f"  {text}")
    sum_up(
        f"已填写 {len(said)} 项，本次写入 {len(written)} 项 · {len(said)} written, {len(written)} of them now"
    )
    return Exit.YES


def missing(
    study_id: Study,
    purpose: Purpose = "registration",
    audience: Audience = "",
    rows: Rows = "",
    certificate: Certificate = None,
    debug: Debug = False,
    as_json: Json = False,
) -> int:
    """What the package would lack. Exit 1 where something is missing, 0 where nothing is."""
    from rwd_platform.flows.dossier import check_dossier

    with in_words(debug=debug), deployment() as platform:
        actor = researcher(platform)
        wanted = _wanted(platform, actor, study_id, purpose, audience, rows, certificate)
        found = check_dossier(platform, actor, study_id, wanted).lacking
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
    audience: Audience = "",
    rows: Rows = "",
    certificate: Certificate = None,
    debug: Debug = False,
    as_json: Json = False,
) -> int:
    """Build the package of the newest run and put it on record."""
    from rwd_platform.flows.evidence import assemble_evidence
    from rwd_platform.flows.timestamps import standing_of_package

    with in_words(debug=debug), deployment() as platform:
        actor = researcher(platform)
        wanted = _wanted(platform, actor, study_id, purpose, audience, rows, certificate)
        made = assemble_evidence(
            platform,
            actor,
            study_id,
            wanted.purpose,
            wanted.audience,
            tier=wanted.tier,
            certificate=wanted.certificate,
        )
        path = platform.layout.packages / made.file_name
        stamped = standing_of_package(platform, made).as_dict()
    facts = {"id": made.id, "path": str(path), "sha256": made.sha256}
    if as_json:
        answer({**facts, "timestamp": stamped})
    for name, value in facts.items():
        say(f"{name}: {value}")
    say(f"timestamp: {stamped['state']} {stamped.get('at') or stamped.get('en', '')}".rstrip())
    return Exit.YES


def _wanted(
    platform: Platform,
    actor: Actor,
    study_id: str,
    purpose: str,
    audience: str,
    rows: str,
    certificate: Path | None,
) -> Wanted:
    """What is asked for; where no audience is named, the first that the purpose has for this study."""
    from rwd_platform.access.permissions import Action, get_visible
    from rwd_platform.flows.dossier import audience_for
    from rwd_platform.flows.dossier_inputs import Wanted
    from rwd_platform.records.tables import Study as StudyRow

    if not audience:
        study = get_visible(platform.records, actor, Action.PACKAGE_ASSEMBLE, StudyRow, study_id)
        audience = audience_for(study, purpose)
    return Wanted(purpose, audience, rows, _certificate(certificate) if certificate else "")


def _certificate(path: Path) -> str:
    """As it stands in the file; the flow reads it. A key in a file that is no text is told as the key that it is."""
    from studies.evidence.recipient import LARGEST_CERTIFICATE, PRIVATE_KEY_GIVEN, holds_private_key

    try:
        return text_of(path)
    except PlatformError:
        if path.is_file() and holds_private_key(b64encode(bytes_of(path, LARGEST_CERTIFICATE // 2)).decode()):
            raise PRIVATE_KEY_GIVEN.error() from None
        raise


@contextmanager
def _at_the_command_line() -> Iterator[tuple[Platform, Actor]]:
    with deployment() as platform:
        yield platform, researcher(platform)
