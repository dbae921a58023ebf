"""Hierarchies as ladders, and the class sizes of any node of their lattice by rolling up.

A *ladder* is one column's hierarchy: level 0 is the value as it stands, each further level is coarser, and it
is a tree: what is together once stays together. A *node* names one level per column. Node v is coarser than
u when no level of v is lower; its classes are unions of u's, so they are counted from u's classes, never
from the records again. Only the first count reads the records.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from deidentify.generalise import hierarchy_named
from rwd_platform.core.errors import Problem

Codes = npt.NDArray[np.int64]
Node = tuple[int, ...]

MISSING = ""
DROPPED = "*"
KEY_BITS = 63  # one signed 64-bit word holds the codes of all columns
KEPT_ENTRIES = 24_000_000  # classes of nodes kept to roll up from: 16 bytes each
STRIDE = 20_000  # from a node with more classes, a far one is counted by way of one in between

LADDER_MALFORMED = Problem(
    code="recode.hierarchy_malformed",
    zh="泛化层次 {name} 不能使用：{why_zh}。",
    en="The hierarchy {name} cannot be used: {why}.",
    next_zh="请给出每行一个取值、各列由细到粗、以分号分隔且无表头的 CSV。",
    next_en="Give a CSV without a header, one value a line, columns from fine to coarse, separated by semicolons.",
)
VALUE_UNKNOWN = Problem(
    code="recode.value_not_in_hierarchy",
    zh="列 {column} 有 {count} 条记录的取值不在其泛化层次中（首条为第 {row} 条）。",
    en="In column {column} the values of {count} records are not in its hierarchy (the first is record {row}).",
    next_zh="请在该列的泛化层次文件中补上这些取值，或先清洗数据。",
    next_en="Add these values to the column's hierarchy file, or clean the column first.",
)
TOO_WIDE = Problem(
    code="recode.too_wide",
    zh="准标识符过多或取值过细：合计需要 {bits} 位，上限为 {most} 位。",
    en="The quasi-identifiers are too many or too fine: together they need {bits} bits, and {most} is the most.",
    next_zh="请减少准标识符，或先把最细的列归并一级。",
    next_en="Name fewer quasi-identifiers, or coarsen the finest of them by one level first.",
)


@dataclass(frozen=True, eq=False)
class Ladder:
    """One column's hierarchy. `levels[l][v]` is the code, at level l, of the value `values[v]`."""

    name: str
    values: tuple[str, ...]
    levels: tuple[Codes, ...]
    labels: tuple[tuple[str, ...], ...]  # per level, the text of each code
    drops: bool = False  # whether the last level stands for leaving the column out

    @property
    def height(self) -> int:
        return len(self.levels)


def build_ladder(name: str, rows: Iterable[Sequence[str]], *, drops: bool = False) -> Ladder:
    """A ladder from its table: one row a value, the value first, then its label at each coarser level.

    A missing value (the empty text) is a category of its own and stays missing at every level, unless the
    table says otherwise. Raises `recode.hierarchy_malformed`.
    """
    table = [tuple(row) for row in rows if len(row)]
    if not table:
        raise LADDER_MALFORMED.error(name=name, why="it has no rows", why_zh="没有任何行")
    width = len(table[0])
    for number, row in enumerate(table, 1):
        if len(row) != width:
            raise LADDER_MALFORMED.error(
                name=name,
                why=f"line {number} has {len(row)} columns, the first line has {width}",
                why_zh=f"第 {number} 行有 {len(row)} 列，首行有 {width} 列",
            )
    values = [row[0] for row in table]
    if len(set(values)) < len(values):
        double = next(n for n, value in enumerate(values, 1) if value in values[: n - 1])
        raise LADDER_MALFORMED.error(
            name=name, why=f"line {double} repeats a value", why_zh=f"第 {double} 行的取值重复"
        )
    if MISSING not in values:
        table.append((MISSING,) * width)
    levels, labels = [], []
    for level in range(width):
        codes: dict[str, int] = {}
        levels.append(np.array([codes.setdefault(row[level], len(codes)) for row in table], np.int64))
        labels.append(tuple(codes))
    _check_tree(name, levels)
    return Ladder(name, tuple(row[0] for row in table), tuple(levels), tuple(labels), drops)


def read_ladder(name: str, content: bytes) -> Ladder:
    """A ladder from an ARX hierarchy file: `;` separated, UTF-8, no header."""
    try:
        text = content.decode("utf-8-sig")
        return build_ladder(name, csv.reader(io.StringIO(text), delimiter=";", strict=True))
    except UnicodeDecodeError:
        raise LADDER_MALFORMED.error(name=name, why="it is not UTF-8", why_zh="不是 UTF-8 编码") from None
    except csv.Error:
        raise LADDER_MALFORMED.error(
            name=name, why="a quotation mark is not closed", why_zh="引号没有闭合"
        ) from None


