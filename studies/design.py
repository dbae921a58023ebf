"""From the analysis table to the numbers of a model: a column a number, a 0/1 column a further level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studies.protocol import Covariate, Protocol
from studies.statistics import Floats


@dataclass(frozen=True)
class Design:
    """`columns` name x's columns (`age`, `size.over50`); `terms` maps a covariate to its columns."""

    x: Floats
    columns: tuple[str, ...]
    terms: Mapping[str, tuple[int, ...]]


def design(frame: pd.DataFrame, protocol: Protocol, covariates: Sequence[str], *, exposure: bool) -> Design:
    """The design of the exposure (first, if asked for) and the covariates, with treatment contrasts."""
    parts: list[tuple[str, str, Floats]] = []
    if exposure:
        name = protocol.exposure.name
        parts.append((name, name, frame[name].to_numpy(dtype=float)))
    for name in covariates:
        covariate = protocol.covariate(name)
        columns = indicator_columns(frame, covariate)
        # The first level is the reference: its column follows from the others.
        parts += [(name, column, x) for column, x in (columns[1:] if covariate.levels else columns)]
    terms: dict[str, tuple[int, ...]] = {}
    for number, (term, _, _) in enumerate(parts):
        terms[term] = (*terms.get(term, ()), number)
    x = np.column_stack([x for _, _, x in parts]) if parts else np.empty((len(frame), 0))
    return Design(x, tuple(column for _, column, _ in parts), terms)


def indicator_columns(frame: pd.DataFrame, covariate: Covariate) -> list[tuple[str, Floats]]:
    """A number as it is; each level - the reference too - as a column of 0 and 1."""
    values = frame[covariate.name]
    if not covariate.levels:
        return [(covariate.name, values.to_numpy(dtype=float))]
    return [
        (f"{covariate.name}.{level.id}", np.asarray(values == level.id, dtype=np.float64))
        for level in covariate.levels
    ]
