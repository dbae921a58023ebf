"""The log's pages: what is found and kept, one entry with its proof, signed heads, a verification; and attacks."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.audit.checkpoints import make_checkpoint
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, Job, User
from rwd_platform.server import log_view
from tests.conftest import StandingClock
from tests.log import reference
from tests.server.conftest import LogIn

HOSPITAL_A = Actor("user-hospital-a", "hospital", "hospital-a")
HOSPITAL_B = Actor("user-hospital-b", "hospital", "hospital-b")
AUDITOR = Actor("user-auditor", "auditor", "org-operator")


def note(platform: Platform, actor: Actor = HOSPITAL_A, action: str = "receipt.read", **more: object) -> int:
    """An act on record; its number."""
    act = Act(actor, action, Object("receipt", str(more.pop("id", "r-1"))), **more)  # type: ignore[arg-type]
    return platform.records.record(act).sequence


def behind(platform: Platform, statement: str, **values: object) -> None:
    with platform.records.engine.begin() as connection:
        connection.execute(text(statement), values)


def numbers(page: str) -> list[int]:
    """The entries that a list names, in its order."""
    return [int(one) for one in re.findall(r'href="/log/(\d+)">#', page)]


def entries(platform: Platform) -> list[AuditEntry]:
    return list(platform.records.all(select(AuditEntry).order_by(AuditEntry.sequence)))  # type: ignore[arg-type]


@pytest.fixture
def signed(platform: Platform) -> Platform:
    for turn in range(3):
        note(platform, id=f"r-{turn}")
    make_checkpoint(platform.records, platform.log_signer, "due")
    return platform


# -- the list ------------------------------------------------------------------------------------------------


def test_instants_are_of_shanghai_with_the_exact_utc_beside_them(platform: Platform, as_user: LogIn) -> None:
    note(platform)
    page = as_user("auditor").get("/log").text
    assert "2026-11-02 16:00:00" in page and 'title="UTC 2026-11-02T08:00:00.000000Z"' in page


def test_a_period_is_of_whole_days_in_shanghai(
    platform: Platform, clock: StandingClock, as_user: LogIn
) -> None:
    """15:59 UTC is still the second of November there, 16:00 is the third."""
    clock.advance(hours=7, minutes=59)
    second = note(platform)
    clock.advance(minutes=1)
    third = note(platform)
    client = as_user("auditor")
    assert numbers(client.get("/log?since=2026-11-03&action=receipt.read").text) == [third]
    assert numbers(client.get("/log?until=2026-11-02&action=receipt.read").text) == [second]
    both = client.get("/log?since=2026-11-02&until=2026-11-03&action=receipt.read").text
    assert numbers(both) == [third, second]


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "until=2026-13-01",
        "since=0001-01-01",
        "until=9999-12-31",
        "since=2026-11-03&until=2026-11-02",
    ],
)
def test_a_day_that_is_none_is_told_and_what_was_typed_stays(
    platform: Platform, as_user: LogIn, query: str
) -> None:
    answer = as_user("auditor").get(f"/log?object=r-77&{query}")
    assert answer.status_code == 422 and "log.day_unfit" in answer.text
    assert 'value="r-77"' in answer.text and query.split("=")[1].split("&")[0] in answer.text
    told = as_user("auditor").get(f"/api/v1/log?{query}")
    assert (told.status_code, told.json()["code"]) == (422, "log.day_unfit")


def test_the_filter_stays_over_pages(platform: Platform, as_user: LogIn) -> None:
    for _ in range(60):
        note(platform, id="r/9 & co")
    note(platform, id="other")
    client = as_user("auditor")
    first = client.get("/log", params={"object": "r/9 & co", "since": "2026-11-01"}).text
    (link,) = re.findall(r'href="(/log\?[^"]*page=2)" rel="next"', first)
    second = client.get(link.replace("&amp;", "&")).text
    assert len(numbers(first)) == 50 and len(numbers(second)) == 10
    assert 'value="r/9 &amp; co"' in second and 'value="2026-11-01"' in second


def test_a_person_is_found_by_name_login_or_id(platform: Platform, as_user: LogIn) -> None:
    number = note(platform)
    client = as_user("auditor")
    for said in ("user-hospital-a", "hospital-a", "张 hospital-a"):
        assert numbers(client.get("/log", params={"actor": said}).text) == [number], said


def test_two_people_of_one_name_are_not_mixed_up(platform: Platform, as_user: LogIn) -> None:
    """The name alone says nobody; the id does."""
    other = platform.records.get(User, "user-hospital-b")
    other.name = "张 hospital-a"
    platform.records.write(other, audit=Act(AUDITOR, "user.registered", Object("user", other.id)))
    note(platform)
    assert numbers(as_user("auditor").get("/log", params={"actor": "张 hospital-a"}).text) == []
    assert numbers(as_user("auditor").get("/log", params={"actor": "user-hospital-a"}).text)


@pytest.mark.parametrize("name", ["action", "object", "actor", "outcome", "since"])
def test_a_filter_of_ten_thousand_characters_is_refused(as_user: LogIn, name: str) -> None:
    for path in ("/log", "/log.csv", "/api/v1/log"):
        answer = as_user("auditor").get(path, params={name: "x" * 10_000})
        assert answer.status_code == 422 and "xxxx" not in answer.text


@pytest.mark.parametrize(
    "typed", ["\x00", "a\x00b", "%ff", "' OR 1=1 --", "<script>alert(1)</script>", "\u202e"]
)
def test_hostile_text_in_a_filter_finds_nothing_and_stays_text(as_user: LogIn, typed: str) -> None:
    answer = as_user("auditor").get("/log", params={"object": typed})
    assert answer.status_code == 200 and numbers(answer.text) == []
    assert "<script>alert" not in answer.text


# -- whose entries -------------------------------------------------------------------------------------------


def test_a_hospital_reads_its_own_entries_and_no_others(platform: Platform, as_user: LogIn) -> None:
    """In the list, the export, one by one, and over the API: what is another's looks like what is not there."""
    mine, theirs = note(platform, id="mine"), note(platform, HOSPITAL_B, id="theirs")
    client = as_user("hospital-a")
    assert numbers(client.get("/log").text) == [mine]
    assert "theirs" not in client.get("/log.csv").text
    assert client.get(f"/log/{mine}").status_code == 200
    absent = client.get("/log/999999").text
    for path in (f"/log/{theirs}", f"/log/{theirs}.proof", f"/log/{theirs}.json", f"/api/v1/log/{theirs}"):
        answer = client.get(path)
        assert answer.status_code == 404 and "theirs" not in answer.text, path
    assert scrubbed(client.get(f"/log/{theirs}").text) == scrubbed(absent)
    page = client.get(f"/log/{mine}").text
    assert f'href="/log/{theirs}"' not in page, "the entries beside it are one's own too"