def house_ladder(hierarchy: str, values: Iterable[str]) -> Ladder:
    """The ladder of a hierarchy of the house (deidentify/hierarchies) over the values that occur.

    What the hierarchy does not know becomes missing at its first level, as it does when a plan is applied. Above
    its last level stands one more, at which the column is dropped. Raises `generalise.hierarchy_unknown`, and
    `recode.hierarchy_malformed` where its levels do not nest.
    """
    rule = hierarchy_named(hierarchy)
    rows = [
        (value, *(rule.at(value, level) or MISSING for level in range(1, len(rule.levels) + 1)), DROPPED)
        for value in sorted(set(values) - {MISSING})
    ]
    rows.append((*(MISSING,) * (len(rule.levels) + 1), DROPPED))
    return build_ladder(hierarchy, rows, drops=True)


def _check_tree(name: str, levels: Sequence[Codes]) -> None:
    for level, (fine, coarse) in enumerate(pairwise(levels), 1):
        parent = np.zeros(int(fine.max()) + 1, np.int64)
        parent[fine] = coarse
        torn = np.flatnonzero(parent[fine] != coarse)
        if len(torn):
            line = int(torn[0]) + 1
            raise LADDER_MALFORMED.error(
                name=name,
                why=f"it is no tree: line {line} parts at level {level} what level {level - 1} had joined",
                why_zh=f"不是树：第 {line} 行在第 {level} 级拆开了第 {level - 1} 级已合并的取值",
            )


def encode(column: str, texts: Sequence[str | None] | npt.NDArray[np.object_], ladder: Ladder) -> Codes:
    """Each record's place in `ladder.values`; None is the missing value. Raises `recode.value_not_in_hierarchy`."""
    places = {value: place for place, value in enumerate(ladder.values)}
    number, found = pd.factorize(np.asarray(texts, object), use_na_sentinel=False)
    known = [places.get(MISSING if pd.isna(text) else text, -1) for text in found]
    codes = np.array(known, np.int64)[number]
    strange = np.flatnonzero(codes < 0)
    if len(strange):
        raise VALUE_UNKNOWN.error(column=column, count=len(strange), row=int(strange[0]) + 1)
    return codes


@dataclass(frozen=True, eq=False)
class Axis:
    """A ladder cut down to the values that occur, numbered by first appearance at every level."""

    maps: tuple[Codes, ...]  # per level: base code -> code at that level
    sizes: tuple[int, ...]  # codes per level
    counts: Codes  # records per base code

    def step(self, fine: int, coarse: int) -> Codes:
        """code at level `fine` -> code at level `coarse`."""
        table = np.zeros(self.sizes[fine], np.int64)
        table[self.maps[fine]] = self.maps[coarse]
        return table


def number_by_appearance(codes: Codes) -> tuple[Codes, Codes]:
    """(each element's number in order of first appearance, the codes in that order)."""
    first = np.full(int(codes.max()) + 1, -1, np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of equal places the last assignment stays
    found = np.flatnonzero(first >= 0)
    order = found[np.argsort(first[found])]
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], order


def cut(codes: Codes, ladder: Ladder) -> tuple[Codes, Axis]:
    """The records' base codes and the axis, both of the values that occur only."""
    base, occurring = number_by_appearance(codes)
    maps = [number_by_appearance(level[occurring])[0] for level in ladder.levels]
    sizes = tuple(int(one.max()) + 1 for one in maps)
    return base, Axis(tuple(maps), sizes, np.bincount(base, minlength=sizes[0]))


@dataclass(frozen=True, eq=False)
class Groups:
    """The classes of one node: a packed key and a count each, keys ascending."""

    node: Node
    keys: Codes
    counts: Codes


