"""Protocols in the cohort language: read, judged, and giving the index dates that the older form gave."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.attrition import adds_up
from studies.code_lists import Code, CodeList
from studies.cohort import index_dates
from studies.cohorts.lint import lint
from studies.cohorts.plain import PlainEngine
from studies.cohorts.sentences import sentences
from studies.cohorts.tables import load_model
from studies.protocol import DefinedCohort, Protocol, load_protocol
from studies.protocol_definition import definition_of, findings
from studies.protocol_rows import index_rows
from tests.studies.cohorts.language_cases import Lake, asked_rows, frames, lake
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import small_protocol, small_text

MODEL = load_model("lecheng")
OLD = small_text().split("cohort:\n")[1].split("exposure:\n")[0]
NEW = """  language: 2
  source: {zh: 一家医院, en: One hospital}
  entry:
    title: {zh: 首次植入, en: First implant}
    events:
      - {table: procedure, codes: {system: "urn:proc", any_of: [P1, P2]}, where: {status: completed}}
  require:
    - {id: adult, reason: {zh: 年龄, en: Age}, patient: {age: {at_least: 18, at_most: 90}}}
    - id: diagnosis
      reason: {zh: 无诊断, en: No diagnosis}
      events: {table: condition, codes: {system: "urn:dx", any_of: [I25]}, where: {status: confirmed}}
      days: [-30, 0]
      observed_only: false
  exclude:
    - id: no_earlier_tumour
      reason: {zh: 既往肿瘤, en: Earlier tumour}
      events: {table: condition, codes: {system: "urn:dx", any_of: [C80]}, where: {status: confirmed}}
      days: [-3650, 0]
      observed_only: false
