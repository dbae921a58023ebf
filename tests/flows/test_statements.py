"""What people write for a study's evidence: the newest counts, all or nothing, and no word of it in the log."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import Session, col, select

from rwd_platform.audit.against_records import compare
from rwd_platform.audit.query import changes_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import put_statements, statements_of
from rwd_platform.flows.study import register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DossierStatement, Study, User
from studies.evidence.statements import asked
from tests.conftest import StandingClock
from tests.flows.erasing import OFFICERS, PROTOCOL
from tests.flows.log_reading import whole_log
from tests.flows.saying import fit_words, say_everything
from tests.flows.sending import RESEARCHER
from tests.flows.unsealing import settle

COLLEAGUE = Actor("researcher-2", "researcher", "org-operator")
ELSEWHERE = Actor("researcher-3", "researcher", "org-hospital-a")
RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
WORDS = Bilingual(
    "本研究没有外部资助，由演示研究院自行承担。", "Nobody funded this study but the institute itself."
)
OTHER = Bilingual(
    "本研究由演示基金会资助，合同见附件。", "The demo foundation funded this study under a contract."
)


@pytest.fixture
def study(platform: Platform) -> Study:
    settle(platform, RESEARCHER, COLLEAGUE, ELSEWHERE)
    return register_study(platform, RESEARCHER, PROTOCOL)


def rows(platform: Platform, study: Study) -> list[DossierStatement]:
    found = select(DossierStatement).where(DossierStatement.study_id == study.id)
    return list(
        platform.records.all(found.order_by(col(DossierStatement.statement), col(DossierStatement.number)))
    )


def entries(platform: Platform, action: str = "dossier.stated") -> list[dict[str, Any]]:
    found = select(AuditEntry).where(AuditEntry.action == action).order_by(col(AuditEntry.sequence))
    return [json.loads(one.body) for one in platform.records.all(found)]


def refused(code: str, work: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


# -- what counts -------------------------------------------------------------------------------------------------


def test_the_newest_words_count_and_the_older_stay_on_record(
    platform: Platform, study: Study, clock: StandingClock
) -> None:
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    clock.advance(hours=1)
    (second,) = put_statements(platform, COLLEAGUE, study.id, {"funding": OTHER})
    assert statements_of(platform, study.id) == {"funding": OTHER}
    assert [(one.number, one.text_zh, one.written_by) for one in rows(platform, study)] == [
        (1, WORDS.zh, RESEARCHER.id),
        (2, OTHER.zh, COLLEAGUE.id),
    ]
    assert second.written_at > rows(platform, study)[0].written_at
    assert (second.organisation_id, second.project_id) == (study.organisation_id, study.project_id)


def test_what_is_taken_back_is_asked_for_again_and_may_be_written_anew(
    platform: Platform, study: Study
) -> None:
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    (gone,) = put_statements(platform, RESEARCHER, study.id, {}, ("funding",))
    assert (gone.number, gone.text_zh, gone.text_en) == (2, "", "") and statements_of(
        platform, study.id
    ) == {}
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    assert statements_of(platform, study.id) == {"funding": WORDS}
    assert [one.text_zh for one in rows(platform, study)] == [WORDS.zh, "", WORDS.zh]


def test_what_is_as_it_was_writes_no_row_and_no_entry(platform: Platform, study: Study) -> None:
    """Nor does taking back what nobody wrote, known or made up."""
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    padded = Bilingual(f"  {WORDS.zh}\n", f"{WORDS.en}  ")
    assert put_statements(platform, COLLEAGUE, study.id, {"funding": WORDS}) == []
    assert put_statements(platform, COLLEAGUE, study.id, {"funding": padded}) == []
    assert (
        put_statements(platform, COLLEAGUE, study.id, {}, ("data_access", "no-such-thing", RESIDENT_ID)) == []
    )
    assert put_statements(platform, COLLEAGUE, study.id, {}) == []
    assert len(rows(platform, study)) == len(entries(platform)) == 1 and RESIDENT_ID not in whole_log(
        platform
    )


def test_of_many_only_what_changed_is_written(platform: Platform, study: Study) -> None:
    first = say_everything(platform, RESEARCHER, study.id)
    assert len(first) == len(asked()) and {one.number for one in first} == {1}
    again = put_statements(platform, RESEARCHER, study.id, fit_words() | {"funding": WORDS})
    assert [(one.statement, one.number) for one in again] == [("funding", 2)]
    assert statements_of(platform, study.id) == fit_words() | {"funding": WORDS}
    assert [len(one["decision"]["statements"]) for one in entries(platform)] == [len(asked()), 1]


def test_two_studies_have_words_of_their_own(platform: Platform, study: Study) -> None:
    other = register_study(
        platform, RESEARCHER, PROTOCOL.replace("\nid: rotterdam-hormon\n", "\nid: another\n")
    )
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    assert statements_of(platform, other.id) == {}


# -- all or nothing ----------------------------------------------------------------------------------------------

BAD = {
    "unknown": ("no-such-thing", WORDS, "evidence.statement_unknown"),
    "short": ("funding", Bilingual("", "English alone"), "evidence.statement_unfit"),
    "long": ("funding", Bilingual("长" * 9000, "long"), "evidence.statement_unfit"),
    "control sign": ("funding", Bilingual(WORDS.zh + "\x00", WORDS.en), "evidence.statement_unfit"),
    "backwards": ("funding", Bilingual(WORDS.zh + "\u202e", WORDS.en), "evidence.statement_unfit"),
    "surrogate": ("funding", Bilingual(WORDS.zh + "\ud800", WORDS.en), "evidence.statement_unfit"),
    "no choice": ("evaluation_route", Bilingual("whatever", "whatever"), "evidence.statement_unfit"),
    "identifies": ("funding", Bilingual(f"患者 {RESIDENT_ID} 的资料", WORDS.en), "evidence.statement_identifies"),
    "identifies in English": ("funding", Bilingual(WORDS.zh, f"Call 13987650123 for {WORDS.en}"),
                              "evidence.statement_identifies"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_statement_keeps_all_of_them_out(platform: Platform, study: Study, bad: str) -> None:
    """Nothing is written, what was written before stands, the refusal is in the log, and no word is repeated."""
    id, text, code = BAD[bad]
    put_statements(platform, RESEARCHER, study.id, {"data_access": OTHER})
    error = refused(
        code, lambda: put_statements(platform, RESEARCHER, study.id, {"data_access": WORDS, id: text})
    )
    assert statements_of(platform, study.id) == {"data_access": OTHER} and len(entries(platform)) == 1
    (entry,) = entries(platform, "access.refused")
    assert (entry["reason"], entry["object"]["id"], entry["outcome"]) == (code, study.id, "refused")
    told = json.dumps(error.as_dict(), ensure_ascii=False) + whole_log(platform)
    for words in (RESIDENT_ID, "13987650123", "whatever", *(one for one in text if len(one) > 4)):
        assert words not in told
    assert id in error.zh and id in error.en


@pytest.mark.parametrize(
    "name", [RESIDENT_ID, "13987650123", "<script>", "a" * 70, "患者王小明", "../../x", "\x00"]
)
def test_a_name_that_is_none_is_not_repeated(platform: Platform, study: Study, name: str) -> None:
    error = refused(
        "evidence.statement_unknown", lambda: put_statements(platform, RESEARCHER, study.id, {name: WORDS})
    )
    assert name not in json.dumps(error.as_dict(), ensure_ascii=False) and "?" in error.en
    assert name not in whole_log(platform) and rows(platform, study) == []


def test_indented_lines_are_words_as_they_are(platform: Platform, study: Study) -> None:
    """Chinese paragraphs begin with two wide spaces."""
    text = Bilingual(
        "第一段说明资助来源。\n\u3000\u3000第二段说明合同。", "One paragraph.\nAnother paragraph."
    )
    put_statements(platform, RESEARCHER, study.id, {"funding": text})
    assert statements_of(platform, study.id) == {"funding": text}


# -- who ---------------------------------------------------------------------------------------------------------


def test_another_organisations_study_is_not_there(platform: Platform, study: Study) -> None:
    hidden = refused(
        "records.not_found", lambda: put_statements(platform, ELSEWHERE, study.id, {"funding": WORDS})
    )
    absent = refused(
        "records.not_found", lambda: put_statements(platform, ELSEWHERE, "study-none", {"funding": WORDS})
    )
    assert hidden.zh.replace(study.id, "study-none") == absent.zh and rows(platform, study) == []


@pytest.mark.parametrize(
    "role", ["hospital", "regulator", "privacy", "operator", "security", "auditor", "ethics", "inspector"]
)
def test_only_researchers_write(platform: Platform, study: Study, role: str) -> None:
    actor = Actor(f"a-{role}", role, "org-operator")
    settle(platform, actor)
    refused("access.not_allowed", lambda: put_statements(platform, actor, study.id, {"funding": WORDS}))
    assert rows(platform, study) == [] and len(entries(platform, "access.refused")) == 1


def test_an_account_that_is_not_there_or_disabled_writes_nothing(platform: Platform, study: Study) -> None:
    nobody = Actor("cli:root", "researcher", "org-operator")
    refused("access.no_account", lambda: put_statements(platform, nobody, study.id, {"funding": WORDS}))
    user = platform.records.get(User, COLLEAGUE.id)
    user.disabled_at = "2026-11-01T00:00:00Z"

    platform.records.write(user, audit=Act(OFFICERS[0], "user.disabled", Object("user", user.id)))
    refused("access.no_account", lambda: put_statements(platform, COLLEAGUE, study.id, {"funding": WORDS}))
    assert rows(platform, study) == [] and entries(platform) == []


# -- the log -----------------------------------------------------------------------------------------------------


def test_the_entry_names_what_was_written_and_never_the_words(platform: Platform, study: Study) -> None:
    """Words stand in the entry's sealed detail, which an erasure can take away; the entry itself stays."""
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS, "data_access": OTHER})
    (entry,) = entries(platform)
    assert entry["decision"] == {"statements": ["data_access", "funding"]}
    assert (entry["actor"]["id"], entry["object"]["id"], entry["purpose"]) == (
        RESEARCHER.id,
        study.id,
        study.project_id,
    )
    bodies = [one.body for one in platform.records.all(select(AuditEntry))]
    for words in (*WORDS, *OTHER):
        assert not [one for one in bodies if words.encode() in one or words[:12].encode() in one]
    (row,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "dossier.stated"))
    changes = changes_of(platform.records, row.sequence).changes
    kept = {(one.field, one.new) for one in changes if one.table == "dossier_statement"}
    assert {
        ("text_zh", WORDS.zh),
        ("text_en", WORDS.en),
        ("statement", "funding"),
        ("text_zh", OTHER.zh),
    } <= kept


