"""Three attacks carried out, in the sense of WP216 (Article 29 Working Party, opinion 05/2014).

singling out  a guess "exactly one person has these values", made from a record that is alone in the release
linkage       two halves of what is known of a person lead to the same released record, and to no other
inference     a person's sensitive value is guessed from the released records nearest to them

An attack that also works on people who are not in the release exploits what is true of people at large, not
what the release says of somebody. So each is carried out on a control group too, and what counts is the
excess: (rate - control rate) / (1 - control rate), the idea of Anonymeter (Giomi et al. 2023).

Rates have Wilson's interval; the excess has one recovered from those of both rates (Newcombe's square-and-add
rule with the derivatives of the excess).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rwd_platform.core.errors import Problem

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

ATTEMPTS = 500
_Z95 = 1.959963984540054
_LARGEST_GUESS = 4  # columns in one singling-out guess

ATTACK_UNFIT = Problem(
    code="risk.attack_unfit",
    zh="无法进行攻击试验：{why_zh}。",
    en="The attacks cannot be carried out: {why}.",
    next_zh="请提供至少两条发布记录、两条对照记录，以及相同的列。",
    next_en="Give at least two released records, two control records, and the same columns in both.",
)


@dataclass(frozen=True)
class Rate:
    """Successes among attempts, with Wilson's 95 % interval."""

    successes: int
    attempts: int

    @property
    def value(self) -> float:
        return self.successes / self.attempts

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927), without continuity correction."""
        n, p, z2 = self.attempts, self.value, _Z95**2
        middle = (p + z2 / (2 * n)) / (1 + z2 / n)
        half = _Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)

    def as_dict(self) -> dict[str, Any]:
        low, high = self.interval
        return {"successes": self.successes, "attempts": self.attempts, "rate": self.value, "ci": [low, high]}


@dataclass(frozen=True)
class Attack:
    """One attack: on people in the release, and on people who are not."""

    kind: str  # singling_out | linkage | inference
    main: Rate
    control: Rate

    @property
    def excess(self) -> float | None:
        """None where the attack always works on the control group: nothing is left to exceed."""
        if self.control.value == 1:
            return None
        return (self.main.value - self.control.value) / (1 - self.control.value)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %. Below zero it says that the release makes the attack no easier."""
        excess = self.excess
        if excess is None:
            return None
        main, control = self.main, self.control
        by_main = 1 / (1 - control.value)
        by_control = (1 - main.value) / (1 - control.value) ** 2
        down = math.hypot(
            by_main * (main.value - main.interval[0]), by_control * (control.interval[1] - control.value)
        )
        up = math.hypot(
            by_main * (main.interval[1] - main.value), by_control * (control.value - control.interval[0])
        )
        return max(-1.0, excess - down), min(1.0, excess + up)

    def as_dict(self) -> dict[str, Any]:
        interval = self.interval
        return {
            "kind": self.kind,
            "main": self.main.as_dict(),
            "control": self.control.as_dict(),
            "excess": self.excess,
            "excess_ci": None if interval is None else list(interval),
        }


@dataclass(frozen=True)
class AttackReport:
    """The three attacks and how they were set up. `split`: the control group was held out of this table."""

    attacks: tuple[Attack, ...]
    released: int
    control: int
    seed: int
    split: bool

    def as_dict(self) -> dict[str, Any]:
        return {
            "attacks": [attack.as_dict() for attack in self.attacks],
            "released": self.released,
            "control": self.control,
            "seed": self.seed,
            "split": self.split,
        }


def attack_held_out(
    frame: pd.DataFrame, quasi: Sequence[str], sensitive: str, *, seed: int, attempts: int = ATTEMPTS
) -> AttackReport:
    """Attack one half of a table as if it alone were released; the other half is the control group."""
    import numpy as np

    _check(frame, frame, quasi, sensitive, smallest=4)
    order = np.random.default_rng(seed).permutation(len(frame))
    half = len(frame) // 2
    released, control = frame.iloc[order[:half]], frame.iloc[order[half:]]
    return _attack(released, control, quasi, sensitive, seed, attempts, split=True)


def attack(
    released: pd.DataFrame,
    control: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str,
    *,
    seed: int,
    attempts: int = ATTEMPTS,
) -> AttackReport:
    """Attack a release; `control` are records of people who are not in it, written as the release is."""
    _check(released, control, quasi, sensitive)
    return _attack(released, control, quasi, sensitive, seed, attempts, split=False)


def _check(
    released: pd.DataFrame, control: pd.DataFrame, quasi: Sequence[str], sensitive: str, smallest: int = 2
) -> None:
    missing = [name for name in (*quasi, sensitive) if name not in released or name not in control]
    if missing or not quasi:
        why = ("a column is missing: " + ", ".join(missing), "缺少列：" + "、".join(missing))
        raise ATTACK_UNFIT.error(why=why[0], why_zh=why[1])
    if min(len(released), len(control)) < smallest:
        raise ATTACK_UNFIT.error(why="there are too few records", why_zh="记录太少")


