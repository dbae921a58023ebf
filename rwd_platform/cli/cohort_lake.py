"""`rwd cohort check | count | steps | explain`: a definition in the house's own language, asked of the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import caller, deployment, person
from rwd_platform.cli.files import text_of
from rwd_platform.cli.options import Json
from rwd_platform.cli.output import answer, many, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from studies.cohorts.explain import Explanation, Looked
    from studies.cohorts.feasibility import FeasibilityCount, ShownCharacteristics

Definition = Annotated[Path, typer.Argument(help="队列定义或方案 YAML · a cohort or a protocol")]


def add_verbs(cohort: typer.Typer) -> None:
    cohort.command("check", help="检查定义并写成句子 · lint a definition and say it in sentences")(check)
    cohort.command("count", help="各步骤的可行性人数 · patients at each step, protected")(count)
    cohort.command("steps", help="各步骤的人数与特征 · and who is lost, protected")(steps)
    cohort.command("explain", help="一名患者为何入组或出组 · why one patient is in or out")(explain)


def check(definition: Definition, as_json: Json = False) -> int:
    """Sentences and findings. Exit 1 if the linter finds an error. Needs no database."""
    from studies.cohorts.as_json import as_json as plain
    from studies.cohorts.lint import errors
    from studies.cohorts.written import read_written

    written = read_written(text_of(definition), definition.stem)
    for one in written.sentences:
        say(f"{one.text.zh}\n  {one.text.en}")
    for finding in written.findings:
        say(f"{'✗' if finding.level == 'error' else '!'} {finding.line}: {finding.text.zh} {finding.text.en}")
        say(f"  → {finding.todo.zh} {finding.todo.en}")
    wrong = errors(written.findings)
    if as_json:
        answer(
            plain({"sha256": written.sha256, "sentences": written.sentences, "findings": written.findings})
        )
    sum_up(f"{len(wrong)} 个错误 · {many(len(wrong), 'error')}")
    return Exit.NO if wrong else Exit.YES


def count(definition: Definition, as_json: Json = False) -> int:
    """Patients at each step of the lake, rounded; null with --json: fewer than the minimum."""
    return _counted(definition, as_json, characteristics=False)


def steps(definition: Definition, as_json: Json = False) -> int:
    """As `count`, with who is lost at each step and who remains."""
    return _counted(definition, as_json, characteristics=True)


def _counted(definition: Path, as_json: bool, *, characteristics: bool) -> int:
    from rwd_platform.flows.cohorts import count_cohort
    from rwd_platform.log.entry import Actor
    from studies.cohorts.as_json import as_json as plain

    text = text_of(definition)
    with deployment() as platform:
        # Whoever may use this command line works here as a researcher of the operator: operators may not study.
        actor = Actor(caller(), "researcher", platform.settings.operator)
        found = count_cohort(platform, actor, text, characteristics=characteristics)
    _say(found)
    if as_json:
        answer(plain(found))
    sum_up(f"{found.note.zh} {found.note.en}")
    return Exit.YES


def _say(found: FeasibilityCount) -> None:
    for step in found.steps:
        remaining, left = (_number(one, found.minimum) for one in (step.remaining, step.left))
        say(f"{remaining:>9}  (−{left})  {step.reason.zh} · {step.reason.en}")
        if step.lost is not None:
            _say_who(step.lost, found.minimum)
    if found.kept is not None:
        say("队列 · the cohort")
        _say_who(found.kept, found.minimum)


def _say_who(who: ShownCharacteristics, minimum: int) -> None:
    from studies.cohorts.characteristics import NAMES

    for name, values in who.counts.items():
        said = ", ".join(f"{value} {_number(n, minimum)}" for value, n in values.items())
        if said:
            say(f"             {NAMES[name].zh} · {NAMES[name].en}: {said}")


def _number(n: int | None, minimum: int) -> str:
    return f"<{minimum}" if n is None else f"{n:,}"


def explain(
    definition: Definition,
    patient: Annotated[str, typer.Argument(help="研究数据库中的假名 · the lake's pseudonym")],
    login: Annotated[str, typer.Option("--login", help="您的登录名 · your login name")],
    as_json: Json = False,
) -> int:
    """The path of one of your hospital's patients. Exit 1 if the patient is not in the cohort. Stands in the log."""
    from rwd_platform.flows.cohorts import explain_patient
    from studies.cohorts.as_json import as_json as plain

    text = text_of(definition)
    with person(login) as (platform, actor):
        found = explain_patient(platform, actor, text, patient)
    _say_path(found)
    if as_json:
        answer(plain(found))
    return Exit.YES if found.included else Exit.NO


def _say_path(found: Explanation) -> None:
    if not found.in_store:
        return sum_up("研究数据库中没有这名患者 · there is no such patient in the study store")
    for step in found.steps:
        mark = {True: "✓", False: "✗", None: "·"}[step.passed]
        say(
            f"{mark} {step.reason.zh} · {step.reason.en}"
            if step.kind != "store"
            else f"{mark} {step.reason.zh}"
        )
        for one in step.judged:
            key = " ".join((one.row.table, *one.row.key, one.row.date, one.row.code)).strip()
            say(f"    {'✓' if one.held else '✗'} {key}")
            _say_why(one.why, 6)
    return sum_up(
        "在队列中 · in the cohort" if found.included else f"不在队列中 · not in the cohort: {found.left_at}"
    )


def _say_why(why: Looked | None, indent: int) -> None:
    if why is None:
        return
    parts: list[Any] = [f"{a or '…'} – {b or '…'}" for a, b in why.windows]
    if why.counted is not None:
        parts.append(f"{why.counted} ({why.operator} {why.needed})")
    parts += [f"{one.column} {one.operator} {list(one.values)}: {one.found}" for one in why.tests]
    if parts:
        say(f"{' ' * indent}{'✓' if why.held else '✗'} {'  '.join(parts)}")
    for part in why.parts:
        _say_why(part, indent + 2)
