"""Papers on file for the pages: how each stands today, its scope in words, and the form of each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlmodel import col, select
from starlette.datastructures import FormData

from rwd_platform.access.permissions import Scope, scope_of
from rwd_platform.compliance.instruments import ANY, Kind, kinds
from rwd_platform.compliance.series import adopted_scenarios
from rwd_platform.compliance.standing import purposes
from rwd_platform.compliance.working_days import add_working_days
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.text import Bilingual
from rwd_platform.flows import instruments as flow
from rwd_platform.flows import provision_view
from rwd_platform.flows.instruments import NewPaper
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_circles import registered_circles
from rwd_platform.records.records import NOT_FOUND
from rwd_platform.records.tables import InstrumentRecord, Organisation
from rwd_platform.server import queries
from rwd_platform.server.deps import Visitor

SOON_DAYS = 60  # a paper that ends within these is marked
LONGEST = 2000  # characters of a field that are kept for showing a form again
_PERSONS = "persons"

DIMENSIONS: Mapping[str, Bilingual] = {
    "purposes": Bilingual("目的", "Purposes"),
    "fields": Bilingual("数据类别", "Classes of data"),
    "recipients": Bilingual("接收方", "Recipients"),
    "projects": Bilingual("研究项目", "Projects"),
    "sites": Bilingual("医疗机构", "Sites"),
    "scenarios": Bilingual("负面清单场景（清单须已采纳）", "Scenarios of a zone's list, once it is adopted"),
    _PERSONS: Bilingual("每年最多人数", "Most persons a year"),
}
EVERYTHING = Bilingual("全部", "All")
Named = tuple[str, Bilingual]


@dataclass(frozen=True)
class Choices:
    """What a form offers: (value, words) by dimension, and the legal entities whose papers the visitor may record."""

    scope: Mapping[str, Sequence[Named]]
    exporters: Sequence[Named]

    def of(self, dimension: str, chosen: Sequence[str]) -> list[Named]:
        """What is offered, and what was chosen before and is not offered any more or was typed."""
        offered = list(self.scope.get(dimension, ()))
        known = {value for value, _ in offered} | {ANY}
        return [*offered, *((one, Bilingual(one, one)) for one in chosen if one not in known)]


@dataclass(frozen=True)
class PaperForm:
    """What was filled in, as text, so that a form can be shown again as it was."""

    kind: str = ""
    exporter: str = ""
    number: str = ""
    effective_from: str = ""
    valid_until: str = ""
    filed_on: str = ""
    answer: str = ""
    evidence_sha256: str = ""
    note: str = ""
    replaces: str = ""
    persons: str = ""
    more_projects: str = ""
    more_scenarios: str = ""
    scope: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, form: FormData) -> PaperForm:
        texts = [name for name in cls.__dataclass_fields__ if name != "scope"]
        sent = {name: _text(form.get(name)) for name in texts}
        scope = {name: [_text(one) for one in form.getlist(f"scope-{name}")][:300] for name in DIMENSIONS}
        return cls(**sent, scope=scope)

    @classmethod
    def after(cls, row: InstrumentRecord) -> PaperForm:
        """The next version of a paper: everything but its days."""
        scope = {name: list(row.scope.get(name) or ()) for name in DIMENSIONS if name != _PERSONS}
        persons = row.scope.get(_PERSONS)
        return cls(
            kind=row.kind, exporter=row.organisation_id, number=row.number, answer=row.answer, note=row.note,
            replaces=row.id, persons="" if persons is None else str(persons), scope=scope,
        )  # fmt: skip

    def as_new(self) -> NewPaper:
        """As the flow takes it: with the dimensions that the kind asks for. An unknown kind is the flow's to refuse."""
        asked = kinds()[self.kind].scope if self.kind in kinds() else ()
        scope: dict[str, Any] = {name: list(self.scope.get(name, ())) for name in asked if name != _PERSONS}
        for name, more in (("projects", self.more_projects), ("scenarios", self.more_scenarios)):
            if name in scope:
                typed = more.replace("，", ",").replace("、", ",").split(",")
                scope[name] = [*scope[name], *(one.strip() for one in typed if one.strip())]
        if _PERSONS in asked:
            scope[_PERSONS] = _whole(self.persons)
        return NewPaper(
            self.exporter, self.kind, self.number, self.effective_from, self.valid_until, self.filed_on,
            self.answer, scope, self.evidence_sha256.lower(), self.note, self.replaces,
        )  # fmt: skip


@dataclass(frozen=True)
class PaperSeen:
    """A paper as it stands today. `scope`: its dimensions, each with its entries in words."""

    row: InstrumentRecord
    kind: Kind
    exporter: Bilingual
    tone: str
    standing: Bilingual
    scope: tuple[tuple[Bilingual, Bilingual], ...]
    to_be_filed: bool
    ended: bool


def papers(platform: Platform, visitor: Visitor, exporter: str = "", kind: str = "") -> list[PaperSeen]:
    """The newest first, of those that the visitor may see."""
    rows = [
        row
        for row in flow.instruments(platform, visitor.actor)
        if exporter in ("", row.organisation_id) and kind in ("", row.kind)
    ]
    return _seen(platform, visitor, rows)


