"""What people write for a study's evidence: put on record, each with its act; the newest of each counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from deidentify.identifiers_cn.kind_names import kind_in
from rwd_platform.access.accounts import check_account
from rwd_platform.access.permissions import Action, get_visible
from rwd_platform.access.refusals import refusals_recorded
from rwd_platform.core.canonical import sha256_of
from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import DossierStatement, Study

KIND = "study"
_NOTHING = Bilingual("", "")  # a statement that was taken back

IDENTIFIES = Problem(
    code="evidence.statement_identifies",
    zh="“{statement}”的{language_zh}中含有可识别个人的号码（{kind_zh}），全部内容均未保存。",
    en="The {language_en} of {statement} holds a number that identifies a person ({kind_en}); nothing that was sent "
    "was kept.",
    next_zh="请删去姓名和号码后重新提交。",
    next_en="Take names and numbers out and send it again.",
    http=422,
)


def put_statements(
    platform: Platform,
    actor: Actor,
    study_id: str,
    said: Mapping[str, Bilingual],
    taken_back: tuple[str, ...] = (),
) -> list[DossierStatement]:
    """Write what is new or other than before: all of it or nothing. Returns the rows written.

    Raises `evidence.statement_unknown`, `evidence.statement_unfit`, `evidence.statement_identifies`.
    """
    from studies.evidence.statements import check_all

    with refusals_recorded(platform.records, actor, Action.PACKAGE_ASSEMBLE, KIND, study_id):
        study = get_visible(platform.records, actor, Action.PACKAGE_ASSEMBLE, Study, study_id)
        checked = check_all(said)
        for id, text in checked.items():
            _check_nobody_named(id, text)
        kept = checked | dict.fromkeys(taken_back, _NOTHING)
        if not _changed(kept, _newest(platform, study_id)):
            return []
        act, rows = _Stating(actor, study), list[DossierStatement]()
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            # Once more, now that nobody else writes: two people may save at once, and numbers go on by one.
            written = _by_statement(session.exec(_written(study_id)).all())
            act.new = _changed(kept, written)
            now = as_text(platform.clock())
            for id, text in act.new.items():
                number = written[id].number + 1 if id in written else 1
                rows.append(_row(study, id, number, text, actor, now))
            session.add_all(rows)
    return rows


def _check_nobody_named(id: str, text: Bilingual) -> None:
    """Says in which text and what kind of number it is, and never the number."""
    for language, one in zip(
        (Bilingual("中文", "Chinese text"), Bilingual("英文", "English text")), text, strict=True
    ):
        kind = kind_in(one)
        if kind is not None:
            raise IDENTIFIES.error(
                statement=id,
                language_zh=language.zh,
                language_en=language.en,
                kind_zh=kind.zh,
                kind_en=kind.en,
            )


@dataclass
class _Stating:
    """The act of writing statements; what was new is known within its transaction. Words stay out of the entry."""

    actor: Actor
    study: Study
    new: Mapping[str, Bilingual] = field(default_factory=dict)

    def __call__(self) -> Act:
        return Act(
            self.actor,
            "dossier.stated",
            Object(KIND, self.study.id, sha256_of({id: list(text) for id, text in self.new.items()})),
            purpose=self.study.project_id,
            decision={"statements": list(self.new)},
        )


def _changed(kept: Mapping[str, Bilingual], written: Mapping[str, DossierStatement]) -> dict[str, Bilingual]:
    """What is other than the newest row says, by id; to take back what nobody wrote changes nothing."""
    before = {id: Bilingual(row.text_zh, row.text_en) for id, row in written.items()}
    return {id: text for id, text in sorted(kept.items()) if before.get(id, _NOTHING) != text}


def _row(study: Study, id: str, number: int, text: Bilingual, actor: Actor, now: str) -> DossierStatement:
    return DossierStatement(
        study_id=study.id,
        statement=id,
        number=number,
        organisation_id=study.organisation_id,
        project_id=study.project_id,
        text_zh=text.zh,
        text_en=text.en,
        written_by=actor.id,
        written_at=now,
    )


def statements_of(platform: Platform, study_id: str) -> dict[str, Bilingual]:
    """The newest words of each statement, by its id; what was taken back is not there."""
    newest = _newest(platform, study_id)
    return {id: Bilingual(row.text_zh, row.text_en) for id, row in sorted(newest.items()) if row.text_zh}


def _newest(platform: Platform, study_id: str) -> dict[str, DossierStatement]:
    return _by_statement(platform.records.all(_written(study_id)))


def _written(study_id: str) -> SelectOfScalar[DossierStatement]:
    return (
        select(DossierStatement)
        .where(DossierStatement.study_id == study_id)
        .order_by(col(DossierStatement.number))
    )


def _by_statement(rows: Sequence[DossierStatement]) -> dict[str, DossierStatement]:
    """The newest of each; `rows` the oldest first."""
    return {row.statement: row for row in rows}
