"""The two kinds of event of an outcome that names competing events, and what has to be said of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rwd_platform.core.text import Bilingual
from studies.analyses.context import Subset
from studies.outcome import STATUS
from studies.protocol import ARMS, COMPETING_EVENT, EVENT_OF_INTEREST, Outcome, Protocol
from studies.reasons import CannotEstimate, Reason, joined
from studies.statistics import Ints

NONE_OF_KIND = Reason(
    "none_of_kind",
    "随访期内没有观察到“{event}”。",
    "No '{event}' was seen during follow-up.",
)
NONE_OF_KIND_IN_ARM = Reason(
    "none_of_kind_in_arm",
    "“{arm}”组没有观察到“{event}”，比值没有有限的估计值。",
    "No '{event}' was seen in the arm '{arm}', so the ratio has no finite estimate.",
)

# Warnings: the number stands, but a reader must know this.
NOTHING_COMPETES = Reason(
    "nothing_competes",
    "该组没有观察到竞争事件，累积发生函数等于 1 − Kaplan-Meier",
    "no competing event was seen in this arm: the cumulative incidence equals 1 - Kaplan-Meier",
)
KM_CENSORS_COMPETING = Reason(
    "km_censors_competing",
    "该曲线把竞争事件“{competing}”按删失处理，1 − Kaplan-Meier 高估“{event}”的发生率，应看累积发生函数",
    "this curve censors the competing event '{competing}', so that 1 - Kaplan-Meier overstates the share with "
    "'{event}'; read the cumulative incidence",
)
KM_IS_COMPOSITE = Reason(
    "km_is_composite",
    "该曲线把“{competing}”也计为事件，1 − Kaplan-Meier 是两种事件合计的发生率，高于“{event}”本身，应看累积发生函数",
    "this curve counts '{competing}' as an event too, so that 1 - Kaplan-Meier is the share with either and "
    "overstates '{event}' alone; read the cumulative incidence",
)


@dataclass(frozen=True)
class Kind:
    """A kind of event. `name` stands in result ids, `code` in the column `status`, `statistic` is its incidence."""

    name: str
    code: int
    title: Bilingual
    statistic: str


def kinds_of(protocol: Protocol) -> tuple[Kind, ...]:
    """The outcome's own event, then the competing one; nothing where the outcome names none."""
    competing = protocol.outcome.competing
    if competing is None:
        return ()
    return (
        Kind("event", EVENT_OF_INTEREST, competing.event_title, "cumulative_incidence"),
        Kind("competing", COMPETING_EVENT, competing.title, "competing_incidence"),
    )


def status_of(subset: Subset) -> Ints:
    """(n,) 0 censored, 1 the outcome's own event, 2 a competing one."""
    return np.asarray(subset.frame[STATUS].to_numpy(), dtype=np.intp)


def require_kind(kind: Kind, status: Ints) -> None:
    """Raises `CannotEstimate` where nobody had an event of the kind."""
    if not (status == kind.code).any():
        raise CannotEstimate(NONE_OF_KIND, event=kind.title)


def require_kind_in_arms(kind: Kind, status: Ints, subset: Subset, protocol: Protocol) -> None:
    """Raises `CannotEstimate` where an arm had no event of the kind: a ratio runs to 0 or infinity."""
    require_kind(kind, status)
    for arm in ARMS:
        if not (status[subset.arm(arm)] == kind.code).any():
            raise CannotEstimate(NONE_OF_KIND_IN_ARM, arm=protocol.exposure.arm_title(arm), event=kind.title)


def censors_competing(outcome: Outcome) -> bool:
    """Whether `event` counts a competing event as censored; if not, the outcome is a composite of both kinds."""
    return any(outcome.competes(rule) and not rule.event for rule in outcome.rules)


def kaplan_meier_note(protocol: Protocol) -> list[str]:
    """What a Kaplan-Meier curve of this outcome does with the competing events; empty where none are named."""
    outcome = protocol.outcome
    if outcome.competing is None:
        return []
    reason = KM_CENSORS_COMPETING if censors_competing(outcome) else KM_IS_COMPOSITE
    words = reason.about(event=outcome.competing.event_title, competing=outcome.competing.title)
    return [joined(words)]
