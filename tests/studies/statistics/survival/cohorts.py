"""Made-up people with many ties, for tests of methods for time to an event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Floats


@dataclass(frozen=True)
class People:
    x: Floats
    time: Floats
    event: Floats
    entry: Floats
    weights: Floats
    strata: Floats
    cluster: Floats

    def __getitem__(self, rows: object) -> People:
        return People(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def people(seed: int = 1, n: int = 80, days: int = 15, strata: int = 3) -> People:
    """n people: a continuous and a yes/no covariate, whole days with ties, some who enter late."""
    random = np.random.default_rng(seed)
    x = np.column_stack([random.normal(size=n), random.integers(0, 2, n)]).astype(float)
    time = random.integers(2, days, n).astype(float)
    return People(
        x=x,
        time=time,
        event=(random.uniform(size=n) < 0.7).astype(float),
        entry=np.floor(random.uniform(0, 0.8, n) * time),
        weights=random.uniform(0.3, 3.0, n),
        strata=random.integers(0, strata, n).astype(float),
        cluster=random.integers(0, max(n // 3, 2), n).astype(float),
    )
