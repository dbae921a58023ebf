"""Catalogue, cohort editor, code lists and locks: who sees what, and what was typed is neither lost nor run."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from rwd_platform.core.clock import as_text
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import catalogue, saved_cohorts
from rwd_platform.flows.catalogue import catalogue_seen
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import CatalogueRun, DataLockRecord, SavedCohort
from studies.cohorts.tables import load_model
from tests.server import seed
from tests.server.conftest import LogIn

RESEARCHER = Actor("user-researcher", "researcher", "org-operator")
CLERK = Actor("user-hospital-a", "hospital", "hospital-a")
CLERK_B = Actor("user-hospital-b", "hospital", "hospital-b")
DEFINITION = """language: 2
source: {zh: 甲, en: A}
entry:
  title: {zh: 手术, en: Operation}
  events: [{table: procedure, codes: {list: mastectomy@1}}]
require:
  - id: adult
    reason: {zh: 未满 18 岁, en: Under 18}
    patient: {age: {at_least: 18}}
"""


def counted(platform: Platform) -> None:
    """A count as the job leaves it: hospital A with 107 procedures, B with 4."""

    def counts(rows: int, patients: int, months: dict[str, int]) -> dict[str, object]:
        return {"rows": rows, "patients": patients, "months": months, "filled": {"code": rows, "end_date": 0}}

    tables = {
        "procedure": {
            "hospital-a": counts(107, 52, {"": 1, "2024-01": 103, "2024-02": 3}),
            "hospital-b": counts(4, 4, {"2024-01": 4}),
        },
        "outcome_event": {"hospital-a": counts(40, 40, {"": 40})},
    }
    run = CatalogueRun(
        id="catalogue-1",
        organisation_id="org-operator",
        made_at=as_text(platform.clock()),
        basis="another state of the store",
        content={"lake_versions": {}, "tables": tables},
    )
    platform.records.write(run, audit=Act(RESEARCHER, "catalogue.counted", Object("catalogue", run.id)))


# -- the catalogue ---------------------------------------------------------------------------------


def test_a_researcher_sees_rounded_numbers_and_no_small_ones(platform: Platform):
    """107 rows and 4 rows are 110 in all; the 4 of one hospital are not told."""
    counted(platform)
    seen = catalogue_seen(platform, RESEARCHER)
    [table] = [one for one in seen.tables if one.name == "procedure"]
    a, b = table.hospitals
    assert (table.rows, a.rows, a.patients, b.rows) == (110, 105, 50, None)
    assert dict(a.months) == {"": None, "2024-01": 105, "2024-02": None}
    assert dict(a.years) == {"": None, "2024": 105}
    assert {one.name: one.percent for one in a.columns if one.name in ("code", "end_date")} == {
        "code": 100,
        "end_date": 0,
    }
    assert seen.stale and seen.minimum == 10


def test_a_hospital_sees_its_own_numbers_exactly_and_no_other_hospital(platform: Platform, as_user: LogIn):
    counted(platform)
    for actor, rows in ((CLERK, 107), (CLERK_B, 4)):
        [table] = [one for one in catalogue_seen(platform, actor).tables if one.name == "procedure"]
        assert [one.organisation_id for one in table.hospitals] == [actor.organisation]
        assert table.rows == rows
    page = as_user("hospital-b").get("/catalogue/procedure").text
    assert "107" not in page and "演示医院甲" not in page
    told = as_user("hospital-b").get("/api/v1/catalogue/procedure").json()
    assert [one["organisation_id"] for one in told["hospitals"]] == ["hospital-b"]


@pytest.mark.parametrize("role", ["researcher", "regulator", "operator"])
def test_how_many_outcomes_there_are_is_told_to_no_reader_of_the_catalogue(platform: Platform, role: str):
    """Not rounded either, and not by which hospital: that is what a study is to find out."""
    counted(platform)
    seen = catalogue_seen(platform, Actor("user", role, "org-operator"))
    [table] = [one for one in seen.tables if one.name == "outcome_event"]
    assert table.sealed and not table.counted and not table.hospitals
    assert (table.rows, table.patients) == (None, None)
    assert {(one.filled, one.percent, one.sealed) for one in table.columns} == {(None, None, True)}
    assert all(one.title.zh and one.title.en for one in table.columns)


def test_a_hospital_sees_how_many_outcomes_it_sent_and_the_privacy_officer_all(platform: Platform):
    counted(platform)
    officer = Actor("user", "privacy", "org-operator")
    for actor, hospitals in ((CLERK, ["hospital-a"]), (CLERK_B, []), (officer, ["hospital-a"])):
        [table] = [one for one in catalogue_seen(platform, actor).tables if one.name == "outcome_event"]
        assert table.outcomes and not table.sealed
        assert [one.organisation_id for one in table.hospitals] == hospitals
        assert table.rows == 40 * len(hospitals)
        assert not any(one.months for one in table.hospitals)


def test_the_page_of_outcomes_explains_the_columns_and_why_there_is_no_number(
    platform: Platform, as_user: LogIn
):
    counted(platform)
    for language, why in (("en", "what a study is to find out"), ("zh", "正是研究要回答的问题")):
        browser = as_user("researcher", language=language)
        page = browser.get("/catalogue/outcome_event").text
        assert why in page and "value_code" in page
        assert not re.search(r"\b40\b", page) and "drawing-bars" not in page and "演示医院甲" not in page
    assert "outcomes, sealed" in as_user("researcher", language="en").get("/catalogue").text
    told = browser.get("/api/v1/catalogue/outcome_event").json()
    assert told["rows"] is told["patients"] is None and told["hospitals"] == []


def test_a_column_of_another_table_that_is_an_outcome_is_sealed_too(platform: Platform, monkeypatch: Any):
    """Were the patient's gender an outcome of the model, its table would be counted without it."""
    model = load_model("lecheng")
    sealed = catalogue._outcomes_of(replace(model, outcomes=frozenset({"outcome_event", "patient.gender"})))
    assert sealed.columns == {("patient", "gender")} and sealed.tables == {"outcome_event"}
    monkeypatch.setattr(catalogue, "_outcomes", lambda: sealed)
    counted(platform)
    [table] = [one for one in catalogue_seen(platform, RESEARCHER).tables if one.name == "patient"]
    assert {one.name for one in table.columns if one.sealed} == {"gender"} and not table.sealed
    [own] = [one for one in catalogue_seen(platform, CLERK).tables if one.name == "patient"]
    assert not any(one.sealed for one in own.columns)


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "privacy", "operator"])
def test_an_empty_catalogue_opens_for_everybody_and_names_the_next_step(as_user: LogIn, login: str):
    page = as_user(login, language="en").get("/catalogue")
    assert page.status_code == 200 and "Nothing has been counted yet" in page.text
    assert ("Count now" in page.text) is (login in ("hospital-a", "researcher"))


