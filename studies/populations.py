"""Who of the analysis table belongs to a population of the protocol."""

from __future__ import annotations

import pandas as pd

from studies.protocol import Population, Restriction


def restricted(frame: pd.DataFrame, population: Population) -> pd.DataFrame:
    """The rows that fulfil every restriction, in their order."""
    for restriction in population.restrictions:
        frame = frame[_fulfils(frame[restriction.covariate], restriction)]
    return frame


def _fulfils(values: pd.Series[float], restriction: Restriction) -> pd.Series[bool]:
    fulfils = pd.Series(True, index=values.index)
    if restriction.one_of:
        fulfils &= values.isin(list(restriction.one_of))
    if restriction.more_than is not None:
        fulfils &= values > restriction.more_than
    if restriction.at_least is not None:
        fulfils &= values >= restriction.at_least
    if restriction.less_than is not None:
        fulfils &= values < restriction.less_than
    if restriction.at_most is not None:
        fulfils &= values <= restriction.at_most
    return fulfils
