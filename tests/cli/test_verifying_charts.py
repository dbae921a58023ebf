"""`rwd verification`: the team draws, a hospital fetches and returns, and what is wrong is told line by line."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlmodel import col, select

from rwd_platform.access.passwords import hash_password
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.verification_rounds import rounds_of
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, User
from rwd_platform.settings import Settings
from studies.evidence.sample.sheet import SheetLine
from tests.cli.calling import Rwd, is_chinese
from tests.evidence.sample.made import changed
from tests.flows.conftest import analysed  # noqa: F401 - a fixture
from tests.flows.sending import CLERK, CLERK_B, RESEARCHER
from tests.flows.unsealing import settle, unseal
from tests.flows.verifying import NIGHT_SHIFT, UNTIL, chart, every_third_differs, only_sheet, study_of

TEAM = ("--login", RESEARCHER.id)
REASON = "医院已全部核对完毕，本轮结束"


@pytest.fixture
def platform(
    analysed: Path,  # noqa: F811 - the fixture
    rwd: Rwd,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """Thirty patients, a lock and a sealed run; clerks of two hospitals who can log in."""
    home = Path(shutil.copytree(analysed, tmp_path / "home", symlinks=True))
    opened = open_platform(Settings(home=home, demo=True))
    settle(opened, RESEARCHER, CLERK_B)
    secret = hash_password("a password for tests")
    for actor in (CLERK, CLERK_B, RESEARCHER):
        user = opened.records.get(User, actor.id)
        user.password_hash = secret
        opened.records.write(user, audit=Act(RESEARCHER, "user.registered", Object("user", user.id)))
    monkeypatch.setenv("RWD_HOME", str(home))
    monkeypatch.setenv("RWD_DEMO", "true")
    monkeypatch.setattr(typer, "prompt", lambda *_args, **_more: "a password for tests")
    yield opened
    opened.records.engine.dispose()


def test_from_the_draw_to_agreement(rwd: Rwd, platform: Platform, tmp_path: Path) -> None:
    """Draw, list, fetch, return with a mistake, return, show: sealed first, then open, then closed and told."""
    study = study_of(platform).id
    made = rwd("verification", "draw", study, "--until", UNTIL, *TEAM, "--json")
    assert made.code == 0 and made.document["known_until"] == UNTIL and made.document["state"] == "round_open"
    (listed,) = made.document["sheets"]
    assert "items" not in listed, "how many were drawn tells of outcomes"
    assert rwd("verification", "draw", study, "--until", UNTIL, *TEAM, "--json").document == made.document
    own = rwd("verification", "sheets", "--login", CLERK.id, "--json")
    assert (
        own.code == 1
        and [one["id"] for one in own.document] == [listed["id"]]
        and own.document[0]["items"] == 330
    )

    file = tmp_path / "sheet.csv"
    fetched = rwd("verification", "fetch", listed["id"], "--out", file, "--login", CLERK.id, "--json")
    assert fetched.code == 0 and fetched.document["bytes"] == len(file.read_bytes())
    assert fetched.document["sha256"] == own.document[0]["issued_sha256"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and "填写说明" in fetched.stderr

    (seen,) = rounds_of(platform, study)
    good = chart(platform, seen, every_third_differs)
    file.write_bytes(changed(good, 7, in_chart=NIGHT_SHIFT))
    over = rwd("verification", "fetch", listed["id"], "--out", file, "--login", CLERK.id, "--json")
    assert over.code == 2 and over.document["error"]["code"] == "cli.file_there", (
        "hours of work may stand in it"
    )
    assert NIGHT_SHIFT in file.read_text("utf-8-sig")
    refused = rwd("verification", "return", listed["id"], file, "--login", CLERK.id, "--json")
    assert refused.code == 1 and not refused.document["accepted"] and len(refused.document["problems"]) == 1
    assert NIGHT_SHIFT not in refused.stdout.decode() + refused.stderr
    in_words = rwd("verification", "return", listed["id"], file, "--login", CLERK.id)
    assert (
        in_words.code == 1
        and "第 7 行" in in_words.stdout.decode()
        and "line 7" in in_words.stdout.decode().lower()
    )
    file.write_bytes(good)
    done = rwd("verification", "return", listed["id"], file, "--login", CLERK.id, "--json")
    assert done.code == 0 and done.document["accepted"] and done.document["sheet"]["answered"] == 330
    assert rwd("verification", "sheets", "--login", CLERK.id, "--json").code == 0

    assert rwd("verification", "show", study, "--json").document["agreement"] is None
    unseal(platform, study)
    waits = rwd("verification", "show", study, "--json")
    assert waits.document["agreement"] == {"waits": True, "rounds": []}
    in_words = rwd("verification", "show", study)
    assert "meno" not in in_words.stdout.decode() and "关闭之后才显示一致性" in in_words.stderr
    assert rwd("verification", "close", study, "--reason", REASON, *TEAM).code == 0
    told = rwd("verification", "show", study, "--json").document["agreement"]
    (one,) = told["rounds"]
    assert (one["number"], one["known_until"], one["closed_because"]) == (1, UNTIL, REASON)
    meno = next(line for line in one["lines"] if line["variable"] == "meno")
    assert (meno["compared"], meno["agreed"], meno["not_recorded"]) == (30, 20, 1) and 0 < meno["kappa"] < 1
    shown = rwd("verification", "show", study).stdout.decode()
    assert "绝经状态 · Menopausal status: 20 / 30  66.7%  κ" in shown and "round 1" in shown
    assert "已关闭 · Closed" in shown and "已交回 · Returned" in shown
    assert not any(word in shown for word in ("round_closed", "sheet_accepted", "meno:", "hormon:"))
    entries = platform.records.all(
        select(AuditEntry).where(col(AuditEntry.action).startswith("verification."))
    )
    assert len(entries) >= 4 and not any(one.actor_id.startswith("cli:") for one in entries)


def test_a_study_without_a_round_says_so_and_a_sheet_of_a_closed_one_too(
    rwd: Rwd, platform: Platform
) -> None:
    study = study_of(platform).id
    nothing = rwd("verification", "show", study)
    assert nothing.code == 0 and "no round of source verification" in nothing.stdout.decode()
    assert rwd("verification", "show", study, "--json").document == {"rounds": [], "agreement": None}
    early = rwd("verification", "draw", study, "--until", "1900-01-01", *TEAM, "--json")
    assert early.document["error"]["code"] == "verification.day_too_early"
    assert rwd("verification", "show", study, "--json").document["rounds"] == []
    rwd("verification", "draw", study, "--until", UNTIL, *TEAM)
    waits = rwd("verification", "sheets", "--login", CLERK.id)
    assert waits.code == 1 and "待医院核查 · With the hospital" in waits.stdout.decode()
    rwd("verification", "close", study, "--reason", REASON, *TEAM)
    for shown in (
        rwd("verification", "show", study),
        rwd("verification", "sheets", "--login", CLERK.id),
    ):
        assert "未交回" in shown.stdout.decode() and "sheet_issued" not in shown.stdout.decode()


def test_how_much_was_answered_and_what_can_hardly_be_are_told(
    rwd: Rwd, platform: Platform, tmp_path: Path
) -> None:
    study, file = study_of(platform).id, tmp_path / "sheet.csv"
    rwd("verification", "draw", study, "--until", UNTIL, *TEAM)
    id = only_sheet(platform).id
    rwd("verification", "fetch", id, "--out", file, "--login", CLERK.id)
    (seen,) = rounds_of(platform, study)

    def one_age(line: SheetLine) -> tuple[str, str, str]:
        wanted = line.variable.name == "age" and line.row.drawn.place == 1
        return ("999", "否", "其他") if wanted else ("", "", "")

    file.write_bytes(chart(platform, seen, one_age))
    told = rwd("verification", "return", id, file, "--login", CLERK.id)
    words = told.stdout.decode()
    assert told.code == 0 and "共 330 项，填写 1 项" in words and "1 of 330 items answered" in words
    assert "手术时年龄" in words and "0 – 130 years" in words and "999" not in words
    (hint,) = rwd("verification", "return", id, file, "--login", CLERK.id, "--json").document["hints"]
    assert (hint["place"], hint["variable"], hint["high"]) == (1, "age", 130)


def test_another_s_sheet_is_not_there_and_no_file_is_written(
    rwd: Rwd, platform: Platform, tmp_path: Path
) -> None:
    rwd("verification", "draw", study_of(platform).id, "--until", UNTIL, *TEAM)
    id, file = only_sheet(platform).id, tmp_path / "sheet.csv"
    for login, code in ((CLERK_B.id, "records.not_found"), (RESEARCHER.id, "access.not_allowed")):
        done = rwd("verification", "fetch", id, "--out", file, "--login", login, "--json")
        assert done.code != 0 and done.document["error"]["code"] == code and not file.exists()
    file.write_bytes(b"x")
    done = rwd("verification", "return", id, file, "--login", CLERK_B.id, "--json")
    assert done.document["error"]["code"] == "records.not_found"
    assert rwd("verification", "sheets", "--login", CLERK_B.id, "--json").document == []


def test_a_closed_round_takes_nothing(rwd: Rwd, platform: Platform, tmp_path: Path) -> None:
    study, file = study_of(platform).id, tmp_path / "sheet.csv"
    assert rwd("verification", "close", study, "--reason", REASON, *TEAM, "--json").document["error"][
        "code"
    ] == ("verification.no_round")
    rwd("verification", "draw", study, "--until", UNTIL, *TEAM)
    assert rwd("verification", "close", study, "--reason", "短", *TEAM, "--json").code == 2
    closed = rwd("verification", "close", study, "--reason", REASON, *TEAM, "--json")
    assert closed.code == 0 and closed.document["closed_because"] == REASON
    done = rwd("verification", "fetch", only_sheet(platform).id, "--out", file, "--login", CLERK.id, "--json")
    assert done.code == 3 and done.document["error"]["code"] == "verification.round_closed"


def test_a_file_that_is_too_large_or_none_is_told(rwd: Rwd, platform: Platform, tmp_path: Path) -> None:
    rwd("verification", "draw", study_of(platform).id, "--until", UNTIL, *TEAM)
    id, file = only_sheet(platform).id, tmp_path / "sheet.csv"
    file.write_bytes(b"x" * 5_000_001)
    done = rwd("verification", "return", id, file, "--login", CLERK.id, "--json")
    assert done.code == 1 and done.document["problems"][0]["code"] == "verification.sheet_too_large"
    missing = rwd("verification", "return", id, tmp_path / "none.csv", "--login", CLERK.id, "--json")
    assert missing.code == 2 and missing.document["error"]["code"] == "cli.file_missing"
    nowhere = tmp_path / "none" / "sheet.csv"
    done = rwd("verification", "fetch", id, "--out", nowhere, "--login", CLERK.id, "--json")
    assert done.code != 0 and is_chinese(json.dumps(done.document, ensure_ascii=False))


@pytest.mark.parametrize("day", ["soon", "2026-13-01", "31.10.2026"])
def test_a_day_that_is_none_is_wrong_use(rwd: Rwd, platform: Platform, day: str) -> None:
    assert rwd("verification", "draw", study_of(platform).id, "--until", day, *TEAM, "--json").code == 2


def test_a_day_to_come_is_refused(rwd: Rwd, platform: Platform) -> None:
    done = rwd("verification", "draw", study_of(platform).id, "--until", "2999-01-01", *TEAM, "--json")
    assert done.code == 2 and done.document["error"]["code"] == "verification.day_unfit"
