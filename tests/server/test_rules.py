"""The rules on the pages and in the API: every pack and rule, links from decisions, and files that were changed."""

from __future__ import annotations

import re
import shutil
import tomllib
from html import unescape
from pathlib import Path

import pytest

from rwd_platform.access.permissions import Action, scope_of
from rwd_platform.access.roles import Role
from rwd_platform.compliance.pins import FOLDER, PINS
from rwd_platform.compliance.rulepack import RulePack
from rwd_platform.compliance.shipped import shelf
from rwd_platform.core.clock import shanghai_date
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.server import rules_view
from tests.server.conftest import LogIn
from tests.server.provision_seed import seed_provisions
from tests.server.seed import seed_everything
from tests.server.test_pages import _CJK, visible_text
from tests.server.test_provisions import main_of

FILES = sorted(path for path in FOLDER.glob("*.toml") if path.name != PINS)
READERS = ("hospital-a", "researcher", "regulator", "privacy")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped packs as the pages read them, to be spoilt."""
    copy = Path(shutil.copytree(FOLDER, tmp_path / "rulepacks"))
    monkeypatch.setattr(rules_view, "FOLDER", copy)
    return copy


# -- who may read them -----------------------------------------------------------------------------------------------


def test_whoever_reads_transfers_or_provisions_reads_the_rules() -> None:
    """One door asks for the provisions: whoever may read transfers may read those too, or would be shut out here."""
    for role in Role:
        actor = Actor("a", role, "o")
        if scope_of(actor, Action.TRANSFER_READ) is not None:
            assert scope_of(actor, Action.PROVISION_READ) is not None


@pytest.mark.parametrize("login", READERS)
def test_the_rules_are_the_same_for_everybody_who_may_read_them(as_user: LogIn, login: str) -> None:
    client = as_user(login)
    assert client.get("/rules").status_code == 200 and 'href="/rules"' in client.get("/").text
    assert client.get("/api/v1/rules").json() == as_user("regulator").get("/api/v1/rules").json()


@pytest.mark.parametrize("login", ["operator", "security", "auditor", "ethics", "inspector"])
def test_nobody_else_is_let_in(as_user: LogIn, login: str) -> None:
    client = as_user(login)
    for path in ("/rules", "/rules/national/2026.1", "/api/v1/rules"):
        assert client.get(path).status_code == 403
    assert 'href="/rules"' not in client.get("/").text


# -- what they read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_packs_page_says_everything_that_its_file_says(as_user: LogIn, file: Path, language: str) -> None:
    """By another reader of the file: title, disclaimer, hash, each rule's article, numbers and what is unconfirmed."""
    content = tomllib.loads(file.read_text("utf-8"))
    page = as_user("privacy", language=language).get(f"/rules/{content['family']}/{content['version']}")
    assert page.status_code == 200
    text = unescape(visible_text(main_of(page.text)))
    wanted = [content["title"][language], content["disclaimer"][language], content["version"], file.name]
    for rule in content.get("rules", []):
        assert f'id="{rule["id"]}"' in page.text
        wanted += [rule["id"], rule["result"], rule["source"][language], str(rule["effective_from"])]
        wanted += [f"{at:,}" for at in rule.get("thresholds", {}).values()]
        wanted += [rule["confirm"][language]] if "confirm" in rule else []
    for duty in content.get("duties", []):
        wanted += [duty["id"], duty[language], duty["from"][language]]
    for one in (*content.get("domains", []), *(content["confirm"] if "domains" in content else [])):
        wanted.append(one[language])
    flat = re.sub(r"\s+", " ", text)
    assert [one for one in wanted if re.sub(r"\s+", " ", one) not in flat] == []
    if language == "en":
        assert not _CJK.search(flat)


def test_the_comparison_in_words_is_the_one_that_the_file_states() -> None:
    """Beside each number the file says whether it is reached at it or only beyond it."""
    found = 0
    for file in FILES:
        for name, comment in re.findall(
            r"^thresholds\.(\w+) = [\d_]+ # (.+)$", file.read_text("utf-8"), re.M
        ):
            words, found = rules_view.THRESHOLDS[name], found + 1
            assert ("more than" in words.en) is (comment == "more than") is ("超过" in words.zh)
            assert ("from {n}" in words.en) is (comment == "at least") is ("起" in words.zh)
    assert found == 7


def test_every_word_of_the_packs_has_its_words(platform: Platform) -> None:
    """A family, block, result or threshold of a new pack needs words here, or a code would be shown for them."""
    for family in shelf(shanghai_date(platform.clock())).families:
        assert family.id in rules_view.FAMILIES
        for one in family.packs:
            for rule in rules_view.in_words(one.content) if isinstance(one.content, RulePack) else ():
                assert rule.result.zh != rule.code and rule.block.zh
                assert all("{" not in text for each in rule.thresholds for text in each)


