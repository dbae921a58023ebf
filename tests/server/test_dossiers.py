"""Preparing a package at every door: what is asked, what was said, what is missing; page and API, both languages."""

from __future__ import annotations

import json
import logging
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import col, select

from rwd_platform.core.clock import as_text
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.statements import statements_of
from rwd_platform.records.tables import AuditEntry, DossierCheck, DossierStatement, Job
from studies.evidence.profiles.choice import purposes
from studies.evidence.profiles.profile import profile
from studies.evidence.statements import asked, asked_for, read_statements
from tests.evidence.submission.keys import recipient
from tests.flows.log_reading import whole_log
from tests.flows.saying import fit_words
from tests.server import seed
from tests.server.conftest import LogIn

RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
ZH, EN = "本研究没有外部资助，由演示研究院自行承担。", "Nobody funded this study but the institute itself."
STUDY = f"/studies/{seed.STUDY}"
API = f"/api/v1/studies/{seed.STUDY}"
FORM = {"purpose": "registration", "audience": "authority"}
PAID = {"purpose": "insurance", "audience": "aggregate"}  # one of its statements is a choice from a list


@pytest.fixture
def client(analysed: Platform, as_user: LogIn) -> TestClient:
    return as_user("researcher")


def put(client: TestClient, **said: Any) -> Any:
    return client.put(f"{API}/statements", json={"statements": said})


def said(platform: Platform) -> dict[str, Bilingual]:
    return statements_of(platform, seed.STUDY)


def stated(platform: Platform) -> int:
    return len(platform.records.all(select(AuditEntry).where(AuditEntry.action == "dossier.stated")))


def jobs(platform: Platform) -> list[Job]:
    return list(platform.records.all(select(Job).order_by(col(Job.queued_at), col(Job.id))))


def seed_check(platform: Platform, *lacking: dict[str, Any]) -> None:
    seed._write(platform, DossierCheck(
        id="check-1", organisation_id="org-operator", project_id="demo", study_id=seed.STUDY, run_id=seed.RUN,
        purpose="registration", audience="authority", basis="0" * 64, lacking=list(lacking), made_by="user-researcher",
        made_at=as_text(platform.clock()),
    ))  # fmt: skip


def lack(id: str, statement: str = "") -> dict[str, Any]:
    words = {
        "title": ("缺的项目", "What is missing"),
        "who": ("医院", "hospital"),
        "next": ("请补上", "Bring it"),
    }
    return {"id": id, "statement": statement} | {key: {"zh": zh, "en": en} for key, (zh, en) in words.items()}


# -- the API -----------------------------------------------------------------------------------------------------


def test_what_was_said_is_kept_changed_and_taken_back(client: TestClient, analysed: Platform) -> None:
    """English may be left out; a choice is its id; blank takes back; what is not named stays as it is."""
    answer = put(
        client,
        funding={"zh": ZH, "en": EN},
        data_access={"zh": ZH},
        evaluation_route={"zh": "clinical_trial"},
    )
    assert answer.status_code == 200 and answer.json()["study_id"] == seed.STUDY
    assert answer.json()["statements"]["funding"] == {"zh": ZH, "en": EN}
    assert answer.json()["statements"]["data_access"] == {"zh": ZH, "en": ZH}
    assert answer.json()["statements"]["evaluation_route"]["zh"] == "clinical_trial"
    assert client.get(f"{API}/statements").json() == answer.json()
    again = put(client, funding={"zh": ZH, "en": EN}, data_access={"zh": " "}, conflicts={"zh": ""})
    assert set(again.json()["statements"]) == {"funding", "evaluation_route"}
    put(client, funding={"zh": ZH, "en": EN}), put(client)
    assert stated(analysed) == 2, "what is as it was leaves no entry"


