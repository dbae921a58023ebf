"""Optimal recoding: the node found is the one that counting every node would find."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.account import DropCounter
from deidentify.generalise import generalise_frame
from deidentify.risk import lattice, recode
from deidentify.risk.lattice import build_ladder, encode, house_ladder, read_ladder
from deidentify.risk.loss import METRICS
from rwd_platform.core.errors import PlatformError
from tests.deidentify.risk.exhaustive import Table, every_node, labels_at
from tests.deidentify.risk.visits import QUASI, TABLES, VISITS, recoded

# metric | k | share that may be left out
WANTED = [(metric, k, s) for metric in METRICS for k in (2, 3, 5) for s in (0.0, 0.05, 0.2)]


@pytest.mark.parametrize(("metric", "k", "suppression"), WANTED)
def test_the_optimum_of_the_visits_is_the_one_that_counting_every_node_finds(
    metric: str, k: int, suppression: float
):
    """60 records, 4 columns, 72 nodes: small enough to count all of them in plain Python.

    Of equal scores the lowest total level wins, then the first node in the columns' order.
    """
    limit = int(suppression * 60)
    score, _, node, lost = min(every_node(QUASI, TABLES, metric, limit, {"k": k}))
    found = recoded(QUASI, TABLES, k=k, suppression=suppression, metric=metric)
    assert found.score == pytest.approx(score, rel=1e-12)
    assert (tuple(found.node.values()), found.suppressed) == (node, lost)


@pytest.mark.parametrize(
    ("demands", "sensitive", "ordered"),
    [
        ({"k": 2, "distinct_l": 2}, "diagnosis", False),
        ({"k": 2, "entropy_l": 2.5}, "diagnosis", False),
        ({"k": 3, "t": 0.35}, "diagnosis", False),
        ({"k": 2, "t": 0.2}, "days", True),
        ({"k": 4, "distinct_l": 3, "t": 0.3}, "days", True),
    ],
)
@pytest.mark.parametrize("suppression", [0.0, 0.1])
@pytest.mark.parametrize("metric", ["dm", "entropy", "entropy-suppressed"])
def test_demands_on_the_sensitive_column_keep_the_search_exact(
    demands: dict[str, Any], sensitive: str, ordered: bool, suppression: float, metric: str
):
    """With suppression, entropy l and t are not monotone: a coarser node can need more of it. None is skipped."""
    told = VISITS[sensitive]
    truth = min(every_node(QUASI, TABLES, metric, int(suppression * 60), demands, told, ordered=ordered))
    found = recoded(QUASI, TABLES, told, ordered=ordered, suppression=suppression, metric=metric, **demands)
    assert found.score == pytest.approx(truth[0], rel=1e-12)
    assert (tuple(found.node.values()), found.suppressed) == (truth[2], truth[3])


@st.composite
def small_tables(draw: st.DrawFn) -> tuple[dict[str, list[str]], dict[str, Table]]:
    """2 to 40 records, 1 to 4 columns, each with a tree of 1 to 4 levels over 1 to 6 values."""
    records = draw(st.integers(2, 40))
    columns: dict[str, list[str]] = {}
    tables: dict[str, Table] = {}
    for place in range(draw(st.integers(1, 4))):
        values = [f"v{n}" for n in range(draw(st.integers(1, 6)))]
        rows = [[value] for value in values]
        for level in range(draw(st.integers(0, 3))):
            parents = {
                label: f"{level}.{draw(st.integers(0, 2))}" for label in sorted({row[-1] for row in rows})
            }
            for row in rows:
                row.append(parents[row[-1]])
        columns[f"c{place}"] = draw(st.lists(st.sampled_from(values), min_size=records, max_size=records))
        tables[f"c{place}"] = rows
    return columns, tables


@settings(max_examples=120, deadline=None)
@given(
    small_tables(),
    st.integers(2, 6),
    st.sampled_from([0.0, 0.1, 0.3, 0.9]),
    st.sampled_from(sorted(METRICS)),
    st.data(),
)
def test_on_any_small_table_the_search_finds_what_exhaustive_search_finds(
    table: tuple[dict[str, list[str]], dict[str, Table]],
    k: int,
    suppression: float,
    metric: str,
    data: st.DataObject,
):
    """Score, and among whole-number scores the node too: ties go to the lowest level, then to the first node.

    Entropies are sums of logarithms: nodes that tie on paper differ in the last digit, so there the node must be
    one of those that tie.
    """
    columns, tables = table
    records = len(columns["c0"])
    k = min(k, records)
    told = data.draw(st.none() | st.lists(st.sampled_from("123"), min_size=records, max_size=records))
    demands: dict[str, Any] = {"k": k}
    ordered = False
    if told is not None:
        demands |= data.draw(
            st.sampled_from([{"distinct_l": 2}, {"entropy_l": 1.7}, {"t": 0.3}, {"t": 0.15, "distinct_l": 2}])
        )
        ordered = data.draw(st.booleans())
    limit = int(suppression * records)
    truth = sorted(every_node(columns, tables, metric, limit, demands, told, ordered=ordered))
    wanted = {"suppression": suppression, "metric": metric, **demands}
    if not truth:
        with pytest.raises(PlatformError, match=r"recode\.no_solution"):
            recoded(columns, tables, told, ordered=ordered, **wanted)
        return
    found = recoded(columns, tables, told, ordered=ordered, **wanted)
    tied = [one[2] for one in truth if one[0] <= truth[0][0] + 1e-9]
    assert found.score == pytest.approx(truth[0][0], abs=1e-8)
    assert tuple(found.node.values()) in tied
    if metric in ("dm", "dm-star", "classes"):
        assert tuple(found.node.values()) == truth[0][2]


def test_however_large_the_lattice_no_more_classes_are_kept_than_the_limit(
    monkeypatch: pytest.MonkeyPatch,
):
    """With room for few classes, nodes are counted again from farther below; the answer is the same."""
    rng = np.random.default_rng(7)
    columns = {name: [f"{n}" for n in rng.integers(0, 30, 3000)] for name in "abc"}
    tables: dict[str, Table] = {
        name: [[str(n), f"{n // 3}", f"{n // 9}", "*"] for n in range(30)] for name in columns
    }
    free = recoded(columns, tables, k=5, suppression=0.02)
    for limit, stride in ((1, 20_000), (4000, 10), (24_000_000, 1)):
        monkeypatch.setattr(lattice, "KEPT_ENTRIES", limit)
        monkeypatch.setattr(lattice, "STRIDE", stride)
        held = recoded(columns, tables, k=5, suppression=0.02)
        assert (held.node, held.score, held.class_sizes) == (free.node, free.score, free.class_sizes)


def test_keys_that_leave_no_room_for_the_counts_are_sorted_by_another_way(monkeypatch: pytest.MonkeyPatch):
    """Wide tables: the packed key and the count do not fit one word together."""
    narrow = recoded(QUASI, TABLES, k=3, suppression=0.1)
    made = lattice.Rollup.__init__

    def wide(self: lattice.Rollup, *arguments: Any) -> None:
        made(self, *arguments)
        self._count_bits = 64

    monkeypatch.setattr(lattice.Rollup, "__init__", wide)
    other = recoded(QUASI, TABLES, k=3, suppression=0.1)
    assert (other.node, other.score, other.class_sizes) == (narrow.node, narrow.score, narrow.class_sizes)


def test_the_released_records_have_the_classes_that_are_reported():
    """`generalised` and `left_out` are what a release is made of; counting it again gives the same sizes."""
    ladders = {name: build_ladder(name, rows) for name, rows in TABLES.items()}
    codes = {name: encode(name, values, ladders[name]) for name, values in QUASI.items()}
    found = recode.recode(codes, ladders, k=4, suppression=0.15, metric="entropy")
    labels = recode.generalised(found, codes, ladders)
    released = [
        row for row, gone in zip(zip(*labels.values(), strict=True), found.left_out, strict=True) if not gone
    ]
    sizes = Counter(Counter(released).values())
    assert sizes == Counter(found.class_sizes) and min(sizes) >= 4
    assert 60 - len(released) == found.suppressed > 0
    assert released == [
        row
        for row, gone in zip(
            labels_at(QUASI, TABLES, tuple(found.node.values())), found.left_out, strict=True
        )
        if not gone
    ]


def test_the_plan_is_what_a_lock_applies():
    """Searched over the hierarchies of the house, the plan gives generalise_frame exactly the classes promised."""
    frame = pd.DataFrame({"age": VISITS["age"], "diagnosis": VISITS["diagnosis"], "sex": VISITS["sex"]})
    ladders = {
        "age": house_ladder("age", frame["age"].unique()),
        "diagnosis": house_ladder("icd10", frame["diagnosis"].unique()),
        "sex": build_ladder("sex", TABLES["sex"]),
    }
    codes = {name: encode(name, frame[name].tolist(), ladders[name]) for name in ladders}
    found = recode.recode(codes, ladders, k=3, suppression=0.2, metric="dm")
    plan = {name: text for name, text in recode.plan(found).items() if name != "sex"}
    assert set(plan) <= {"age", "diagnosis"} and plan
    coarse = generalise_frame(frame, plan, DropCounter())
    kept = [name for name in ladders if name in coarse and name != "sex"] + (
        ["sex"] if not found.node["sex"] else []
    )
    sizes = Counter(coarse.loc[~found.left_out].value_counts(kept, dropna=False).tolist())
    assert sizes == Counter(found.class_sizes)


def test_the_share_that_may_be_left_out_is_taken_as_it_is_written():
    """29 % of 100 records are 29, though 0.29 × 100 is 28.999… in floating point."""
    columns, tables = {"a": ["x"] * 71 + ["y"] * 29}, {"a": [["x", "*"], ["y", "*"]]}
    assert recoded(columns, tables, k=30, suppression=0.29, metric="entropy").suppressed == 29
    assert recoded(columns, tables, k=30, suppression=0.28, metric="entropy").suppressed == 0


def test_a_column_that_must_go_whole_is_dropped_by_the_plan():
    """Above the last level of a hierarchy of the house stands one more: the column is left out."""
    values = ["23", "47", "61", "88"]
    ladder = house_ladder("age", values)
    found = recode.recode({"age": encode("age", values, ladder)}, {"age": ladder}, k=4)
    assert recode.plan(found) == {"age": "drop"} and found.dropped == ("age",)
    assert any("age" in en for _, en in found.notes)


def test_a_missing_value_is_a_category_of_its_own_and_stays_missing():
    """Who has no value is not generalised into a group with those who have one."""
    ladder = build_ladder("ward", [["eye", "head"], ["ear", "head"]])
    codes = encode("ward", ["eye", "ear", None, "", None], ladder)
    assert [ladder.labels[1][ladder.levels[1][code]] for code in codes] == ["head", "head", "", "", ""]
    found = recode.recode({"ward": codes}, {"ward": ladder}, k=2)
    assert found.class_sizes == {2: 1, 3: 1}


def test_what_a_hierarchy_of_the_house_does_not_know_becomes_missing_once_generalised():
    """As it does when the plan is applied: an odd age is not left standing alone in a released table."""
    ladder = house_ladder("age", ["40", "41", "unknown"])
    at_one = dict(zip(ladder.values, (ladder.labels[1][code] for code in ladder.levels[1]), strict=True))
    assert at_one["40"] == at_one["41"] != "" and at_one["unknown"] == at_one[""] == ""


# what is asked | the problem's code
BAD = [
    ({"k": 1}, "recode.bad_demand"),
    ({"k": 61}, "recode.bad_demand"),
    ({"k": 3, "suppression": 1.0}, "recode.bad_demand"),
    ({"k": 3, "suppression": -0.1}, "recode.bad_demand"),
    ({"k": 3, "suppression": float("nan")}, "recode.bad_demand"),
    ({"k": 3, "metric": "loss"}, "recode.bad_demand"),
    ({"k": 3, "t": 0.2}, "recode.bad_demand"),
    ({"k": 3, "entropy_l": 0.5}, "recode.bad_demand"),
]


@pytest.mark.parametrize(("asked", "code"), BAD)
def test_an_impossible_wish_is_named(asked: dict[str, Any], code: str):
    with pytest.raises(PlatformError) as caught:
        recoded(QUASI, TABLES, **asked)
    assert caught.value.code == code


def test_no_records_at_all_can_reach_no_k():
    with pytest.raises(PlatformError, match=r"recode\.bad_demand"):
        recode.recode({}, {}, k=2)


def test_hierarchies_that_end_too_fine_have_no_solution():
    """Visits to two provinces, and no level above the province: the 60 records cannot all share one class."""
    columns = QUASI | {"county": ["440106", *QUASI["county"][1:]]}
    tables = TABLES | {"county": [*TABLES["county"], ["440106", "4401", "44"]]}
    with pytest.raises(PlatformError) as caught:
        recoded(columns, tables, k=3)
    assert caught.value.code == "recode.no_solution" and caught.value.exit == 1
    assert recoded(columns, tables, k=3, suppression=0.05).suppressed >= 1


# the file's bytes | what the message says
MALFORMED = [
    (b"", "no rows"),
    (b"a;x;*\nb;x\n", "line 2 has 2 columns"),
    (b"a;x\na;y\n", "line 2 repeats a value"),
    (b"a;x;p\nb;x;q\n", "no tree: line 1"),
    ("甲;乙".encode("gb18030"), "not UTF-8"),
    (b'"a;x\n', "quotation"),
]


@pytest.mark.parametrize(("content", "said"), MALFORMED)
def test_a_malformed_hierarchy_is_refused_with_its_place(content: bytes, said: str):
    with pytest.raises(PlatformError) as caught:
        read_ladder("ward", content)
    assert caught.value.code == "recode.hierarchy_malformed" and said in caught.value.en


def test_a_value_outside_its_hierarchy_is_counted_but_never_shown():
    """The message says where and how many; the value may be a name."""
    ladder = build_ladder("ward", TABLES["ward"])
    with pytest.raises(PlatformError) as caught:
        encode("ward", ["eye", "王璟琰", "ear", "王璟琰"], ladder)
    assert caught.value.code == "recode.value_not_in_hierarchy"
    assert caught.value.details == {"column": "ward", "count": 2, "row": 2}
    assert "王璟琰" not in str(caught.value.as_dict())


def test_too_many_levels_or_columns_are_refused_before_anything_is_counted():
    deep: Table = [[str(n)] + [str(n // 2**level) for level in range(1, 12)] for n in range(2048)]
    columns = {f"c{n}": ["0", "1"] for n in range(6)}
    with pytest.raises(PlatformError, match=r"recode\.too_many_nodes"):
        recoded(columns, dict.fromkeys(columns, deep), k=2)
    flat: Table = [[str(n)] for n in range(2048)]
    wide = {f"c{n}": [str(m) for m in range(2048)] for n in range(6)}
    with pytest.raises(PlatformError, match=r"recode\.too_wide"):
        recoded(wide, dict.fromkeys(wide, flat), k=2)
