"""rwd quality questions | ask | answer | decide | fitness: findings put to hospitals, and fitness for use.

Whoever asks, answers or decides does it under an account of their own, with its password: closing takes a second
person, and an account of the operating system may be several people's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rwd_platform.cli.deployment import caller, deployment, person
from rwd_platform.cli.options import Json, Login
from rwd_platform.cli.output import answer, say, sum_up
from rwd_platform.core.errors import Exit

if TYPE_CHECKING:
    from rwd_platform.flows.quality_question_list import QuestionSeen
    from rwd_platform.records.tables import QualityQuestion

QuestionId = Annotated[str, typer.Argument(help="质疑编号 · the question")]
Text = Annotated[str, typer.Option("--text", help="说明 · why")]


def register(app: typer.Typer) -> None:
    """The verbs join the group `quality`, which the verbs of operation have made."""
    group = next(one.typer_instance for one in app.registered_groups if one.name == "quality")
    assert group is not None  # noqa: S101 - a group is registered with its instance
    group.command("questions", help="质疑一览 · questions to hospitals")(list_questions)
    group.command("ask", help="向医院提出质疑 · ask a hospital")(ask_hospital)
    group.command("answer", help="医院答复 · a hospital's answer")(give_answer)
    group.command("decide", help="关闭或退回 · close or return")(decide_question)
    group.command("fitness", help="数据适用性评估 · fitness for use of a study's data")(assess_fitness)


def list_questions(
    login: Login,
    hospital: Annotated[str, typer.Option("--hospital", help="医院编号 · hospital")] = "",
    state: Annotated[str, typer.Option("--state", help="open | asked | answered | …")] = "open",
    older_than: Annotated[int, typer.Option("--older-than", min=0, help="天 · days")] = 0,
    page: Annotated[int, typer.Option("--page", min=1)] = 1,
    as_json: Json = False,
) -> int:
    """A page of the questions that you may read, the oldest first; the last line says how many there are."""
    from rwd_platform.flows.quality_question_list import QuestionFilter, questions_seen

    with person(login) as (platform, actor):
        found, total = questions_seen(platform, actor, QuestionFilter(hospital, state, older_than), page)
    if as_json:
        answer({"total": total, "questions": [_facts(one) for one in found]})
    for one in found:
        now = one.now.status if one.now else "-"
        say(
            f"{one.row.id}  {one.row.state}  {one.row.organisation_id}  {one.row.rule}  {one.age_days} d  → {now}"
        )
    sum_up(f"{len(found):,} / {total:,}")
    return Exit.YES


def ask_hospital(
    rule: Annotated[str, typer.Argument(help="规则 · the rule")],
    hospital: Annotated[str, typer.Option("--hospital", help="医院编号 · hospital")],
    login: Login,
    text: Annotated[str, typer.Option("--text", help="补充说明 · more to say")] = "",
    as_json: Json = False,
) -> int:
    """Puts a failing rule of the newest check to a hospital, and looks up where its rows came from."""
    from rwd_platform.flows.jobs import drain
    from rwd_platform.flows.quality_questions import ask
    from rwd_platform.records.tables import QualityQuestion

    with person(login) as (platform, actor):
        id = ask(platform, actor, hospital, rule, text).id
        drain(platform, "cli")
        question = platform.records.get(QualityQuestion, id)
    return _done(question, as_json)


def give_answer(
    question_id: QuestionId,
    login: Login,
    kind: Annotated[str, typer.Option("--answer", help="corrected | confirmed | cannot_be_mended")],
    text: Text,
    upload: Annotated[str, typer.Option("--upload", help="更正批次 · the upload that corrects")] = "",
    as_json: Json = False,
) -> int:
    from rwd_platform.flows.quality_questions import answer as answer_question

    with person(login) as (platform, actor):
        question = answer_question(platform, actor, question_id, kind, text, upload)
    return _done(question, as_json)


def decide_question(
    question_id: QuestionId,
    login: Login,
    close: Annotated[bool, typer.Option("--close/--return", help="关闭或退回 · close or return")],
    text: Text,
    as_json: Json = False,
) -> int:
    """Close it as a second person, or return it to the hospital. It is about the newest entry."""
    from rwd_platform.flows.quality_question_list import question_seen
    from rwd_platform.flows.quality_questions import CLOSE, RETURN, decide

    with person(login) as (platform, actor):
        seen = question_seen(platform, actor, question_id).row.entries
        question = decide(platform, actor, question_id, CLOSE if close else RETURN, text, seen)
    return _done(question, as_json)


def assess_fitness(
    study_id: Annotated[str, typer.Argument(help="研究编号 · study id")], as_json: Json = False
) -> int:
    """Assess a study's data now. Exit 1 when an item is not met."""
    from rwd_platform.flows.fitness import assess_study, fitness_of
    from rwd_platform.log.entry import Actor

    with deployment() as platform:
        # Whoever may use this command line works here as a researcher of the operator: operators may not study.
        actor = Actor(caller(), "researcher", platform.settings.operator)
        assess_study(platform, actor, study_id)
        document = fitness_of(platform, actor, study_id).document
    assert document is not None  # noqa: S101 - it was assessed a moment ago
    if as_json:
        answer(document)
    for item in document["items"]:
        say(f"{item['status']:<10} {item['id']}")
        say(f"           {item['text']['zh']}\n           {item['text']['en']}")
        say(f"           {item['reason']['zh']} {item['reason']['en']}")
        for figure in item["figures"]:
            whole = "" if figure["of"] is None else f" / {figure['of']:,}"
            say(f"           · {figure['zh']} {figure['en']}: {figure['value']}{whole}")
    counts = {status: sum(one[status] for one in document["counts"].values()) for status in _STATUSES}
    sum_up(" · ".join(f"{status} {count}" for status, count in counts.items()))
    return Exit.NO if counts["not_met"] else Exit.YES


_STATUSES = ("met", "partly", "not_met", "not_known")


def _facts(seen: QuestionSeen) -> dict[str, Any]:
    row = seen.row
    return {
        "id": row.id,
        "organisation": row.organisation_id,
        "rule": row.rule,
        "state": row.state,
        "asked_at": row.asked_at,
        "age_days": seen.age_days,
        "failing": row.failing,
        "applicable": row.applicable,
        "now": {"status": seen.now.status, "failing": seen.now.failing} if seen.now else None,
        "zh": seen.rule.zh,
        "en": seen.rule.en,
    }


def _done(question: QualityQuestion, as_json: bool) -> int:
    if as_json:
        answer({"id": question.id, "state": question.state, "rows": question.rows_total})
    say(f"{question.id}\n{question.state}")
    return Exit.YES
