"""Invented people with a known effect, for the tests of the causal methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Bools, Floats

EFFECT = 1.0


@dataclass(frozen=True)
class People:
    """x (n, 2) decide treatment and outcome; y has the effect EFFECT in everybody."""

    x: Floats
    treated: Bools
    y: Floats
    died: Bools
    time: Floats
    event: Bools

    def __len__(self) -> int:
        return len(self.y)


def people(seed: int | list[int], n: int = 200) -> People:
    """n people; `died` is a 0/1 outcome, time and event a follow-up with ties and censoring."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2))
    treated = random.uniform(size=n) < 1 / (1 + np.exp(-(0.6 * x[:, 0] - 0.4 * x[:, 1])))
    y = 1 + EFFECT * treated + x[:, 0] + 0.7 * x[:, 1] + random.normal(size=n)
    died = random.uniform(size=n) < 1 / (1 + np.exp(-(0.3 * treated + 0.5 * x[:, 0])))
    life = random.exponential(20 * np.exp(-0.4 * x[:, 0] - 0.3 * treated))
    censored = random.uniform(5, 60, size=n)
    time = np.ceil(np.minimum(life, censored))
    return People(x, treated, y, died, time, life <= censored)