# -- at the same time --------------------------------------------------------------------------------------------


def race(platform: Platform, study: Study, writers: int = 6) -> None:
    """Each writes words of their own to one statement, and one statement of their own, all at once."""
    barrier, broken = threading.Barrier(writers), list[BaseException]()
    mine = sorted(id for id, one in asked().items() if one.choices is None and id != "funding")[:writers]

    def write(number: int) -> None:
        barrier.wait()
        try:
            text = Bilingual(
                f"第{number}人写的资助说明，内容各不相同。",
                f"What writer {number} says of who paid for this.",
            )
            own = fit_words()[mine[number]]
            put_statements(
                platform, (RESEARCHER, COLLEAGUE)[number % 2], study.id, {"funding": text, mine[number]: own}
            )
        except BaseException as error:
            broken.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert broken == []
    found = [one for one in rows(platform, study) if one.statement == "funding"]
    assert [one.number for one in found] == list(range(1, writers + 1))
    assert len({one.text_zh for one in found}) == writers, "nobody's words were lost"
    assert statements_of(platform, study.id)["funding"].zh == found[-1].text_zh
    assert set(mine) <= set(statements_of(platform, study.id))
    assert len(entries(platform)) == writers


def test_of_two_who_save_at_once_both_are_on_record(platform: Platform, study: Study) -> None:
    race(platform, study)


