"""Results with which a statistician told of a few persons, although each table passed: none passes now."""

from __future__ import annotations

import random
import time
from itertools import pairwise, product
from typing import Any

import pytest

from deidentify.disclosure.bounds import is_exposed
from deidentify.disclosure.check import check
from deidentify.disclosure.differencing import ReleasedTable, compare, figures_of
from deidentify.disclosure.partitions import MOST_SETS, pieces_that_isolate
from deidentify.disclosure.read import read_results, table_mapping
from deidentify.disclosure.relabelled import released_of
from rwd_platform.core.errors import PlatformError
from tests.deidentify.disclosure.results import PURPOSE, curve, held, row

MINIMUM = 10


def verdict(new: str | dict[str, Any], *released: str) -> Any:
    before = [
        released_of(f"R{place}", read_results(table_mapping(one.encode())))
        for place, one in enumerate(released)
    ]
    results = table_mapping(new.encode()) if isinstance(new, str) else new
    return check(results, "researcher", PURPOSE, before, propose=False)


def outcome(new: str | dict[str, Any], *released: str) -> str:
    return str(verdict(new, *released).outcome)


def rules(new: str | dict[str, Any], *released: str) -> set[str]:
    return {one.rule for one in verdict(new, *released).findings}


def malformed(new: str | dict[str, Any]) -> bool:
    with pytest.raises(PlatformError) as refused:
        verdict(new)
    return refused.value.code == "disclosure.results_malformed"


# -- the same people, another count ----------------------------------------------------------------------------------


def people(first: int, last: int) -> frozenset[str]:
    return frozenset(f"p{number}" for number in range(first, last + 1))


def of_people(events: int, members: frozenset[str], id: str = "cox.events") -> Any:
    rows = [row(id, "events", events, n=100, variable="death")]
    return read_results(held(rows, all=len(members))), {"all": members}


@pytest.mark.parametrize(
    ("events", "now", "id", "found"),
    [
        (40, people(1, 100), "cox.events", set()),
        (41, people(1, 100), "cox.events", {"differencing_totals"}),
        (41, people(1, 100), "cox.deaths", {"differencing_totals"}),  # the same under another id
        (60, people(1, 100), "cox.events", set()),
        (
            41,
            people(1, 150),
            "cox.events",
            {"differencing_totals"},
        ),  # of fifty more persons one had the event
        (41, people(301, 400), "cox.events", set()),  # nobody in common
    ],
)
def test_counts_are_compared_although_the_persons_were(
    events: int, now: frozenset[str], id: str, found: set[str]
):
    first, sets = of_people(40, people(1, 100))
    released = ReleasedTable("R", figures_of(first), sets, "person")
    new, own = of_people(events, now, id)
    assert {one.rule for one in compare(new, [released], MINIMUM, sets=own, tokens="person")} == found


def test_means_of_another_measure_are_no_counts():
    """25.2 and 27.1 of the same fifty persons: nothing is told by subtraction."""
    bmi = "sex,n,mean\nmale,50,25.2\nfemale,50,24.9\n"
    assert outcome("sex,n,mean\nmale,50,27.1\nfemale,50,26.0\n", bmi) == "pass"
    assert outcome("sex,n,mean\nmale,49,25.2\nfemale,50,24.9\n", bmi) == "fail"


# -- pieces ----------------------------------------------------------------------------------------------------


def isolates(new: list[frozenset[str]], *released: frozenset[str]) -> bool:
    tables = [ReleasedTable(f"R{n}", {}, {"all": one}, "person") for n, one in enumerate(released)]
    sets = {f"s{n}": one for n, one in enumerate(new)}
    found = compare(read_results(held([])), tables, MINIMUM, sets=sets, tokens="person")
    return "differencing" in {one.rule for one in found}


FIFTHS = [people(1, 20), people(21, 40), people(41, 60), people(61, 80), people(81, 99)]


