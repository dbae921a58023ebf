"""An erasure that is killed at any moment is before or after, never between, for whoever uses the platform.

The use is frozen from before its first step to after its last; the next call goes on and ends as if it had never
been cut off, and no file with the patient's rows is left.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.study import newest_lock
from rwd_platform.flows.verify_log import verify_records
from rwd_platform.flows.withdraw import frozen_patients
from rwd_platform.records.tables import ErasureRequest, Study
from rwd_platform.settings import Settings
from rwd_platform.store.lake import Lake
from rwd_platform.store.lock import open_lock
from tests.flows.erasing import OFFICERS, PLANTED, approved, found_on_disk, opened

SEED = 20261122
Dying = Callable[[Path, str, int, float], tuple[int, int]]


@pytest.fixture(scope="module")
def approved_home(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home with a lock, results and an approved request; and the request's id."""
    home = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("approved") / "home"))
    platform = opened(home)
    request = approved(platform).id
    platform.records.engine.dispose()
    return home, request


@pytest.fixture(scope="module")
def dying() -> Iterator[Dying]:
    """Erases in a process of its own that dies after so many touches of files, or seconds: (exit code, touches)."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.flows.dying"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == "ready\n"

        def run(home: Path, request: str, events: int, seconds: float) -> tuple[int, int]:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(f"{home} {request} {events} {seconds}\n")
            server.stdin.flush()
            code, touches = server.stdout.readline().split()
            return int(code), int(touches)

        yield run
        server.stdin.close()


def state_of(platform: Platform) -> tuple[list[str], int, set[str]]:
    """What tells one outcome from another: lake rows, subjects of the newest lock, what is found on disk."""
    lake = Lake(platform.layout)
    rows = [f"{table} {len(lake.read(table))}" for table in lake.tables()]
    study = platform.records.all(select(Study))[0]
    subjects = open_lock(platform.layout.lock(newest_lock(platform, study).id)).tables["subject"]
    return rows, len(subjects), set(found_on_disk(platform, PLANTED))


def check_killed(home: Path, request: str, expected: tuple[list[str], int, set[str]]) -> str:
    """Frozen, whatever was done; then the next call ends it. Returns the state that the kill left."""
    platform = open_platform(Settings(home=home, demo=True))
    try:
        row = platform.records.get(ErasureRequest, request)
        assert row.state in ("approved", "erasing", "erased")
        assert frozen_patients(platform), "until it is done nobody uses the data"
        done = erase(platform, OFFICERS[0], request)
        assert done.state == "erased" and done.certificate_sha256
        assert state_of(platform) == expected
        assert not (platform.layout.home / "erasures" / f"{request}.plan").exists()
        assert verify_records(platform.records, platform.log_signer.public_key).ok
    finally:
        platform.records.engine.dispose()
    return row.state


def killed(
    approved_home: tuple[Path, str], dying: Dying, tmp_path: Path, trials: int, by_clock: bool
) -> set[str]:
    home, request = approved_home
    whole = Path(shutil.copytree(home, tmp_path / "whole"))
    began = time.monotonic()
    code, touches = dying(whole, request, 0, 0)
    seconds = time.monotonic() - began
    assert code == 0 and touches > 100
    platform = open_platform(Settings(home=whole, demo=True))
    expected = state_of(platform)
    platform.records.engine.dispose()
    assert expected[1:] == (expected[1], set())
    moments, left = random.Random(SEED), set()
    for trial in range(trials):
        copy = Path(shutil.copytree(home, tmp_path / f"trial-{trial}"))
        share = moments.random()
        events = 0 if by_clock else 1 + int(share * (touches - 1))
        code, _ = dying(copy, request, events, share * seconds if by_clock else 0)
        assert code == -9 or by_clock, f"trial {trial} was to be killed at touch {events} of {touches}"
        left.add(check_killed(copy, request, expected))
        shutil.rmtree(copy)
    return left


def test_an_erasure_that_is_killed_ends_at_the_next_call(
    approved_home: tuple[Path, str], dying: Dying, tmp_path: Path
) -> None:
    left = killed(approved_home, dying, tmp_path, 2, by_clock=False)
    assert "erasing" in left, "at least one kill came in the middle"


@pytest.mark.long
@pytest.mark.parametrize("by_clock", [False, True])
def test_an_erasure_that_is_killed_fifty_times_ends_each_time(
    approved_home: tuple[Path, str], dying: Dying, tmp_path: Path, by_clock: bool
) -> None:
    """By touch of a file, which is the same moment in every run, and by the clock, which falls inside native code."""
    assert "erasing" in killed(approved_home, dying, tmp_path, 50, by_clock)
