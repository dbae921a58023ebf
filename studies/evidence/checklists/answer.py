"""Answers a checklist from a package: each item with its places, why it does not apply, or who has to act."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.looking import Found, look
from studies.evidence.checklists.model import Checklist, Item, Place, Statement
from studies.evidence.checklists.package_view import PackageView
from studies.evidence.checklists.predicates import PREDICATES
from studies.evidence.checklists.reader import ALWAYS
from studies.evidence.profiles.conditions import WITHHELD_HERE
from studies.evidence.templates.verify import REPORT_JSON

Status = Literal["answered", "not_applicable", "explained", "needs_statement", "missing"]
STATUSES: tuple[Status, ...] = ("answered", "not_applicable", "explained", "needs_statement", "missing")

_RESULTS, _OF_RESULTS = "data/05_results/", (REPORT_JSON,)
UNSAID = Bilingual("尚无人声明", "nobody has stated it")


@dataclass(frozen=True)
class Answer:
    """One place that answers. A statement has no file: `says` is what was stated."""

    label: Bilingual
    says: Bilingual
    file: str = ""
    pointer: str = ""
    anchor: str = ""
    statement: str = ""


@dataclass(frozen=True)
class Lack:
    """One thing that is not there: where it was looked for, why it is no answer, who does what."""

    label: Bilingual
    why: Bilingual
    who: Bilingual
    next: Bilingual
    file: str = ""
    pointer: str = ""
    statement: str = ""


@dataclass(frozen=True)
class AnsweredItem:
    """`places` also of an item that is not answered as a whole: what of it is there.

    `reason`: why it is not applicable, or a person's word why it is not there.
    """

    item: Item
    status: Status
    places: tuple[Answer, ...] = ()
    reason: Bilingual | None = None
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True)
class Answered:
    """A checklist with an answer to each of its items, in its order."""

    checklist: Checklist
    applies: bool
    items: tuple[AnsweredItem, ...]

    @property
    def counts(self) -> dict[Status, int]:
        return {status: sum(one.status == status for one in self.items) for status in STATUSES}


@dataclass(frozen=True)
class Missing:
    """A mandatory item without an answer: it stops the package."""

    checklist: str
    item: str
    asks: Bilingual
    lacks: tuple[Lack, ...]


def answer(checklist: Checklist, package: PackageView, statements: Mapping[str, Bilingual]) -> Answered:
    """Every item. `statements` are by the ids of statements.yaml; a blank one is none.

    One by `<checklist>.<item>` says why the package has no answer to that item; an answer makes it void.
    """
    applies = checklist.applies == ALWAYS or PREDICATES[checklist.applies](package)
    if not applies:
        reason = checklist.unless
        return Answered(
            checklist,
            applies=False,
            items=tuple(AnsweredItem(item, "not_applicable", reason=reason) for item in checklist.items),
        )
    items = tuple(_item(item, checklist, package, statements) for item in checklist.items)
    return Answered(checklist, applies=True, items=items)


def blocking(answered_all: Iterable[Answered]) -> list[Missing]:
    """The mandatory items of all checklists that nothing answers, in order."""
    return [
        Missing(one.checklist.id, each.item.id, each.item.asks, each.lacks)
        for one in answered_all
        for each in one.items
        if each.item.mandatory and each.status in ("needs_statement", "missing")
    ]


def _item(
    item: Item, checklist: Checklist, package: PackageView, statements: Mapping[str, Bilingual]
) -> AnsweredItem:
    for name in item.not_applicable:
        if PREDICATES[name](package):
            return AnsweredItem(item, "not_applicable", reason=checklist.reasons[name])
    asked = [_place(one, package) for one in item.answered_by]
    if item.otherwise is not None and any(isinstance(one, Lack) for one in asked):
        stated = _statement(item.otherwise, statements)
        # What the package does hold of it stays visible; the statement stands in for the rest.
        asked = [*(one for one in asked if isinstance(one, Answer)), stated]
    asked += [_statement(one, statements) for one in item.needs]
    further = [_place(one, package) for one in item.also]
    places = tuple(one for one in (*asked, *further) if isinstance(one, Answer))
    lacks = tuple(one for one in asked if isinstance(one, Lack))
    if (
        lacks
        and package.withheld
        and all(one.file in _OF_RESULTS or one.file.startswith(_RESULTS) for one in lacks)
    ):
        return AnsweredItem(item, "not_applicable", places, reason=WITHHELD_HERE)
    why = statements.get(f"{checklist.id}.{item.id}")
    if lacks and why is not None and why.zh.strip():
        return AnsweredItem(item, "explained", places, reason=why, lacks=lacks)
    return AnsweredItem(item, _status(lacks), places, lacks=lacks)


def _status(lacks: tuple[Lack, ...]) -> Status:
    if not lacks:
        return "answered"
    return "needs_statement" if all(one.statement for one in lacks) else "missing"


def _place(place: Place, package: PackageView) -> Answer | Lack:
    seen = look(place, package)
    if isinstance(seen, Found):
        return Answer(place.label, seen.says, place.file, place.pointer, seen.anchor)
    pointer = place.pointer or " | ".join(place.blocks) or place.heading
    return Lack(place.label, seen, place.action.who, place.action.next, place.file, pointer)


def _statement(statement: Statement, statements: Mapping[str, Bilingual]) -> Answer | Lack:
    said = statements.get(statement.id)
    if said is not None and said.zh.strip():
        return Answer(statement.label, said, statement=statement.id)
    action = statement.action
    return Lack(statement.label, UNSAID, action.who, action.next, statement=statement.id)
