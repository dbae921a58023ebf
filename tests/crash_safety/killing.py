"""A stage is killed at a random moment, the platform is started again, and its whole state is looked at.

    runner = Runner(stage, folder)       prepares a home, does the stage once undisturbed: state before and after
    trial = runner.trial(moment)         a copy of the home, a child killed at the moment, a restart, a look
    runner.killed(count, seed)           as many of them as were really killed, and those whose moment never came

The child and the restart are processes of their own, forked from a server that has imported everything and
started nothing. A moment is either a share of the stage's processor time, which falls anywhere and inside native
code too, or the n-th thing that the stage does to a file or commits, so that short critical steps are met as often
as long harmless ones.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.settings import Settings
from tests.crash_safety.state import State, differing, files_with, orphans_of, state_of

Facts = Mapping[str, str]
Act = Callable[[Platform, Facts], None]
_FORK = multiprocessing.get_context("forkserver")
_PATIENCE_SECONDS = 120
_LOOK_SECONDS = 0.001
_CPU_OF_A_PROCESS = 2  # CPUCLOCK_SCHED of Linux
_STEPS = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.chmod", "os.truncate", "shutil.rmtree"}
)


@dataclass(frozen=True)
class Marks:
    """Values to look for in every file after the restart.

    never      -- identified values that may lie in clear in no file, whatever happened
    before     -- may lie somewhere only while the state is the one before (what the stage removes)
    after      -- may lie somewhere only when the state is the one after (what the stage brings)
    """

    never: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """What is killed. The functions stand at the top of a module: they are called in other processes.

    prepare -- make the home as it is before, from an empty one; returns what `act` and `marks` need to know
    act     -- the stage; doing it again after it was cut off leads to the state after
    marks   -- given the platform in the state after
    usable  -- for a stage that cannot be undone and is gone on with by the queue: what anybody can use meanwhile,
               which is the same before, at every moment of it, and after
    """

    name: str
    prepare: Callable[[Platform], Facts]
    act: Act
    marks: Callable[[Platform, Facts], Marks]
    usable: Callable[[Platform], State] | None = None


@dataclass(frozen=True)
class Moment:
    """After a `share` of the stage's processor time, or before its `step`-th step. Neither: it kills itself."""

    share: float | None = None  # from 0 to 1
    step: int | None = None  # from 1


@dataclass(frozen=True)
class Trial:
    """What was found after one kill. `wrong` is empty when all is as it must be."""

    stage: str
    moment: Moment
    killed: bool  # False: the stage had ended before its moment came
    stands: str  # before | after | between
    gone_on: bool  # it stood in the middle, frozen for everybody, until the queue went on with it
    swept: int
    wrong: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Reference:
    """The stage done once, undisturbed. `seconds` are of the processor, all threads together."""

    facts: Facts
    before: State
    after: State
    usable: State | None
    marks: Marks
    steps: int
    seconds: float


@dataclass(frozen=True)
class Found:
    """What a restart finds."""

    swept: int
    state: State
    gone_on: bool
    wrong: list[str]
    again: State | None  # the state when the stage was done once more


