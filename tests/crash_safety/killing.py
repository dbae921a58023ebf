"""A stage is killed at a random moment, the platform is started again, and its whole state is looked at.

    runner = Runner(stage, folder)       prepares a home, does the stage once undisturbed: state before and after
    trial = runner.trial(moment)         a copy of the home, a child killed at the moment, a restart, a look

The child and the restart are processes of their own, forked from a server that has imported everything and
started nothing. A moment is either a time after the stage began, or the n-th thing that the stage does to a
file or commits, so that short critical steps are met as often as long harmless ones.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.settings import Settings
from tests.crash_safety.state import State, files_with, orphans_of, state_of

Facts = Mapping[str, str]
Act = Callable[[Platform, Facts], None]
_FORK = multiprocessing.get_context("forkserver")
_PATIENCE_SECONDS = 120
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
    """

    name: str
    prepare: Callable[[Platform], Facts]
    act: Act
    marks: Callable[[Platform, Facts], Marks]


@dataclass(frozen=True)
class Moment:
    """`seconds` after the stage began, or before its `step`-th step (from 1). Neither: it kills itself."""

    seconds: float | None = None
    step: int | None = None


@dataclass(frozen=True)
class Trial:
    """What was found after one kill. `wrong` is empty when all is as it must be."""

    stage: str
    moment: Moment
    killed: bool  # False: the stage had ended before its moment came
    stands: str  # before | after | between
    swept: int
    wrong: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Reference:
    """The stage done once, undisturbed."""

    facts: Facts
    before: State
    after: State
    marks: Marks
    steps: int
    seconds: float


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
        facts, before = _asked(_prepare, self.stage, self._template)
        done = self._copy("undisturbed")
        steps, seconds, after, marks = _asked(_measure, self.stage, done, facts)
        self.reference = Reference(facts, before, after, marks, steps, seconds)

    @property
    def done(self) -> Path:
        """The home in the state after, for a stage that starts where this one ends."""
        return self.folder / "undisturbed"

    def moments(self, count: int, seed: int) -> list[Moment]:
        """Half of them times, half of them steps, drawn from the seed and the stage's name."""
        drawn = random.Random(f"{self.stage.name}/{seed}")
        found = []
        for number in range(count):
            if number % 2:
                found.append(Moment(seconds=round(drawn.uniform(0, 1.05 * self.reference.seconds), 4)))
            else:
                found.append(Moment(step=drawn.randint(1, self.reference.steps)))
        return found

    def trial(self, moment: Moment, *, again: bool = True, act: Act | None = None) -> Trial:
        """Kill, restart, look. With `again` the stage is done once more, and has to lead to the state after.

        act -- what is done and killed in place of the stage's own act
        """
        home = self._copy("trial")
        try:
            killed = _killed(act or self.stage.act, home, self.reference.facts, moment)
            given = (self.stage, home, self.reference.facts, self.reference.marks)
            return self._judged(moment, killed, *_asked(_restart, *given, again))
        finally:
            shutil.rmtree(home)

    def _judged(
        self, moment: Moment, killed: bool, swept: int, found: State, wrong: list[str], again: State | None
    ) -> Trial:
        before, after = self.reference.before, self.reference.after
        stands = "after" if found == after else "before" if found == before else "between"
        if stands == "between":
            wrong.append(f"between: {differing(found, before)} / {differing(found, after)}")
        held = [mark for mark in wrong if mark.startswith("mark:")]
        allowed = self.reference.marks.after if stands == "after" else self.reference.marks.before
        wrong = [one for one in wrong if one not in held]
        wrong += [mark for mark in held if mark.split(":", 2)[1] not in allowed]
        if again is not None and again != after:
            wrong.append(f"done again it is not the state after: {differing(again, after)}")
        if not killed and stands != "after":
            wrong.append("it ended by itself and is not in the state after")
        return Trial(self.stage.name, moment, killed, stands, swept, tuple(wrong))

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._template, self.folder / name))


def differing(one: State, other: State) -> list[str]:
    """The names of what differs between two states."""
    return [
        f"{zone}.{name}" if isinstance(one[zone], dict) else zone
        for zone in one
        if one[zone] != other[zone]
        for name in (sorted({*one[zone], *other[zone]}) if isinstance(one[zone], dict) else [""])
        if not isinstance(one[zone], dict) or one[zone].get(name) != other[zone].get(name)
    ]


# -- in other processes ----------------------------------------------------------------------------


def _opened(home: Path) -> Platform:
    from tests.conftest import StandingClock

    return open_platform(Settings(home=home, demo=True), StandingClock())


def _prepare(stage: Stage, home: Path) -> tuple[Facts, State]:
    platform = _opened(home)
    facts = stage.prepare(platform)
    state = state_of(platform)
    platform.records.engine.dispose()
    return facts, state


def _measure(stage: Stage, home: Path, facts: Facts) -> tuple[int, float, State, Marks]:
    platform = _opened(home)
    counted = _at_every_step(platform, lambda number: None)
    began = time.monotonic()
    stage.act(platform, facts)
    seconds = time.monotonic() - began
    marks = stage.marks(platform, facts)
    # A search that finds nothing where something is would prove nothing later.
    assert files_with(home, marks.after).keys() == set(marks.after), "a mark of the state after is nowhere"
    return counted(), seconds, state_of(platform), marks


def _restart(
    stage: Stage, home: Path, facts: Facts, marks: Marks, again: bool
) -> tuple[int, State, list[str], State | None]:
    """A worker's start and what it finds; then the stage once more, as the queue would have it done."""
    from rwd_platform.audit.checkpoints import make_checkpoint
    from rwd_platform.flows.sweep import sweep_leftovers
    from rwd_platform.flows.verify_log import verify_records

    platform = _opened(home)
    swept = sum(sweep_leftovers(platform).values())
    found = state_of(platform)
    wrong = [f"orphan: {path}" for path in orphans_of(platform)]
    if sum(sweep_leftovers(platform).values()):
        wrong.append("a second sweep finds more than the first")
    held = files_with(home, marks.never)
    wrong += [f"identified value in {path}" for paths in held.values() for path in paths]
    held = files_with(home, (*marks.before, *marks.after))
    wrong += [f"mark:{mark}:{path}" for mark, paths in held.items() for path in paths]
    make_checkpoint(platform.records, platform.log_signer, "restart")
    log = verify_records(platform.records, platform.log_signer.public_key)
    wrong += [f"log: {one.rule}: {one.en}" for one in log.findings]
    if not again:
        return swept, found, wrong, None
    stage.act(platform, facts)
    return swept, found, wrong, state_of(platform)


def _killed(act: Act, home: Path, facts: Facts, moment: Moment) -> bool:
    """Do the act in a child and kill it at the moment. Whether it was killed before it ended."""
    told, tells = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_act, args=(act, home, facts, moment, tells))
    child.start()
    tells.close()
    told.recv()  # it has opened the home and begins
    if moment.seconds is not None:
        child.join(moment.seconds)
        child.kill()
    child.join(_PATIENCE_SECONDS)
    assert child.exitcode in (0, -signal.SIGKILL), f"the child ended with {child.exitcode}"
    return child.exitcode != 0


def _act(act: Act, home: Path, facts: Facts, moment: Moment, tells: Connection) -> None:
    platform = _opened(home)
    with platform.layout.scratch("work") as scratch:  # as a worker has it
        tempfile.tempdir = str(scratch)
        step = moment.step

        def at(number: int) -> None:
            if number == step:
                os.kill(os.getpid(), signal.SIGKILL)

        tells.send("begins")
        _at_every_step(platform, at)
        act(platform, facts)


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