def paper(platform: Platform, visitor: Visitor, id: str) -> tuple[PaperSeen, list[PaperSeen]]:
    """One with all its versions, the newest first. Absent and hidden look alike."""
    rows = {row.id: row for row in flow.instruments(platform, visitor.actor)}
    if id not in rows:
        raise NOT_FOUND.error(kind="instrument", id=id if len(id) <= 80 and id.isprintable() else "?")
    next_of = {row.replaces: row for row in rows.values() if row.replaces}
    chain = [rows[id]]
    while chain[-1].replaces in rows:
        chain.append(rows[chain[-1].replaces])
    while chain[0].id in next_of:
        chain.insert(0, next_of[chain[0].id])
    seen = _seen(platform, visitor, chain)
    return next(one for one in seen if one.row.id == id), seen


def choices(platform: Platform, visitor: Visitor) -> Choices:
    from deidentify.classification import load_catalogue

    classes = load_catalogue().meanings["classes"]
    organisations = platform.records.all(select(Organisation).order_by(col(Organisation.id)))
    own = scope_of(visitor.actor, flow.RECORD) is Scope.OWN_ORGANISATION
    return Choices(
        scope={
            "purposes": list(purposes().items()),
            "fields": [(code, Bilingual(words["zh"], words["en"])) for code, words in classes.items()],
            "recipients": [(one.id, one.title) for one in registered_circles(platform)],
            "projects": _projects(platform, visitor),
            "sites": [_named(one) for one in organisations if one.kind == "hospital"],
            "scenarios": [
                (one, Bilingual(one, one))
                for one in sorted(adopted_scenarios(shanghai_date(platform.clock())))
            ],
        },
        exporters=[_named(one) for one in organisations if not own or one.id == visitor.actor.organisation],
    )


def standing(row: InstrumentRecord, today: date) -> tuple[str, Bilingual]:
    """How it stands on the day: tone and words."""
    day, kind = today.isoformat(), kinds()[row.kind]
    if row.revoked_on and row.revoked_on <= day:
        return "quiet", Bilingual(f"{row.revoked_on} 起不再有效", f"Ended on {row.revoked_on}")
    if row.effective_from > day:
        return "quiet", Bilingual(f"{row.effective_from} 起生效", f"Takes effect on {row.effective_from}")
    if row.valid_until and row.valid_until < day:
        return "bad", Bilingual(f"已于 {row.valid_until} 到期", f"Ran out on {row.valid_until}")
    if kind.file_within is not None and not row.filed_on:
        due = add_working_days(date.fromisoformat(row.effective_from), kind.file_within).day
        if due < today:
            return "bad", Bilingual(f"备案逾期，应于 {due} 前完成", f"Not filed: it was due by {due}")
        return "held", Bilingual(f"待备案，最迟 {due}", f"To be filed by {due}")
    left = (date.fromisoformat(row.valid_until) - today).days if row.valid_until else None
    if left is not None and left <= SOON_DAYS:
        return "held", Bilingual(
            f"还有 {left} 天到期", f"Ends in {left} days" if left != 1 else "Ends in 1 day"
        )
    return "good", Bilingual("有效", "In force")


def _seen(platform: Platform, visitor: Visitor, rows: Sequence[InstrumentRecord]) -> list[PaperSeen]:
    today, names = shanghai_date(platform.clock()), provision_view.names_of(platform)
    words = {name: dict(offered) for name, offered in choices(platform, visitor).scope.items()}
    found = []
    for row in rows:
        tone, said = standing(row, today)
        ended = bool(row.revoked_on) and row.revoked_on <= today.isoformat()
        kind = kinds()[row.kind]
        found.append(
            PaperSeen(
                row=row,
                kind=kind,
                exporter=names.get(row.organisation_id, Bilingual(row.organisation_id, row.organisation_id)),
                tone=tone,
                standing=said,
                scope=tuple((DIMENSIONS[name], _in_words(row, name, words)) for name in kind.scope),
                to_be_filed=kind.file_within is not None and not row.filed_on and not row.revoked_on,
                ended=ended,
            )
        )
    return found


def _in_words(row: InstrumentRecord, name: str, words: Mapping[str, Mapping[str, Bilingual]]) -> Bilingual:
    value = row.scope.get(name)
    if name == _PERSONS:
        return Bilingual(f"{value:,} 人", f"{value:,}") if isinstance(value, int) else Bilingual("–", "–")
    entries = value or ()
    if ANY in entries:
        return EVERYTHING
    said = [words.get(name, {}).get(one, Bilingual(one, one)) for one in entries]
    return Bilingual("、".join(one.zh for one in said) or "–", ", ".join(one.en for one in said) or "–")


def _projects(platform: Platform, visitor: Visitor) -> list[Named]:
    """Projects of the studies that the visitor may see, and of the provisions that are theirs."""
    found = dict(queries.project_titles(platform.records, visitor))
    if visitor.may("provision.read"):
        for row in provision_view.provisions(platform, visitor.actor):
            found.setdefault(row.project_id, Bilingual(row.project_id, row.project_id))
    return sorted(found.items())


def _named(row: Organisation) -> Named:
    return row.id, Bilingual(row.name_zh, row.name_en)


def _text(value: object) -> str:
    return value.strip()[:LONGEST] if isinstance(value, str) else ""


def _whole(text: str) -> int | str:
    """A number of persons; what is none stays as it was written, for the flow to refuse."""
    plain = text.replace(",", "").replace("，", "")
    return int(plain) if plain.isdecimal() and plain.isascii() and len(plain) <= 12 else text
