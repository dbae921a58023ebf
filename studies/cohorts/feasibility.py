"""How many patients would there be? Counts before any freeze: without outcomes, rounded, nobody singled out.

Each number of patients gets a small noise and is rounded (feasibility.toml). The noise depends on who is counted and
on nothing else, by a key that never leaves the platform: to ask again gives the same answer, in whatever words, order
or company of other conditions, and to ask for one patient more or less an independent one. What is left over is the
patience of somebody who asks for very many sets of patients: every count is in the log with its definition.
"""

from __future__ import annotations

import hashlib
import hmac
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.cohorts import steps
from studies.cohorts.characteristics import Characteristics
from studies.cohorts.definition import Cohort
from studies.cohorts.lint import lint
from studies.cohorts.patient_keys import PatientWeights
from studies.cohorts.steps import AnyEngine, Step
from studies.cohorts.tables import Model

OUTCOMES = Problem(
    code="feasibility.outcomes",
    zh="可行性计数不得读取结局：定义用到 {names}（第 {lines} 行）。",
    en="A feasibility count reads no outcome, and the definition asks for {names} (line {lines}).",
    next_zh="请删去这些条件；方案冻结后，结局由计划中的分析读取。",
    next_en="Take these conditions out; after the protocol is frozen the planned analyses read outcomes.",
    http=403,
    exit=Exit.REFUSED,
)
_OUTCOME = "outcome_before_freeze"


@dataclass(frozen=True)
class Protection:
    minimum: int
    base: int
    noise: int

    @property
    def note(self) -> Bilingual:
        """What a reader must know of every number."""
        return Bilingual(
            f"人数经扰动并取整为 {self.base} 的倍数；少于 {self.minimum} 人（含 0 人）不显示具体数字。",
            f"Numbers carry a little noise and are rounded to multiples of {self.base}; fewer than {self.minimum}"
            " (none included) are not told apart.",
        )


@dataclass(frozen=True)
class ShownCharacteristics:
    """Like `Characteristics`, protected; None stands for fewer than the minimum."""

    n: int | None
    counts: Mapping[str, Mapping[str, int | None]]


@dataclass(frozen=True)
class ShownStep:
    """A step as it may be shown. None stands for fewer than the minimum; `left` is what the shown numbers say."""

    id: str
    kind: str
    reason: Bilingual
    left: int | None
    remaining: int | None
    lost: ShownCharacteristics | None
    line: int


@dataclass(frozen=True)
class FeasibilityCount:
    """The steps of a definition as they may be shown before a freeze; `kept`: who would be in the cohort."""

    name: str
    steps: tuple[ShownStep, ...]
    kept: ShownCharacteristics | None
    minimum: int
    base: int
    note: Bilingual

    @property
    def patients(self) -> int | None:
        return self.steps[-1].remaining


@cache
def protection() -> Protection:
    return Protection(
        **tomllib.loads(Path(__file__).with_name("feasibility.toml").read_text(encoding="utf-8"))
    )


def check_no_outcomes(cohort: Cohort, model: Model) -> None:
    """Raises `feasibility.outcomes`, naming tables or columns and their lines."""
    found = [one for one in lint(cohort, model) if one.code == _OUTCOME]
    if not found:
        return
    names = sorted(_outcomes_named(cohort, model))
    lines = sorted({one.line for one in found})
    raise OUTCOMES.error(names=", ".join(names), lines=", ".join(map(str, lines)))


def _outcomes_named(cohort: Cohort, model: Model) -> set[str]:
    """Of the model's outcomes those that the definition's text names anywhere."""
    tables = {events.table for events in cohort.all_events()} & model.outcomes
    groups = [cohort.qualify, *(rule.group for rule in cohort.rules)]
    groups += [events.within for events in cohort.all_events() if events.within]
    columns = {test.column for events in cohort.all_events() for test in events.tests}
    columns |= {test.column for group in groups for test in group.all_tests()}
    columns |= {test.column for group in groups for one in group.all_related() for test in one.then}
    return tables | (columns & model.outcomes)


def feasibility(
    engine: AnyEngine,
    cohort: Cohort,
    key: bytes,
    excluding: Collection[Any] | None = None,
    *,
    characteristics: bool = False,
) -> FeasibilityCount:
    """The protected counts of every step. Raises `feasibility.outcomes`.

    key             -- secret, of the deployment: whoever knows it can take the noise off
    characteristics -- also who is lost at each step and who remains, protected alike
    """
    check_no_outcomes(cohort, engine.model)
    weights = PatientWeights(key)
    rules = protection()
    if characteristics:
        result = steps.run(engine, cohort, excluding, weights)
        found, kept = result.steps, result.kept
    else:
        found, kept = steps.count(engine, cohort, excluding, weights), None
    shown = _shown_steps(found, key, rules)
    return FeasibilityCount(
        cohort.name,
        shown,
        None if kept is None else _shown_characteristics(kept, key, rules),
        rules.minimum,
        rules.base,
        rules.note,
    )


def _shown_steps(found: tuple[Step, ...], key: bytes, rules: Protection) -> tuple[ShownStep, ...]:
    shown: list[ShownStep] = []
    before: int | None = None
    for number, step in enumerate(found):
        remaining = _shown(step.remaining, step.key_sum, key, rules)
        if number:
            # Nobody comes back: noise must not make a later step larger, nor tell again what was hidden.
            remaining = None if remaining is None or before is None else min(remaining, before)
        left = None if before is None or remaining is None else before - remaining
        left = None if left is not None and left < rules.minimum else left
        lost = None
        if step.lost is not None:
            lost = _shown_characteristics(step.lost, key, rules)
        shown.append(
            ShownStep(step.id, step.kind, step.reason, left if number else 0, remaining, lost, step.line)
        )
        before = remaining
    return tuple(shown)


def _shown_characteristics(who: Characteristics, key: bytes, rules: Protection) -> ShownCharacteristics:
    """Each value's number by those who have it alone: who else is lost there could be varied until it is known."""
    counts = {
        name: {value: _shown(n, who.keys[name][value], key, rules) for value, n in values.items()}
        for name, values in who.counts.items()
    }
    everybody = sum(next(iter(who.keys.values()), {}).values())
    return ShownCharacteristics(_shown(who.n, everybody, key, rules), counts)


def _shown(n: int, key_sum: int, key: bytes, rules: Protection) -> int | None:
    """A number as it is shown: its noise follows from who is counted."""
    if n < rules.minimum:
        return None
    said = hmac.new(key, f"{n}\n{key_sum}\n".encode(), hashlib.sha256).digest()
    noise = int.from_bytes(said[:8], "big") % (2 * rules.noise + 1) - rules.noise
    rounded = (n + noise + rules.base // 2) // rules.base * rules.base
    return rounded if rounded >= rules.minimum else None