def test_a_table_that_is_none_is_not_found(as_user: LogIn):
    for name in ("no_such_table", "<script>", "..%2f..%2fetc"):
        answer = as_user("researcher").get(f"/catalogue/{name}")
        assert answer.status_code == 404 and "<script>" not in answer.text.replace('<script src="', "")


def test_counting_is_a_job_that_two_clicks_queue_once(as_user: LogIn):
    browser = as_user("researcher")
    first = browser.post("/api/v1/catalogue/counts").json()
    assert browser.post("/api/v1/catalogue/counts").json()["id"] == first["id"]
    assert "hx-get" in browser.get("/catalogue").text


# -- the editor ------------------------------------------------------------------------------------


def begun(platform: Platform, actor: Actor = RESEARCHER, text: str = DEFINITION) -> SavedCohort:
    return saved_cohorts.create_cohort(platform, actor, "一", text)


def test_what_is_typed_is_kept_also_when_it_cannot_be_read(platform: Platform, as_user: LogIn):
    row = begun(platform)
    typed = {"name": "一", "definition": "cohort: [", "revision": "1"}
    browser = as_user("researcher", language="en")
    answer = browser.post(f"/cohorts/{row.id}/draft", data=typed, headers={"HX-Request": "true"})
    assert answer.status_code == 200 and "protocol.refused" in answer.text and 'value="2"' in answer.text
    assert "cohort: [" in browser.get(f"/cohorts/{row.id}").text
    assert "YAML" in answer.text


def test_nobody_overwrites_what_somebody_else_has_saved_meanwhile(platform: Platform, as_user: LogIn):
    row = begun(platform)
    browser = as_user("researcher-2")
    first = {"name": "一", "definition": "first", "revision": "1"}
    browser.post(f"/cohorts/{row.id}/draft", data=first, headers={"HX-Request": "true"})
    late = {"name": "一", "definition": "second", "revision": "1"}
    answer = as_user("researcher").post(f"/cohorts/{row.id}/draft", data=late, headers={"HX-Request": "true"})
    assert answer.status_code == 409 and "cohort.changed_elsewhere" in answer.text
    assert saved_cohorts.find_cohort(platform, RESEARCHER, row.id).definition == "first"
    copied = as_user("researcher").post("/cohorts", data=late)
    assert (
        copied.status_code == 303 and "second" in as_user("researcher").get(copied.headers["location"]).text
    )


