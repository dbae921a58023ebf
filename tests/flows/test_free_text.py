"""Free text: not released by default, cleaned with what the hospital's own record knows, and released by a person."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from deidentify.dates import shift_days
from deidentify.free_text.surrogates import CLOSE, OPEN
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import free_text
from rwd_platform.flows.free_text import (
    CleanedText,
    prepare_texts,
    read_text,
    released_texts,
    review_text,
    texts_to_review,
)
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.rotate_keys import rotate_hospital_key
from rwd_platform.flows.study import freeze_protocol, lock_data, register_study
from rwd_platform.flows.study_texts import _roster
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditDetail, AuditEntry, DataLockRecord, Study, TextReview, UnitIssue
from rwd_platform.store.lock import open_lock
from tests.conftest import StandingClock
from tests.flows.sending import CLERK, REGULATOR, RESEARCHER, actions, grade, ndjson, sent
from tests.flows.test_study import PROTOCOL, checked, refusal
from tests.flows.texting import (
    ALLOWED,
    HE_CONCLUSION,
    HE_NOTE,
    OFFICER,
    PLAIN_NOTE,
    PLANTED,
    SU_NOTE,
    SU_NOTE_B,
    both_hospitals,
    copy_of,
    deployment,
    lock_study,
    person,
)

WHY = "已通读全文，未见可识别个人的内容。"
STRANGER = Actor("other", "researcher", "org-somewhere")
SURROGATE = re.compile(f"{OPEN}[^{CLOSE}]*{CLOSE}")


@pytest.fixture(scope="module")
def locked(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Both hospitals' data in, a study that plans texts frozen and locked, and nothing prepared yet."""
    opened = deployment(sqlite_template, tmp_path_factory.mktemp("locked"), StandingClock())
    both_hospitals(opened)
    lock_study(opened)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture(scope="module")