@dataclass
class Runner:
    """Kills one stage again and again. `folder` is scratch; `base` is a home to start from instead of an empty one."""

    stage: Stage
    folder: Path
    base: Path | None = None
    reference: Reference = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._template = self.folder / "template"
        if self.base is None:
            self._template.mkdir()
        else:
            shutil.copytree(self.base, self._template)
        facts, before, usable = _asked(_prepare, self.stage, self._template)
        done = self._copy("undisturbed")
        steps, seconds, after, marks, still = _asked(_measure, self.stage, done, facts, self._template)
        assert still == usable, "what can be used is not the same before and after"
        self.reference = Reference(facts, before, after, usable, marks, steps, seconds)

    @property
    def done(self) -> Path:
        """The home in the state after, for a stage that starts where this one ends."""
        return self.folder / "undisturbed"

    def moments(self, seed: int) -> Iterator[Moment]:
        """Every second one a step, the others times, drawn from the seed and the stage's name."""
        drawn = random.Random(f"{self.stage.name}/{seed}")
        while True:
            yield Moment(step=drawn.randint(1, self.reference.steps))
            yield Moment(share=round(drawn.random(), 4))

    def killed(self, count: int, seed: int, again_every: int = 1) -> Iterator[Trial]:
        """Trials until so many were killed. One that had ended before its moment came does not count."""
        done = 0
        for number, moment in enumerate(self.moments(seed)):
            if done == count:
                return
            assert number < 10 + 2 * count, "the stage ends before its moments come"
            trial = self.trial(moment, again=number % again_every == 0)
            done += trial.killed
            yield trial

    def trial(self, moment: Moment, *, again: bool = True, act: Act | None = None) -> Trial:
        """Kill, restart, look. With `again` the stage is done once more, and has to lead to the state after.

        act -- what is done and killed in place of the stage's own act
        """
        home = self._copy("trial")
        try:
            doing = act or self.stage.act
            killed = _killed(doing, home, self.reference.facts, moment, self.reference.seconds)
            return self._judged(moment, killed, _asked(_restart, self.stage, home, self.reference, again))
        finally:
            shutil.rmtree(home)

    def _judged(self, moment: Moment, killed: bool, found: Found) -> Trial:
        before, after = self.reference.before, self.reference.after
        stands = "after" if found.state == after else "before" if found.state == before else "between"
        wrong = list(found.wrong)
        if stands == "between":
            wrong.append(f"between: {differing(found.state, before)} / {differing(found.state, after)}")
        held = [mark for mark in wrong if mark.startswith("mark:")]
        allowed = self.reference.marks.after if stands == "after" else self.reference.marks.before
        wrong = [one for one in wrong if one not in held]
        wrong += [mark for mark in held if mark.split(":", 2)[1] not in allowed]
        if found.again is not None and found.again != after:
            wrong.append(f"done again it is not the state after: {differing(found.again, after)}")
        if not killed and (stands != "after" or found.gone_on):
            wrong.append("it ended by itself and is not in the state after")
        return Trial(self.stage.name, moment, killed, stands, found.gone_on, found.swept, tuple(wrong))

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._template, self.folder / name))


# -- in other processes ----------------------------------------------------------------------------


def _opened(home: Path) -> Platform:
    from tests.conftest import StandingClock

    gc.freeze()  # a child that collects garbage does not copy the server's memory by looking at it
    return open_platform(Settings(home=home, demo=True), StandingClock())


def _usable(stage: Stage, platform: Platform) -> State | None:
    return None if stage.usable is None else stage.usable(platform)


def _prepare(stage: Stage, home: Path) -> tuple[Facts, State, State | None]:
    from rwd_platform.flows.sweep import sweep_leftovers

    platform = _opened(home)
    facts = stage.prepare(platform)
    sweep_leftovers(platform)  # as a restart does, which the state is compared after
    found = state_of(platform), _usable(stage, platform)
    platform.records.engine.dispose()
    return facts, *found


def _measure(
    stage: Stage, home: Path, facts: Facts, template: Path
) -> tuple[int, float, State, Marks, State | None]:
    from rwd_platform.flows.sweep import sweep_leftovers

    platform = _opened(home)
    counted = _at_every_step(platform, lambda number: None)
    began = time.process_time()
    stage.act(platform, facts)
    seconds, steps = time.process_time() - began, counted()
    marks = stage.marks(platform, facts)
    sweep_leftovers(platform)
    # A search that finds nothing where something is would prove nothing later.
    assert files_with(home, marks.after).keys() == set(marks.after), "a mark of the state after is nowhere"
    assert files_with(template, marks.before).keys() == set(marks.before), "a mark of before is nowhere"
    gone = [mark for mark in marks.before if mark not in marks.after]
    assert not files_with(home, (*gone, *marks.never)), "what must be gone is there in the state after"
    return steps, seconds, state_of(platform), marks, _usable(stage, platform)


def _restart(stage: Stage, home: Path, reference: Reference, again: bool) -> Found:
    """A worker's start and what it finds; then the stage once more, as the queue would have it done."""
    from rwd_platform.audit.checkpoints import make_checkpoint
    from rwd_platform.flows.sweep import sweep_leftovers
    from rwd_platform.flows.verify_log import verify_records

    platform, wrong = _opened(home), []
    swept = sum(sweep_leftovers(platform).values())
    found = state_of(platform)
    gone_on = stage.usable is not None and found not in (reference.before, reference.after)
    if _usable(stage, platform) != reference.usable:
        wrong.append("what can be used is another than before and after")
    if gone_on:
        stage.act(platform, reference.facts)
        swept += sum(sweep_leftovers(platform).values())
        found = state_of(platform)
    wrong += [f"orphan: {path}" for path in orphans_of(platform)]
    if sum(sweep_leftovers(platform).values()):
        wrong.append("a second sweep finds more than the first")
    marks = reference.marks
    held = files_with(home, (*marks.never, *marks.before, *marks.after))
    for mark, paths in held.items():
        kind = "identified value in " if mark in marks.never else f"mark:{mark}:"
        wrong += [f"{kind}{path}" for path in paths]
    make_checkpoint(platform.records, platform.log_signer, "restart")
    log = verify_records(platform.records, platform.log_signer.public_key)
    wrong += [f"log: {one.rule}: {one.en}" for one in log.findings]
    if not again:
        return Found(swept, found, gone_on, wrong, None)
    stage.act(platform, reference.facts)
    sweep_leftovers(platform)
    return Found(swept, found, gone_on, wrong, state_of(platform))


