"""The worker between two jobs: what is over leaves the database, and a signal ends it after the job in hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import select

from rwd_platform import worker
from rwd_platform.core.clock import as_text
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.records.tables import WebSession
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.server.conftest import open_session, settle_people


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    opened = open_platform(Settings(home=tmp_path / "home", demo=True), clock)
    settle_people(opened)
    yield opened
    opened.records.engine.dispose()
    for one, handler in before.items():
        signal.signal(one, handler)


def stop_after(monkeypatch: pytest.MonkeyPatch, rounds: int) -> list[int]:
    """The worker is told to stop while it looks for its n-th job."""
    looked: list[int] = []

    def look(_platform: Platform, _name: str) -> None:
        looked.append(len(looked) + 1)
        if len(looked) == rounds:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(worker, "work_once", look)
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.01)
    return looked


def sessions(platform: Platform) -> int:
    return len(platform.records.all(select(WebSession)))


def test_a_login_that_is_over_leaves_the_database_and_one_that_is_not_stays(
    platform: Platform, clock: StandingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_session(platform, "researcher")
    clock.now += timedelta(hours=13)
    open_session(platform, "privacy")
    stop_after(monkeypatch, 1)
    worker.run_worker(platform)
    (left,) = platform.records.all(select(WebSession))
    assert left.user_id == "user-privacy" and left.expires_at > as_text(clock())


def test_it_is_done_once_in_an_hour_and_not_at_every_look_for_a_job(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []
    monkeypatch.setattr(worker, "remove_expired", lambda _records: times.append(1))
    looked = stop_after(monkeypatch, 5)
    worker.run_worker(platform)
    assert (len(looked), len(times)) == (5, 1)


def test_a_database_that_is_busy_is_asked_again(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []

    def busy(_records: object) -> None:
        times.append(1)
        if len(times) < 3:
            raise OperationalError("", None, Exception("locked"))

    monkeypatch.setattr(worker, "remove_expired", busy)
    stop_after(monkeypatch, 5)
    worker.run_worker(platform)
    assert len(times) == 3
