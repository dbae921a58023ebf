"""A package's versions and what changed from one to another, and its time stamps, on pages and by API."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry
from rwd_platform.server import package_changes
from tests.server import reading, seed
from tests.server.conftest import LogIn
from tests.server.reading import FIGURE, TABLE, pair
from tests.server.test_pages import _CJK, visible_text

ONE = "/packages/EP-read-1"
HOSTILE = "<script>alert(1)</script><img src=x onerror=1>"


@pytest.fixture
def study(platform: Platform) -> Platform:
    """A deployment with a study that has results, and no package yet."""
    seed.seed_upload(platform)
    seed.seed_study(platform)
    return platform


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


# -- versions ----------------------------------------------------------------------------------------------------


def later(**documents: Any) -> dict[str, bytes]:
    """A second version: an estimate moved, a result new and one gone, an analysis done, other words, other files."""
    now = reading.results(
        rows=[
            reading.row(seed.ARD_ID, 0.9, ci_low=0.75, ci_high=1.08, n=1600, events=1101),
            reading.row("restricted.log_rank.p_value", 0.03),
        ],
        not_done={"restricted.forest": "没有对照 / no comparator"},
    )
    held = reading.files(
        results=now,
        statements=reading.statements(
            literature=pair("检索了两个库", "Two bases searched"), funding=pair("无", "None")
        ),
        **documents,
    )
    del held[TABLE]
    return {**held, "data/05_results/tables/new_zh.csv": b"1\n", FIGURE: b"<svg/>"}


@pytest.fixture
def two(study: Platform) -> Platform:
    reading.put(study)
    reading.put(study, "EP-read-2", version=2, payload=later())
    return study


def test_the_page_lists_the_versions_that_the_visitor_may_see(two: Platform, as_user: LogIn) -> None:
    reading.put(two, "EP-read-3", version=3, released=False)
    reading.put(two, "EP-other-1", version=9, purpose="insurance")
    reading.put(two, "EP-aggregate-1", version=8, audience="aggregate")
    page = as_user("regulator").get(ONE).text
    block = page[page.index('id="versions"') : page.index('id="stamps"')]
    assert f'href="{ONE}/changes/EP-read-2"' in block and "第 1 版（本页）" in block
    for hidden in ("EP-read-3", "EP-other-1", "EP-aggregate-1"):
        assert hidden not in block, hidden
    team = as_user("researcher").get(ONE).text
    assert team.index("EP-read-3") < team.index("EP-read-2"), "the newest first"
    listed = as_user("regulator").get(f"/api/v1{ONE}/versions").json()
    assert [one["id"] for one in listed] == ["EP-read-2", "EP-read-1"]


def test_the_only_version_says_that_there_is_no_other(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    assert "没有您可以查看的其他版本" in as_user("regulator").get(ONE).text


@pytest.mark.parametrize(
    "address", ["/packages/EP-read-1/changes/EP-read-2", "/packages/EP-read-2/changes/EP-read-1"]
)
def test_two_versions_tell_what_changed_in_words_whichever_is_named_first(
    two: Platform, as_user: LogIn, address: str
) -> None:
    page = as_user("regulator").get(address)
    text = " ".join(visible_text(page.text).split())
    assert page.status_code == 200 and "从第 1 版到第 2 版，变了什么？" in text
    assert "0.842 (0.7217, 0.9823) · n 1,546 · 结局 1,059" in text
    assert "0.9 (0.75, 1.08) · n 1,600 · 结局 1,101" in text
    assert text.index("0.842 (0.7217") < text.index("0.9 (0.75"), "the older stands first"
    assert "未校正" in text, "a result is named in words"
    for said in ("改变 1 · 新增 1 · 删去 1", "现在做了", "没有事件", "现在没有做", "没有对照", "没有做", "检索了两个库",
                 "资助", "新增", "tables/new_zh.csv"):  # fmt: skip
        assert said in text, said
    assert f'href="/packages/EP-read-1/files/{TABLE}"' in page.text, "what is gone lies in the older version"
    assert 'href="/packages/EP-read-2/files/data/05_results/tables/new_zh.csv"' in page.text
    assert "no events" not in text


def test_the_english_page_of_changes_is_english(two: Platform, as_user: LogIn) -> None:
    page = as_user("regulator", language="en").get(f"{ONE}/changes/EP-read-2").text
    main = " ".join(visible_text(re.sub(r"(?s).*<main|</main>.*", " ", page)).split())
    assert "Two bases searched" in main and "events 1,059" in main and "no events" in main
    assert not set(_CJK.findall(main)), _CJK.findall(main)


def test_by_api_the_whole_difference_comes(two: Platform, as_user: LogIn) -> None:
    found = as_user("regulator").get(f"/api/v1{ONE}/changes/EP-read-2").json()
    assert [one["id"] for one in found["results"]["changed"]] == [seed.ARD_ID]
    assert (
        found["files"]["removed"] == [TABLE]
        and "data/05_results/tables/new_zh.csv" in found["files"]["added"]
    )
    assert FIGURE in found["files"]["changed"]
    [said] = found["statements"]["changed"]
    assert (said["before"]["zh"], said["after"]["zh"]) == ("没有做", "检索了两个库")
    assert [one["id"] for one in found["statements"]["added"]] == ["funding"]


@pytest.mark.parametrize(
    "other", ["EP-read-3", "EP-insurance-1", "EP-aggregate-1", "EP-study-1", "EP-none", "EP-read-1"]
)
def test_a_version_that_the_visitor_may_not_see_and_one_that_is_none_are_not_found(
    two: Platform, as_user: LogIn, other: str
) -> None:
    reading.put(two, "EP-read-3", version=3, released=False)
    reading.put(two, "EP-insurance-1", version=2, purpose="insurance")
    reading.put(two, "EP-aggregate-1", version=2, audience="aggregate")
    client = as_user("regulator")
    answers = [client.get(f"{prefix}{ONE}/changes/{other}") for prefix in ("", "/api/v1")]
    answers += [client.get(f"/packages/{other}/changes/EP-read-1")]
    assert [one.status_code for one in answers] == [404, 404, 404]
    assert all("0.842" not in one.text for one in answers)


def test_an_unreleased_version_on_either_side_is_not_found(two: Platform, as_user: LogIn) -> None:
    reading.put(two, "EP-read-3", version=3, released=False)
    assert as_user("regulator").get("/packages/EP-read-3/changes/EP-read-1").status_code == 404
    assert as_user("researcher").get("/packages/EP-read-3/changes/EP-read-1").status_code == 200


def test_aggregate_versions_are_not_put_beside_each_other_in_numbers(study: Platform, as_user: LogIn) -> None:
    """The difference of two counts may be one person."""
    reading.put(study, audience="aggregate")
    reading.put(study, "EP-read-2", version=2, payload=later(), audience="aggregate")
    client = as_user("researcher")
    page = client.get(f"{ONE}/changes/EP-read-2").text
    assert "差值可能落到一个人" in page and "未校正" in page
    for hidden in ("0.842", "0.75, 1.08", "1,546", "1,600"):
        assert hidden not in page, hidden
    found = client.get(f"/api/v1{ONE}/changes/EP-read-2").json()
    assert found["results"]["changed"] == [{"id": seed.ARD_ID, "unit": ""}]


def test_the_same_content_twice_has_no_change(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    reading.put(study, "EP-read-2", version=2)
    text = visible_text(as_user("regulator").get(f"{ONE}/changes/EP-read-2").text)
    assert text.count("无变化") == 4 and "不变 2" in text


def test_a_long_list_is_cut_on_the_page_and_whole_by_api(study: Platform, as_user: LogIn) -> None:
    most = package_changes.MOST_ROWS
    rows = [reading.row(f"cohort.step_{n}.subjects", n) for n in range(most + 25)]
    reading.put(study)
    reading.put(study, "EP-read-2", version=2, payload=reading.files(results=reading.results(rows=rows)))
    client = as_user("regulator")
    page = client.get(f"{ONE}/changes/EP-read-2").text
    assert (
        "另有 27 项未列出" in visible_text(page) and '/api/v1/packages/EP-read-2/changes/EP-read-1"' in page
    )
    whole = client.get("/api/v1/packages/EP-read-2/changes/EP-read-1").json()
    assert len(whole["results"]["added"]) == most + 25


def test_hostile_words_of_either_version_stay_words(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    spoilt = reading.results(rows=[reading.row(HOSTILE, 1)], not_done={HOSTILE: HOSTILE})
    held = reading.files(results=spoilt, statements=reading.statements(literature=pair(HOSTILE, HOSTILE)))
    reading.put(study, "EP-read-2", version=2, payload={**held, f"data/{'x' * 20}<script>.csv": b""})
    page = as_user("regulator").get(f"{ONE}/changes/EP-read-2").text
    assert "<script>alert" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    "spoilt",
    [{"results": b"{"}, {"results": {"rows": [{"no": "id"}]}}, {"statements": b"[]"},
     {"statements": {"statements": {"a": 1}}}],
)  # fmt: skip
def test_a_version_that_cannot_be_read_says_which_file_and_what_to_do(
    study: Platform, as_user: LogIn, spoilt: dict[str, Any]
) -> None:
    reading.put(study)
    reading.put(study, "EP-read-2", version=2, payload=reading.files(**spoilt))
    answer = as_user("regulator").get(f"{ONE}/changes/EP-read-2")
    assert 400 <= answer.status_code < 500 and "evidence.previous_unreadable" in answer.text


def test_a_version_whose_archive_was_touched_is_not_compared(two: Platform, as_user: LogIn) -> None:
    path = two.layout.packages / "EP-read-2.zip"
    path.write_bytes(path.read_bytes() + b"\0")
    answer = as_user("researcher").get(f"{ONE}/changes/EP-read-2")
    assert answer.status_code == 409 and "release.content_changed" in answer.text


# -- time stamps -------------------------------------------------------------------------------------------------


@pytest.fixture
def stamping(study: Platform, tmp_path: Any) -> Iterator[Platform]:
    """The same deployment with an authority; its settings are the platform's that the pages were made with."""
    from tests.signing.tsa import root, serving

    roots = tmp_path / "roots.pem"
    roots.write_bytes(root().pem)
    with serving() as served:
        object.__setattr__(study.settings, "timestamp_url", served.address)
        object.__setattr__(study.settings, "timestamp_roots", roots)
        yield study


