"""SIGKILL during every stage, at random moments: the state is the one before or the one after, never between.

Afterwards, with the sweep of a worker's start done: no file that nothing names, no new row of a patient anywhere
unless the stage got on record, no name in clear, and a log that verifies; and the stage done again succeeds.
The short form kills each stage a few times. The long form, 200 times in all, is marked `long`; by itself it is
`python -m tests.crash_safety --kills 200 --seed 7 --out DIR`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rwd_platform.flows.platform import Platform
from tests.crash_safety.__main__ import run
from tests.crash_safety.killing import Facts, Moment, Runner, Stage, prepared, warm
from tests.crash_safety.stages import ADMIT, COMPACT, QUICK_LOCK, SEAL, STAGES, WARM, small

SEED = 20261102


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warm(WARM)
    return prepared(small, tmp_path_factory.mktemp("base") / "home")


@pytest.fixture(scope="module")
def admission(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return Runner(ADMIT, tmp_path_factory.mktemp("admit"), base)


def kill(runner: Runner, count: int) -> None:
    """At a few of the moments; which ones follows from the seed, and a failure names its moment."""
    trials = [runner.trial(one, again=number == 0) for number, one in enumerate(runner.moments(count, SEED))]
    assert not [one for one in trials if one.wrong or one.stands == "between"]
    assert any(one.killed for one in trials), "the first moment is a step of the stage: it is always reached"


def test_an_admission_that_is_killed_happened_or_did_not(admission: Runner):
    kill(admission, 2)


@pytest.mark.parametrize("stage", [COMPACT, QUICK_LOCK], ids=lambda one: one.name)
def test_a_stage_that_is_killed_happened_or_did_not(stage: Stage, base: Path, tmp_path: Path):
    kill(Runner(stage, tmp_path, base), 1)


def test_sealing_that_is_killed_happened_or_did_not(admission: Runner, tmp_path: Path):
    kill(Runner(SEAL, tmp_path, admission.done), 1)


def forgets_to_undo(platform: Platform, facts: Facts) -> None:
    """Admission as a careless hand would write it: tables first, no note of it, and it dies before the record."""
    from contextlib import nullcontext

    from rwd_platform.flows import admit_upload as flow

    flow.all_tables_or_none = lambda *_: nullcontext()
    flow._put_on_record = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    ADMIT.act(platform, facts)


def test_the_harness_notices_a_stage_that_is_not_whole_or_not_at_all(admission: Runner):
    """Such an admission leaves rows of an upload that is not on record."""
    trial = admission.trial(Moment(), again=False, act=forgets_to_undo)
    assert trial.killed and trial.stands == "between"
    assert any("mark:" in one for one in trial.wrong)


@pytest.mark.long
def test_two_hundred_kills(tmp_path: Path):
    """All stages, 200 kills, on thirty patients."""
    trials = run(tmp_path, 200, SEED, list(STAGES))
    assert len(trials) >= 200
    assert not [one for one in trials if one.wrong or one.stands == "between"]