def scrubbed(page: str) -> str:
    return re.sub(r"\d+", "", page)


@pytest.mark.parametrize(
    "number", ["-1", "abc", "9" * 15, "9" * 40, "1e3", "1.0", "٣", "0x1", "+1", " 1", "1 ", "%00", "null"]
)
def test_what_is_no_entrys_number_is_not_found(signed: Platform, as_user: LogIn, number: str) -> None:
    client = as_user("auditor")
    for path in (f"/log/{number}", f"/log/{number}.proof", f"/log/{number}.json", f"/api/v1/log/{number}"):
        assert client.get(path).status_code == 404, path
    assert client.get(f"/log/checkpoints/{number}.note").status_code == 404


def test_who_may_not_read_the_log_reads_none_of_its_pages(signed: Platform, as_user: LogIn) -> None:
    for login in ("security", "ethics", "inspector"):
        for path in (
            "/log",
            "/log/1",
            "/log/1.proof",
            "/log.csv",
            "/log/checkpoints",
            "/log/verify",
            "/log/reviews",
        ):
            assert as_user(login).get(path).status_code == 403, (login, path)


# -- the export ----------------------------------------------------------------------------------------------


def test_the_export_is_the_filtered_lines_and_an_act(platform: Platform, as_user: LogIn) -> None:
    """As many rows as the filter finds, with the actor's name and both times; and who took it away is on record."""
    first, second = note(platform, id="r-1", reason="为何"), note(platform, id="r-2")
    note(platform, action="upload.opened")
    answer = as_user("auditor").get("/log.csv?action=receipt.read")
    assert answer.headers["content-type"].startswith("text/csv") and answer.content[:3] == b"\xef\xbb\xbf"
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0] == list(log_view.HEAD)
    assert [row[0] for row in rows[1:]] == [str(second), str(first)]
    assert rows[2][1:5] == [
        "2026-11-02 16:00:00",
        "2026-11-02T08:00:00.000000Z",
        HOSPITAL_A.id,
        "张 hospital-a",
    ]
    assert "为何" in rows[2]
    body = json.loads(entries(platform)[-1].body)
    assert (body["action"], body["actor"]["id"]) == ("log.exported", AUDITOR.id)
    assert body["decision"] == {"lines": 2, "of": 2, "filter": {"action": "receipt.read"}}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1", "\r=1"])
