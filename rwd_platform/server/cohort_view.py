"""What the cohort editor answers: the definition in sentences, what is wrong with it, and one set of counts.

Sentences, diagram and table are all made from the same count, so that no two places of a page can disagree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.cohorts import check_cohort, count_cohort
from rwd_platform.flows.platform import Platform
from rwd_platform.server.deps import Visitor

if TYPE_CHECKING:
    from studies.cohorts.explain import TestSeen
    from studies.cohorts.feasibility import FeasibilityCount, ShownStep
    from studies.cohorts.sentences import Sentence
    from studies.cohorts.written import Written

# Values of characteristics in words; bands of years and days, hospitals and calendar years are shown as they are.
VALUES: Mapping[str, Bilingual] = {
    "missing": Bilingual("未记录", "not recorded"),
    "before": Bilingual("早于首段", "before the first band"),
    "female": Bilingual("女", "female"),
    "male": Bilingual("男", "male"),
    "other": Bilingual("其他", "other"),
    "unknown": Bilingual("不详", "unknown"),
}
_LINE = re.compile(r"line (\d+)")
_UNSOUND = "cohort.not_sound"
BEFORE_FREEZE = frozenset({"code_list_unsigned"})  # found as an error, and no obstacle to a count
# A sentence and the steps that it is counted by; a rule's sentence has the rule's own step.
_STEPS: Mapping[str, tuple[str, ...]] = {
    "cohort.entry": ("recorded", "dated", "entry", "observed", "entry_limit"),
    "cohort.qualify": ("qualify", "qualify_limit"),
    "cohort.limit": ("limit",),
    "cohort.exit": ("exit",),
    "cohort.era": ("era",),
    "cohort.window": ("window",),
}


@dataclass(frozen=True)
class Said:
    """A sentence, and the last of the steps that it is counted by; None where it takes nobody out by itself."""

    id: str
    text: Bilingual
    line: int
    step: ShownStep | None


@dataclass(frozen=True)
class Answer:
    """
    problem -- why the text cannot be read, or not counted; `line` where it says one
    written -- None while the text cannot be read
    count   -- None when it was not asked for, or is refused
    """

    written: Written | None
    problem: PlatformError | None
    line: int
    count: FeasibilityCount | None
    asked_for_count: bool

    @property
    def said(self) -> tuple[Said, ...]:
        if self.written is None:
            return ()
        return tuple(_said(one, self.count) for one in self.written.sentences)

    @property
    def can_count(self) -> bool:
        """Nothing that a count would be refused for is known."""
        return self.written is not None and self.problem is None and not self.asked_for_count


def checked(platform: Platform, visitor: Visitor, definition: str) -> Answer:
    """The text read and judged; nothing of the store is read."""
    return _answer(platform, visitor, definition, count=False, characteristics=False)


def counted(
    platform: Platform, visitor: Visitor, definition: str, *, characteristics: bool = False
) -> Answer:
    return _answer(platform, visitor, definition, count=True, characteristics=characteristics)


def _answer(
    platform: Platform, visitor: Visitor, definition: str, *, count: bool, characteristics: bool
) -> Answer:
    written = None
    try:
        written = check_cohort(platform, visitor.actor, definition)
        written.check_sound()
        found = (
            count_cohort(platform, visitor.actor, definition, characteristics=characteristics)
            if count
            else None
        )
    except PlatformError as error:
        # What makes a definition unsound stands among the findings, with its line; it is not said twice.
        told = None if written is not None and error.code == _UNSOUND else error
        return Answer(written, told, _line_of(error), None, asked_for_count=True)
    return Answer(written, None, 0, found, asked_for_count=count)


def _line_of(error: PlatformError) -> int:
    found = _LINE.search(error.en)
    return int(found.group(1)) if found else 0


def _said(sentence: Sentence, count: FeasibilityCount | None) -> Said:
    kinds = _STEPS.get(sentence.id, ())
    steps = [
        one
        for one in (count.steps if count else ())
        if one.kind in kinds or (one.kind == "rule" and one.id == sentence.id)
    ]
    return Said(sentence.id, sentence.text, sentence.line, steps[-1] if steps else None)


def example() -> str:
    """A small definition to begin with."""
    return Path(__file__).with_name("cohort_example.yaml").read_text(encoding="utf-8")


def words_of_test(test: TestSeen, table: str) -> Bilingual:
    """A test of an explanation in words, as the sentences say it."""
    from studies.cohorts.definition import Test
    from studies.cohorts.phrases import test_text

    return test_text(Test(test.column, test.operator, test.values), table)  # type: ignore[arg-type]  # as it came out


def table_words(table: str) -> Bilingual:
    from studies.cohorts.phrases import table_words as words

    zh, one, _ = words(table)
    return Bilingual(zh, one)


def characteristic_words() -> Mapping[str, Bilingual]:
    from studies.cohorts.characteristics import NAMES

    return NAMES
