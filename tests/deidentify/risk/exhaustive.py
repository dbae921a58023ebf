"""Every node of a small lattice, scored from the definitions in plain Python: the truth that the search must find.

Nothing here is shared with the search: records are tuples of labels, classes are counters, no node is skipped.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

Table = Sequence[Sequence[str]]  # one hierarchy: a row per value, from fine to coarse
Node = tuple[int, ...]


def labels_at(
    columns: Mapping[str, Sequence[str]], tables: Mapping[str, Table], node: Node
) -> list[tuple[str, ...]]:
    """The records as they are released at a node."""
    rules = [{row[0]: row[level] for row in tables[name]} for name, level in zip(columns, node, strict=True)]
    return [
        tuple(rule[value] for rule, value in zip(rules, record, strict=True))
        for record in zip(*columns.values(), strict=True)
    ]


def distance(inside: Counter[str], whole: Counter[str], *, ordered: bool) -> float:
    """t of one class: half the summed differences, or for numbers the summed differences of running totals."""
    size, records = inside.total(), whole.total()
    values = sorted(whole, key=float) if ordered else sorted(whole)
    gaps = [inside[value] / size - whole[value] / records for value in values]
    if not ordered:
        return math.fsum(map(abs, gaps)) / 2
    running = [math.fsum(gaps[: place + 1]) for place in range(len(gaps))]
    return math.fsum(map(abs, running)) / (len(values) - 1) if len(values) > 1 else 0.0


def spread(inside: Counter[str]) -> float:
    """Entropy l of one class: exp of its entropy, natural logarithm."""
    size = inside.total()
    return math.exp(-math.fsum(n / size * math.log(n / size) for n in inside.values()))


def passes(inside: Counter[str], whole: Counter[str], demands: Mapping[str, float], *, ordered: bool) -> bool:
    return (
        inside.total() >= demands["k"]
        and len(inside) >= demands.get("distinct_l", 1)
        and spread(inside) >= demands.get("entropy_l", 1) - 1e-9
        and distance(inside, whole, ordered=ordered) <= demands.get("t", 1) + 1e-9
    )


def every_node(
    columns: Mapping[str, Sequence[str]],
    tables: Mapping[str, Table],
    metric: str,
    limit: int,
    demands: Mapping[str, float],
    sensitive: Sequence[str] | None = None,
    *,
    ordered: bool = False,
) -> Iterator[tuple[float, int, Node, int]]:
    """(score, total level, node, suppressed) of every node that needs no more suppression than allowed."""
    records = len(next(iter(columns.values())))
    told = sensitive or ["-"] * records
    whole = Counter(told)
    bottom = [list(values) for values in columns.values()]
    for node in product(*(range(len(tables[name][0])) for name in columns)):
        released = labels_at(columns, tables, node)
        classes: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for label, value in zip(released, told, strict=True):
            classes[label][value] += 1
        good = {label: one for label, one in classes.items() if passes(one, whole, demands, ordered=ordered)}
        lost = records - sum(one.total() for one in good.values())
        if lost > limit:
            continue
        squares = sum(one.total() ** 2 for one in classes.values())
        kept = sum(one.total() ** 2 for one in good.values())
        gone = [label for label in released if label not in good]
        score = {
            "dm": kept + lost * records,
            "dm-star": squares,
            "classes": records / (len(good) + (len(good) < len(classes))),
            "entropy": entropy(bottom, released, []),
            "entropy-suppressed": entropy(bottom, released, gone),
        }[metric]
        yield score, sum(node), node, lost


def entropy(bottom: list[list[str]], released: list[tuple[str, ...]], gone: list[tuple[str, ...]]) -> float:
    """Bits: per column and record −log2 of the value's share of its label, and of the label's among those lost."""
    total = 0.0
    for place, values in enumerate(bottom):
        labels = [label[place] for label in released]
        own, shared = Counter(values), Counter(labels)
        total -= math.fsum(math.log2(own[v] / shared[g]) for v, g in zip(values, labels, strict=True))
        among = Counter(label[place] for label in gone)
        total -= math.fsum(math.log2(among[label[place]] / len(gone)) for label in gone)
    return total
