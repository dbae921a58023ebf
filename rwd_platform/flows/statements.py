"""What people write for a study's evidence: put on record, each with its act; the newest of each counts."""

from __future__ import annotations

from collections.abc import Mapping

from sqlmodel import col, select

from deidentify.disclosure.rules.texts import identifies
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
    zh="“{statement}”的内容中含有可识别个人的号码，全部内容均未保存。",
    en="What was written for {statement} holds a number that identifies a person; nothing of it was kept.",
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
            if any(identifies(one) for one in text):
                raise IDENTIFIES.error(statement=id)
        written = _newest(platform, study_id)
        before = {id: Bilingual(row.text_zh, row.text_en) for id, row in written.items()}
        new = {id: text for id, text in checked.items() if before.get(id) != text}
        new |= {id: _NOTHING for id in taken_back if before.get(id, _NOTHING) != _NOTHING}
        if not new:
            return []
        now = as_text(platform.clock())
        rows = [
            DossierStatement(
                study_id=study_id,
                statement=id,
                number=written[id].number + 1 if id in written else 1,
                organisation_id=study.organisation_id,
                project_id=study.project_id,
                text_zh=text.zh,
                text_en=text.en,
                written_by=actor.id,
                written_at=now,
            )
            for id, text in sorted(new.items())
        ]
        act = Act(
            actor,
            "dossier.stated",
            Object(KIND, study_id, sha256_of({id: list(text) for id, text in sorted(new.items())})),
            purpose=study.project_id,
            decision={"statements": sorted(new)},
        )
        with platform.records.transaction(audit=act) as session:
            check_account(session, actor, platform.clock)
            session.add_all(rows)
    return rows


def statements_of(platform: Platform, study_id: str) -> dict[str, Bilingual]:
    """The newest words of each statement, by its id; what was taken back is not there."""
    newest = _newest(platform, study_id)
    return {id: Bilingual(row.text_zh, row.text_en) for id, row in sorted(newest.items()) if row.text_zh}


def _newest(platform: Platform, study_id: str) -> dict[str, DossierStatement]:
    rows = platform.records.all(
        select(DossierStatement)
        .where(DossierStatement.study_id == study_id)
        .order_by(col(DossierStatement.number))
    )
    return {row.statement: row for row in rows}