REFUSED = [
    ({"no-such-thing": {"zh": ZH}}, "evidence.statement_unknown"),
    ({RESIDENT_ID: {"zh": ZH}}, "evidence.statement_unknown"),
    ({"funding": {"zh": "", "en": EN}}, "evidence.statement_unfit"),
    ({"funding": {"zh": "长" * 9000}}, "evidence.statement_unfit"),
    ({"funding": {"zh": ZH + "\x00"}}, "evidence.statement_unfit"),
    ({"evaluation_route": {"zh": "whatever-else"}}, "evidence.statement_unfit"),
    ({"funding": {"zh": f"患者王小明 {RESIDENT_ID}"}}, "evidence.statement_identifies"),
    ({"funding": {"zh": ZH, "en": "Call 13987650123 about it"}}, "evidence.statement_identifies"),
    ({"funding": {"zh": "长" * 20_001}}, "server.fields"),
    ({"funding": {"en": EN}}, "server.fields"),
    ({"funding": RESIDENT_ID}, "server.fields"),
    ({f"s{number}": {"zh": ZH} for number in range(501)}, "server.fields"),
    ({f"s{number}": {"zh": ZH} for number in range(499)}, "evidence.statement_unknown"),
]


@pytest.mark.parametrize(("bad", "code"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_used_keeps_everything_out_and_is_not_repeated(
    client: TestClient, analysed: Platform, bad: dict[str, Any], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = put(client, data_access={"zh": ZH, "en": EN}, **bad)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    told = answer.text + whole_log(analysed) + caplog.text
    for words in (RESIDENT_ID, "13987650123", "王小明", ZH, EN, "长长长", "whatever-else"):
        assert words not in told, words
    assert said(analysed) == {} and stated(analysed) == 0
    assert not answer.json()["zh"].isascii() and answer.json()["next_en"]


BODIES = {
    "no JSON": b"{",
    "a list": b"[]",
    "nothing": b"",
    "surrogate": b'{"statements": {"funding": {"zh": "\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800\\ud800"}}}',
    "surrogate as a name": b'{"statements": {"\\ud800": {"zh": "x"}}}',
    "deep": b'{"statements": ' + b"[" * 100_000,
    "not UTF-8": b'{"statements": {"\xff\xfe": {"zh": "x"}}}',
}


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_none_is_refused(client: TestClient, analysed: Platform, body: str) -> None:
    answer = client.put(
        f"{API}/statements", content=BODIES[body], headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text[:300]
    assert answer.json()["code"] and answer.json()["next_zh"] and said(analysed) == {}


def test_everything_that_is_asked_is_written_at_once(client: TestClient, analysed: Platform) -> None:
    words = {id: {"zh": one.zh, "en": one.en} for id, one in fit_words().items()}
    assert put(client, **words).status_code == 200 and said(analysed) == fit_words()
    assert len(analysed.records.all(select(DossierStatement))) == len(asked()) and stated(analysed) == 1


def test_what_a_purpose_asks_for_and_what_was_found_missing(client: TestClient, analysed: Platform) -> None:
    put(client, funding={"zh": ZH, "en": EN})
    found = client.get(f"{API}/dossier").json()
    assert (found["profile"], found["lacking"], found["checked_at"]) == ("reg_drug", None, "")
    assert [one["id"] for one in found["waiting"]] == list(asked_for(profile("reg_drug")))
    by_id = {one["id"]: one for one in found["waiting"]}
    assert by_id["funding"]["said"] == {"zh": ZH, "en": EN}
    assert {one["said"] is None for id, one in by_id.items() if id != "funding"} == {True}
    assert by_id["funding"]["choices"] is None and by_id["funding"]["most"] >= by_id["funding"]["least"] > 0
    paid = client.get(f"{API}/dossier", params=PAID).json()
    assert [one["choices"] is not None for one in paid["waiting"] if one["id"] == "priority_situation"] == [
        True
    ]
    seed_check(analysed, lack("funding", "funding"), lack("part.overseas"))
    found = client.get(f"{API}/dossier").json()
    assert [one["id"] for one in found["lacking"]] == ["funding", "part.overseas"] and found["checked_at"]
    assert client.get(f"{API}/dossier", params={"audience": "aggregate"}).json()["lacking"] is None


CHOICES = [
    ({"purpose": "made-up"}, "evidence.choice_unknown"),
    ({"audience": "made-up"}, "evidence.choice_unknown"),
    ({"purpose": "commercial"}, "evidence.audience_not_for"),
    ({"purpose": "\x00"}, "evidence.choice_unknown"),
    ({"purpose": "<script>"}, "evidence.choice_unknown"),
]


@pytest.mark.parametrize(("changed", "code"), CHOICES, ids=range(len(CHOICES)))
def test_a_choice_that_there_is_not_is_refused_at_every_door(
    client: TestClient, analysed: Platform, changed: dict[str, str], code: str
) -> None:
    """The page stays, so that another can be chosen; a job that can only fail is not queued."""
    wanted = FORM | changed
    answer = client.get(f"{API}/dossier", params=wanted)
    assert answer.json()["code"] == code and answer.status_code in (400, 422)
    page = client.get(f"{STUDY}/dossier", params=wanted)
    assert page.status_code == answer.status_code and code in page.text and 'id="purpose"' in page.text
    assert "<script>" not in page.text.split("<main", 1)[1] and "made-up" not in answer.text
    for place in (f"{API}/dossier-checks", f"{API}/packages"):
        assert client.post(place, json=wanted).json()["code"] == code
    assert code in client.post(f"{STUDY}/dossier-checks", data=wanted).text
    assert client.get(f"{STUDY}/statements.yaml", params=wanted).status_code == answer.status_code
    assert jobs(analysed) == []


def test_a_product_that_is_neither_has_no_registration(platform: Platform, as_user: LogIn) -> None:
    seed.seed_study(platform, protocol=seed.PROTOCOL.replace("drug_exposure", "procedure"))
    client = as_user("researcher")
    assert client.get(f"{API}/dossier").json()["code"] == "evidence.product_unknown"
    assert client.post(f"{API}/packages", json=FORM).json()["code"] == "evidence.product_unknown"
    page = client.get(f"{STUDY}/dossier")
    assert page.status_code == 422 and "evidence.product_unknown" in page.text
    assert client.get(f"{API}/dossier", params={"purpose": "post_market"}).json()["profile"] == "post_market"


def test_rows_leave_only_for_a_recipient(client: TestClient, analysed: Platform) -> None:
    """T3 needs a certificate that is no larger than certificates are; what was sent is not repeated."""
    pem = recipient().certificate.decode()
    for place in ("dossier-checks", "packages"):
        answer = client.post(f"{API}/{place}", json=FORM | {"rows": "T3"})
        assert (answer.status_code, answer.json()["code"]) == (422, "evidence.certificate_needed")
        answer = client.post(f"{API}/{place}", json=FORM | {"rows": "T3", "certificate": "x" * 1_000_000})
        assert (answer.status_code, answer.json()["code"]) == (
            422,
            "server.fields",
        ) and "xxx" not in answer.text
        answer = client.post(
            f"{API}/{place}", json=FORM | {"audience": "aggregate", "rows": "T3", "certificate": pem}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "evidence.tier_not_for")
    refused = client.post(f"{STUDY}/assemble", data=FORM | {"rows": "T3", "certificate": " "})
    assert refused.status_code == 422 and "evidence.certificate_needed" in refused.text
    assert jobs(analysed) == []
    assert client.post(f"{STUDY}/assemble", data=FORM | {"rows": "T3", "certificate": pem}).status_code == 303
    (job,) = jobs(analysed)
    assert (job.kind, job.payload["tier"], job.payload["certificate"].strip()) == (
        "assemble",
        "T3",
        pem.strip(),
    )


def test_new_words_are_worth_another_look_and_the_same_are_not(
    client: TestClient, analysed: Platform
) -> None:
    first = client.post(f"{API}/dossier-checks", json=FORM)
    assert first.status_code == 202 and first.json()["kind"] == "check_dossier"
    assert client.post(f"{API}/dossier-checks", json=FORM).json()["id"] == first.json()["id"]
    put(client, funding={"zh": ZH})
    assert client.post(f"{STUDY}/dossier-checks", data=FORM).status_code == 303
    assert client.post(f"{API}/dossier-checks", json=FORM | {"audience": "aggregate"}).status_code == 202
    assert len({job.key for job in jobs(analysed)}) == len(jobs(analysed)) == 3
    assert "检查证据包缺项" in client.get(f"{STUDY}/dossier").text


# -- who ---------------------------------------------------------------------------------------------------------


def test_anothers_study_looks_like_none(platform: Platform, as_user: LogIn) -> None:
    """Every address, with what would be right for one's own: the same answer as for a study that is not there."""
    seed.seed_study(platform, organisation="hospital-a")
    client = as_user("researcher")
    for study in (seed.STUDY, "study-none"):
        page, api = f"/studies/{study}", f"/api/v1/studies/{study}"
        answers = [
            client.get(f"{page}/dossier"), client.get(f"{page}/statements.yaml"), client.get(f"{api}/statements"),
            client.get(f"{api}/dossier"), client.post(f"{api}/dossier-checks", json=FORM),
            client.put(f"{api}/statements", json={"statements": {"funding": {"zh": ZH}}}),
            client.post(f"{page}/statements", data=FORM | {"zh.funding": ZH}),
            client.post(f"{page}/dossier-checks", data=FORM),
        ]  # fmt: skip
        assert {one.status_code for one in answers} == {404}
        assert all(
            "演示研究" not in one.text.replace("演示研究院", "") and ZH not in one.text for one in answers
        )
    assert platform.records.all(select(DossierStatement)) == [] and jobs(platform) == []


@pytest.mark.parametrize("login", ["hospital-a", "regulator", "privacy", "operator"])
def test_others_have_no_door(analysed: Platform, as_user: LogIn, login: str) -> None:
    client = as_user(login)
    assert put(client, funding={"zh": ZH}).status_code == 403
    assert client.get(f"{STUDY}/dossier").status_code == 403 and said(analysed) == {}
    assert f"{STUDY}/dossier" not in client.get(STUDY).text


def test_a_form_of_another_site_writes_nothing(client: TestClient, analysed: Platform) -> None:
    del client.headers["X-CSRF-Token"]
    assert client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": ZH}).status_code == 403
    assert client.post(f"{STUDY}/statements", data={"zh.funding": ZH, "csrf_token": "x"}).status_code == 403
    assert said(analysed) == {}


# -- the page ----------------------------------------------------------------------------------------------------


class Fields(HTMLParser):
    """The fields of a page by name, and the ids that a label is for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, dict[str, str]] = {}
        self.hidden: dict[str, str] = {}
        self.labelled: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "label":
            self.labelled.append(given.get("for", ""))
        if tag == "input" and given.get("type") == "hidden":
            self.hidden[given["name"]] = given.get("value", "")
        elif tag in ("input", "select", "textarea") and "name" in given:
            self.fields[given["name"]] = given


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("purpose", ["registration", "commercial"])
def test_every_field_has_its_label_and_every_id_is_there_once(
    analysed: Platform, as_user: LogIn, language: str, purpose: str
) -> None:
    seed_check(analysed, lack("funding", "funding"), lack("TARGET.6"), lack("part.overseas"))
    client = as_user("researcher", language=language)
    audience = "aggregate" if purpose == "commercial" else "authority"
    page = client.get(f"{STUDY}/dossier", params={"purpose": purpose, "audience": audience})
    found = Fields(page.text)
    main = {name: one for name, one in found.fields.items() if name.startswith(("zh.", "en.")) or name in
            ("purpose", "audience", "rows", "certificate")}  # fmt: skip
    assert page.status_code == 200 and {one["id"] for one in main.values()} <= set(found.labelled)
    assert len(found.ids) == len(set(found.ids))
    wanted = asked_for(profile("reg_drug" if purpose == "registration" else "commercial"))
    assert {f"zh.{id}" for id in wanted} <= set(found.fields)
    assert ("zh.TARGET.6" in found.fields, "certificate" in found.fields) == (purpose == "registration",) * 2
    title = {"zh": "还缺什么，由谁处理", "en": "What is missing, and who must act"}
    assert title[language] in page.text and title["en" if language == "zh" else "zh"] not in page.text
    if purpose == "registration":
        assert (
            'href="#s-funding"' in page.text and ("请补上" if language == "zh" else "Bring it") in page.text
        )
        assert "zh.part.overseas" in found.fields, "why it is not there may be said"


def test_every_purpose_has_its_page(client: TestClient) -> None:
    for id, one in purposes().items():
        answers = [client.get(f"{STUDY}/dossier", params={"purpose": id, "audience": a}).status_code
                   for a in ("authority", "aggregate")]  # fmt: skip
        assert answers[1] == 200 and answers[0] in (200, 422), id
        assert (
            one.title.zh
            in client.get(f"{STUDY}/dossier", params={"purpose": id, "audience": "aggregate"}).text
        )


def test_what_is_kept_stands_on_the_page_and_markup_is_text(client: TestClient, analysed: Platform) -> None:
    form = PAID | {
        "zh.funding": f"{ZH}<script>alert(1)</script>",
        "en.funding": "",
        "zh.priority_situation": "early_evidence",
    }
    answer = client.post(f"{STUDY}/statements", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"{STUDY}/dossier?purpose=insurance&audience=aggregate"
    page = client.get(answer.headers["location"]).text
    assert "&lt;script&gt;alert(1)" in page and "<script>alert" not in page
    assert re.search(r'<option value="early_evidence" selected>', page)
    assert said(analysed)["funding"] == Bilingual(*[f"{ZH}<script>alert(1)</script>"] * 2)


def test_lines_as_a_browser_ends_them_are_lines(client: TestClient, analysed: Platform) -> None:
    text = f"{ZH}\r\n\r\n\u3000\u3000{ZH}"
    assert client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": text}).status_code == 303
    assert said(analysed)["funding"].zh == text.replace("\r\n", "\n")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_after_a_mistake_the_page_keeps_what_was_typed_save_what_identifies(
    analysed: Platform, as_user: LogIn, language: str
) -> None:
    """Also where the mistake is another one than the number: a page repeats no number of a person."""
    client = as_user("researcher", language=language)
    number = {"zh.data_access": f"患者 {RESIDENT_ID} 的资料", "en.data_access": "As typed."}
    short = {"zh.evaluation_route": "no-choice"}
    for wrong, code in (
        (number, "evidence.statement_identifies"), (short, "evidence.statement_unfit"),
        (number | short, "evidence.statement_"), ({"zh.made-up": ZH}, "evidence.statement_unknown"),
        ({"zh.missing_data": "", "en.missing_data": EN}, "evidence.statement_unfit"),
    ):  # fmt: skip
        answer = client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": ZH, "en.funding": EN} | wrong)
        assert answer.status_code == 422 and code in answer.text and "card-problem" in answer.text
        assert f">{ZH}</textarea>" in answer.text and f">{EN}</textarea>" in answer.text
        assert RESIDENT_ID not in answer.text + whole_log(analysed)
        assert said(analysed) == {}


def test_a_person_who_saves_an_old_page_does_not_undo_anothers_words(
    analysed: Platform, as_user: LogIn
) -> None:
    """What stands as the page showed it, blank or not, is not sent again: two people fill in one dossier."""
    one, other = as_user("researcher"), as_user("researcher-2")
    put(one, missing_data={"zh": ZH, "en": EN})
    page = Fields(one.get(f"{STUDY}/dossier").text)
    assert {name.removeprefix("had.") for name in page.hidden if name.startswith("had.")} == {
        name.removeprefix("zh.") for name in page.fields if name.startswith("zh.")
    }
    newer = {"zh": "同事写的更新的内容，比原来更完整。", "en": "What a colleague wrote in the meantime."}
    put(other, funding=newer, missing_data=newer)
    blank = {name: "" for name in page.fields if name.startswith(("zh.", "en."))}
    form = page.hidden | blank | FORM | {"zh.missing_data": ZH, "en.missing_data": EN, "zh.data_access": ZH}
    assert one.post(f"{STUDY}/statements", data=form).status_code == 303
    assert said(analysed) == {
        "funding": Bilingual(**newer), "missing_data": Bilingual(**newer), "data_access": Bilingual(ZH, ZH)
    }  # fmt: skip
    page = Fields(one.get(f"{STUDY}/dossier").text)
    form = page.hidden | blank | FORM | {"zh.missing_data": newer["zh"], "en.missing_data": newer["en"]}
    assert one.post(f"{STUDY}/statements", data=form).status_code == 303
    assert set(said(analysed)) == {"missing_data"}, "what is emptied on a page that showed it is taken back"


NAMES = [
    "zh.__proto__",
    "zh.",
    "zh.<script>",
    "zh.%00",
    "zh.\x00",
    f"zh.{RESIDENT_ID}",
    "zh." + "a" * 10_000,
    "zh.患者王小明",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_field_that_nobody_asked_for_is_refused_and_not_repeated(
    client: TestClient, analysed: Platform, name: str
) -> None:
    answer = client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": ZH, name: ZH})
    assert answer.status_code == 422 and "evidence.statement_unknown" in answer.text
    for told in (RESIDENT_ID, "<script>a", "a" * 100, "王小明"):
        assert told not in answer.text.split("<main", 1)[1] + whole_log(analysed)
    assert said(analysed) == {}
    odd = client.post(
        f"{STUDY}/statements", data={"purpose": "\x00", "audience": name, "zh.evaluation_route": "x"}
    )
    assert odd.status_code == 422 and "<script>" not in odd.text.split("<main", 1)[1]


def test_thousands_of_fields_and_a_huge_body_break_nothing(client: TestClient, analysed: Platform) -> None:
    many = {f"zh.s{number}": "x" for number in range(3000)}
    assert client.post(f"{STUDY}/statements", data=FORM | many).status_code in (400, 413, 422)
    huge = client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": "长" * 1_000_000})
    assert huge.status_code in (413, 422) and len(huge.content) < 4_500_000
    body = json.dumps({"statements": {"funding": {"zh": "长" * 3_000_000}}}).encode()
    answer = client.put(f"{API}/statements", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (413, 422) and len(answer.content) < 2000 and said(analysed) == {}


def test_the_file_to_fill_in_comes_back_as_it_went(client: TestClient, analysed: Platform) -> None:
    """What was said is in the file; filled in and sent, it is what was said."""
    words = {"funding": Bilingual(ZH, EN), "data_access": Bilingual(f"{ZH}\n“引号”: # & *", "a: b"),
             "priority_situation": Bilingual("early_evidence", "early_evidence")}  # fmt: skip
    put(client, **{id: {"zh": one.zh, "en": one.en} for id, one in words.items()})
    answer = client.get(f"{STUDY}/statements.yaml", params=PAID)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/yaml")
    assert f'filename="{seed.STUDY}-insurance-statements.yaml"' in answer.headers["content-disposition"]
    assert read_statements(answer.text) == words == said(analysed)
    for id in asked_for(profile("nhsa")):
        assert f"\n  {id}:" in answer.text


def test_before_there_are_results_there_is_nothing_to_look_at(platform: Platform, as_user: LogIn) -> None:
    """Words may be written early; looking and making wait."""
    seed.seed_study(platform, state="frozen")
    client = as_user("researcher")
    page = client.get(f"{STUDY}/dossier")
    assert page.status_code == 200 and f'action="{STUDY}/dossier-checks"' not in page.text
    assert f'action="{STUDY}/assemble"' not in page.text
    assert client.post(f"{API}/dossier-checks", json=FORM).json()["code"] == "study.not_analysed"
    assert client.post(f"{STUDY}/statements", data=FORM | {"zh.funding": ZH}).status_code == 303


def test_a_check_that_found_nothing_says_so_and_the_study_leads_here(
    client: TestClient, analysed: Platform
) -> None:
    assert f"{STUDY}/dossier" in client.get(STUDY).text
    assert "还没有检查过" in client.get(f"{STUDY}/dossier").text
    seed_check(analysed)
    assert "什么都不缺：可以生成证据包。" in client.get(f"{STUDY}/dossier").text


# -- before there is a run ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "zh", "en"),
    [
        ("registered", "由研究者在研究页面冻结方案", "a researcher freezes it"),
        ("frozen", "由研究者在研究页面锁定数据", "a researcher locks them"),
        ("locked", "由研究者在研究页面运行计划中的分析", "a researcher runs the planned analyses"),
    ],
)
def test_before_a_run_the_page_says_why_nothing_can_be_made_and_whose_the_next_step_is(
    platform: Platform, as_user: LogIn, state: str, zh: str, en: str
) -> None:
    seed.seed_study(platform, state=state)
    for language, words in (("zh", zh), ("en", en)):
        text = as_user("researcher", language=language).get(f"{STUDY}/dossier").text
        assert words in text and f'href="{STUDY}"' in text and "dossier-checks" not in text
        assert "还没有检查过" not in text and "Not checked yet" not in text
        assert text.index("<details") < text.index('name="zh.'), "what may be written already is folded away"


def test_a_registration_is_asked_in_its_own_words_with_how_much_is_wanted(client: TestClient) -> None:
    """One id may be asked of several purposes: `gap` of a reimbursement is about its list, here it is not."""
    text = client.get(f"{STUDY}/dossier", params=FORM).text
    (field,) = re.findall(r'id="s-gap".*?<textarea', text, re.DOTALL)
    wanted = profile("reg_drug").statement("gap").asks
    assert wanted.zh in field or wanted.en in field
    assert "目录" not in field and "list" not in field
    assert "20 至 2000 个字符" in field or "20 to 2000 characters" in field
