"""An erasure that is killed is ended by the next call, also where no worker has swept in between.

The use is frozen from before its first step to after its last, and no file with the patient's rows is left. Killed
at many moments, and restarted as a worker is, it is a stage of tests/crash_safety.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
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
Dying = Callable[[Path, str, int], tuple[int, int]]


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
    """Erases in a process of its own that dies after so many touches of files: (exit code, touches)."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.flows.dying"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as server:  # fmt: skip
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == "ready\n"

        def run(home: Path, request: str, events: int) -> tuple[int, int]:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write(f"{home} {request} {events}\n")
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


def test_an_erasure_that_is_killed_ends_at_the_next_call(
    approved_home: tuple[Path, str], dying: Dying, tmp_path: Path
) -> None:
    home, request = approved_home
    whole = Path(shutil.copytree(home, tmp_path / "whole"))
    code, touches = dying(whole, request, 0)
    assert code == 0 and touches > 100
    platform = open_platform(Settings(home=whole, demo=True))
    expected = state_of(platform)
    platform.records.engine.dispose()
    assert expected[1:] == (expected[1], set())
    moments, left = random.Random(SEED), set()
    for trial in range(2):
        copy = Path(shutil.copytree(home, tmp_path / f"trial-{trial}"))
        events = 1 + int(moments.random() * (touches - 1))
        code, _ = dying(copy, request, events)
        assert code == -9, f"trial {trial} was to be killed at touch {events} of {touches}"
        left.add(check_killed(copy, request, expected))
    assert "erasing" in left, "at least one kill came in the middle"