def test_the_first_rule_of_each_block_heads_it(platform: Platform) -> None:
    """Three blocks of the national rules; a gate's one block needs no head."""
    found = shelf(shanghai_date(platform.clock()))
    packs = {one.name: one.content for family in found.families for one in family.packs}
    national, gate = packs["national-2026"], packs["inbound-2025"]
    assert isinstance(national, RulePack) and isinstance(gate, RulePack)
    heads = [rule.id for rule in rules_view.in_words(national) if rule.heads]
    assert heads == ["P1", "P5b", "M0"]
    assert not any(rule.heads for rule in rules_view.in_words(gate))


def test_the_list_says_what_applies_today_and_what_has_ended(as_user: LogIn) -> None:
    page = visible_text(main_of(as_user("regulator").get("/rules").text))
    assert page.count("今日适用") == 3 and page.count("已不再适用") == 1 and page.count("未采用") >= 1
    assert "2023-07-01 至 2024-04-30" in page and page.count("与登记的哈希一致") == len(FILES)
    assert "出境判定只读取在案的" in page and "该版清单没有医药卫生场景" in page


@pytest.mark.parametrize(
    "path",
    [
        "/rules/national/1999.1",
        "/rules/national/%00",
        "/rules/inbound/2026.1",
        "/rules/national/" + "x" * 5000,
    ],
)
def test_a_version_that_is_not_shipped_is_not_there(as_user: LogIn, path: str) -> None:
    assert as_user("privacy").get(path).status_code == 404


@pytest.mark.parametrize("family", ["lunar", "%3Cscript%3E", "x" * 5000])
def test_a_family_that_does_not_exist_is_said_with_those_that_do(as_user: LogIn, family: str) -> None:
    answer = as_user("privacy").get(f"/rules/{family}/1")
    assert (
        answer.status_code in (400, 404, 422) and "national" in answer.text and "<script>" not in answer.text
    )
    assert len(answer.text) < 20_000


# -- links from decisions --------------------------------------------------------------------------------------------


def test_a_decision_leads_to_each_rule_that_fired(platform: Platform, as_user: LogIn) -> None:
    held = seed_everything(platform)
    client = as_user("researcher")
    page = client.get(f"/transfers/{held}").text
    links = re.findall(r'href="(/rules/[^"]+)#([^"]+)"', page)
    assert links and set(links) == {("/rules/national/2026.1", id) for _, id in links}
    target = client.get(links[0][0]).text
    assert all(f'id="{id}"' in target for _, id in links)


def test_a_provision_leads_to_its_rules_too(platform: Platform, as_user: LogIn) -> None:
    id = seed_provisions(platform)["held"]
    page = as_user("privacy").get(f"/provisions/{id}").text
    assert 'href="/rules/national/2026.1#M10"' in page and 'href="/rules/national/2026.1"' in page


def test_a_decision_by_a_pack_that_is_not_shipped_has_no_link(platform: Platform) -> None:
    """Another file may have the same id and version: only the hash says that it is this one."""
    assert rules_view.address_of(platform, {"id": "national", "version": "2026.1", "sha256": "0" * 64}) == ""
    assert rules_view.address_of(platform, {}) == ""


# -- files that were changed -----------------------------------------------------------------------------------------


def test_a_pack_edited_by_hand_is_said_on_the_page_and_in_the_api(as_user: LogIn, folder: Path) -> None:
    """Which one, that nothing is decided, and the others still readable."""
    path = folder / "national-2026.toml"
    path.write_text(path.read_text("utf-8").replace("sensitive = 10_000", "sensitive = 90_000"), "utf-8")
    client = as_user("privacy")
    page = client.get("/rules")
    assert page.status_code == 200
    text = visible_text(main_of(page.text))
    assert "national-2026.toml" in text and "被改动过" in text and "平台不作任何判定" in text
    assert "90,000" not in text and "境外个人数据入境规则包" in text
    assert client.get("/rules/national/2026.1").status_code == 404
    assert "平台不作任何判定" in client.get("/rules/inbound/2025.1").text
    answer = client.get("/api/v1/rules").json()
    assert answer["decides"] is False
    assert [one["problem"]["code"] for one in answer["unusable"]] == ["transfer.pack_edited"]


@pytest.mark.parametrize("how", ["gone", "stray", "pins"])
def test_other_faults_of_the_folder_are_pages_and_no_crash(as_user: LogIn, folder: Path, how: str) -> None:
    if how == "gone":
        (folder / "inbound-2025.toml").unlink()
    elif how == "stray":
        (folder / "<b>mine.toml").write_text("x = 1", "utf-8")
    else:
        (folder / PINS).write_bytes(b"\xff")
    client = as_user("regulator", language="en")
    page = client.get("/rules")
    assert (
        page.status_code == 200 and "the platform decides nothing" in page.text and "<b>mine" not in page.text
    )
    assert client.get("/api/v1/rules").json()["decides"] is False