def test_without_an_authority_the_page_says_that_none_was_asked(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    client = as_user("regulator")
    page = client.get(ONE).text
    assert page.count("当时没有配置时间戳机构") == 2 and "/timestamps/" not in page
    answer = client.get(f"{ONE}/timestamps/package")
    assert answer.status_code == 404 and "package.timestamp_absent" in answer.text


def test_a_stamp_is_shown_and_downloaded_by_the_same_gate(stamping: Platform, as_user: LogIn) -> None:
    from rwd_platform.flows.timestamps import manifest_sha256, stamp_package
    from rwd_platform.signing.timestamps import checked_stamp, read_roots
    from tests.signing.tsa import root

    package = reading.put(stamping)
    stamp_package(stamping, seed.SEED, package)
    client = as_user("regulator")
    page = client.get(ONE).text
    assert (
        "2026-11-02 16:00" in page and "时间戳测试机构" in page and f'href="{ONE}/timestamps/package"' in page
    )
    answer = client.get(f"{ONE}/timestamps/package")
    assert answer.headers["content-type"] == "application/timestamp-reply"
    assert "EP-read-1.zip.tsr" in answer.headers["content-disposition"]
    sha256 = manifest_sha256(stamping.layout.packages / package.file_name)
    assert checked_stamp(answer.content, sha256=sha256, roots=read_roots(root().pem)).serial == "4711"
    assert entries(stamping, "package.file_downloaded")[0]["purpose"] == "timestamp of the package"
    told = client.get(f"/api/v1{ONE}/timestamps").json()
    assert told["package"]["state"] == "stamped" and told["protocol"]["state"] == "not_asked"


def test_why_there_is_none_is_said_in_words(stamping: Platform, as_user: LogIn) -> None:
    from rwd_platform.flows.timestamps import stamp_package

    package = reading.put(stamping)
    object.__setattr__(stamping.settings, "timestamp_url", "http://127.0.0.1:1/tsa")
    stamp_package(stamping, seed.SEED, package)
    client = as_user("regulator")
    assert "时间戳机构没有响应" in client.get(ONE).text
    told = client.get(f"/api/v1{ONE}/timestamps").json()["package"]
    assert (told["state"], told["reason"]) == ("absent", "unreachable") and "does not answer" in told["en"]
    assert "时间戳机构没有响应" in client.get(f"{ONE}/timestamps/package").text


def test_a_stamp_of_what_was_not_released_is_not_given(stamping: Platform, as_user: LogIn) -> None:
    reading.put(stamping, released=False)
    client = as_user("regulator")
    assert client.get(f"{ONE}/timestamps/package").status_code == 403
    assert client.get(f"/api/v1{ONE}/timestamps").status_code == 403
    for what in ("x", "..%2fpackage", "packages"):
        assert client.get(f"{ONE}/timestamps/{what}").status_code in (404, 422)


def test_the_hash_that_is_stamped_is_the_manifest_s(study: Platform, as_user: LogIn) -> None:
    package = reading.put(study)
    with zipfile.ZipFile(study.layout.packages / package.file_name) as archive:
        manifest = archive.read("EP-read-1/manifest-sha256.txt")
    client: TestClient = as_user("regulator")
    told = client.get(f"/api/v1{ONE}/timestamps").json()["package"]
    assert told == {"state": "not_asked", "sha256": hashlib.sha256(manifest).hexdigest()}
