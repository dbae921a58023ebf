"""What questions about packages wait for on somebody's home."""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.package_questions import questions_of
from rwd_platform.flows.platform import Platform
from rwd_platform.records.lifecycles import ReviewState
from rwd_platform.server.deps import Visitor

Waiting = tuple[str, Bilingual, str, Bilingual]
_WHERE = "/package-questions"


def to_do(platform: Platform, visitor: Visitor) -> list[Waiting]:
    """Answers that the team owes, and answers that whoever asked has not looked at yet."""
    answers, asks = visitor.may("package.answer"), visitor.may("package.ask")
    if not answers and not asks:
        return []
    own = visitor.actor.organisation
    found = questions_of(platform, visitor.actor)
    owed = [
        one
        for one in found
        if answers and one.question.study_organisation_id == own and one.question.state == ReviewState.ASKED
    ]
    answered = [
        one
        for one in found
        if asks and one.question.organisation_id == own and one.question.state == ReviewState.ANSWERED
    ]
    todos: list[Waiting] = []
    if owed:
        late = sum(one.overdue for one in owed)
        first = min(one.question.due_on for one in owed)
        text = Bilingual(
            f"{len(owed):,} 个对证据包的提问待答复，最早期限 {first}"
            + (f"，{late:,} 个已逾期" if late else ""),
            f"Questions about packages that wait for an answer: {len(owed):,}, the first by {first}"
            + (f"; overdue: {late:,}" if late else ""),
        )
        todos.append(("bad" if late else "held", text, _WHERE, Bilingual("去答复", "Answer")))
    if answered:
        text = Bilingual(
            f"{len(answered):,} 个提问已得到答复",
            f"Your questions about packages that were answered: {len(answered):,}",
        )
        todos.append(("quiet", text, _WHERE, Bilingual("查看", "See")))
    return todos