def test_the_same_text_saved_again_leaves_no_entry(platform: Platform):
    row = begun(platform)
    again = saved_cohorts.save_cohort(platform, RESEARCHER, row.id, "一", DEFINITION.replace("\n", "\r\n"), 1)
    assert again.revision == 1


def test_another_organisations_definition_looks_like_none(platform: Platform, as_user: LogIn):
    row = begun(platform, CLERK)
    with pytest.raises(PlatformError) as hidden:
        saved_cohorts.find_cohort(platform, RESEARCHER, row.id)
    assert hidden.value.http == 404
    for path in (f"/cohorts/{row.id}", f"/cohorts/{row.id}/cohort.yaml"):
        assert as_user("researcher").get(path).status_code == 404
        assert as_user("hospital-a").get(path).status_code == 200
    assert row.id not in as_user("researcher").get("/cohorts").text


def test_an_error_names_its_line_and_stops_the_count(platform: Platform, as_user: LogIn):
    """A window into follow-up: the finding says where, and nothing is counted until it is mended."""
    ahead = DEFINITION + (
        "  - id: later\n    reason: {zh: 乙, en: B}\n    events: {table: condition, codes: {list: breast-cancer@1}}\n"
        "    days: [0, 30]\n"
    )
    row = begun(platform, text=ahead)
    page = as_user("researcher", language="en").get(f"/cohorts/{row.id}").text
    assert "look_ahead" in page and 'data-line="10"' in page and "Counting" not in page


def test_sentences_diagram_and_table_say_the_same_numbers(platform: Platform, as_user: LogIn):
    row = begun(platform)
    page = as_user("researcher", language="en").post(f"/cohorts/{row.id}/count").text
    drawn = re.findall(r'class="remaining"[^>]*>([^<]+)<', page)
    assert len(drawn) >= 6 and set(drawn) == {"under 10"}
    assert page.count('<strong class="count">') == 5  # the store, the entry, the rule, the exit, the eras


@pytest.mark.parametrize(
    "hostile",
    [
        "&a [*a, *a]",
        "a: &x [1]\nb: [*x, *x, *x]",
        "[" * 5_000,
        DEFINITION.replace("手术", "<script>alert(1)</script>").replace(
            "未满 18 岁", "<img src=x onerror=alert(1)>"
        ),
        "\x00\x01",
        "!!python/object/apply:os.system [echo]",
    ],
)
def test_a_hostile_text_is_kept_and_does_nothing(platform: Platform, as_user: LogIn, hostile: str):
    row = begun(platform, text=hostile)
    for answer in (
        as_user("researcher").get(f"/cohorts/{row.id}"),
        as_user("researcher").post(f"/cohorts/{row.id}/count"),
    ):
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text and "<img src=x" not in answer.text


def test_a_text_of_ten_megabytes_is_refused_and_the_old_one_stays(platform: Platform, as_user: LogIn):
    row = begun(platform)
    huge = {"name": "一", "definition": "x" * 10_000_000, "revision": "1"}
    answer = as_user("researcher").post(f"/cohorts/{row.id}/draft", data=huge, headers={"HX-Request": "true"})
    assert answer.status_code in (400, 413, 422)
    assert saved_cohorts.find_cohort(platform, RESEARCHER, row.id).definition == DEFINITION


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_brings_the_words_for_a_text_that_is_too_long_to_send(
    platform: Platform, as_user: LogIn, language: str
):
    """Of three megabytes the server answers before it has read them: the editor says it itself, as of 300 kB."""
    row = begun(platform)
    client = as_user("researcher", language=language)
    page = client.get(f"/cohorts/{row.id}").text
    most = int(page.split('data-most="')[1].split('"')[0])
    too_long = page.split('<template id="too-long">')[1].split("</template>")[0]
    typed = {"name": "一", "definition": "x" * (most + 1), "revision": "1"}
    answer = client.post(f"/cohorts/{row.id}/draft", data=typed, headers={"HX-Request": "true"})
    assert answer.status_code == 413 and "cohort.text_too_long" in too_long
    assert "".join(too_long.split()) == "".join(answer.text.split()), "the same words as the server's"