def test_no_cell_of_the_export_is_a_formula(platform: Platform, as_user: LogIn, cell: str) -> None:
    note(platform, id=cell, reason=cell)
    content = as_user("auditor").get("/log.csv?action=receipt.read").content.decode("utf-8-sig")
    row = list(csv.reader(io.StringIO(content, newline="")))[1]
    assert f"'{cell}" in row and not any(one.startswith(tuple("=+-@＝\t\r")) for one in row)


def test_an_export_that_was_cut_says_so(
    platform: Platform, as_user: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_view, "MOST_EXPORTED", 2)
    for turn in range(5):
        note(platform, id=f"r-{turn}")
    client = as_user("auditor")
    assert "只导出最新的 2 条" in client.get("/log?action=receipt.read").text
    lines = client.get("/log.csv?action=receipt.read").content.decode("utf-8-sig").splitlines()
    assert len(lines) == 1 + 2 + 1 and "2" in lines[-1] and "of 5 lines" in lines[-1]
    assert "r-4" in lines[1] and "r-3" in lines[2]


# -- one entry -----------------------------------------------------------------------------------------------


def test_an_entry_says_who_what_why_and_what_was_decided_on(platform: Platform, as_user: LogIn) -> None:
    number = note(
        platform,
        id="r-5",
        reason="核对 <b>",
        purpose="why",
        decision={"verdict": "HOLD", "rules": ["M10", "M11"]},
    )
    for language, words in (("zh", ("查看了", "拒绝")), ("en", ("Who", "To what"))):
        page = as_user("auditor", language=language).get(f"/log/{number}").text
        assert "张 hospital-a" in page and "核对 &lt;b&gt;" in page and "r-5" in page
        assert "rules.1" in page and "M11" in page and "HOLD" in page
        assert language == "zh" or all(one in page for one in words)


def test_an_entrys_proof_is_in_words_and_in_a_file_that_verifies_by_itself(
    signed: Platform, as_user: LogIn
) -> None:
    """Downloaded: the entry's exact bytes and the proof. The rest is RFC 9162 by hand."""
    client = as_user("auditor")
    number = entries(signed)[-2].sequence
    page = client.get(f"/log/{number}").text
    assert "证明成立" in page
    body = client.get(f"/log/{number}.json").content
    file = client.get(f"/log/{number}.proof")
    assert f'filename="entry-{number}.tlog-proof"' in file.headers["content-disposition"]
    head, _, kept = file.text.partition("\n\n")
    assert head.split("\n")[:2] == ["c2sp.org/tlog-proof@v1", f"index {number}"]
    leaves = [reference.leaf_hash(row.body) for row in entries(signed)]
    claim = parse_checkpoint(kept)
    assert hashlib.sha256(b"\x00" + body).digest() == leaves[number]
    path = [base64.b64decode(one) for one in head.split("\n")[2:]]
    assert path == reference.path(number, leaves[: claim.size])
    assert claim.root == reference.tree_hash(leaves[: claim.size])
    assert leaves[number].hex() in page and claim.root.hex() in page