def test_five_pieces_leave_person_one_hundred():
    """At once, one after another, and the whole after its pieces; five pieces of all hundred tell nothing."""
    assert isolates(FIFTHS, people(1, 100))
    assert isolates([FIFTHS[-1]], people(1, 100), *FIFTHS[:-1])
    assert isolates([people(1, 100)], *FIFTHS)
    assert not isolates([*FIFTHS[:-1], people(81, 100)], people(1, 100))
    assert not isolates([*FIFTHS[:-1], people(81, 90)], people(1, 100))
    assert isolates([*FIFTHS[:-1], people(81, 103)], people(1, 100))


@pytest.mark.parametrize("seed", range(30))
def test_no_partition_that_leaves_one_to_nine_is_missed(seed: int):
    """Property: any cohort in four to twelve pieces among other sets, without one to nine of its members."""
    chance = random.Random(seed)
    members = [f"p{n}" for n in range(chance.randint(200, 600))]
    chance.shuffle(members)
    cuts = sorted(chance.sample(range(10, len(members) - 20), chance.randint(3, 11)))
    left = chance.randint(1, MINIMUM - 1)
    places = [0, *cuts, len(members) - left]
    pieces = [frozenset(members[a:b]) for a, b in pairwise(places)]
    others = [frozenset(chance.sample(members, 60)) for _ in range(4)]
    sets = [frozenset(members), *others, *pieces]
    found = pieces_that_isolate(sets, [False] * 5 + [True] * len(pieces), MINIMUM)
    (whole, chosen) = found.found[0]
    assert whole == 0 and 0 < len(sets[0] - frozenset().union(*(sets[one] for one in chosen))) < MINIMUM


def test_a_search_without_end_ends_and_says_so():
    """Sets that overlap in every way, and more sets than are tried."""
    chance = random.Random(1)
    members = [f"p{n}" for n in range(400)]
    sets = [frozenset(members), *(frozenset(chance.sample(members, 12)) for _ in range(300))]
    before = time.monotonic()
    assert pieces_that_isolate(sets, [True] * len(sets), MINIMUM).is_over
    assert time.monotonic() - before < 60
    assert pieces_that_isolate(
        [people(n, n + 1) for n in range(MOST_SETS + 1)], [True] * (MOST_SETS + 1), 10
    ).is_over


# -- margins that come after their interior --------------------------------------------------------------------------

INTERIOR = "sex,drug,subjects\nmale,A,*\nmale,B,15\nfemale,A,12\nfemale,B,30\n"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ("sex,subjects\nmale,20\nfemale,42\n", "fail"),
        ("sex,subjects\nmale,40\nfemale,42\n", "pass"),
        ("sex,subjects\ntotal,62\n", "fail"),
        ("drug,stage,subjects\nA,I,10\nA,II,10\nB,I,20\nB,II,25\n", "fail"),  # the margin only adds up
    ],
)
def test_a_margin_that_comes_after_its_interior_is_put_into_it(new: str, expected: str):
    assert outcome(new, INTERIOR) == expected
    if expected == "fail":
        assert "differencing_merged" in rules(new, INTERIOR)


SEX, DRUG, STAGE = (("sex", "m", "f"), ("drug", "a", "b", "c"), ("stage", "i", "ii"))
SHAPES = [(SEX,), (DRUG,), (SEX, DRUG), (DRUG, STAGE), (SEX, STAGE), ()]


def made_table(
    chance: random.Random, joint: dict[tuple[str, ...], int], shape: tuple[Any, ...]
) -> dict[tuple[str, ...], int | None]:
    """Counts of one shape, those below the minimum withheld, and one more where chance says so."""
    labels, shown = [one[1:] for one in shape], chance.choice([0.4, 0.6, 1.0])
    counts: dict[tuple[str, ...], int | None] = {}
    for place in product(*labels):
        count = sum(value for key, value in joint.items() if set(place) <= set(key))
        counts[place] = count if count >= MINIMUM and chance.random() < shown else None
    return counts


def as_csv(shape: tuple[Any, ...], counts: dict[tuple[str, ...], int | None]) -> str:
    head = ",".join([*(one[0] for one in shape), "subjects"])
    lines = [",".join([*place, "*" if count is None else str(count)]) for place, count in counts.items()]
    return "\n".join([head, *lines]) + "\n"


