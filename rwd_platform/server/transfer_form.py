"""The questions of a transfer, as a form: every fact is asked for and none is filled in for the asker.

Keys are those of `rwd transfer decide`, and for what comes in those of `rwd transfer inbound`;
tests/server/test_transfer_form.py and test_inbound.py hold the forms to the whole lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import yaml
from starlette.datastructures import FormData

from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.server.already_counted import with_keys

Kind = Literal["day", "day_or_none", "flag", "choice", "count", "count_or_none", "name_or_none"]

YES_NO = (("yes", Bilingual("是", "Yes")), ("no", Bilingual("否", "No")))
NONE = "none"  # of a choice: the answer that there is none, where it has to be given
_HERE = Path(__file__).parent
_NO_HINT = Bilingual("", "")
_FURTHEST = timedelta(days=366)

DAY_FAR = Problem(
    code="transfer.day_far",
    zh="日期不能使用：距今天已超过一年，届时适用的规则现在还不知道。",
    en="The day cannot be used: it is more than a year ahead, and the rules of that day are not known yet.",
    next_zh="请改为一年以内的日期；计划更晚的，临近时再判定。",
    next_en="Give a day within a year; for a later plan, ask again when it is near.",
    http=422,
)


@dataclass(frozen=True)
class Question:
    """One fact. `choices` holds (value, words); "" among them stands for null."""

    key: str
    ask: Bilingual
    kind: Kind = "flag"
    choices: tuple[tuple[str, Bilingual], ...] = YES_NO
    hint: Bilingual = _NO_HINT

    @property
    def may_be_empty(self) -> bool:
        return self.kind.endswith("_or_none") or any(not value for value, _ in self.choices)


@dataclass(frozen=True)
class Group:
    title: Bilingual
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Answers:
    """What was filled in, as text, so that a form can be shown again as it was."""

    title_zh: str = ""
    title_en: str = ""
    recipient: str = ""
    package_id: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, form: FormData, questions: Sequence[Question] | None = None) -> Answers:
        """The text sent for these questions; without any, for those of a transfer abroad."""
        sent = {key: value for key, value in form.items() if isinstance(value, str)}
        own = {
            name: sent.get(name, "").strip()[:300]
            for name in ("title_zh", "title_en", "recipient", "package_id")
        }
        return cls(
            **own, values={one.key: sent.get(one.key, "").strip()[:200] for one in questions or QUESTIONS}
        )


def _read_groups(name: str) -> tuple[Group, ...]:
    listed = yaml.safe_load((_HERE / name).read_text("utf-8"))
    return tuple(
        Group(Bilingual(**group["title"]), tuple(_question(one) for one in group["questions"]))
        for group in listed
    )


def _question(one: Mapping[str, Any]) -> Question:
    choices = tuple((value, Bilingual(zh, en)) for value, zh, en in one.get("choices", ())) or YES_NO
    hint = Bilingual(one["hint_zh"], one["hint_en"])
    return Question(one["key"], Bilingual(one["zh"], one["en"]), one["kind"], choices, hint)


GROUPS: tuple[Group, ...] = _read_groups("transfer_questions.yaml")
QUESTIONS: tuple[Question, ...] = tuple(question for group in GROUPS for question in group.questions)
INBOUND_GROUPS: tuple[Group, ...] = _read_groups("inbound_questions.yaml")
INBOUND_QUESTIONS: tuple[Question, ...] = tuple(one for group in INBOUND_GROUPS for one in group.questions)


def blank(package_id: str, now: datetime, known: Mapping[str, str] | None = None) -> Answers:
    """An empty form. Only the date is proposed, today in China, and what is on record: `known`."""
    return Answers(package_id=package_id, values={"on": shanghai_date(now).isoformat(), **(known or {})})


def check_day(answers: Answers, now: datetime) -> None:
    """Raises `transfer.day_far` for a day more than a year ahead; what is no day is left to the rules."""
    try:
        on = date.fromisoformat(answers.values.get("on", ""))
    except ValueError:
        return
    if on > shanghai_date(now) + _FURTHEST:
        raise DAY_FAR.error()


def facts(answers: Answers, questions: Sequence[Question] = QUESTIONS) -> dict[str, Any]:
    """The nested case. An unanswered question is left out, so that the rules name it as missing.

    Raises `transfer.already_counted_unfit`; a form that asks who was counted already says nothing of person keys.
    """
    case: dict[str, Any] = {}
    for question in questions:
        text = answers.values.get(question.key, "")
        if not text and not question.may_be_empty:
            continue
        place = case
        *parents, leaf = question.key.split(".")
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = _typed(question, text)
    return with_keys(case) if questions is QUESTIONS else case


def _typed(question: Question, text: str) -> Any:
    if question.kind == "count_or_none" and not text:
        return 0
    if not text or (question.kind == "choice" and text == NONE):
        return None
    if question.kind == "flag":
        return {"yes": True, "no": False}.get(text, text)
    if question.kind in ("count", "count_or_none"):
        return int(text) if text.isdecimal() and text.isascii() and len(text) <= 12 else text
    return text


def flat(case: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The facts by dotted key, for showing them again beside their questions."""
    found: dict[str, Any] = {}
    for key, value in case.items():
        inner = f"{path}.{key}" if path else key
        found.update(flat(value, inner) if isinstance(value, Mapping) else {inner: value})
    return found


def answer_of(question: Question, value: Any) -> Bilingual:
    """How an answer reads: the choice's own words, or the value."""
    if value is None:
        return dict(question.choices).get(NONE, Bilingual("无", "None"))
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, int):
        return Bilingual(f"{value:,}", f"{value:,}")
    words = dict(question.choices).get(str(value)) if question.kind in ("flag", "choice") else None
    return words or Bilingual(str(value), str(value))