def test_an_entry_that_no_head_covers_yet_says_so(signed: Platform, as_user: LogIn) -> None:
    late = note(signed)
    client = as_user("auditor")
    assert "还没有检查点包含本条" in client.get(f"/log/{late}").text
    answer = client.get(f"/log/{late}.proof")
    assert answer.status_code == 409 and "audit.entry_not_proved" in answer.text


def changed_name(platform: Platform) -> int:
    user = platform.records.get(User, "user-hospital-a")
    user.name = "新名字"
    platform.records.write(user, audit=Act(AUDITOR, "user.role_changed", Object("user", user.id)))
    return entries(platform)[-1].sequence


def test_old_and_new_values_are_for_whoever_reviews_and_kept_back_with_a_word_from_others(
    platform: Platform, as_user: LogIn
) -> None:
    number = changed_name(platform)
    page = as_user("auditor").get(f"/log/{number}").text
    assert "张 hospital-a" in page and "新名字" in page
    told = as_user("auditor").get(f"/api/v1/log/{number}").json()
    change = {
        "table": "user_account",
        "id": "user-hospital-a",
        "field": "name",
        "old": "张 hospital-a",
        "new": "新名字",
    }
    assert (told["changes_state"], told["changes"]) == ("shown", [change])
    for login in ("regulator", "privacy", "operator"):
        page = as_user(login).get(f"/log/{number}").text
        assert "新名字" not in page and "只向有权审查日志的人员" in page and "<code>name</code>" in page, (
            login
        )
        told = as_user(login).get(f"/api/v1/log/{number}").json()
        assert (told["changes_state"], told["changes"]) == ("kept_back", [])


def test_no_entry_is_blank_about_its_values_without_a_word(platform: Platform, as_user: LogIn) -> None:
    """Nothing changed; hashes alone; the doer's own words; erased; altered."""
    client = as_user("auditor")
    assert "这一操作没有改动记录" in client.get(f"/log/{note(platform)}").text
    words = note(platform, detail={"text": "不公开的话"})
    page = client.get(f"/log/{words}").text
    assert "加密保存" in page and "不公开的话" not in page
    number = changed_name(platform)
    behind(platform, "UPDATE audit_detail SET sealed = x'00' WHERE sequence = :n", n=number)
    page = client.get(f"/log/{number}").text
    assert "不能采信" in page and "audit.detail_altered" in page and "新名字" not in page
    behind(platform, "DELETE FROM audit_detail WHERE sequence = :n", n=number)
    assert "依法删除" in client.get(f"/log/{number}").text


# -- heads ---------------------------------------------------------------------------------------------------


def test_heads_stand_with_their_checks_and_can_be_taken_away(signed: Platform, as_user: LogIn) -> None:
    note(signed)
    made = make_checkpoint(signed.records, signed.log_signer, "release")
    client = as_user("regulator")
    page = client.get("/log/checkpoints").text
    assert page.index(f"前 {made.size} 条") < page.index("第一个，根与条目一致") and "发布结果" in page
    assert f"已证明延续自 {made.size - 1} 条" in page and signed.log_signer.public_key.hex() in page
    file = client.get(f"/log/checkpoints/{made.size}.note")
    assert file.text == made.note and "attachment" in file.headers["content-disposition"]
    told = client.get("/api/v1/log/checkpoints").json()
    assert [(one["size"], one["signed"], one["extends"]) for one in told["heads"]] == [
        (made.size, True, True), (made.size - 1, True, True),
    ]  # fmt: skip
    assert as_user("hospital-a").get("/log/checkpoints").status_code == 200
    assert client.get("/log/checkpoints?page=99").status_code == 200
    assert client.get("/log/checkpoints?tree=md5").status_code == 422


def test_heads_that_do_not_hold_are_told(signed: Platform, as_user: LogIn) -> None:
    behind(signed, "UPDATE audit_checkpoint SET note = replace(note, 'a', 'b')")
    assert "不成立" in as_user("auditor").get("/log/checkpoints").text
    behind(signed, "UPDATE audit_checkpoint SET note = ''")
    page = as_user("auditor", language="en").get("/log/checkpoints")
    assert page.status_code == 200 and "Does not hold" in page.text


