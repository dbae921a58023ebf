"""SIGKILL during every stage, at random moments: the state is the one before or the one after, never between.

Afterwards, with the sweep of a worker's start done: no file that nothing names, no new row of a patient anywhere
unless the stage got on record, no name in clear, and a log that verifies; and the stage done again succeeds.
An erasure cannot be undone: what stood in the middle has to be frozen for everybody, and is judged when the queue
has gone on with it. The short form kills each stage a few times. The long form, 200 times in all, is marked
`long`; by itself it is `python -m tests.crash_safety --kills 200 --seed 7 --out DIR`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.store.lake import Lake
from tests.crash_safety.__main__ import run
from tests.crash_safety.erasure import QUICK_ERASE
from tests.crash_safety.killing import Facts, Moment, Runner, prepared, warm
from tests.crash_safety.stages import ADMIT, COMPACT, QUICK_LOCK, SEAL, STAGES, WARM, small
from tests.crash_safety.summary import counts

SEED = 20261102


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warm(WARM)
    return prepared(small, tmp_path_factory.mktemp("base") / "home")


@pytest.fixture(scope="module")
def admission(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(ADMIT, tmp_path_factory.mktemp("admit"), base)


@pytest.fixture(scope="module")
def locking(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(QUICK_LOCK, tmp_path_factory.mktemp("lock"), base)


def kill(runner: Runner, count: int) -> None:
    """At a few of the moments; which ones follows from the seed, and a failure names its moment."""
    trials = list(runner.killed(count, SEED, again_every=2))
    assert not [one for one in trials if one.wrong or one.stands == "between"]
    assert sum(one.killed for one in trials) == count


def test_an_admission_that_is_killed_happened_or_did_not(admission: Runner):
    kill(admission, 2)


def test_a_compaction_that_is_killed_happened_or_did_not(base: Path, tmp_path: Path):
    kill(Runner(COMPACT, tmp_path, base), 1)


def test_a_lock_that_is_killed_happened_or_did_not(locking: Runner):
    kill(locking, 1)


def test_an_erasure_that_is_killed_is_gone_on_with_and_nobody_sees_the_middle(
    locking: Runner, tmp_path: Path
):
    kill(Runner(QUICK_ERASE, tmp_path, locking.done), 1)


def test_sealing_that_is_killed_happened_or_did_not(admission: Runner, tmp_path: Path):
    kill(Runner(SEAL, tmp_path, admission.done), 1)


def forgets_to_undo(platform: Platform, facts: Facts) -> None:
    """Admission as a careless hand would write it: tables first, no note of it, a copy put aside, and it dies."""
    from contextlib import nullcontext

    from rwd_platform.flows import admit_upload as flow

    def dies(*_: object) -> None:
        aside = platform.layout.home / "aside"
        aside.mkdir()
        Lake(platform.layout).read("patient").to_parquet(aside / "patient.parquet")
        os.kill(os.getpid(), signal.SIGKILL)

    flow.all_tables_or_none = lambda *_: nullcontext()
    flow._put_on_record = dies
    ADMIT.act(platform, facts)


def test_the_harness_notices_a_stage_that_is_not_whole_or_not_at_all(admission: Runner):
    """Such an admission leaves rows of an upload that is not on record, and a file in a folder that nobody knows."""
    trial = admission.trial(Moment(), again=False, act=forgets_to_undo)
    assert trial.killed and trial.stands == "between"
    found = " ".join(trial.wrong)
    assert "lake.patient" in found and "beside.aside/patient.parquet" in found
    assert any(one.startswith("mark:") and one.endswith(":aside/patient.parquet") for one in trial.wrong)


def does_nothing(platform: Platform, facts: Facts) -> None:
    """It has ended before any moment comes."""


def test_a_kill_after_the_end_does_not_count(admission: Runner):
    trial = admission.trial(Moment(step=1), again=False, act=does_nothing)
    assert not trial.killed and trial.wrong == ("it ended by itself and is not in the state after",)
    assert counts("admit", [trial])[1] == 0


@pytest.mark.long
def test_two_hundred_kills(tmp_path: Path):
    """All stages, 200 kills, on thirty patients."""
    found = run(tmp_path, 200, SEED, list(STAGES))
    trials = [one for trials in found.values() for one in trials]
    assert sum(one.killed for one in trials) == 200
    assert not [one for one in trials if one.wrong or one.stands == "between"]