def test_only_a_hospital_is_offered_one_patients_path(platform: Platform, as_user: LogIn):
    own, other = begun(platform, CLERK), begun(platform)
    assert "patient_id" in as_user("hospital-a").get(f"/cohorts/{own.id}").text
    assert "patient_id" not in as_user("researcher").get(f"/cohorts/{other.id}").text
    asked = {"patient_id": "<b>nobody</b>"}
    answer = as_user("hospital-a", language="en").post(f"/cohorts/{own.id}/explain", data=asked)
    assert answer.status_code == 200 and "No patient of yours" in answer.text and "<b>" not in answer.text
    assert as_user("researcher").post(f"/cohorts/{other.id}/explain", data=asked).status_code == 403


def test_a_cohort_alone_is_no_protocol_and_the_page_says_what_is_missing(platform: Platform, as_user: LogIn):
    row = begun(platform)
    answer = as_user("researcher", language="en").post(f"/cohorts/{row.id}/study")
    assert (
        answer.status_code == 400 and "protocol.cohort_alone" in answer.text and "mastectomy@1" in answer.text
    )
    assert "This is a cohort alone" in answer.text and "cohort section" in answer.text


# -- code lists and locks --------------------------------------------------------------------------


def test_a_code_list_says_who_signed_it_and_where_it_is_used(platform: Platform, as_user: LogIn):
    row = begun(platform)
    page = as_user("researcher", language="en").get("/code-lists/mastectomy@1").text
    assert "85.43" in page and "Not signed" in page and f"/cohorts/{row.id}" in page
    assert "No clinician has signed this list" in page and "no data lock rests on it" in page
    assert "没有临床专家签署过本表" in as_user("hospital-a").get("/code-lists/mastectomy@1").text
    assert "2 of 2 lists" in as_user("researcher", language="en").get("/code-lists").text
    assert f"/cohorts/{row.id}" not in as_user("hospital-a").get("/code-lists/mastectomy@1").text
    changed = (
        as_user("regulator", language="en")
        .get("/code-lists/mastectomy@1/difference?before=breast-cancer@1")
        .text
    )
    assert "C50.9" in changed and "85.48" in changed
    for wrong in ("nothing@1", "..%2fx@1", "<b>"):
        assert as_user("researcher").get(f"/code-lists/{wrong}").status_code == 404


def test_the_lock_shows_files_rules_and_steps_to_its_team_alone(platform: Platform, as_user: LogIn):
    """The regulator, to whom nothing was released, sees that there is a lock and not what it counts."""
    seed.seed_everything(platform)
    own = as_user("researcher", language="en").get(f"/locks/{seed.LOCK}").text
    assert "drawing-attrition" in own and "2,982" in own
    assert seed.LOCK in as_user("researcher").get("/locks").text
    assert as_user("hospital-a").get(f"/locks/{seed.LOCK}").status_code == 403
    for wrong in ("L-nothing", "<b>"):
        assert as_user("researcher").get(f"/locks/{wrong}").status_code == 404


def test_the_lock_says_who_was_linked_and_whether_its_data_are_fit(platform: Platform, as_user: LogIn):
    """A withheld number is not shown as 0, and an older lock, which says neither, shows neither."""
    seed.seed_study(platform)
    path = f"/locks/{seed.LOCK}"
    assert 'id="linkage"' not in (old := as_user("researcher").get(path).text) and 'id="fitness"' not in old
    row = platform.records.get(DataLockRecord, seed.LOCK)
    seed.say_of_lock(platform, row, linkage={"link.linked": 12, "link.disagree": 3}, fitness={})
    page = as_user("researcher", language="en").get(path).text
    assert "Persons brought together: 12" in page and "No linkage had been run" in page
    assert (
        "Fitness was not assessed" in page
        and "Undecided, because a Patient or a birth date is missing: 0" in page
    )

    seed.say_of_lock(platform, row, **seed.LINKED_AND_FIT)
    for language, said in (
        ("zh", ("不显示", "诊疗、支付", "1,240", "逐项评估")),
        ("en", ("withheld", "care and payment")),
    ):
        page = as_user("researcher", language=language).get(path).text
        linked = page[page.index('id="linkage"') : page.index('id="rules"')]
        assert all(one in linked for one in said), said
        assert "ab" * 32 in linked and "0.45" in linked
    assert 'id="linkage"' not in as_user("regulator").get(path).text, "nothing was released to them"


def test_the_study_page_draws_the_steps_as_the_lock_page_does(platform: Platform, as_user: LogIn):
    seed.seed_everything(platform)
    drawn = r'<svg class="drawing drawing-attrition".*?</svg>'
    browser = as_user("researcher")
    pages = [browser.get(path).text for path in (f"/studies/{seed.STUDY}", f"/locks/{seed.LOCK}")]
    first, second = (re.search(drawn, page, re.S) for page in pages)
    assert first and second and first.group() == second.group()