"""


def text_with(cohort: str) -> str:
    """The small protocol with its cohort in the language; its arms are told on the index date."""
    return small_text().replace(OLD, cohort).replace("grace_days: [0, 2]", "grace_days: [0, 0]")


def new_protocol(cohort: str = NEW) -> Protocol:
    return load_protocol(text_with(cohort))


def drawn_lake(drawn: random.Random, *, partial: bool) -> Lake:
    """Forty patients with a few operations and diagnoses each; some dates are partial, or impossible."""

    def day() -> str | None:
        exact = (date(2018, 1, 1) + timedelta(drawn.randint(0, 60))).isoformat()
        if not partial:
            return exact
        return drawn.choice([exact] * 8 + [exact[:7], exact[:4], "2018-00-45", None])

    def row(name: str, patient: str) -> dict[str, Any]:
        code = drawn.choice(["P1", "P2", "P9"] if name == "procedure" else ["I25"] * 7 + ["C80", "X"])
        status = drawn.choice(
            ["completed", "completed", "not-done"] if name == "procedure" else ["confirmed"] * 4 + ["refuted"]
        )
        system = "urn:proc" if name == "procedure" else "urn:dx"
        spec = MODEL.table(name)
        return {
            "patient_id": patient, "resource_id": f"{drawn.random():.12f}", "row_index": 0, "code_system": system,
            "code": code, spec.start: day(), spec.columns["status"]: status,
        }  # fmt: skip

    people = [f"p{number:02d}" for number in range(40)]
    born = ["1950-01-01", "1950-06-15", "2001-05-05", "1928-11-30", None, *["1950"] * partial]
    patients = [
        {"patient_id": one, "gender": "female", "organisation_id": "H1", "birth_date": drawn.choice(born)}
        for one in people
    ]
    return {
        "patient": patients,
        "procedure": [row("procedure", one) for one in people for _ in range(drawn.randint(0, 3))],
        "condition": [row("condition", one) for one in people for _ in range(drawn.randint(0, 6))],
        "observation_period": [
            {"patient_id": one, "first_date": "1900-01-01", "last_date": "2100-01-01"} for one in people
        ],
    }


def dates(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["patient_id"], frame["index_date"], strict=True))


def by_plain_engine(protocol: Protocol, store: Lake) -> dict[str, str]:
    cohort = definition_of(protocol)
    return {
        event.patient: event.start.isoformat()
        for event in PlainEngine(MODEL, asked_rows(cohort, store)).included(cohort)
    }


def doubtful(store: Lake, index: dict[str, str]) -> set[str]:
    """Whose index operation may have been earlier than the first one that is dated to the day."""
    return {
        row["patient_id"]
        for row in store["procedure"]
        if row["code"] in ("P1", "P2") and row["status"] == "completed" and row["performed_date"]
        and not _exact(row["performed_date"]) and row["performed_date"] <= index.get(row["patient_id"], "")
    }  # fmt: skip


def _exact(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@pytest.mark.parametrize("partial", [False, True], ids=["days", "partial dates"])
def test_the_older_form_means_the_same_in_the_language(partial):
    """Same people, same days; but who may have been operated on earlier has no index date in the older form."""
    drawn, met, hidden = random.Random(3), 0, 0
    for _ in range(12):
        store = drawn_lake(drawn, partial=partial)
        old = dates(index_dates(frames(store, definition_of(small_protocol())), small_protocol()).frame)
        new = by_plain_engine(small_protocol(), store)
        unknown = doubtful(store, new)
        assert old == {one: day for one, day in new.items() if one not in unknown}
        met, hidden = met + len(old), hidden + len(unknown & new.keys())
    assert met > 25 and (hidden > 2) == partial


def test_a_protocol_in_the_language_gives_the_same_index_dates():
    """Written in either form, run by the old code and by the engine."""
    drawn = random.Random(5)
    for _ in range(2):
        store = drawn_lake(drawn, partial=False)
        given = frames(store, definition_of(new_protocol()))
        old, new = index_dates(given, small_protocol()), index_dates(given, new_protocol())
        assert dates(new.frame) == dates(old.frame) and len(old.frame) > 3
        assert list(new.frame.columns) == list(old.frame.columns) and adds_up(new.attrition)
        assert new.attrition[0].remaining == old.attrition[0].remaining == 40
        left = {step.reason.en: step.left for step in new.attrition}
        none = ("No index event: First implant", "No entry event meets its conditions")
        assert sum(left[reason] for reason in none) == old.attrition[1].left
        assert [left[reason] for reason in ("Age", "No diagnosis", "Earlier tumour")] == [
            step.left for step in old.attrition[3:]
        ]


def test_a_date_that_is_not_known_to_the_day_is_a_step_of_the_attrition():
    """Nobody leaves without a reason on record."""
    store = lake(
        procedure="patient | code | start | status\nA | P1 | 2000-05 | completed\nB | P1 | 2000-05-01 | completed"
    )
    for row in store["procedure"]:
        row["code_system"] = "urn:proc"
    text = NEW[: NEW.index("  require:")]
    result = index_dates(frames(store, definition_of(new_protocol(text))), new_protocol(text))
    assert dates(result.frame) == {"B": "2000-05-01"}
    assert {step.reason.en: step.left for step in result.attrition if step.left} == {
        "The date of the entry event is not known to the day": 1
    }


def test_the_demonstration_can_be_said_and_judged_in_the_language():
    """The older form has sentences too, and nothing in it looks ahead."""
    protocol = rotterdam_protocol()
    cohort = definition_of(protocol)
    assert len(sentences(cohort, MODEL)) >= 3 + len(cohort.rules)
    assert [one for one in lint(cohort, MODEL) if one.level == "error"] == []
    assert findings(protocol) == ()


def refusal(cohort: str) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        new_protocol(cohort)
    assert refused.value.code == "protocol.refused"
    return refused.value


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("days: [-30, 0]", "days: [-30, 7]", "immortal time"),
        ("at_most: 90", "at_most: 9", "no value of age"),
        ("days: [-3650, 0]", "days: [0, -3650]", "begins after it ends"),
        ("  require:", "  exit: {days: 30, from: start}\n  require:", "what its `outcome` section says"),
        ("  entry:\n", "  entry:\n    pick: all\n", "several index dates"),
        ("table: condition, codes: {system: \"urn:dx\", any_of: [C80]}, where: {status: confirmed}",
         "table: outcome_event, codes: {system: \"urn:out\", any_of: [VITAL]}", "is an outcome"),
    ],
)  # fmt: skip
def test_an_error_of_the_linter_refuses_the_protocol_with_its_line(old, new, says):
    """So `rwd study register` refuses it: registration reads the protocol first."""
    assert NEW.count(old) == 1
    changed = NEW.replace(old, new)
    error = refusal(changed)
    assert says in error.en and "cohort" in error.en
    place = next(line for line in new.splitlines() if line.strip()).strip()
    lines = [at for at, line in enumerate(text_with(changed).splitlines(), start=1) if place in line]
    assert any(f"line {at}" in error.en for at in range(lines[0] - 5, lines[0] + 2))


def test_an_exposure_after_the_index_date_is_immortal_time():
    """Who is exposed only later must first have lived until then; the older form keeps its windows."""
    text = text_with(NEW)
    with pytest.raises(PlatformError) as refused:
        load_protocol(text.replace("grace_days: [0, 0]", "grace_days: [0, 2]"))
    line = next(at for at, one in enumerate(text.splitlines(), start=1) if "grace_days" in one)
    assert f"line {line}: exposure is told by use up to 2 days after" in refused.value.en
    moved = NEW.replace("  entry:\n", "  entry:\n    landmark_days: 30\n")
    text = text_with(moved).replace("grace_days: [0, 0]", "grace_days: [-30, 0]")
    assert load_protocol(text).exposure.grace_days == (-30, 0)


def test_every_error_is_told_at_once():
    """A writer mends them together, not one after the other."""
    changed = NEW.replace("days: [-30, 0]", "days: [-30, 7]").replace("at_most: 90", "at_most: 9")
    error = refusal(changed)
    assert "immortal time" in error.en and "no value of age" in error.en
    assert "永恒时间偏倚" in error.zh and "互相矛盾" in error.zh


def test_a_warning_does_not_refuse():
    """It is for a person to decide about."""
    told = findings(new_protocol())
    assert {one.level for one in told} == {"warning"} and [one.code for one in told] == [
        "absence_not_observed"
    ]


def test_outcomes_are_not_even_accepted():
    """Neither form of a protocol may see them."""
    with pytest.raises(PlatformError) as refused:
        index_dates({"outcome_event": pd.DataFrame()}, new_protocol())
    assert refused.value.code == "cohort.outcomes_offered"


@pytest.mark.parametrize(
    ("table", "column", "code"),
    [
        ("observation_period", None, "study.table_missing"),
        ("condition", "onset_date", "study.column_missing"),
    ],
)
def test_what_the_definition_needs_and_the_lake_has_not_is_named(table, column, code):
    """A lake of another version is an error, never an empty cohort."""
    store = frames(drawn_lake(random.Random(1), partial=False), definition_of(new_protocol()))
    if column is None:
        del store[table]
    else:
        store[table] = store[table].drop(columns=column)
    with pytest.raises(PlatformError) as refused:
        index_dates(store, new_protocol())
    assert refused.value.code == code and table in refused.value.zh


# -- code lists --------------------------------------------------------------------------------------


def a_list(reference: str, *codes: tuple[str, str], signed: bool = True) -> CodeList:
    name, version = reference.split("@")
    entries = tuple(Code(system, code, Bilingual("码", "code")) for system, code in codes)
    who = ("author", "reviewer", "2026-01-01") if signed else ("author", "", "")
    return CodeList(name, version, Bilingual("表", "List"), *who, "a book", entries)


@pytest.fixture
def lists(monkeypatch):
    known = {
        one.reference: one
        for one in (
            a_list("implants@1", ("urn:proc", "P1"), ("urn:proc", "P2")),
            a_list("stents@1", ("urn:dev", "NEW")),
            a_list("mixed@1", ("urn:dev", "NEW"), ("urn:other", "NEW")),
            a_list("draft@1", ("urn:dev", "NEW"), signed=False),
        )
    }
    monkeypatch.setattr("studies.code_lists.load", known.__getitem__)


IMPLANTS = 'codes: {system: "urn:proc", any_of: [P1, P2]}'


@pytest.mark.usefixtures("lists")
def test_a_signed_list_stands_for_its_codes_in_every_part_of_a_protocol():
    """Entry, exposure, comparator and covariates are data: a list of the house does for all of them."""
    cohort = NEW.replace(IMPLANTS, "codes: {list: implants@1}")
    text = text_with(cohort).replace(
        "records: {table: drug_exposure, code_system: urn:dev, codes: [NEW],",
        "records: {table: drug_exposure, list: stents@1,",
    )
    listed, written = load_protocol(text), new_protocol()
    assert isinstance(listed.cohort, DefinedCohort) and isinstance(written.cohort, DefinedCohort)
    pairs = [one.definition.entry.events[0].codes[0].codes.pairs for one in (listed.cohort, written.cohort)]
    assert pairs[0] == pairs[1]
    assert listed.exposure.records == replace(written.exposure.records, code_list="stents@1")


@pytest.mark.usefixtures("lists")
@pytest.mark.parametrize(
    ("reference", "says"),
    [("draft@1", "not been signed off"), ("stents", "name@version"), ("mixed@1", "codes of 2 systems")],
)
def test_a_list_that_cannot_be_used_is_refused_by_its_place(reference, says):
    """Unsigned, without a version, or of more systems than the place can hold."""
    text = text_with(NEW).replace(
        "records: {table: drug_exposure, code_system: urn:dev, codes: [NEW],",
        f"records: {{table: drug_exposure, list: {reference},",
    )
    with pytest.raises(PlatformError) as refused:
        load_protocol(text)
    assert says in refused.value.en and "exposure.records.list" in refused.value.en
    with pytest.raises(PlatformError) as in_cohort:
        if reference == "mixed@1":  # a definition takes codes of several systems
            raise refused.value
        load_protocol(text_with(NEW.replace(IMPLANTS, f"codes: {{list: {reference}}}")))
    assert says in in_cohort.value.en


def test_a_list_of_the_house_that_nobody_signed_is_refused():
    """The lists that are shipped wait for a reviewer of the place that uses them."""
    error = refusal(NEW.replace(IMPLANTS, "codes: {list: mastectomy@1}"))
    assert "mastectomy@1 has not been signed off" in error.en


def test_a_list_that_does_not_exist_is_refused_by_its_place():
    error = refusal(NEW.replace(IMPLANTS, "codes: {list: no-such@1}"))
    assert error.details["path"] == "cohort.entry.events[0].codes.list"
    assert "events[item 1].codes.list" in error.en and "现有" not in error.zh
    assert "mastectomy@1" in error.en and "mastectomy@1" in error.zh


# -- the lock ----------------------------------------------------------------------------------------


def lock_table(*rows: tuple[Any, ...]) -> dict[str, pd.DataFrame]:
    columns = ["subject_id", "code_system", "code", "performed_day", "status", "row_order", "source_row"]
    frame = pd.DataFrame(list(rows), columns=columns).astype({"performed_day": "Int64"})
    return {"procedure": frame}


LOCKED = lock_table(
    ("A", "urn:proc", "P1", 0, "completed", 2, "a2"),
    ("A", "urn:proc", "P2", 0, "completed", 1, "a1"),
    ("A", "urn:proc", "P1", 9, "completed", 0, "a0"),
    ("B", "urn:proc", "P9", 0, "completed", 0, "b0"),
    ("B", "urn:proc", "P1", 0, "not-done", 1, "b1"),
    ("B", "urn:proc", "P1", -30, "completed", 2, "b2"),
    ("C", "urn:proc", "P1", None, "completed", 0, "c0"),
)


def test_the_rows_of_the_index_date_are_found_again_in_the_lock():
    """The lineage of an index date leads to the line that gave it; a landmark lies after its event."""
    for protocol in (small_protocol(), new_protocol()):
        rows = index_rows(LOCKED, protocol.cohort)
        assert dict(zip(rows["subject_id"], rows["source_row"], strict=True)) == {"A": "a1"}
    moved = new_protocol(NEW.replace("  entry:\n", "  entry:\n    landmark_days: 30\n"))
    rows = index_rows(LOCKED, moved.cohort)
    assert dict(zip(rows["subject_id"], rows["source_row"], strict=True)) == {"B": "b2"}
    assert index_rows(lock_table(), new_protocol().cohort).empty


def test_a_column_that_the_index_is_read_from_is_not_generalised():
    """Else the analyses could not say where an index date comes from."""
    for column in ("procedure.code", "procedure.performed_day", "procedure.status"):
        with pytest.raises(PlatformError) as refused:
            load_protocol(text_with(NEW) + f"\nlock:\n  generalise: {{{column}: drop}}\n")
        assert f"lock.generalise.{column}" in refused.value.en