def too_narrow(joint: dict[tuple[str, ...], int], tables: list[dict[tuple[str, ...], int | None]]) -> bool:
    """By integer programming over every table of whole numbers that prints the same: is a withheld cell told?"""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    keys = list(joint)
    printed = [(place, count) for one in tables for place, count in one.items() if count is not None]
    matrix = np.array([[float(set(place) <= set(key)) for key in keys] for place, _ in printed])
    right = np.array([float(count) for _, count in printed])
    limits = LinearConstraint(matrix, right, right)
    for place in {place for one in tables for place, count in one.items() if count is None}:
        goal = np.array([float(set(place) <= set(key)) for key in keys])
        ends = []
        for sign in (1.0, -1.0):
            answer = milp(
                sign * goal, constraints=limits, integrality=np.ones(len(keys)), bounds=Bounds(0, 10_000)
            )
            ends.append(sign * answer.fun)
        if is_exposed((ends[0], ends[1]), MINIMUM):
            return True
    return False


@pytest.mark.parametrize("seed", range(120))
def test_no_two_releases_that_pass_tell_a_withheld_cell_to_integer_programming(seed: int):
    """Property: one population by sex, drug and stage, two tables of it, each by any of these."""
    pytest.importorskip("scipy")
    chance = random.Random(seed)
    joint = {
        place: chance.choice([0, 3, 5, 14, 20, 35, 60]) for place in product(SEX[1:], DRUG[1:], STAGE[1:])
    }
    shapes = chance.sample(SHAPES, 2)
    tables = [made_table(chance, joint, shape) for shape in shapes]
    if not all(any(count is not None for count in one.values()) for one in tables):
        return
    first, second = (as_csv(shape, one) for shape, one in zip(shapes, tables, strict=True))
    if outcome(first) == "pass" and outcome(second, first) == "pass":
        assert not too_narrow(joint, tables), (first, second)


# -- what a count is of, and what is not a count ---------------------------------------------------------------------


@pytest.mark.parametrize("whole", ["n", "subjects", "patients", "persons", "count", "人数", "例数"])
def test_any_column_of_persons_is_what_the_events_of_its_line_are_of(whole: str):
    assert outcome(f"sex,{whole},events\nmale,50,49\nfemale,60,30\n") == "fail"
    assert outcome(f"sex,{whole},events\nmale,50,50\nfemale,60,30\n") == "fail"
    assert outcome(f"sex,{whole},events\nmale,50,30\nfemale,60,30\n") == "pass"


@pytest.mark.parametrize(
    "label",
    ["3", "3 (7.5%)", "3例", "3/40", "97 years", "2024-01-03", "＝3", "①", "3（15%）", "共3人", "n=3"],
)
def test_a_number_in_a_column_that_nobody_declared_is_for_a_person_to_look_at(label: str):
    """Also beside a word: one `NA` in the column makes it no grouping."""
    assert rules(f"ae,subjects,serious\nrash,40,{label}\nfever,30,NA\n") == {"undeclared_column"}


def test_table_1_with_a_count_and_a_percentage_in_one_cell_is_for_a_person_to_look_at():
    assert outcome("特征,试验组,对照组,n\n男,3（15%）,20（50%）,23\n女,17（85%）,20（50%）,37\n") != "pass"


@pytest.mark.parametrize(
    "labels",
    [
        ("50-59", "60-69"), ("50–59岁", "≥60岁"), ("<50", "50+"), ("stage 2", "stage 3"), ("T1N0M0", "T2aN1M0"),
        ("2期", "3期"), ("10 mg", "20 mg"), ("5 mg/kg", "10 mg/kg"), ("第1周期", "第2周期"), ("C34.1", "C34.9"),
        ("SGLT2", "PCSK9"), ("HER2+", "HER2-"), ("II/A", "II/B"), ("*", "NA"), ("18.5-24.9 kg/m2", "≥25 kg/m2"),
    ],
)  # fmt: skip
def test_bands_stages_doses_and_codes_are_groupings(labels: tuple[str, str]):
    assert "undeclared_column" not in rules("".join(["band,subjects\n", *(f"{one},40\n" for one in labels)]))


def test_a_share_of_half_a_person_was_written_as_a_fraction():
    assert rules("sex,n,percent\nmale,40,0.075\nfemale,40,0.5\n") == {"share_of_nobody"}
    assert outcome("sex,n,percent\nmale,40,50\nfemale,40,50\n") == "pass"