class Rollup:
    """Counts the classes of nodes, each from the smallest finer node at hand.

    A key packs the columns' codes into one word, the first column highest, each in a field wide enough for its
    level 0; the sensitive column, when there is one, lies lowest and is never generalised. At most KEPT_ENTRIES
    classes are kept to roll up from, so memory is bounded whatever the size of the lattice.
    """

    def __init__(self, bases: Sequence[Codes], axes: Sequence[Axis], sensitive: Codes | None = None) -> None:
        self.axes = tuple(axes)
        self.records = len(bases[0])
        self.low_bits = 0 if sensitive is None else int(sensitive.max()).bit_length()
        self._count_bits = self.records.bit_length()
        self._widths = [(axis.sizes[0] - 1).bit_length() for axis in self.axes]
        self._bits = self.low_bits + sum(self._widths)
        if self._bits > KEY_BITS:
            raise TOO_WIDE.error(bits=self._bits, most=KEY_BITS)
        self._shifts = [self.low_bits + sum(self._widths[place + 1 :]) for place in range(len(self.axes))]
        self._moves: dict[tuple[int, int, int], Codes] = {}
        bottom = (0,) * len(self.axes)
        keys = self.keys_of_records(bottom, bases)
        if sensitive is not None:
            keys |= sensitive
        keys.sort()
        starts = _starts(keys)
        self._kept: list[Groups] = [Groups(bottom, keys[starts], np.diff(starts, append=self.records))]
        self._nodes = np.zeros((64, len(bottom)), np.int16)
        self._sizes = np.full(64, len(starts), np.int64)
        self._entries = len(starts)

    def at(self, node: Node) -> Groups:
        """The classes of a node; with a sensitive column, one entry per class and sensitive value."""
        kept = len(self._kept)
        finer = np.flatnonzero((self._nodes[:kept] <= np.array(node, np.int16)).all(1))
        parent = self._kept[int(finer[np.argmin(self._sizes[finer])])]
        if parent.node == node:
            return parent
        between = _half_way(parent.node, node)
        if between != node and len(parent.keys) > STRIDE:
            parent = self.at(between)
        groups = self._group(node, self._lift(parent, node), parent.counts)
        self._keep(groups)
        return groups

    def keys_of_records(self, node: Node, bases: Sequence[Codes]) -> Codes:
        """Each record's key at a node, without its sensitive value."""
        keys = np.zeros(self.records, np.int64)
        for axis, level, base, shift in zip(self.axes, node, bases, self._shifts, strict=True):
            keys |= axis.maps[level][base] << shift
        return keys

    def fields(self, keys: Codes) -> list[Codes]:
        """Each column's codes, from keys."""
        return [
            (keys >> shift) & ((1 << width) - 1)
            for shift, width in zip(self._shifts, self._widths, strict=True)
        ]

    def _lift(self, parent: Groups, node: Node) -> Codes:
        keys = parent.keys
        for place, (fine, coarse) in enumerate(zip(parent.node, node, strict=True)):
            if fine == coarse:
                continue
            move = self._moves.get((place, fine, coarse))
            if move is None:
                step = self.axes[place].step(fine, coarse)
                move = (step - np.arange(len(step))) << self._shifts[place]
                self._moves[place, fine, coarse] = move
            field = keys >> self._shifts[place]
            field &= (1 << self._widths[place]) - 1
            keys = keys + move[field]
        return keys

    def _group(self, node: Node, keys: Codes, counts: Codes) -> Groups:
        if self._bits + self._count_bits <= KEY_BITS:
            # The count rides in the low bits: one sort of plain words, which is vectorised, and no gather.
            packed = keys << self._count_bits
            packed |= counts
            packed.sort()
            keys, counts = packed >> self._count_bits, packed & ((1 << self._count_bits) - 1)
        else:
            order = np.argsort(keys)
            keys, counts = keys[order], counts[order]
        starts = _starts(keys)
        return Groups(node, keys[starts], np.add.reduceat(counts, starts))

    def _keep(self, groups: Groups) -> None:
        if len(self._kept) == len(self._sizes):
            self._nodes = np.concatenate([self._nodes, np.zeros_like(self._nodes)])
            self._sizes = np.concatenate([self._sizes, np.zeros_like(self._sizes)])
        place = len(self._kept)
        if self._entries + len(groups.keys) > KEPT_ENTRIES and place > 1:
            place = 1 + int(np.argmax(self._sizes[1:place]))  # the first is never given up
            if self._sizes[place] <= len(groups.keys):
                return  # small nodes are nearest to those still to be counted
            self._entries -= int(self._sizes[place])
        self._kept[place : place + 1] = [groups]
        self._nodes[place], self._sizes[place] = groups.node, len(groups.keys)
        self._entries += len(groups.keys)


def _half_way(fine: Node, coarse: Node) -> Node:
    """A node between two, to be counted on the way: others that lie above it will start from there."""
    steps = [up - low for low, up in zip(fine, coarse, strict=True)]
    if max(steps) > 1:
        return tuple(low + (step + 1) // 2 for low, step in zip(fine, steps, strict=True))
    moved = [place for place, step in enumerate(steps) if step]
    early = set(moved[: (len(moved) + 1) // 2])
    return tuple(low + (place in early) for place, low in enumerate(fine))


def _starts(keys: Codes) -> Codes:
    """Where each run of equal keys begins."""
    change = np.empty(len(keys), bool)
    change[:1] = True
    np.not_equal(keys[1:], keys[:-1], out=change[1:])
    return np.flatnonzero(change)


def class_starts(groups: Groups, low_bits: int) -> Codes:
    """Where each class begins among entries that also carry a sensitive value."""
    return _starts(groups.keys >> low_bits)
