"""A definition run step by step: nobody leaves without a reason, and a step with nobody left is still a row.

    patients in the store ─▶ a record of the entry event ─▶ its date known to the day ─▶ its conditions
      ─▶ observed long enough ─▶ qualifying ─▶ each inclusion rule ─▶ exit ─▶ eras ─▶ calendar window

with the limits (first, last) where a definition has them. Patients leave; a limit takes events, not patients.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from rwd_platform.core.errors import Exit, Problem
from rwd_platform.core.text import Bilingual
from studies.cohorts.characteristics import Characteristics
from studies.cohorts.definition import Cohort
from studies.cohorts.engine import Engine
from studies.cohorts.keeping import keeping
from studies.cohorts.patient_keys import PatientWeights
from studies.cohorts.plain import PlainEngine
from studies.cohorts.tally import Stage, StageKind, Tally, known_characteristics, stages

if TYPE_CHECKING:
    import pandas as pd

AnyEngine = Engine | PlainEngine

STORE, WITHDRAWN = "store", "withdrawn"
REASONS: Mapping[StageKind, Bilingual] = {
    "store": Bilingual("研究数据库中的患者", "Patients in the study store"),
    "recorded": Bilingual("没有入组事件的记录", "No record of an entry event"),
    "dated": Bilingual("入组事件的日期未精确到日", "The date of the entry event is not known to the day"),
    "entry": Bilingual("没有符合条件的入组事件", "No entry event meets its conditions"),
    "observed": Bilingual("入组事件前后的观察期不足", "Not observed for long enough around the entry event"),
    "entry_limit": Bilingual("每名患者只保留所选的入组事件", "Of a patient's entry events only one is kept"),
    "qualify": Bilingual("入组事件不满足附加条件", "The entry event does not meet the qualifying conditions"),
    "qualify_limit": Bilingual("每名患者只保留所选的合格事件", "Of a patient's qualifying events only one is kept"),
    "limit": Bilingual("每名患者只保留所选的纳入事件", "Of a patient's included events only one is kept"),
    "exit": Bilingual("入组当日之前即已退出", "The exit lies before the day of entry"),
    "era": Bilingual("相接的时段合并为一段", "Intervals that touch become one"),
    "window": Bilingual("时段不在规定的日历范围内", "No interval lies in the calendar window"),
}  # fmt: skip
WITHDRAWN_REASON = Bilingual("已撤回同意或被冻结使用", "Consent was withdrawn, or use is frozen")

DOES_NOT_ADD_UP = Problem(
    code="cohort.does_not_add_up",
    zh="队列步骤 {step} 的人数前后不符。",
    en="The counts of the cohort's step {step} do not add up.",
    next_zh="这是程序错误；请勿使用此结果，并告知平台管理员。",
    next_en="This is a fault of the program: do not use the result, and tell the platform's administrator.",
    http=500,
    exit=Exit.BROKEN_ENVIRONMENT,
)


@dataclass(frozen=True)
class Step:
    """
    id        -- the rule's own, or the kind of the step (`tally.StageKind`, "withdrawn")
    kind      -- "rule" for an inclusion rule, else the id
    left      -- patients who go no further; `remaining` those who do. Together: those who came
    events    -- entry events that remain, after the exit intervals; None before there are any
    lost      -- who left; None where they may not be looked at (withdrawn)
    line      -- of the rule in the definition's text; 0 where there is none
    key_sum   -- the sum of the numbers of those who remain (patient_keys.py), where asked for
    """

    id: str
    kind: str
    reason: Bilingual
    left: int
    remaining: int
    events: int | None
    lost: Characteristics | None
    line: int = 0
    key_sum: int = 0


@dataclass(frozen=True)
class CohortResult:
    """
    steps -- in order; the first says how many patients there are at all
    kept  -- who is in the cohort
    rows  -- patient_id, start_date, end_date (YYYY-MM-DD): the patients' intervals, by patient and start
    """

    name: str
    steps: tuple[Step, ...]
    kept: Characteristics
    rows: pd.DataFrame

    @property
    def patients(self) -> int:
        return self.steps[-1].remaining

    def check_adds_up(self) -> CohortResult:
        """Raises `cohort.does_not_add_up`, naming the step."""
        before = self.steps[0].remaining
        for step in self.steps[1:]:
            if step.left < 0 or step.left + step.remaining != before:
                raise DOES_NOT_ADD_UP.error(step=step.id)
            if step.lost is not None and (step.lost.n != step.left or not step.lost.adds_up):
                raise DOES_NOT_ADD_UP.error(step=step.id)
            before = step.remaining
        if self.kept.n != before or not self.kept.adds_up or self.rows["patient_id"].nunique() != before:
            raise DOES_NOT_ADD_UP.error(step=self.steps[-1].id)
        return self


def run(
    engine: AnyEngine,
    cohort: Cohort,
    excluding: Collection[Any] | None = None,
    weights: PatientWeights | None = None,
) -> CohortResult:
    """Every step of a definition, and the cohort.

    excluding -- patients whose consent was withdrawn: they are counted as a step of their own, and nothing else of
                 theirs is read
    """
    import pandas as pd

    counted, withdrawn = _tallied(engine, cohort, excluding, weights, counts_only=False)
    steps = _steps(cohort, counted, withdrawn, _lost(engine, cohort, counted))
    last = len(stages(cohort)) - 1
    rows = pd.DataFrame(counted.rows or (), columns=["patient_id", "start_date", "end_date"])
    return CohortResult(cohort.name, steps, _lost(engine, cohort, counted)[last], rows).check_adds_up()


def count(
    engine: AnyEngine,
    cohort: Cohort,
    excluding: Collection[Any] | None = None,
    weights: PatientWeights | None = None,
) -> tuple[Step, ...]:
    """The steps with their numbers of patients alone: the same numbers, sooner."""
    counted, withdrawn = _tallied(engine, cohort, excluding, weights, counts_only=True)
    return _steps(cohort, counted, withdrawn, None)


def _tallied(
    engine: AnyEngine,
    cohort: Cohort,
    excluding: Collection[Any] | None,
    weights: PatientWeights | None,
    *,
    counts_only: bool,
) -> tuple[Tally, int | None]:
    """The tally without the withdrawn, and how many of those the store holds (None: nobody asked)."""
    from studies.cohorts import tally_engine, tally_plain
    from studies.cohorts.without import without

    there, found = without(engine, excluding or ())
    withdrawn = None if excluding is None else found
    if isinstance(there, PlainEngine):
        return tally_plain.tally(there, cohort, weights, counts_only=counts_only), withdrawn
    with keeping(there) as held:
        return tally_engine.tally(held, cohort, weights, counts_only=counts_only), withdrawn


def _steps(
    cohort: Cohort, counted: Tally, withdrawn: int | None, lost: Sequence[Characteristics] | None
) -> tuple[Step, ...]:
    remaining, key_sum = sum(counted.stopped.values()), sum(counted.keys.values())
    steps = [Step(STORE, STORE, REASONS["store"], 0, remaining + (withdrawn or 0), None, None)]
    if withdrawn is not None:
        steps.append(Step(WITHDRAWN, WITHDRAWN, WITHDRAWN_REASON, withdrawn, remaining, None, None))
    for number, stage in enumerate(stages(cohort)[1:], 1):
        left = counted.stopped.get(number - 1, 0)
        remaining -= left
        key_sum -= counted.keys.get(number - 1, 0)
        events = counted.left.get(number)
        step = _step(cohort, stage, left, remaining, events, lost[number - 1] if lost else None)
        steps.append(replace(step, key_sum=key_sum))
    return tuple(steps)


def _step(
    cohort: Cohort, stage: Stage, left: int, remaining: int, events: int | None, lost: Characteristics | None
) -> Step:
    if stage.kind == "rule":
        rule = cohort.rules[stage.number]
        return Step(rule.id, "rule", rule.reason, left, remaining, events, lost, rule.line)
    return Step(stage.kind, stage.kind, REASONS[stage.kind], left, remaining, events, lost)


def _lost(engine: AnyEngine, cohort: Cohort, counted: Tally) -> list[Characteristics]:
    """Who stopped at each stage: they are lost to the one after it."""
    found = []
    for number in range(len(stages(cohort))):
        counts: dict[str, dict[str, int]] = {name: {} for name in known_characteristics(engine.model)}
        keys: dict[str, dict[str, int]] = {name: {} for name in counts}
        for (stage, name, value), n in sorted(counted.who.items()):
            if stage == number:
                counts[name][value] = n
                keys[name][value] = counted.cells.get((stage, name, value), 0)
        found.append(Characteristics(counted.stopped.get(number, 0), counts, keys))
    return found