@dataclass(frozen=True)
class _Field:
    """The two groups as numbers: a row a record, a column a quasi-identifier; the secrets beside them."""

    released: npt.NDArray[np.int64]
    control: npt.NDArray[np.int64]
    secrets: npt.NDArray[np.int64]
    control_secrets: npt.NDArray[np.int64]


def _attack(
    released: pd.DataFrame,
    control: pd.DataFrame,
    quasi: Sequence[str],
    sensitive: str,
    seed: int,
    attempts: int,
    *,
    split: bool,
) -> AttackReport:
    import numpy as np

    field = _as_numbers(released, control, quasi, sensitive)
    chance = np.random.default_rng(seed)
    carried_out = [_singling_out(field, chance, attempts)]
    if len(quasi) > 1:
        carried_out.append(_linkage(field, chance, attempts))
    carried_out.append(_inference(field, chance, attempts))
    return AttackReport(tuple(carried_out), len(released), len(control), seed, split)


def _as_numbers(
    released: pd.DataFrame, control: pd.DataFrame, quasi: Sequence[str], sensitive: str
) -> _Field:
    import numpy as np
    import pandas as pd

    def numbers(column: str) -> npt.NDArray[np.int64]:
        both = pd.concat([released[column], control[column]], ignore_index=True).astype("string")
        codes, _ = pd.factorize(both.fillna(""))
        return np.asarray(codes, dtype=np.int64)

    table = np.column_stack([numbers(column) for column in quasi])
    secrets = numbers(sensitive)
    cut = len(released)
    return _Field(table[:cut], table[cut:], secrets[:cut], secrets[cut:])


def _singling_out(field: _Field, chance: np.random.Generator, attempts: int) -> Attack:
    """Guesses come from the release: values of some columns that exactly one released record has.

    In the release each of them is right by construction, so the main rate is the share of draws that give
    such a guess. A control guess is right when exactly one control person has the values; the control group
    is cut, or the released one, to the same number of people, because being alone depends on it.
    """
    size = min(len(field.released), len(field.control))
    released = field.released[chance.permutation(len(field.released))[:size]]
    control = field.control[chance.permutation(len(field.control))[:size]]
    alone = alone_outside = 0
    for _ in range(attempts):
        columns = chance.permutation(released.shape[1])[: int(chance.integers(1, _LARGEST_GUESS + 1))]
        guess = released[int(chance.integers(size))][columns]
        if int((released[:, columns] == guess).all(axis=1).sum()) == 1:
            alone += 1
            alone_outside += int((control[:, columns] == guess).all(axis=1).sum()) == 1
    return Attack("singling_out", Rate(alone, attempts), Rate(alone_outside, attempts))


def _linkage(field: _Field, chance: np.random.Generator, attempts: int) -> Attack:
    """What is known is split in two at random; each half names its nearest released records."""
    columns = field.released.shape[1]

    def linked(target: npt.NDArray[np.int64]) -> bool:
        order = chance.permutation(columns)
        halves = order[: columns // 2], order[columns // 2 :]
        near = [_nearest(field.released[:, half], target[half]) for half in halves]
        both = near[0] & near[1]
        return int(both.sum()) == 1

    return Attack(
        "linkage",
        _tried(field.released, chance, attempts, lambda place: linked(field.released[place])),
        _tried(field.control, chance, attempts, lambda place: linked(field.control[place])),
    )


def _inference(field: _Field, chance: np.random.Generator, attempts: int) -> Attack:
    """The commonest secret among the nearest released records; ties go to the one commoner in the release."""
    import numpy as np

    kinds = int(max(field.secrets.max(), field.control_secrets.max())) + 1
    overall = np.bincount(field.secrets, minlength=kinds) / (len(field.secrets) + 1)

    def guessed(target: npt.NDArray[np.int64], secret: int) -> bool:
        near = _nearest(field.released, target)
        votes = np.bincount(field.secrets[near], minlength=kinds) + overall
        return int(votes.argmax()) == secret

    return Attack(
        "inference",
        _tried(
            field.released,
            chance,
            attempts,
            lambda place: guessed(field.released[place], int(field.secrets[place])),
        ),
        _tried(
            field.control,
            chance,
            attempts,
            lambda place: guessed(field.control[place], int(field.control_secrets[place])),
        ),
    )


def _tried(
    people: npt.NDArray[np.int64],
    chance: np.random.Generator,
    attempts: int,
    succeeds: Callable[[int], bool],
) -> Rate:
    """Different people where there are enough, everybody once where there are not."""
    targets = chance.permutation(len(people))[:attempts]
    return Rate(sum(succeeds(int(place)) for place in targets), len(targets))


def _nearest(released: npt.NDArray[np.int64], target: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """The released records that agree with the target in most columns (Hamming distance)."""
    agree = (released == target).sum(axis=1)
    return agree == agree.max()  # type: ignore[no-any-return]  # numpy's comparison is untyped