@pytest.mark.parametrize("cell", ["0.4", "9.9999999", "40.4", '"3,0"', '"1,2"', '"12,34"', '"1,2345"'])
def test_a_count_is_a_whole_number_and_a_comma_stands_before_three_digits(cell: str):
    assert malformed(f"sex,subjects\nmale,{cell}\nfemale,35\n")


@pytest.mark.parametrize(
    "word",
    [
        "合 计", "合　计", "Total:", "Totals", "Total (n=43)", "TOTAL (N)", "**Total**", "All patients", "全部患者",
        "总人数",
        "共计", "Everyone", "Overall population", "Grand-total", "总　计", "Σ", "全体受试者",
    ],
)  # fmt: skip
def test_a_total_is_known_by_what_it_begins_with(word: str):
    assert outcome(f"sex,subjects\nmale,40\n{word},43\n") == "fail"


@pytest.mark.parametrize("word", ["Total bilirubin", "总胆固醇", "Allergy", "全身反应", "计划外住院"])
def test_a_word_that_only_begins_like_a_total_is_none(word: str):
    (_, one) = read_results(table_mapping(f"lab,subjects\nALT,40\n{word},43\n".encode())).rows
    assert one.dims[0][1] == word


@pytest.mark.parametrize("spelt", ["II / A", "IIA", "II-A", "ii a", "ＩＩＡ"])
def test_levels_are_compared_without_blanks_and_signs(spelt: str):
    assert outcome(f"stage,subjects\n{spelt},47\nI,60\n", "stage,subjects\nII/A,50\nI,60\n") == "fail"
    assert "differencing_totals" not in rules(
        "age,subjects\n<50,47\n>=50,90\n", "age,subjects\n>=50,50\n<50,90\n"
    )


def test_a_percentage_that_was_released_is_the_count_that_it_stands_for():
    assert outcome("sex,count\nmale,30\n", "sex,n,percent\nmale,100,31\n") == "fail"
    assert outcome("sex,count\nmale,31\n", "sex,n,percent\nmale,100,31\n") == "pass"


def test_nothing_in_common_with_what_the_circle_holds_is_for_a_person_to_look_at():
    assert rules("sex,events\nmale,30\nfemale,40\n", "stage,n,mean\nI,50,3.5\nII,60,3.5\n") == {
        "nothing_compared"
    }


@pytest.mark.parametrize("name", ["visit", "day", "week", "month", "随访", "访视", "follow-up"])
@pytest.mark.parametrize("column", ["subjects", "n", "patients", "count"])
def test_persons_who_only_become_fewer_from_visit_to_visit_are_a_follow_up(name: str, column: str):
    assert rules(f"{name},{column}\n1,50\n2,49\n3,48\n") >= {"at_risk_step"}
    assert outcome(f"{name},{column}\n1,50\n2,49\n3,48\n") == "review"
    assert outcome(f"{name},{column}\n1,50\n2,40\n3,30\n") == "pass"
    assert outcome(f"{name},{column}\n1,50\n2,41\n3,48\n") == "pass"  # neither falls nor grows


def test_every_line_of_a_model_is_a_term():
    """Eleven coefficients of twelve persons leave one degree; of a forest plot's subgroups each has its own persons."""
    lines = "".join(f"v{number},12,0.{number}\n" for number in range(1, 12))
    assert rules(f"variable,n,coefficient\n{lines}") == {"degrees_of_freedom"}
    lines = "".join(f"v{number},120,20,0.{number}\n" for number in range(1, 12))
    assert rules(f"variable,n,events,hazard_ratio\n{lines}") == {"degrees_of_freedom"}
    lines = "".join(
        f"v{number},{100 + 20 * number},{40 + 11 * number},0.{number}\n" for number in range(1, 9)
    )
    assert outcome(f"variable,n,events,hazard_ratio\n{lines}") == "pass"


# -- texts -------------------------------------------------------------------------------------------------------

NUMBER = "张三 460100199001011234"