def _killed(act: Act, home: Path, facts: Facts, moment: Moment, whole: float) -> bool:
    """Do the act in a child and kill it at the moment. Whether it was killed before it ended.

    whole -- processor seconds of the act
    """
    told, tells = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_act, args=(act, home, facts, moment, tells))
    child.start()
    tells.close()
    began = told.recv()  # it has opened the home and begins
    if moment.share is not None:
        assert child.pid is not None
        _wait_until(child.pid, began + moment.share * whole)
        child.kill()
    child.join(_PATIENCE_SECONDS)
    assert child.exitcode in (0, -signal.SIGKILL), f"the child ended with {child.exitcode}"
    try:
        told.recv()
    except EOFError:
        return child.exitcode != 0
    return False  # it was done, and the kill came after


def _wait_until(pid: int, seconds: float) -> None:
    """Until a process has used so much processor time, which other work on the machine does not change, or is gone."""
    clock = (~pid << 3) | _CPU_OF_A_PROCESS
    with contextlib.suppress(OSError):
        while time.clock_gettime(clock) < seconds:
            time.sleep(_LOOK_SECONDS)


def _act(act: Act, home: Path, facts: Facts, moment: Moment, tells: Connection) -> None:
    platform = _opened(home)
    with platform.layout.scratch("work") as scratch:  # as a worker has it
        tempfile.tempdir = str(scratch)
        step, done = moment.step, False

        def at(number: int) -> None:
            if number == step and not done:
                os.kill(os.getpid(), signal.SIGKILL)

        _at_every_step(platform, at)
        tells.send(time.process_time())
        act(platform, facts)
        done = True
        tells.send("ended")


def _at_every_step(platform: Platform, at: Callable[[int], None]) -> Callable[[], int]:
    """Call `at` with 1, 2, 3, ... before each change of a file's name, each file opened for writing, each commit."""
    from sqlalchemy import event

    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        steps += 1
        at(steps)

    def heard(name: str, given: tuple[Any, ...]) -> None:
        if name in _STEPS or (name == "open" and _writes(given)):
            step()

    event.listen(platform.records.engine, "commit", step)
    sys.addaudithook(heard)
    return lambda: steps


def _writes(given: tuple[Any, ...]) -> bool:
    _, mode, flags = given
    return bool(flags & (os.O_WRONLY | os.O_RDWR)) if isinstance(flags, int) else "r" not in str(mode)


def _asked(work: Callable[..., Any], *given: Any) -> Any:
    """What a function answers in a process of its own."""
    told, tells = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_answer, args=(tells, work, given))
    child.start()
    tells.close()
    try:
        kind, answer = told.recv()
    except EOFError:
        raise AssertionError(f"{work.__name__} died") from None
    finally:
        child.join(_PATIENCE_SECONDS)
    if kind == "error":
        raise AssertionError(f"{work.__name__}:\n{answer}")
    return answer


def _answer(tells: Connection, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    try:
        tells.send(("answer", work(*given)))
    except BaseException:
        tells.send(("error", traceback.format_exc()))


def warm(modules: Iterable[str]) -> None:
    """What the server imports before it forks. Only the first call of a process counts."""
    _FORK.set_forkserver_preload([__name__, *modules])


def prepared(prepare: Callable[[Platform], Facts], home: Path) -> Path:
    """A home made ready by `prepare` in a process of its own, for several stages to start from."""
    home.mkdir(parents=True)
    _asked(_made, prepare, home)
    return home


def _made(prepare: Callable[[Platform], Facts], home: Path) -> Facts:
    platform = _opened(home)
    facts = prepare(platform)
    platform.records.engine.dispose()
    return facts