def unread(locked: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The texts prepared, and read by nobody."""
    opened = copy_of(locked, tmp_path_factory.mktemp("unread"), StandingClock())
    assert prepare_texts(opened, RESEARCHER, the_study(opened).id) == 5
    yield opened
    opened.records.engine.dispose()


@pytest.fixture(scope="module")
def prepared(unread: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The same for tests that only read, and leave in the log that they did."""
    opened = copy_of(unread, tmp_path_factory.mktemp("prepared"), StandingClock())
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def own(unread: Platform, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    """A copy to change."""
    opened = copy_of(unread, tmp_path, clock)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def own_locked(locked: Platform, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    opened = copy_of(locked, tmp_path, clock)
    yield opened
    opened.records.engine.dispose()


def the_study(platform: Platform) -> Study:
    return platform.records.all(select(Study))[0]


def the_lock(platform: Platform) -> DataLockRecord:
    return platform.records.all(select(DataLockRecord))[0]


def opened_texts(platform: Platform) -> dict[str, CleanedText]:
    """Every text as an officer reads it, by the words around the surrogates."""
    shown = [read_text(platform, OFFICER, row.id) for row in texts_to_review(platform, OFFICER)]
    return {SURROGATE.sub("", one.text): one for one in shown}


def like(texts: dict[str, CleanedText], words: str) -> CleanedText:
    return next(one for around, one in texts.items() if words in around)


def decision(platform: Platform, action: str) -> dict[str, Any]:
    entry = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))[-1]
    found: dict[str, Any] = json.loads(entry.body)["decision"]
    return found


# -- who may, and when -------------------------------------------------------------------------------


def test_a_protocol_that_says_nothing_of_texts_gives_none(own_locked: Platform) -> None:
    """By default nobody can even ask: the refusal names the remedy, nothing is read, and it is in the log."""
    before = actions(own_locked)
    silent = PROTOCOL.replace("id: rotterdam-hormon", "id: rotterdam-silent", 1)
    study = register_study(own_locked, RESEARCHER, silent)
    freeze_protocol(own_locked, RESEARCHER, study.id, "approved")
    error = refusal(lambda: prepare_texts(own_locked, RESEARCHER, study.id))
    assert (error.code, error.exit, study.id in error.en) == ("text.not_planned", 3, True)
    assert "free_text: true" in error.next_en and "free_text: true" in error.next_zh
    assert actions(own_locked)[-1] == "access.refused"
    assert "text.preparation_started" not in actions(own_locked)[len(before) :]
    assert not own_locked.records.all(select(TextReview))


def test_without_a_lock_there_is_nobody_whose_texts_they_would_be(own_locked: Platform) -> None:
    another = ALLOWED.replace("id: rotterdam-hormon", "id: rotterdam-unlocked", 1)
    study = register_study(own_locked, RESEARCHER, another)
    for act in (prepare_texts, released_texts):
        error = refusal(lambda act=act: act(own_locked, RESEARCHER, study.id))
        assert error.code == "study.not_locked"


def test_a_protocol_that_was_changed_after_the_freeze_allows_nothing(own_locked: Platform) -> None:
    """Else whoever can write to the database could add the one line that opens the texts."""
    study = the_study(own_locked)
    study.protocol += "# harmless\n"
    own_locked.records.write(study, audit=Act(RESEARCHER, "study.edited", Object("study", study.id)))
    error = refusal(lambda: prepare_texts(own_locked, RESEARCHER, study.id))
    assert error.code == "study.protocol_changed"


@pytest.mark.parametrize("actor", [CLERK, REGULATOR, OFFICER, STRANGER], ids=lambda actor: actor.id)
def test_only_the_studys_researchers_prepare_and_use_texts(own: Platform, actor: Actor) -> None:
    study = the_study(own)
    for act in (prepare_texts, released_texts):
        error = refusal(lambda act=act: act(own, actor, study.id))
        assert error.code in ("access.not_allowed", "records.not_found")
        assert actions(own)[-1] == "access.refused"


@pytest.mark.parametrize("actor", [CLERK, REGULATOR, RESEARCHER], ids=lambda actor: actor.id)
def test_only_privacy_officers_read_and_review(own: Platform, actor: Actor) -> None:
    """The researchers see no text before it is released, not even one they had prepared."""
    row = texts_to_review(own, OFFICER)[0]
    for act in (
        lambda: texts_to_review(own, actor),
        lambda: texts_to_review(own, actor, the_study(own).id),
        lambda: read_text(own, actor, row.id),
        lambda: review_text(own, actor, row.id, True, WHY),
    ):
        assert refusal(act).code == "access.not_allowed"
    assert "text.read" not in actions(own)


# -- what is prepared ----------------------------------------------------------------------------------


def test_the_texts_of_the_locks_subjects_are_prepared_and_no_others(prepared: Platform) -> None:
    """Notes, a report's conclusion, both hospitals; not the outsider's, nor of somebody whom no record names."""
    texts = opened_texts(prepared)
    places = sorted((one.resource_type, one.element) for one in texts.values())
    assert places == [
        ("DiagnosticReport", "conclusion"),
        ("Observation", "note[0].text"),
        ("Observation", "note[0].text"),
        ("Observation", "note[1].text"),
        ("Procedure", "note[0].text"),
    ]
    subjects = set(open_lock(prepared.layout.lock(the_lock(prepared).id)).tables["subject"]["subject_id"])
    assert {one.subject_id for one in texts.values()} <= subjects
    assert not any("门诊咨询" in around or "一般情况可" in around for around in texts)
    assert decision(prepared, "text.prepared") == {
        "added": 5, "date_left": 0, "found": 6, "unnamed": 1, "withheld": 0,
    }  # fmt: skip


def test_everybody_whom_the_record_names_is_replaced_and_the_herb_stays(prepared: Platform) -> None:
    """The patient, the daughter and the doctor, by name, number and title; 何首乌12g is a dose, not the patient."""
    texts = opened_texts(prepared)
    he = like(texts, "水煎服")
    kinds = [span.kind for span in he.spans]
    assert sorted(kinds) == sorted(
        ["name", "resident-id", "date", "hospital-number", "mobile", "name", "mobile", "name"]
    )
    assert "每日何首乌12g水煎服，术后第3天体温36.5℃。" in he.text
    report = like(texts, "阅片")
    doctor = [he.text[span.start : span.end] for span in he.spans if span.kind == "name"][2]
    assert report.text.startswith(f"{doctor}医生"), (
        "one person is one surrogate, in every text of this patient"
    )
    assert {span.detector for span in he.spans if span.kind == "name"} == {"seeds"}


def test_versions_of_a_record_and_bearers_of_a_name_are_one_person_to_look_for() -> None:
    """A former name, the doctor once as Practitioner and once as an author: else a surname would have two claimants."""

    def record(id: str, *names: str) -> tuple[str, dict[str, Any]]:
        return id, {"resourceType": "Patient", "id": id, "name": [{"text": name} for name in names]}

    roster = _roster(
        [
            record("1", "甲一"),
            record("2", "乙二"),
            record("", "丙三"),
            record("1", "丁四"),
            record("", "丙三"),
        ]
    )
    assert [person.names for person in roster.people] == [("乙二",), ("甲一", "丁四"), ("丙三",)]
    joined = _roster(
        [record("1", "甲一"), record("2", "乙二"), record("", "甲一", "乙二"), record("2", "戊五")]
    )
    assert [sorted(person.names) for person in joined.people] == [sorted(["甲一", "乙二", "戊五"])]
    assert len({person.subject for person in roster.people}) == 3


def test_spans_stand_where_the_surrogates_are_and_the_original_is_not_kept(prepared: Platform) -> None:
    for one in opened_texts(prepared).values():
        marked = [one.text[span.start : span.end] for span in one.spans]
        assert marked == SURROGATE.findall(one.text)
        assert vars(one).keys() == {"id", "state", "subject_id", "resource_type", "element", "text", "spans"}


def test_a_person_at_two_hospitals_is_one_subject_with_one_shift(prepared: Platform) -> None:
    """Linked by the resident id: one pseudonym, one surrogate, and the time between two notes is what it was."""
    texts = opened_texts(prepared)
    here, there = like(texts, "手术，家住"), like(texts, "于本院随访")
    assert here.subject_id == there.subject_id
    assert SURROGATE.findall(here.text)[0] == SURROGATE.findall(there.text)[0]

    def day(text: str) -> date:
        year, month, day = re.search(r"(\d+)年(\d+)月(\d+)日", text).groups()  # type: ignore[union-attr]
        return date(int(year), int(month), int(day))

    assert day(there.text) - day(here.text) == day(SU_NOTE_B) - day(SU_NOTE)
    assert day(here.text) < day(SU_NOTE), "backward only"


def test_dates_move_as_the_locks_would(prepared: Platform) -> None:
    """The lock holds days since index; the texts use the number of days that a lock of shifted dates would use."""
    lock = the_lock(prepared)
    key = prepared.keys.derive("date", lock.project_id)
    from rwd_platform.store.lake import Lake

    patients = Lake(prepared.layout).read("patient", ("patient_id",))["patient_id"]
    possible = {shift_days(key, lock.project_id, patient) for patient in patients}
    he = like(opened_texts(prepared), "水煎服")
    year, month, day = map(int, re.search(r"(\d+)年(\d+)月(\d+)日", he.text).groups())  # type: ignore[union-attr]
    assert (date(year, month, day) - date(1990, 5, 6)).days in possible


def test_a_text_without_anything_to_replace_waits_for_a_person_as_well(prepared: Platform) -> None:
    plain = opened_texts(prepared)[PLAIN_NOTE]
    assert (plain.text, plain.spans, plain.state) == (PLAIN_NOTE, (), "cleaned")


# -- nothing leaks -------------------------------------------------------------------------------------


def test_no_planted_value_is_in_an_opened_text(prepared: Platform) -> None:
    shown = "\n".join(str(one.as_dict()) for one in opened_texts(prepared).values())
    assert [one for one in PLANTED if one in shown] == []
    assert [one for one in PLANTED if one in f"{HE_NOTE}{HE_CONCLUSION}{SU_NOTE}{SU_NOTE_B}"] != [], (
        "the search works"
    )


def test_no_planted_value_and_no_text_is_in_any_file_outside_the_identified_zone(prepared: Platform) -> None:
    """The database above all: what is sealed there shows neither the original nor the cleaned words."""
    with prepared.records.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    looked_at = []
    for path in prepared.layout.home.rglob("*"):
        if path.is_file() and "landing" not in path.relative_to(prepared.layout.home).parts:
            content = path.read_bytes()
            looked_at.append(path.name)
            leaked = [one for one in (*PLANTED, "水煎服", "阅片", PLAIN_NOTE) if one.encode() in content]
            assert leaked == [], (path.name, leaked)
    assert "records.db" in looked_at


def test_a_sealed_text_opens_under_its_own_name_only(own: Platform) -> None:
    """A row that was given another's content, cut short or changed by a bit is not shown as if nothing were."""
    first, second = texts_to_review(own, OFFICER)[:2]
    for sealed in (second.sealed, first.sealed[:5], b"", first.sealed[:-1] + bytes([first.sealed[-1] ^ 1])):
        first.sealed = sealed
        own.records.write(first, audit=Act(OFFICER, "text.swapped", Object("text_review", first.id)))
        assert refusal(lambda: read_text(own, OFFICER, first.id)).code == "text.damaged"


# -- preparing again -----------------------------------------------------------------------------------


def test_preparing_again_adds_nothing_twice_and_takes_no_decision_back(own: Platform) -> None:
    row = texts_to_review(own, OFFICER)[0]
    read_text(own, OFFICER, row.id)
    review_text(own, OFFICER, row.id, True, WHY)
    assert prepare_texts(own, RESEARCHER, the_study(own).id) == 0
    assert len(own.records.all(select(TextReview))) == 5
    assert own.records.get(TextReview, row.id).state == "released"


def test_a_note_that_came_after_the_lock_is_not_the_locks(own_locked: Platform, clock: StandingClock) -> None:
    """A lock is one moment. The patient's later note waits for the next lock."""
    clock.advance(hours=1)
    late = grade("late", "patient.0", effectiveDateTime="1991-01-01", note=[{"text": "何首乌后来的记录。"}])
    sent(own_locked, {"late.ndjson": ndjson(person("patient.0", "何首乌"), late)})
    assert prepare_texts(own_locked, RESEARCHER, the_study(own_locked).id) == 5


def test_a_rejected_note_and_a_genetic_one_are_never_prepared(prepared: Platform) -> None:
    """What admission kept out stays out, though its line is in the files; genes take another way altogether."""
    kept_out = {(one.resource_type, one.outcome) for one in prepared.records.all(select(UnitIssue))}
    assert kept_out == {("Observation", "rejected"), ("Observation", "quarantined")}
    assert not any("不合规" in around or "基因" in around for around in opened_texts(prepared))


def test_a_released_text_that_was_pasted_back_into_the_record_is_held_back(
    own: Platform, clock: StandingClock
) -> None:
    """Surrogates of ours in what a hospital sends: which is which cannot be told, so it is counted and not kept."""
    pasted = like(opened_texts(own), "阅片").text
    sent(
        own, {"pasted.ndjson": ndjson(grade("pasted", "patient.0", note=[{"text": f"{pasted}何首乌复诊。"}]))}
    )
    clock.advance(minutes=1)
    checked(own)
    clock.advance(minutes=1)
    lock_data(own, RESEARCHER, the_study(own).id)
    prepare_texts(own, RESEARCHER, the_study(own).id)
    assert decision(own, "text.prepared")["withheld"] == 1


def test_what_a_second_reading_still_doubts_is_counted_and_not_kept(
    own_locked: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that is never satisfied stands for a text that cannot be made clean."""
    from deidentify.free_text import clean as cleaning
    from deidentify.free_text.detector import Span

    class Doubtful:
        name, version = "doubtful", "1"

        def find(self, text: str, context: object) -> list[Span]:
            at = text.find("无特殊")
            return [Span("name", at, at + 1, self.name)] if at >= 0 else []

    real = cleaning.clean
    monkeypatch.setattr(
        cleaning, "clean", lambda text, context: real(text, context, (*cleaning.DETECTORS, Doubtful()))
    )
    monkeypatch.setattr(cleaning, "_READINGS", 0)
    assert prepare_texts(own_locked, RESEARCHER, the_study(own_locked).id) == 0
    assert decision(own_locked, "text.prepared")["withheld"] == 5


def test_pseudonyms_that_were_rekeyed_since_the_lock_ask_for_a_new_lock(own_locked: Platform) -> None:
    """Nobody could be found, or the wrong dates' shift be used: refused, counted, with the remedy."""
    operator = Actor("ops", "operator", "org-operator")
    rotate_hospital_key(own_locked, operator, CLERK.organisation)
    error = refusal(lambda: prepare_texts(own_locked, RESEARCHER, the_study(own_locked).id))
    assert (error.code, error.exit) == ("text.lock_outdated", 3)
    assert "rwd study lock" in error.next_en and not own_locked.records.all(select(TextReview))


def test_a_lock_without_the_map_of_its_subjects_is_refused(own_locked: Platform) -> None:
    for path in (own_locked.layout.home / "ledger").glob("*.persons"):
        path.unlink()
    error = refusal(lambda: prepare_texts(own_locked, RESEARCHER, the_study(own_locked).id))
    assert error.code == "text.lock_outdated" and error.en.startswith("4 subjects")


# -- reviewing -----------------------------------------------------------------------------------------


def test_nothing_is_released_by_default(prepared: Platform) -> None:
    """Prepared is not released: the researcher gets nothing until a person has said so."""
    assert released_texts(prepared, RESEARCHER, the_study(prepared).id) == []


def test_a_released_text_reaches_the_studys_researcher_and_a_withheld_one_does_not(own: Platform) -> None:
    texts = opened_texts(own)
    good, bad = like(texts, "水煎服"), like(texts, "阅片")
    row = review_text(own, OFFICER, good.id, True, WHY)
    assert (row.state, row.reviewed_by, bool(row.reviewed_at)) == ("released", OFFICER.id, True)
    assert review_text(own, OFFICER, bad.id, False, "阅片时间与罕见经过结合可以认出。").state == "withheld"
    (given,) = released_texts(own, RESEARCHER, the_study(own).id)
    assert (given.id, given.text, given.state) == (good.id, good.text, "released")
    assert decision(own, "text.given") == {"texts": 1}
    assert len(texts_to_review(own, OFFICER)) == 3 == len(texts_to_review(own, OFFICER, the_study(own).id))


def test_whoever_prepared_a_text_may_not_review_it(own_locked: Platform) -> None:
    """Also when the same person holds both roles: two people stand behind every released text."""
    both = Actor("both", "researcher", "org-operator")
    prepare_texts(own_locked, both, the_study(own_locked).id)
    same = Actor("both", "privacy", "org-operator")
    row = texts_to_review(own_locked, same)[0]
    read_text(own_locked, same, row.id)
    error = refusal(lambda: review_text(own_locked, same, row.id, True, WHY))
    assert (error.code, error.http) == ("text.own_text", 403)
    assert actions(own_locked)[-1] == "access.refused"
    assert own_locked.records.get(TextReview, row.id).state == "cleaned"


def test_nobody_decides_on_a_text_unread(own: Platform) -> None:
    row = texts_to_review(own, OFFICER)[0]
    assert refusal(lambda: review_text(own, OFFICER, row.id, True, WHY)).code == "text.not_read"
    read_text(own, Actor("officer-2", "privacy", "org-operator"), row.id)
    assert refusal(lambda: review_text(own, OFFICER, row.id, True, WHY)).code == "text.not_read", (
        "another officer's reading is not one's own"
    )


@pytest.mark.parametrize("statement", ["", "   ", "ok", "可以" * 1001])
def test_a_decision_says_what_it_rests_on(own: Platform, statement: str) -> None:
    row = texts_to_review(own, OFFICER)[0]
    read_text(own, OFFICER, row.id)
    error = refusal(lambda: review_text(own, OFFICER, row.id, True, statement))
    assert error.code == "text.statement_unfit"


def test_released_may_be_withheld_later_and_withheld_stays(own: Platform) -> None:
    row = texts_to_review(own, OFFICER)[0]
    read_text(own, OFFICER, row.id)
    for released, state in ((True, "released"), (False, "withheld")):
        assert review_text(own, OFFICER, row.id, released, WHY).state == state
    assert refusal(lambda: review_text(own, OFFICER, row.id, True, WHY)).code == "lifecycle.not_allowed"
    assert released_texts(own, RESEARCHER, the_study(own).id) == []


def test_an_unknown_text_is_not_found(prepared: Platform) -> None:
    assert refusal(lambda: read_text(prepared, OFFICER, "text-none")).code == "records.not_found"


# -- the log -------------------------------------------------------------------------------------------


def test_every_step_is_in_the_log_and_no_words_are(own: Platform) -> None:
    """Who prepared, read, released and got it; the statement is kept encrypted beside the entry, not in it."""
    study = the_study(own)
    row = texts_to_review(own, OFFICER)[0]
    read_text(own, OFFICER, row.id)
    review_text(own, OFFICER, row.id, True, WHY)
    released_texts(own, RESEARCHER, study.id)
    done = [one for one in actions(own) if one.startswith("text.")]
    assert done == ["text.preparation_started", "text.prepared", "text.read", "text.released", "text.given"]
    bodies = b"".join(entry.body for entry in own.records.log_entries(limit=1000))
    assert WHY.encode() not in bodies and "何".encode() not in bodies
    assert own.records.all(select(AuditDetail)), "the statement is kept"


def test_errors_never_repeat_a_patients_value() -> None:
    """The problems of this flow name studies, locks, texts and counts."""
    for problem in (value for value in vars(free_text).values() if hasattr(value, "next_zh")):
        assert not isinstance(problem, PlatformError)
        assert set(re.findall(r"\{(\w+)\}", problem.zh + problem.en)) <= {"study", "text", "least", "most"}
