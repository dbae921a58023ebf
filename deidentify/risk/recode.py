"""Optimal full-domain recoding: the node of the lattice that meets the demands and loses least.

Every record is generalised alike, column by column; records whose class then still fails are suppressed, up
to a limit. The search is exact: what it does not count is excluded by one of two theorems.

- A class only grows towards coarser nodes. So where k (or distinct l) needs more suppression than allowed, so
  does every finer node; and where nothing may be suppressed, the same holds of entropy l and of t.
- Every loss has a lower bound that never falls towards coarser nodes (deidentify/risk/loss.py).

With suppression, entropy l and t have no such first theorem; then only their k and the bounds prune.
Of equal scores the node with the lowest total level wins, then the first in the columns' order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from deidentify.risk.lattice import MISSING, Codes, Ladder, Node, Rollup, class_starts, cut
from deidentify.risk.loss import METRICS, Counted, Loss
from rwd_platform.core.errors import Exit, Problem

MOST_NODES = 1_000_000
_CLOSE = 1e-12  # a computed entropy or distance this near its threshold meets it
BATCH = 64
_DENSE = 4_000_000  # cells of a class × value table held at once

BAD_DEMAND = Problem(
    code="recode.bad_demand",
    zh="{name} = {value} 不可用：{why_zh}。",
    en="{name} = {value} cannot be used: {why}.",
    next_zh="请更正该参数后重试。",
    next_en="Correct this parameter and try again.",
)
TOO_MANY_NODES = Problem(
    code="recode.too_many_nodes",
    zh="各列层级的组合有 {nodes} 种，上限为 {most} 种。",
    en="The columns' levels combine to {nodes} nodes, and {most} is the most.",
    next_zh="请减少准标识符，或去掉泛化层次中的中间层级。",
    next_en="Name fewer quasi-identifiers, or leave out levels in the middle of the hierarchies.",
)
NO_SOLUTION = Problem(
    code="recode.no_solution",
    zh="任何层级组合都达不到要求（k = {k}，允许抑制 {most} 条，共 {records} 条）。",
    en="No combination of levels meets the demands (k = {k}, {most} of {records} records may be suppressed).",
    next_zh="请为各列补上更粗的层级，放宽抑制比例，或改为只发布汇总结果。",
    next_en="Add coarser levels to the hierarchies, allow more suppression, or release aggregates only.",
    exit=Exit.NO,
)


@dataclass(frozen=True, eq=False)
class Sensitive:
    """A sensitive column: codes 0..m-1 per record; `ordered` when their order has a meaning (numbers)."""

    codes: Codes
    ordered: bool = False


@dataclass(frozen=True)
class Demands:
    """What a released class must meet. `t` compares with the whole table as given, before suppression."""

    k: int
    distinct_l: int | None = None
    entropy_l: float | None = None  # exp of the class's entropy, natural logarithm
    t: float | None = None  # earth mover's distance: ordered or equal, as the sensitive column is


@dataclass(frozen=True, eq=False)
class Recoding:
    """The optimum. `node` names a level per column; `class_sizes` counts the released classes by size.

    `left_out` says of each record whether it is suppressed; `counted` of the lattice's `nodes` were counted.
    """

    node: Mapping[str, int]
    hierarchies: Mapping[str, str]  # column -> its hierarchy's name
    dropped: tuple[str, ...]  # columns at the level that leaves them out
    score: float
    metric: str
    demands: Demands
    records: int
    left_out: npt.NDArray[np.bool_] = field(repr=False)
    class_sizes: Mapping[int, int]
    nodes: int
    counted: int
    notes: tuple[tuple[str, str], ...]  # zh, en

    @property
    def suppressed(self) -> int:
        return int(self.left_out.sum())


def recode(
    columns: Mapping[str, Codes],
    ladders: Mapping[str, Ladder],
    *,
    k: int,
    suppression: float = 0.0,
    metric: str = "dm",
    sensitive: Sensitive | None = None,
    distinct_l: int | None = None,
    entropy_l: float | None = None,
    t: float | None = None,
) -> Recoding:
    """The optimal node.

    `columns`: per quasi-identifier the records' places in its ladder's values (`lattice.encode`), n each.
    `suppression`: the share of records, 0 ≤ s < 1, that may be left out; ⌊s·n⌋ records.
    Raises `recode.bad_demand`, `.too_many_nodes`, `.too_wide`, `.no_solution`.
    """
    demands = Demands(k, distinct_l, entropy_l, t)
    records = len(next(iter(columns.values()), ()))
    _check(demands, records, suppression, metric, sensitive)
    shape = tuple(ladders[name].height for name in columns)
    if math.prod(shape) > MOST_NODES:
        raise TOO_MANY_NODES.error(nodes=math.prod(shape), most=MOST_NODES)
    bases, axes = zip(*(cut(codes, ladders[name]) for name, codes in columns.items()), strict=True)
    rollup = Rollup(bases, axes, None if sensitive is None else sensitive.codes)
    judge = _Judge(rollup, demands, sensitive)
    limit = int(Fraction(str(suppression)) * records)  # 29 % of 100 are 29; in floating point, 28.999…
    search = _Search(judge, METRICS[metric](rollup), limit, shape)
    best = search.run()
    if best is None:
        raise NO_SOLUTION.error(k=k, most=limit, records=records)
    counted = judge.count(best)
    left_out = ~counted.passing[counted.place(rollup.low_bits, rollup.keys_of_records(best, bases))]
    return _describe(dict(zip(columns, best, strict=True)), ladders, search, counted, left_out, metric)


def plan(recoding: Recoding) -> dict[str, str]:
    """The recoding as a study's lock applies it: column -> `generalise:<hierarchy>:<level>` or `drop`.

    Columns at level 0 stay as they are and are not named. `deidentify.generalise.generalise_frame` takes it
    where the ladders are the house's own (`lattice.house_ladder`).
    """
    return {
        column: "drop" if column in recoding.dropped else f"generalise:{recoding.hierarchies[column]}:{level}"
        for column, level in recoding.node.items()
        if level
    }


def generalised(
    recoding: Recoding, columns: Mapping[str, Codes], ladders: Mapping[str, Ladder]
) -> dict[str, npt.NDArray[np.object_]]:
    """Per column the records' labels at the recoding's levels, suppressed records included."""
    found = {}
    for name, level in recoding.node.items():
        labels = np.array(ladders[name].labels[level], object)
        found[name] = labels[ladders[name].levels[level][columns[name]]]
    return found


def _check(
    demands: Demands, records: int, suppression: float, metric: str, sensitive: Sensitive | None
) -> None:
    known = ", ".join(METRICS)
    refusals: list[tuple[bool, str, object, str, str]] = [
        (demands.k < 2, "k", demands.k, "it must be at least 2", "至少为 2"),
        (demands.k > records, "k", demands.k, f"there are {records} records", f"总共只有 {records} 条记录"),
        (not 0 <= suppression < 1, "suppression", suppression, "0 ≤ s < 1 is needed", "应满足 0 ≤ s < 1"),
        (metric not in METRICS, "metric", metric, f"known: {known}", f"可用：{known}"),
    ]
    optional: tuple[tuple[str, float | None, float], ...] = (
        ("distinct_l", demands.distinct_l, math.inf),
        ("entropy_l", demands.entropy_l, math.inf),
        ("t", demands.t, 1),
    )
    for name, limit, top in optional:
        if limit is not None:
            bottom = 0 if name == "t" else 1
            refusals.append((not bottom <= limit <= top, name, limit, "it is out of range", "超出取值范围"))
            lone = sensitive is None
            refusals.append((lone, name, limit, "no sensitive column is named", "没有指定敏感列"))
    for wrong, name, value, why, why_zh in refusals:
        if wrong:
            raise BAD_DEMAND.error(name=name, value=value, why=why, why_zh=why_zh)


def _describe(
    node: dict[str, int],
    ladders: Mapping[str, Ladder],
    search: _Search,
    counted: Counted,
    left_out: npt.NDArray[np.bool_],
    metric: str,
) -> Recoding:
    judge = search.judge
    sizes, often = np.unique(counted.sizes[counted.passing], return_counts=True)
    tops = [name for name, level in node.items() if level and level == ladders[name].height - 1]
    return Recoding(
        node=node,
        hierarchies={name: ladders[name].name for name in node},
        dropped=tuple(name for name in tops if ladders[name].drops),
        score=search.best[0],
        metric=metric,
        demands=judge.demands,
        records=judge.rollup.records,
        left_out=left_out,
        class_sizes=dict(zip(sizes.tolist(), often.tolist(), strict=True)),
        nodes=math.prod(search.shape),
        counted=search.visits,
        notes=tuple(_notes(node, ladders, metric, bool(left_out.any()))),
    )


def _notes(
    node: Mapping[str, int], ladders: Mapping[str, Ladder], metric: str, lost: bool
) -> list[tuple[str, str]]:
    notes = []
    gone = [name for name, level in node.items() if len(set(ladders[name].labels[level]) - {MISSING}) == 1]
    if gone:
        names = ", ".join(gone)
        zh, en = f"这些列已归并为单一取值：{names}。", f"These columns now hold a single value: {names}."
        notes.append((zh, en))
    if metric == "entropy" and lost:
        zh = "entropy 不计被抑制记录的损失；如需计入，请用 entropy-suppressed。"
        en = "entropy does not count what suppressed records lose; entropy-suppressed does."
        notes.append((zh, en))
    return notes


class _Judge:
    """Counts a node's classes and says which of them may be released."""

    def __init__(self, rollup: Rollup, demands: Demands, sensitive: Sensitive | None) -> None:
        self.rollup = rollup
        self.demands = demands
        self._ordered = sensitive is not None and sensitive.ordered
        self._share = np.zeros(0)
        if sensitive is not None:
            self._share = np.bincount(sensitive.codes) / rollup.records
        self.growing = demands.entropy_l is None and demands.t is None

    def count(self, node: Node) -> Counted:
        groups, demands = self.rollup.at(node), self.demands
        if not len(self._share):
            return Counted(groups, np.arange(len(groups.keys)), groups.counts, groups.counts >= demands.k)
        starts = class_starts(groups, self.rollup.low_bits)
        sizes = np.add.reduceat(groups.counts, starts)
        passing = sizes >= demands.k
        if demands.distinct_l is not None:
            passing &= np.diff(starts, append=len(groups.keys)) >= demands.distinct_l
        if demands.entropy_l is not None:
            spread = np.add.reduceat(groups.counts * np.log(groups.counts), starts)
            passing &= np.log(sizes) - spread / sizes >= math.log(demands.entropy_l) - _CLOSE
        if demands.t is not None:
            distance = self._ordered_distance if self._ordered else self._equal_distance
            passing &= distance(groups.keys, groups.counts, starts, sizes) <= demands.t + _CLOSE
        return Counted(groups, starts, sizes, passing)

    def _values(self, keys: Codes) -> Codes:
        return keys & ((1 << self.rollup.low_bits) - 1)

    def _equal_distance(
        self, keys: Codes, counts: Codes, starts: Codes, sizes: Codes
    ) -> npt.NDArray[np.float64]:
        """½ Σ|p−q| per class, summed over the values that occur in it (Li, Li & Venkatasubramanian 2007)."""
        whole = self._share[self._values(keys)]
        runs = np.diff(starts, append=len(keys))
        gaps = np.abs(counts / np.repeat(sizes, runs) - whole) - whole
        return np.asarray((1.0 + np.add.reduceat(gaps, starts)) / 2)

    def _ordered_distance(
        self, keys: Codes, counts: Codes, starts: Codes, sizes: Codes
    ) -> npt.NDArray[np.float64]:
        """Σ|cumulated p−q| / (m−1) per class, as many classes at once as fit the table."""
        values, width = self._values(keys), len(self._share)
        if width == 1:
            return np.zeros(len(sizes))
        ends = np.append(starts[1:], len(keys))
        found = np.empty(len(sizes))
        at_once = max(1, _DENSE // width)
        for first in range(0, len(sizes), at_once):
            last = min(first + at_once, len(sizes))
            part = slice(starts[first], ends[last - 1])
            rows = np.repeat(np.arange(last - first), ends[first:last] - starts[first:last])
            table = np.zeros((last - first, width))
            table[rows, values[part]] = counts[part]
            table /= sizes[first:last, None]
            np.cumsum(table - self._share, axis=1, out=table)
            found[first:last] = np.abs(table).sum(1) / (width - 1)
        return found


class _Search:
    """Which nodes can still hold the optimum, and which of them to count next."""

    def __init__(self, judge: _Judge, loss: Loss, limit: int, shape: tuple[int, ...]) -> None:
        self.judge = judge
        self.loss = loss
        self.limit = limit
        self.shape = shape
        self.bound = loss.bounds(shape)
        self.open = np.ones(shape, bool)  # neither counted nor known to need too much suppression
        self.known = np.zeros(shape, bool)  # known to need no more suppression than allowed
        levels = np.indices(shape).sum(0)
        self.rank = levels * levels.size + np.arange(levels.size).reshape(shape)
        self.best: tuple[float, float] = (math.inf, math.inf)
        self.growing = judge.growing or limit == 0
        self.visits = 0

    def run(self) -> Node | None:
        best: Node | None = None
        while True:
            batch = self._choose()
            if not batch:
                return best
            for node in batch:
                if self._hopeful(node):
                    before = self.best
                    self._visit(node)
                    best = node if self.best != before else best

    def _hopeful(self, node: Node | tuple[()] = ()) -> npt.NDArray[np.bool_]:
        """Whether a node, or each of them, can still be better than the best one found."""
        score, rank = self.best
        bound = self.bound[node]
        better = (bound < score) | ((bound == score) & (self.rank[node] < rank))
        return np.asarray(self.open[node] & better)

    def _choose(self) -> list[Node]:
        hopeful = self._hopeful()
        unknown = hopeful & ~self.known
        count = int(unknown.sum())
        if self.growing and count:
            # Those that settle most others whichever way they turn out; few at a time, for each changes the rest.
            worth = np.where(unknown, np.minimum(*_marked(unknown)), -1).ravel()
            some = max(1, count // BATCH)
            first = np.argpartition(-worth, some - 1)[:some]
            return [self._node(int(flat)) for flat in first[np.argsort(-worth[first], kind="stable")]]
        if not hopeful.any():
            return []
        bound = np.where(hopeful, self.bound, math.inf)
        rank = np.where(bound == bound.min(), self.rank, self.rank.max() + 1)
        return [self._node(int(np.argmin(rank)))]

    def _node(self, flat: int) -> Node:
        return tuple(int(level) for level in np.unravel_index(flat, self.shape))

    def _visit(self, node: Node) -> None:
        self.visits += 1
        self.open[node] = False
        counted = self.judge.count(node)
        lost = int(counted.sizes[~counted.passing].sum())
        coarser = tuple(slice(level, None) for level in node)
        finer = tuple(slice(None, level + 1) for level in node)
        if not self.loss.is_static:
            lower = self.loss.lower(counted, self.judge.demands.k)
            np.maximum(self.bound[coarser], lower, out=self.bound[coarser])
        if lost <= self.limit:
            self.best = min(self.best, (self.loss.score(counted), float(self.rank[node])))
            if self.growing:
                self.known[coarser] = True
            return
        if self.growing or int(counted.sizes[counted.sizes < self.judge.demands.k].sum()) > self.limit:
            self.open[finer] = False


def _marked(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Per node, how many marked nodes are finer or itself, and how many are coarser or itself."""
    below, above = mask.astype(np.int32), mask.astype(np.int32)
    for place, height in enumerate(mask.shape):
        # Sums of whole slices: numpy's cumsum is slow along axes of three or four levels.
        up, down = np.moveaxis(below, place, 0), np.moveaxis(above, place, 0)
        for level in range(1, height):
            up[level] += up[level - 1]
            down[height - 1 - level] += down[height - level]
    return below, above
