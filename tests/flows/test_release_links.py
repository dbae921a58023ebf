"""A recipient without an account downloads by a link: it runs out, is counted, and tells a stranger nothing."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import request_release
from rwd_platform.flows.release_links import (
    NewLink,
    download_by_link,
    end_link,
    links_of,
    look_at_link,
    make_link,
)
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AuditEntry, EvidencePackage
from tests.conftest import StandingClock
from tests.flows.releasing import ASSEMBLER, OFFICER, REGULATOR, people, put_package
from tests.flows.test_release_ends import codes, released

ADDRESS = "203.0.113.9"


def link(platform: Platform, *, days: int = 7, downloads: int = 2) -> NewLink:
    return make_link(platform, ASSEMBLER, released(platform), "申办者甲 张经理", days, downloads)


def entries(platform: Platform, action: str) -> list[dict[str, Any]]:
    found = platform.records.all(select(AuditEntry).where(AuditEntry.action == action))
    return [json.loads(one.body) for one in found]


def test_what_was_released_is_downloaded_and_each_download_is_on_record(platform: Platform) -> None:
    """The file itself; whose hands and from where is kept sealed beside the entry."""
    made = link(platform)
    path, package = download_by_link(platform, made.token, ADDRESS)
    assert path.read_bytes() == (platform.layout.packages / "EP-1.zip").read_bytes() and package.id == "EP-1"
    (entry,) = entries(platform, "release.downloaded")
    assert (entry["object"]["id"], entry["decision"]["package"]) == (made.row.id, "EP-1")
    assert ADDRESS not in str(entry) and "张经理" not in str(entry) and entry["detail_digest"]
    assert [one.downloads for one in links_of(platform, made.row.release_id)] == [1]


def test_the_token_is_kept_nowhere(platform: Platform) -> None:
    made = link(platform)
    assert made.token not in str(made.row) and len(made.token) >= 43
    assert all(made.token.encode() not in one.body for one in platform.records.all(select(AuditEntry)))


def test_looking_downloads_nothing(platform: Platform) -> None:
    """A mail program that opens every link must not use one up."""
    made = link(platform, downloads=1)
    for _ in range(3):
        found, package = look_at_link(platform, made.token, ADDRESS)
        assert (found.downloads, package.id) == (0, "EP-1")
    download_by_link(platform, made.token, ADDRESS)
    assert codes(lambda: look_at_link(platform, made.token, ADDRESS)) == "release.link_invalid"


def refuse_all_alike(platform: Platform, token: str) -> None:
    with pytest.raises(PlatformError) as wrong:
        download_by_link(platform, "never-was", ADDRESS)
    with pytest.raises(PlatformError) as refused:
        download_by_link(platform, token, ADDRESS)
    assert refused.value.as_dict() == wrong.value.as_dict()


def test_it_runs_out_on_the_second(platform: Platform, clock: StandingClock) -> None:
    made = link(platform, days=1)
    clock.advance(days=1, seconds=-1)
    look_at_link(platform, made.token, ADDRESS)
    clock.advance(seconds=1)
    refuse_all_alike(platform, made.token)
    (entry,) = entries(platform, "release.link_refused")
    assert (entry["outcome"], entry["object"]["id"]) == ("refused", made.row.id)


def test_it_is_used_up(platform: Platform) -> None:
    made = link(platform, downloads=2)
    for _ in range(2):
        download_by_link(platform, made.token, ADDRESS)
    refuse_all_alike(platform, made.token)


def test_it_ends_when_somebody_ends_it(platform: Platform) -> None:
    made = link(platform)
    first = end_link(platform, ASSEMBLER, made.row.id).ended_at
    assert end_link(platform, ASSEMBLER, made.row.id).ended_at == first
    refuse_all_alike(platform, made.token)


def test_tokens_that_never_were_do_not_fill_the_log(platform: Platform) -> None:
    link(platform)
    before = len(platform.records.all(select(AuditEntry)))
    for token in ("", "x", "\ud800", "'; DROP TABLE release_link; --", "长" * 5_000, "\x00"):
        assert codes(lambda token=token: download_by_link(platform, token, ADDRESS)) == "release.link_invalid"
    assert len(platform.records.all(select(AuditEntry))) == before


def test_the_last_download_is_had_by_one_of_many(platform: Platform) -> None:
    """Twenty at once on a link with three downloads left: three get the file."""
    made = link(platform, downloads=3)
    together, got = threading.Barrier(20), list[bool]()

    def take() -> None:
        together.wait()
        try:
            download_by_link(platform, made.token, ADDRESS)
            got.append(True)
        except PlatformError:
            got.append(False)

    threads = [threading.Thread(target=take) for _ in range(20)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (sum(got), len(got)) == (3, 20)
    assert [one.downloads for one in links_of(platform, made.row.release_id)] == [3]


def test_a_file_that_changed_in_the_store_is_not_handed_out(platform: Platform) -> None:
    made = link(platform)
    package = platform.records.get(EvidencePackage, "EP-1")
    with (platform.layout.packages / package.file_name).open("ab") as stream:
        stream.write(b"x")
    assert codes(lambda: download_by_link(platform, made.token, ADDRESS)) == "release.content_changed"
    assert [one.downloads for one in links_of(platform, made.row.release_id)] == [0]


@pytest.mark.parametrize(
    ("made_for", "days", "downloads"),
    [("", 7, 1), ("x" * 201, 7, 1), ("a\x07b", 7, 1), ("x", 0, 1), ("x", 31, 1), ("x", 7, 0), ("x", 7, 21)],
)
def test_a_link_says_for_whom_how_long_and_how_often(
    platform: Platform, made_for: str, days: int, downloads: int
) -> None:
    id = released(platform)
    assert (
        codes(lambda: make_link(platform, ASSEMBLER, id, made_for, days, downloads))
        == "release.link_malformed"
    )


def test_nothing_is_linked_before_it_is_released(platform: Platform) -> None:
    put_package(platform, {"all": people(1, 200)})
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", {"purpose": "研究"})
    assert codes(lambda: make_link(platform, ASSEMBLER, asked.id, "x", 7, 1)) == "release.link_not_released"


@pytest.mark.parametrize("actor", [OFFICER, REGULATOR, Actor("other", "researcher", "org-hospital-a")])
def test_only_whoever_may_ask_for_the_release_makes_a_link(platform: Platform, actor: Actor) -> None:
    id = released(platform)
    assert codes(lambda: make_link(platform, actor, id, "x", 7, 1)) in (
        "access.not_allowed",
        "records.not_found",
    )
