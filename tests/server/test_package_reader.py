"""A package on the page of its reader: contents, checklists, and one file of it at a time."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_file
from rwd_platform.flows.package_file import FILE_UNKNOWN
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, EvidencePackage
from rwd_platform.server import package_places, package_reading, package_rows
from studies.evidence.templates import verify as standalone
from tests.server import reading, seed
from tests.server.conftest import LogIn
from tests.server.reading import FIGURE, PAGE, PDF, REPORT, TABLE, pair, part
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


# -- contents ----------------------------------------------------------------------------------------------------


def test_a_regulator_reads_the_contents_in_the_reader_s_order(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    page = as_user("regulator").get(ONE).text
    titles = ("研究报告", "文献检索", "核查记录", "安全性", "手稿")
    places = [page.index(f'<th scope="row">{title}</th>') for title in titles]
    assert places == sorted(places)
    text = visible_text(page)
    for said in ("2 / 3 部分齐备", "模块五 5.3.5.4", "位置须对照官方文本核对", "没有做文献检索", "尚未核查",
                 "没有，已说明原因", "方案没有安全性分析", "不要求", "选填，未放入", "药审中心"):  # fmt: skip
        assert said in text, said
    assert f'href="{ONE}/files/{REPORT}"' in page
    assert "not-there.pdf" in text and "files/data/06_report/not-there.pdf" not in page, (
        "what is not listed is no link"
    )


def test_the_study_s_own_team_reads_the_same(study: Platform, as_user: LogIn) -> None:
    reading.put(study, released=False)
    page = as_user("researcher").get(ONE).text
    assert "模块五 5.3.5.4" in page and f'href="{ONE}/files/{REPORT}"' in page


def test_to_whom_it_is_not_released_it_says_nothing_of_its_contents(study: Platform, as_user: LogIn) -> None:
    reading.put(study, released=False)
    answer = as_user("regulator").get(ONE)
    assert answer.status_code == 200 and "尚未发布给贵机构" in answer.text
    for hidden in ("模块五", "STROBE 观察性研究", "/files/", "/changes/", "时间戳"):
        assert hidden not in answer.text, hidden


def test_who_may_read_and_not_download_sees_names_and_no_links(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    page = as_user("privacy").get(ONE).text
    assert REPORT in page and "/files/" not in page


def test_the_english_page_is_english(study: Platform, as_user: LogIn) -> None:
    reading.put(study)
    client = as_user("regulator", language="en")
    main = re.sub(r"(?s).*<main|</main>.*", " ", client.get(ONE).text)
    shown = set(_CJK.findall(visible_text(main))) - set("演示方案监管部门")
    assert "Registration of a drug" in main and "not verified yet" in main and not shown, shown


def test_what_people_wrote_into_it_stays_words(study: Platform, as_user: LogIn) -> None:
    written = pair(HOSTILE, HOSTILE)
    spoilt = {**reading.contents(), "parts": [part(written, "explained", reason=written, files=[HOSTILE])]}
    items = [
        reading.item(
            "1", "answered", asks=written, places=[reading.place(HOSTILE, label=written, says=written)]
        )
    ]
    held = reading.files(contents=spoilt, checklists={"A": reading.checklist("A", items)})
    reading.put(study, payload=held)
    page = as_user("regulator").get(ONE).text
    assert "<script>alert" not in page and "<img src=x" not in page and page.count("&lt;script&gt;") >= 6


@pytest.mark.parametrize(
    "broken",
    [
        b"", b"not json", b"[]", b"null", b'{"title": 1}', b"\xff\xfe\x00", b"[" * 100_000,
        b" " * (package_reading.MOST_BYTES + 1),
        json.dumps({**reading.contents(), "parts": [part(pair("a", "b"), "unheard-of")]}).encode(),
        json.dumps({**reading.contents(), "parts": [{}]}).encode(),
        json.dumps({**reading.contents(), "parts": [part({"zh": "a"}, "found")]}).encode(),
        json.dumps({**reading.contents(), "parts": [part(pair("a", "b"), "found", files="text")]}).encode(),
        json.dumps({**reading.contents(), "parts": [part(pair("a", "b"), "found", files=["x"] * 5000)]}).encode(),
    ],
)  # fmt: skip
def test_contents_that_cannot_be_read_are_said_and_the_page_still_works(
    study: Platform, as_user: LogIn, broken: bytes
) -> None:
    reading.put(study, payload=reading.files(contents=broken))
    answer = as_user("regulator").get(ONE)
    assert answer.status_code == 200
    assert "目录文件无法读取" in answer.text and "STROBE" in answer.text, "the checklists are another file"
    assert f'href="{ONE}/files/{REPORT}"' in answer.text


def test_an_older_package_says_that_it_has_no_contents(study: Platform, as_user: LogIn) -> None:
    reading.put(study, payload=reading.files(contents=None, checklists=None))
    page = as_user("regulator").get(ONE).text
    assert "包内没有目录文件" in page and 'id="checklists"' not in page and f"{ONE}/files/{REPORT}" in page


def test_an_archive_without_a_manifest_opens_nothing_and_the_page_still_works(
    study: Platform, as_user: LogIn
) -> None:
    package = reading.put(study)
    path = study.layout.packages / package.file_name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("EP-read-1/data/06_report/numbers.json", '{"numbers": []}')
        archive.writestr(f"EP-read-1/{REPORT}", PDF)
    answer = as_user("researcher").get(ONE)
    assert answer.status_code == 200 and "无法读取" in answer.text and "/files/" not in answer.text


# -- checklists --------------------------------------------------------------------------------------------------


def test_each_checklist_is_collapsed_with_its_counts_and_leads_to_the_place(
    study: Platform, as_user: LogIn
) -> None:
    reading.put(study)
    page = as_user("regulator").get(ONE).text
    block = page[page.index('id="checklists"') : page.index('id="questions"')]
    assert "<details open" not in block and "STROBE 观察性研究" in block
    assert "已回答 2 · 不适用 1" in block and "没有敏感性分析" in block and "非必答" in block
    assert f'href="{ONE}/files/{TABLE}"' in block and "/steps/0" in block and "纳入 2,990 例" in block
    assert "声明" in block


def test_a_broken_checklist_is_named_and_the_others_stand(study: Platform, as_user: LogIn) -> None:
    lists = {"A": reading.checklist("A"), "B": b"{", "C": b'{"checklist": "C"}', "D": reading.checklist("D")}
    reading.put(study, payload=reading.files(checklists=lists))
    page = as_user("regulator").get(ONE).text
    assert "A 观察性研究" in page and "D 观察性研究" in page
    assert page.count("无法读取") == 2 and "checklists/B.json" in page and "checklists/C.json" in page


def test_a_checklist_that_does_not_apply_says_so(study: Platform, as_user: LogIn) -> None:
    lists = {"A": {**reading.checklist("A", []), "applies": False}}
    reading.put(study, payload=reading.files(checklists=lists))
    assert "本清单不适用" in as_user("regulator").get(ONE).text


def test_more_checklists_than_anybody_has_are_not_read(study: Platform) -> None:
    lists = {f"L{n:03d}": reading.checklist(f"L{n:03d}") for n in range(package_reading.MOST_CHECKLISTS + 5)}
    package = reading.put(study, payload=reading.files(checklists=lists))
    assert len(package_reading.read(study, package).checklists) == package_reading.MOST_CHECKLISTS


# -- one file ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (REPORT, "application/pdf"),
        (TABLE, "text/csv; charset=utf-8"),
        (FIGURE, "image/svg+xml"),
        (PAGE, "application/octet-stream"),
        ("data/00_index/contents.json", "application/json"),
    ],
)
def test_a_file_comes_as_a_download_and_is_never_shown_from_here(
    study: Platform, as_user: LogIn, name: str, kind: str
) -> None:
    """The page of a package may hold a program; under our address it would act as whoever is logged in."""
    reading.put(study)
    answer = as_user("regulator").get(f"{ONE}/files/{name}")
    assert answer.status_code == 200 and answer.content == reading.files()[name]
    assert answer.headers["content-type"] == kind
    label = name.rpartition("/")[2]
    assert answer.headers["content-disposition"] == f"attachment; filename*=utf-8''{label}"
    assert (
        answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["cache-control"] == "no-store"
    )
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_each_file_that_left_is_in_the_log_with_its_name(study: Platform, as_user: LogIn) -> None:
    package = reading.put(study)
    as_user("regulator").get(f"{ONE}/files/{TABLE}")
    [entry] = entries(study, "package.file_downloaded")
    assert entry["object"] == {"type": "package", "id": package.id, "version": package.sha256}
    assert (entry["purpose"], entry["actor"]["id"]) == (TABLE, "user-regulator")


@pytest.mark.parametrize(
    "path",
    [
        "data/06_report/nothing.pdf", "bagit.txt", "manifest-sha256.txt", "signature.json", "data/", "", "%00",
        "..%2f..%2frecords.db", "data/..%2f..%2f..%2frecords.db", "%2fetc%2fpasswd",
        "EP-read-1/data/06_report/report_zh.pdf", "data%5c06_report%5creport_zh.pdf",
        "data/06_report/report_zh.pdf/", "DATA/06_report/report_zh.pdf",
    ],
)  # fmt: skip
def test_what_the_manifest_does_not_list_is_not_there(study: Platform, as_user: LogIn, path: str) -> None:
    reading.put(study)
    answer = as_user("regulator").get(f"{ONE}/files/{path}")
    assert answer.status_code == 404
    assert not entries(study, "package.file_downloaded")


def test_the_same_gate_stands_before_a_file_as_before_the_package(study: Platform, as_user: LogIn) -> None:
    reading.put(study, released=False)
    refused = as_user("regulator").get(f"{ONE}/files/{REPORT}")
    assert refused.status_code == 403 and "release.needed" in refused.text
    assert as_user("researcher").get(f"{ONE}/files/{REPORT}").content == PDF
    for login in ("privacy", "hospital-a", "operator", "auditor"):
        assert as_user(login).get(f"{ONE}/files/{REPORT}").status_code in (403, 404), login
    assert len(entries(study, "package.file_downloaded")) == 1


def test_a_package_that_is_not_what_was_put_on_record_gives_no_file(study: Platform, as_user: LogIn) -> None:
    package = reading.put(study)
    path = study.layout.packages / package.file_name
    path.write_bytes(path.read_bytes().replace(PDF, PDF[::-1]))
    answer = as_user("researcher").get(f"{ONE}/files/{REPORT}")
    assert answer.status_code == 409 and "release.content_changed" in answer.text


def test_a_file_that_is_not_what_the_manifest_says_is_not_given(study: Platform, as_user: LogIn) -> None:
    """Recorded as it lies there, and yet not whole: the manifest is believed."""
    package = reading.put(study, released=False)
    path = study.layout.packages / package.file_name
    members = standalone.zip_members(path.read_bytes())
    members[f"EP-read-1/{REPORT}"] = b"another"
    path.write_bytes(standalone.zip_bytes(members))
    touch(study, package, sha256=sha256_file(path))
    assert as_user("researcher").get(f"{ONE}/files/{REPORT}").status_code == 409
    assert as_user("researcher").get(f"{ONE}/files/{TABLE}").status_code == 200


def touch(platform: Platform, package: EvidencePackage, **columns: Any) -> None:
    from rwd_platform.log.entry import Act, Object

    for name, value in columns.items():
        setattr(package, name, value)
    platform.records.write(package, audit=Act(seed.SEED, "seed.written", Object("package", package.id)))


def test_an_unknown_file_says_where_to_click() -> None:
    error = FILE_UNKNOWN.error(package="EP-1")
    assert error.http == 404 and "包里有什么" in error.next_zh


@pytest.mark.parametrize("name", [package_reading.CONTENTS, package_places.REPORT, package_rows.DESCRIPTION])
def test_a_member_whose_compressed_bytes_are_broken_does_not_take_the_page_with_it(
    study: Platform, as_user: LogIn, name: str
) -> None:
    package = reading.put(study, payload={**reading.files(), name: b'{"title": 1}' * 40})
    path = study.layout.packages / package.file_name
    spoil_stream(path, f"{package.file_name.removesuffix('.zip')}/{name}")
    answer = as_user("regulator").get(ONE)
    assert answer.status_code == 200 and "STROBE" in answer.text


def spoil_stream(path: Path, name: str) -> None:
    """The member is compressed anew, and its first block made one of the kind that does not exist (RFC 1951 §3.2.3)."""
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, content in members.items():
            archive.writestr(one, content)
        info = archive.getinfo(name)
    content = bytearray(path.read_bytes())
    content[info.header_offset + 30 + len(name.encode())] |= 0b110
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive, pytest.raises(zlib.error):
        archive.read(name)
