"""The infinitesimal jackknife of a curve: how much each subject's weight moves each point of it.

Every curve here is a sum over event times of increments that depend on the risk sets. Seen from one
row, its influence on functional m at time t is

    0                                   before the row enters,
    -(h_m(t) - h_m(entry))              while it is at risk,
    J_m - (h_m(exit) - h_m(entry))      after it has left,

with a compensator h_m that all rows share and a jump J_m of its own. The influence of a subject is the
weighted sum over its rows. A variance needs the sum of squares over subjects at every time: done here
with running second moments in O(n log n), not with the n by k matrix.

Sources: Efron (1982), The Jackknife, the Bootstrap and Other Resampling Plans, ch. 6; Therneau &
Grambsch (2000), 7.2; Therneau, Crowson & Atkinson, "Multi-state models and competing risks" (2023), the
section on the variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from studies.statistics import Floats, Ints
from studies.statistics.survival.event_table import EventTable, sums

# Running sums may be kept in extended precision.
Reals = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class RunningMoments:
    """Second moments over subjects at each of k times.

    sums -- (k, m + 1, m + 1) of the vectors (K_1, ..., K_m, W), where the influence on functional j is
            K_j - h_j W: W is the weight the subject has at risk, K_j what is settled already.
    compensators -- (k, m)
    """

    sums: Floats
    compensators: Floats

    def variance(self, factors: Floats) -> Floats:
        """(k,) the variance of the combination sum_j factors[:, j] * functional j at each time."""
        weight_factor = -np.einsum("kj,kj->k", factors, self.compensators)
        loadings = np.column_stack([factors, weight_factor])
        # Rounding can leave a zero slightly negative.
        found: Floats = np.maximum(np.einsum("ka,kab,kb->k", loadings, self.sums, loadings), 0.0)
        return found


def running_moments(
    table: EventTable, compensators: Floats, jumps: Floats, cluster: Ints | None = None
) -> RunningMoments:
    """The moments for m functionals: compensators (k, m), jumps (n, m), cluster (n,) codes or None for rows.

    Times k; a row that leaves at position `table.exits` jumps there.
    """
    times, functionals = compensators.shape
    padded = np.vstack([np.zeros(functionals), compensators])
    weights = table.weights[:, None]
    # Two changes of state a row: at its entry (position 0 is "before the first time") and at its exit.
    at_entry = np.hstack([weights * padded[table.entries], weights])
    at_exit = np.hstack([weights * (jumps - compensators[table.exits]), -weights])
    position = np.concatenate([table.entries, table.exits + 1])
    if cluster is None:
        # Each row is a subject: nothing to sort, and its state before the exit is that since the entry.
        previous: Reals = np.vstack([np.zeros_like(at_entry), at_entry])
        state: Reals = np.vstack([at_entry, at_entry + at_exit])
    else:
        state, previous, position = _by_subject(np.vstack([at_entry, at_exit]), position, np.tile(cluster, 2))
    return RunningMoments(_accumulated(state, previous, position, times), compensators)


def _by_subject(change: Floats, position: Ints, subject: Ints) -> tuple[Reals, Reals, Ints]:
    """The state of each subject after and before each change, in the order of subject and position."""
    order = np.lexsort((position, subject))
    subject = subject[order]
    # Extended precision, because one sum runs through all subjects.
    running = np.cumsum(change[order].astype(np.longdouble), axis=0)
    first = np.concatenate([[True], subject[1:] != subject[:-1]])
    before = np.vstack([np.zeros((1, change.shape[1]), dtype=np.longdouble), running[:-1]])
    started = np.maximum.accumulate(np.where(first, np.arange(len(first)), 0))
    origin = before[started]
    return running - origin, before - origin, position[order]


def _accumulated(state: Reals, previous: Reals, position: Ints, times: int) -> Floats:
    """(k, m + 1, m + 1): the sums of products over subjects, from the change each row brings."""
    size = state.shape[1]
    moments = np.zeros((times, size, size))
    for a in range(size):
        for b in range(a, size):
            step = state[:, a] * state[:, b] - previous[:, a] * previous[:, b]
            by_time = np.bincount(position, step.astype(np.float64), minlength=times + 1)
            total = np.cumsum(by_time.astype(np.longdouble))[1 : times + 1]
            moments[:, a, b] = moments[:, b, a] = total.astype(np.float64)
    return moments


def row_influence(table: EventTable, compensator: Floats, jumps: Floats) -> Floats:
    """(n,) each row's influence on one functional at the end, unweighted: jump less compensator at risk."""
    padded = np.concatenate([[0.0], compensator])
    found: Floats = jumps - (compensator[table.exits] - padded[table.entries])
    return found


def sum_of_squares(influence: Floats, weights: Floats, cluster: Ints | None) -> float:
    """The variance of one functional from row influences (n,), added up within clusters first."""
    weighted = weights * influence
    if cluster is not None:
        weighted = sums(cluster, weighted, int(cluster.max()) + 1)
    return float(weighted @ weighted)