def test_a_log_without_heads_says_what_makes_one(platform: Platform, as_user: LogIn) -> None:
    assert "还没有检查点" in as_user("auditor").get("/log/checkpoints").text
    assert as_user("auditor").get("/api/v1/log/checkpoint").json() is None


# -- verifying -----------------------------------------------------------------------------------------------


def test_the_whole_log_is_verified_from_the_page(signed: Platform, as_user: LogIn) -> None:
    """A button, a job with its card, then the verdict with how many, how long, by whom; and what it cannot see."""
    client = as_user("auditor")
    page = client.get("/log/verify").text
    assert "还没有在页面上核验过" in page and "verify_log.py" in page and "rwd witness sign" in page
    assert client.post("/log/verify").headers["location"] == "/log/verify"
    card = client.get("/log/verify/card").text
    assert 'hx-get="/log/verify/card?seen=queued--0"' in card and "排队中" in card
    assert client.get("/log/verify/card?seen=queued--0").status_code == 204
    drain(signed, "w")
    assert client.get("/log/verify/card").headers["hx-refresh"] == "true"
    for language, words in (("zh", "上次核验：全部相符"), ("en", "everything agrees")):
        page = as_user("auditor", language=language).get("/log/verify").text
        assert words in page and "张 auditor" in page


def test_findings_are_numbered_and_in_both_languages(signed: Platform, as_user: LogIn) -> None:
    number = entries(signed)[-1].sequence
    behind(signed, "UPDATE audit_entry SET outcome = 'refused' WHERE sequence = :n", n=number)
    client = as_user("auditor")
    client.post("/log/verify")
    drain(signed, "w")
    page = client.get("/log/verify").text
    assert "发现问题" in page and "检索列 outcome" in page and "the column outcome" in page
    assert '<ol class="findings' in page and f'href="/log/{number}"' in page
    home = client.get("/").text
    assert "上次核验日志时发现问题" in home


def test_who_reads_a_part_of_the_log_is_shown_the_verdict_and_no_finding(
    signed: Platform, as_user: LogIn
) -> None:
    behind(signed, "UPDATE audit_entry SET outcome = 'refused' WHERE sequence = 1")
    as_user("auditor").post("/log/verify")
    drain(signed, "w")
    client = as_user("hospital-a")
    page = client.get("/log/verify").text
    assert "发现问题" in page and "检索列" not in page and 'action="/log/verify"' not in page
    assert client.post("/log/verify").status_code == 404
    assert client.get("/log/verify/card").status_code == 404