@pytest.mark.postgres
def test_so_too_on_postgresql(platform: Platform, records_postgres: Any) -> None:
    elsewhere = replace(platform, records=records_postgres, keys=records_postgres.keys)
    register_organisations(elsewhere)
    settle(elsewhere, RESEARCHER, COLLEAGUE)
    race(elsewhere, register_study(elsewhere, RESEARCHER, PROTOCOL))


def test_at_once_the_same_words_are_one_row(platform: Platform, study: Study) -> None:
    barrier = threading.Barrier(4)

    def write() -> None:
        barrier.wait()
        put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [one.number for one in rows(platform, study)] == [1]


def test_words_written_behind_the_log_are_found(platform: Platform, study: Study) -> None:
    """Statements decide what a package says: an edited row is told by the check of rows against the log."""
    put_statements(platform, RESEARCHER, study.id, {"funding": WORDS})
    size = platform.records.log_entries(limit=10_000)[-1].sequence + 1
    assert list(compare(platform.records, size).kept) == []
    with Session(platform.records.engine) as session:
        row = session.get_one(DossierStatement, (study.id, "funding", 1))
        row.text_zh = OTHER.zh
        session.add(row)
        session.commit()
    assert [
        one
        for one in compare(platform.records, size).kept
        if "dossier_statement" in one.en or "funding" in one.en
    ]