@pytest.mark.parametrize(
    "results",
    [
        table_mapping(f"patient,subjects\n{NUMBER},40\n".encode()),
        table_mapping(f"{NUMBER},subjects\nmale,40\n".encode()),
        held([row("a.x", "mean", 50, n=100, unit=NUMBER)]),
        held([row("a.x", "mean", 50, n=100, variable="13912345678")]),
        held([], [{"id": "f.lines", "analysis": "f", "columns": ["title_zh", "n"], "points": [[NUMBER, 40]]}]),
        held([], [{"id": "attrition", "analysis": "attrition", "columns": ["step", "reason_zh", "remaining"],
                   "points": [[1, NUMBER, 100]]}]),
    ],
)  # fmt: skip
def test_a_persons_number_in_any_text_is_refused_and_not_repeated(results: dict[str, Any]):
    found = verdict(results)
    assert found.outcome == "fail" and "identifier_in_text" in {one.rule for one in found.findings}
    assert "460100" not in str(found.as_dict()) and "139123" not in str(found.as_dict())


# -- the platform's own form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "results",
    [
        held([row("a.x", "count", "3", n=40)]),
        held([row("a.x", "count", "３")]),
        held([row("a.x", "count", 3.5)]),
        held(
            [],
            [
                {
                    "id": "x.histogram",
                    "analysis": "x",
                    "columns": ["score_from", "exposed"],
                    "points": [[0, "3"]],
                }
            ],
        ),
        held(
            [],
            [
                {
                    "id": "x.histogram",
                    "analysis": "x",
                    "columns": ["score_from", "exposed"],
                    "points": [[0, 0.4]],
                }
            ],
        ),
        held(
            [],
            [
                {
                    "id": "k.curve.a",
                    "analysis": "k",
                    "columns": ["time_days", "survival"],
                    "points": [[0, "1"]],
                }
            ],
        ),
    ],
)
def test_a_number_as_text_and_a_part_of_a_person_are_malformed(results: dict[str, Any]):
    assert malformed(results)


def test_the_limits_of_a_withheld_count_are_withheld_too():
    assert rules(held([row("a.x", "count", None, n=40, ci_low=3.0, ci_high=3.0)])) == {"limits_of_withheld"}
    assert rules(held([row("a.x", "median", None, n=40, ci_low=30.0, unit="days")])) == set()


@pytest.mark.parametrize("unit", ["days", "day", "d", "D.", "天", "日"])
def test_a_day_is_a_day_by_any_name(unit: str):
    assert rules(held([row("a.x", "median", 1344.0, n=400, unit=unit)])) == {"single_value"}
    assert rules(held([row("a.x", "median", 1350.0, n=400, unit=unit)])) == set()


@pytest.mark.parametrize(
    ("unit", "value", "found"),
    [("months", 44.2, {"single_value"}), ("月", 44.0, set()), ("weeks", 7.0, {"single_value"}), ("周", 10.0, set()),
     ("years", 61.5, set()), ("fmol/L", 3.7, set())],
)  # fmt: skip
def test_a_median_in_months_is_a_day_written_otherwise(unit: str, value: float, found: set[str]):
    assert rules(held([row("a.x", "median", value, n=400, unit=unit)])) == found


def test_limits_that_no_arm_of_that_size_has_prove_nothing():
    """One event of fifty at day 10, under limits so narrow that they would be those of half a million persons."""
    one = curve([(0, 1.0), (10, 0.98)])
    one["points"] = [[0, 1.0, 1.0, 1.0], [10, 0.98, 0.979999, 0.980001]]
    for sets in ({}, {"all_exposed": 50}):
        assert rules(held([], [one], **sets)) == {"curve_not_proven"}


# -- within one file ---------------------------------------------------------------------------------------------


def test_two_tables_of_one_file_whose_totals_are_a_few_apart():
    """A hundred by sex and ninety-seven by stage: three persons are in one table only."""
    counts = {"sex": {"male": 60, "female": 40}, "stage": {"I": 57, "II": 40}}
    rows = [
        row(f"{name}.{label}", "count", count, dims={name: label}, row_set="")
        for name, labels in counts.items()
        for label, count in labels.items()
    ]
    assert rules(held(rows)) == {"totals_apart"}
    rows[2]["value"] = 60
    assert rules(held(rows)) == set()