def test_without_the_forms_token_nothing_is_verified(signed: Platform, as_user: LogIn) -> None:
    client = as_user("auditor")
    for token in ("", "wrong"):
        assert client.post("/log/verify", headers={"X-CSRF-Token": token}).status_code == 403
    foreign = client.post("/log/verify", headers={"origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    assert not signed.records.all(select(Job))


def test_a_cut_log_is_told_on_the_page(signed: Platform, as_user: LogIn) -> None:
    client = as_user("auditor")
    behind(signed, "DELETE FROM audit_entry WHERE sequence > 5")
    answer = client.post("/log/verify")
    assert answer.status_code == 503 and "audit.cannot_append" in answer.text
    assert client.get("/log/verify").status_code == 200
    refused = client.get("/log/1000000")  # a refusal that cannot be put on record is no unexpected error
    assert refused.status_code == 503 and "audit.cannot_append" in refused.text
    assert "日志现在只有 6 条" in client.get("/log/checkpoints").text
    assert "日志短于检查点" in client.get("/").text


# -- tampered with ---------------------------------------------------------------------------------------------

BEHIND = [
    "UPDATE audit_entry SET body = 'no entry' WHERE sequence = 1",
    "UPDATE audit_entry SET body = x'ff' WHERE sequence = 1",
    "UPDATE audit_entry SET body = '[]' WHERE sequence = 1",
    "UPDATE audit_entry SET body = '' WHERE sequence = 1",
    "UPDATE audit_entry SET body = (SELECT body FROM audit_entry WHERE sequence = 0) WHERE sequence = 1",
    "UPDATE audit_entry SET body = replace(CAST(body AS TEXT), '2026', '20x6') WHERE sequence = 1",
    'UPDATE audit_entry SET body = replace(CAST(body AS TEXT), \'"reason":""\', \'"reason":{"a":[1]}\') '
    "WHERE sequence = 1",
    "DELETE FROM audit_node",
    "UPDATE audit_node SET hash = 'x'",
    "UPDATE audit_checkpoint SET note = 'x', at = 'x', why = '<b>'",
    "UPDATE audit_entry SET at = 'never', actor_id = '', object_id = '<i>' WHERE sequence = 1",
]


@pytest.mark.parametrize("statement", BEHIND, ids=range(len(BEHIND)))
def test_a_log_that_was_tampered_with_is_shown_and_told_of(
    signed: Platform, as_user: LogIn, statement: str
) -> None:
    """No page falls over, in either language; and the entry itself says that it cannot be relied on."""
    behind(signed, statement)
    pages = ("/log", "/log/1", "/log.csv", "/log/checkpoints", "/log/verify", "/", "/log/reviews", "/log/reviews/new",
             "/api/v1/log", "/api/v1/log/1", "/api/v1/log/checkpoints", "/log/1.json")  # fmt: skip
    for language in ("zh", "en"):
        client = as_user("auditor", language=language)
        for path in pages:
            answer = client.get(path)
            # The export is an act, and a log without its nodes takes no further entry.
            refused = path == "/log.csv" and "audit_node" in statement
            assert answer.status_code == (503 if refused else 200), (path, answer.status_code)
            if "/api/" not in path and path != "/log.csv":
                assert "<b>" not in answer.text and "<i>" not in answer.text
    page = as_user("auditor").get("/log/1").text
    if "columns" not in statement and "SET at = 'never'" not in statement:
        assert "证明成立" not in page
    assert as_user("auditor").get("/log/1.proof").status_code in (200, 409)


def test_an_entry_that_is_none_any_more_is_marked_in_the_list_and_on_its_page(
    signed: Platform, as_user: LogIn
) -> None:
    behind(signed, "UPDATE audit_entry SET body = 'gone' WHERE sequence = 1")
    client = as_user("auditor")
    assert "内容被改动" in client.get("/log").text
    assert "不能采信" in client.get("/log/1").text
    assert client.get("/log/1.json").content == b"gone"
    told = client.get("/api/v1/log/1").json()
    assert (
        told["entry"]["altered"] and told["entry"]["fields"] == {} and told["proof"]["standing"] == "changed"
    )


# -- the homes -------------------------------------------------------------------------------------------------


def test_an_auditors_home_says_whether_the_log_can_be_relied_on(
    signed: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    """What is in no signed review, the last verification, the newest head with its age, and witnesses."""
    client = as_user("auditor")
    page = client.get("/").text
    size = len(entries(signed))
    assert (
        f"{size} 条日志不在任何已签署的审查中，最早一条在 2026-11-02" in page
        and 'href="/log/reviews/new"' in page
    )
    assert "签名成立" in page and "距今 0 分钟" in page and "还没有登记" in page
    note(signed)
    clock.advance(minutes=90)
    page = as_user("auditor").get("/").text
    assert "已久未签发" in page and "距今 90 分钟" in page and "其后 1 条尚未签名" in page
    for login in ("researcher", "hospital-a", "privacy"):
        assert "操作日志可信吗" not in as_user(login).get("/").text
    assert "操作日志可信吗" in as_user("regulator").get("/").text


def test_an_empty_deployments_auditor_is_told_what_comes(platform: Platform, as_user: LogIn) -> None:
    page = as_user("auditor", language="en").get("/").text
    assert "Can the log be relied on?" in page and "None yet" in page and "Nothing was refused" in page
