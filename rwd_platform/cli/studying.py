"""Verbs of the researcher: study register, freeze, lock, run, unseal; of evidence (rwd_platform.cli.dossiers)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rwd_platform.cli import accepting, designs, dossiers, unsealing
from rwd_platform.cli.deployment import deployment, researcher
from rwd_platform.cli.files import text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, note, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rwd_platform.core.text import Bilingual
    from rwd_platform.records.tables import AnalysisRun
    from studies.protocol import Protocol

Study = Annotated[str, typer.Argument(help="研究编号 · study id")]


def register(app: typer.Typer) -> None:
    study = typer.Typer(help="研究 · studies", no_args_is_help=True)
    study.command("list")(list_studies)
    study.command("register", help="登记方案 · register a protocol")(register_protocol)
    study.command("design", help="冻结前：设计的运行特征 · before the freeze: what the design does")(
        designs.show
    )
    study.command("freeze", help="冻结方案 · freeze the protocol")(freeze)
    study.command("lock", help="锁定数据 · lock the data")(lock)
    study.command("run", help="运行分析 · run the analyses")(run)
    study.command("unseal", help="申请揭盲 · ask for the results to be unsealed")(unsealing.ask)
    study.command("unseal-vote", help="对揭盲申请表决 · another person's word")(unsealing.cast_vote)
    study.command("lock-difference", help="两次数据锁定的差异 · two data locks compared")(lock_difference)
    app.add_typer(study, name="study")
    evidence = typer.Typer(help="证据包 · evidence packages", no_args_is_help=True)
    evidence.command("statements", help="由人填写的说明 · what people have to say")(dossiers.statements)
    evidence.command("missing", help="证据包还缺什么 · what a package lacks")(dossiers.missing)
    evidence.command("assemble", help="组装证据包 · assemble a package")(dossiers.assemble)
    evidence.command("accept", help=accepting.HELP)(accepting.accept)
    app.add_typer(evidence, name="evidence")


def list_studies(as_json: Json = False) -> int:
    from sqlmodel import select

    from rwd_platform.flows.platform import open_platform
    from rwd_platform.records.tables import Study as StudyRow
    from rwd_platform.settings import load_settings

    for study in open_platform(load_settings()).records.all(select(StudyRow)):
        say(f"{study.id}  {study.project_id}  {study.state}  {study.title_zh}")
        if as_json:
            answer({"id": study.id, "project": study.project_id, "state": study.state})
    return Exit.YES


def register_protocol(
    protocol: Annotated[Path, typer.Argument(help="方案 YAML · the protocol")], as_json: Json = False
) -> int:
    from rwd_platform.flows.study import register_study

    text = text_of(protocol)
    with deployment() as platform:
        study = register_study(platform, researcher(platform), text)
    return _done(as_json, id=study.id, state=study.state, protocol_sha256=study.protocol_sha256)


def freeze(study_id: Study, reason: Annotated[str, typer.Option("--reason")], as_json: Json = False) -> int:
    from rwd_platform.flows.study import freeze_protocol

    with deployment() as platform:
        study = freeze_protocol(platform, researcher(platform), study_id, reason)
    return _done(as_json, id=study.id, state=study.state, protocol_sha256=study.protocol_sha256)


def lock(study_id: Study, as_json: Json = False) -> int:
    from rwd_platform.flows.study import lock_data

    with deployment() as platform:
        made = lock_data(platform, researcher(platform), study_id)
    return _done(as_json, id=made.id, path=str(platform.layout.lock(made.id)))


def run(study_id: Study, as_json: Json = False) -> int:
    """Which analyses were computed, which are sealed, and which gave no result and why."""
    from rwd_platform.flows.study import run_study
    from rwd_platform.records.tables import Study as StudyRow
    from studies.protocol import load_protocol

    with deployment() as platform:
        made = run_study(platform, researcher(platform), study_id)
        protocol = load_protocol(platform.records.get(StudyRow, made.study_id).protocol)
    if as_json:
        answer(
            {
                "id": made.id,
                "results_sha256": made.results_sha256,
                "not_done": made.results["not_done"],
                "sealed": made.sealed_analyses,
            }
        )
    _tell_run(made, protocol)
    return Exit.YES


def _tell_run(made: AnalysisRun, protocol: Protocol) -> None:
    """Each planned analysis once: computed, sealed or without a result, with the reason."""
    titles = {one.id: one.title for one in protocol.analyses}
    without: Mapping[str, str] = made.results["not_done"]
    computed = {row["analysis"] for row in made.results["rows"]} - set(made.sealed_analyses)
    say(f"运行 · run  {made.id}")
    say(f"结果 · results  SHA-256 {made.results_sha256}")
    _list("已算完，可以查看 · computed, to be read", [id for id in titles if id in computed], titles)
    _list("已封存，揭盲后可见 · sealed until unsealed", made.sealed_analyses, titles)
    _list("没有得出结果 · without a result", list(without), titles, without)
    if made.sealed_analyses:
        say(
            "封存的分析是否得出结果，揭盲后才能知道 · whether a sealed one gave a result is told after unsealing"
        )
        note(
            f"估计值已封存；核对诊断后申请揭盲 · estimates are sealed; look at the diagnostics, then: "
            f"rwd study unseal {made.study_id}"
        )


def _list(
    heading: str,
    ids: Sequence[str],
    titles: Mapping[str, Bilingual],
    reasons: Mapping[str, str] | None = None,
) -> None:
    """Analyses, or parts of one (`all.adjusted.ph`), by id and title; nothing is said of none."""
    from studies.reasons import in_language

    if ids:
        say(f"{heading} ({len(ids)})")
    for id in ids:
        title = next((words for one, words in titles.items() if id == one or id.startswith(f"{one}.")), None)
        say(f"  {id}  {title.zh} · {title.en}" if title else f"  {id}")
        if reasons:
            say(f"    {in_language(reasons[id], 'zh')}")
            say(f"    {in_language(reasons[id], 'en')}")


def lock_difference(
    study_id: Study,
    before: Annotated[str, typer.Argument(help="较早的数据锁定 · the older lock")],
    after: Annotated[str, typer.Argument(help="较新的数据锁定 · the newer lock")],
    as_json: Json = False,
) -> int:
    """Columns, rows, facts and steps that differ. Exit 0 whenever the locks could be compared."""
    from rwd_platform.flows.lock_difference import lock_difference as compare

    with deployment() as platform:
        found = compare(platform, researcher(platform), study_id, before, after)
    if as_json:
        answer(found.as_dict())
    for one in found.tables:
        columns = [f"+{name}" for name in one.columns_added] + [f"-{name}" for name in one.columns_removed]
        say(
            f"{one.table}: 行 · rows {one.rows_before} → {one.rows_after}, 增 · added {one.added},"
            f" 减 · removed {one.removed}, 改 · changed {one.changed} {' '.join(columns)}".rstrip()
        )
    for step in found.steps:
        say(f"{step.zh} · {step.en}: {step.remaining_before} → {step.remaining_after}")
    for fact in found.facts:
        say(f"{fact.fact}: 不同 · differs")
    for name in found.not_comparable:
        note(f"{name} 不同，无法逐行比较 · differs, so rows cannot be compared one by one")
    sum_up("相同 · the same" if found.same else "不同 · different")
    return Exit.YES


def _done(as_json: bool, **facts: object) -> int:
    if as_json:
        answer(facts)
    for name, value in facts.items():
        say(f"{name}: {value}")
    return Exit.YES
