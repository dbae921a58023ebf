"""What a package has of the verification: for an authority all but names, for an aggregate audience counts of many."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import hashlib
import io
import json
from collections.abc import Iterable
from functools import cache
from random import Random
from typing import Any

import pytest

from deidentify.disclosure import accounts
from studies.evidence.documents import LINEAGE, ROW_SETS_JSON, SOURCES_JSON, fixed_files, json_documents
from studies.evidence.sample.agreement import Agreement, agreement
from studies.evidence.sample.files import (
    SAMPLE_CANDIDATES,
    SAMPLE_RULE,
    SAMPLE_VALUES,
    SMALLEST_COUNT,
    TRACE_SAMPLE,
    VERIFICATION_CSV,
    VERIFICATION_JSON,
    sample_files,
)
from studies.evidence.sample.policy import policy
from studies.evidence.sample.rounds import OpenRound, Verified
from studies.evidence.sample.sheet import SheetLine
from studies.evidence.sample.trace import sample_of
from tests.evidence.sample.made import (
    SIZES,
    Fill,
    FilledBy,
    as_platform,
    closed,
    in_rounds,
    policy_with,
    returned,
    stent_inputs,
    stent_results,
    stent_sample,
    stent_table,
)
from tests.evidence.submission.made import hostile
from tests.studies.small import small_protocol

SAMPLE = stent_sample()


@cache
def made() -> Agreement:
    """Three charts of the largest hospital not found, and as many weights that differ by 10 kg."""

    def fill(line: SheetLine) -> Fill:
        if line.row.drawn.hospital == "org-c" and line.row.drawn.place <= 3:
            return "", "否", "未找到病历"
        if line.variable.name == "weight_kg" and line.row.drawn.place in (4, 5, 6):
            return f"{float(line.row.values['weight_kg']) + 10:g}", "否", "单位"
        return as_platform(line)

    return agreement(SAMPLE, [returned(SAMPLE, hospital, fill) for hospital in SIZES])


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def document(files: dict[str, bytes], name: str) -> Any:
    return json.loads(files[name])


# --- for an authority ---------------------------------------------------------------------------------------


def test_an_authority_gets_trace_and_rule_and_values_only_with_row_data() -> None:
    assert set(sample_files(SAMPLE, audience="authority")) == {TRACE_SAMPLE, SAMPLE_RULE}
    with_values = sample_files(SAMPLE, audience="authority", with_values=True)
    assert set(with_values) == {TRACE_SAMPLE, SAMPLE_RULE, SAMPLE_VALUES, SAMPLE_CANDIDATES}
    with_sheets = sample_files(SAMPLE, audience="authority", verified=in_rounds(made()))
    assert set(with_sheets) == {TRACE_SAMPLE, SAMPLE_RULE, VERIFICATION_JSON, VERIFICATION_CSV}


def test_the_draw_can_be_repeated_from_the_package_alone() -> None:
    """With hashlib, csv and json, and nothing of the platform: as an inspector would."""
    inputs = stent_inputs()
    package = fixed_files(inputs, json_documents(inputs))
    package |= sample_files(SAMPLE, audience="authority", with_values=True)
    owners = {
        file["sha256"]: source["organisation_id"]
        for source in document(package, SOURCES_JSON)["sources"]
        for file in source["files"]
    }
    lineage = list(csv.DictReader(io.StringIO(gzip.decompress(package[LINEAGE]).decode())))
    hospital = {
        int(one["row"]): owners[one["source_file_sha256"]] for one in lineage if one["variable"] == "index"
    }
    events = {int(one["row"]): one["event"] == "1" for one in table(package[SAMPLE_CANDIDATES])}
    rule = document(package, SAMPLE_RULE)
    seed = f"{rule['protocol_sha256']}|{rule['lock_id']}|"
    analysed = document(package, ROW_SETS_JSON)["row_sets"]["analysed"]
    assert set(events) == set(analysed)
    expected: set[tuple[str, int]] = set()
    for account in rule["hospitals"]:
        mine = [row for row in analysed if hospital[row] == account["hospital"]]
        mine.sort(key=lambda row: hashlib.sha256(f"{seed}{row}".encode()).hexdigest())
        chosen = mine[: account["by_rank"]]
        for row in mine[account["by_rank"] :]:
            if events[row] and sum(events[one] for one in chosen) < rule["policy"]["events"]:
                chosen.append(row)
        expected |= {(account["hospital"], row) for row in chosen}
    drawn = {(one["organisation_id"], int(one["row"])) for one in table(package[TRACE_SAMPLE])}
    assert drawn == expected


def test_the_trace_leads_to_the_lines_that_the_lineage_has() -> None:
    inputs = stent_inputs()
    package = fixed_files(inputs, json_documents(inputs))
    lineage = {
        (one["row"], one["variable"], one["source_file_sha256"], one["source_line"], one["line_digest"])
        for one in csv.DictReader(io.StringIO(gzip.decompress(package[LINEAGE]).decode()))
    }
    traced = table(sample_files(SAMPLE, audience="authority")[TRACE_SAMPLE])
    for one in traced:
        assert (one["row"], one["line_of"], one["sha256"], one["line"], one["line_digest"]) in lineage
    asked = {(one["row"], one["variable"]) for one in traced}
    assert len(asked) == len(SAMPLE.rows) * len(SAMPLE.variables)


def test_a_value_without_a_line_of_its_own_is_traced_to_the_index_event() -> None:
    traced = table(sample_files(SAMPLE, audience="authority")[TRACE_SAMPLE])
    without = {str(row.drawn.row) for row in SAMPLE.rows if row.values["surgery"] == "0"}
    assert without
    lines = {one["row"]: one["line_of"] for one in traced if one["variable"] == "surgery"}
    assert {row for row, line_of in lines.items() if line_of == "index"} == without


def test_no_subject_id_and_no_hospitals_file_name_is_in_any_file() -> None:
    files = sample_files(SAMPLE, audience="authority", verified=in_rounds(made()), with_values=True)
    everything = b"".join(files.values()).decode()
    assert "zhang" not in everything
    assert not any(subject in everything for subject in stent_table().frame["subject_id"])


def test_the_answer_key_is_what_the_analysis_used() -> None:
    values = table(sample_files(SAMPLE, audience="authority", with_values=True)[SAMPLE_VALUES])
    told = {(int(one["row"]), one["variable"]): one["value"] for one in values}
    for row in SAMPLE.rows:
        for name, value in row.values.items():
            assert told[row.drawn.row, name] == str(value)


def test_the_rule_says_who_was_drawn_of_how_many_and_with_what_probability() -> None:
    rule = document(sample_files(SAMPLE, audience="authority"), SAMPLE_RULE)
    assert rule["policy"]["sha256"] == policy().sha256
    assert rule["counts"] == {"rows": 200, "drawn": len(SAMPLE.rows), "unplaced": 0}
    for one in rule["hospitals"]:
        assert one["rows"] == SIZES[one["hospital"]]
        assert one["probability_other"] == pytest.approx(one["by_rank"] / one["rows"], abs=1e-6)
        assert one["probability_event"] >= one["probability_other"]
        assert set(one["name"]) == {"zh", "en"}
    assert [one["name"] for one in rule["variables"]] == [one.name for one in SAMPLE.variables]
    for text in ("rule", "probability", "repeated", "blind"):
        assert rule[text]["zh"] and rule[text]["en"]


def test_agreement_is_told_by_hospital_with_sheets_and_methods() -> None:
    told = document(sample_files(SAMPLE, audience="authority", verified=in_rounds(made())), VERIFICATION_JSON)
    assert told["of_this_lock"] is True
    assert [one["hospital"] for one in told["sheets"]] == list(SIZES)
    assert len(told["lines"]) == 4 * len(SAMPLE.variables)
    weight = next(one for one in told["lines"] if one["variable"] == "weight_kg" and not one["hospital"])
    assert weight["title"] == {"zh": "体重", "en": "Weight"}
    assert weight["chart_not_found"] == 3
    assert weight["compared"] - weight["agreed"] == 9
    assert weight["reasons"]["unit"] == 9
    assert weight["limits"]["mean"] == pytest.approx(9 * 10 / weight["compared"], abs=1e-6)


def test_the_table_says_what_the_document_says() -> None:
    files = sample_files(SAMPLE, audience="authority", verified=in_rounds(made()))
    rows, told = table(files[VERIFICATION_CSV]), document(files, VERIFICATION_JSON)["lines"]
    assert len(rows) == len(told)
    for row, one in zip(rows, told, strict=True):
        assert (row["organisation_id"], row["variable"]) == (one["hospital"], one["variable"])
        assert (int(row["compared"]), int(row["agreed"])) == (one["compared"], one["agreed"])
        assert float(row["share"]) == one["share"]
        kappa = one["kappa"]["kappa"] if one["kappa"] else None
        assert row["kappa"] == ("" if kappa is None else str(kappa))
        assert (row["within"] == "") == (one["within"] is None)


def worse(line: SheetLine) -> Fill:
    """Of every second weight the chart says another."""
    wrong = line.variable.name == "weight_kg" and line.row.drawn.place % 2
    return ("1", "否", "单位") if wrong else as_platform(line)


def of_all(by: FilledBy = as_platform, hospitals: Iterable[str] = SIZES) -> Agreement:
    return agreement(SAMPLE, [returned(SAMPLE, one, by) for one in hospitals])


def test_a_later_round_leaves_every_line_of_the_earlier_ones_where_it_was() -> None:
    """One good sheet of one hospital after a bad round of three: the bad round is told whole, with its reason."""
    alone = document(
        sample_files(SAMPLE, audience="authority", verified=in_rounds(of_all(worse))), VERIFICATION_JSON
    )
    verified = Verified(
        (closed(of_all(hospitals=["org-a"]), 3), closed(of_all(worse), 1, "换一个截止日再核对一遍"))
    )
    files = sample_files(SAMPLE, audience="authority", verified=verified)
    told = document(files, VERIFICATION_JSON)
    assert (told["number"], told["returned"], told["issued"]) == (3, 1, 3)
    assert told["outstanding"] == ["org-b", "org-c"]
    (other,) = told["other_rounds"]
    assert (other["number"], other["returned"], other["closed_because"]) == (1, 3, "换一个截止日再核对一遍")
    assert other["lines"] == alone["lines"] and other["sheets"] == alone["sheets"]
    weight = next(one for one in other["lines"] if (one["variable"], one["hospital"]) == ("weight_kg", ""))
    assert 0.4 < weight["share"] < 0.6
    rows = [
        one
        for one in table(files[VERIFICATION_CSV])
        if (one["variable"], one["organisation_id"]) == ("weight_kg", "")
    ]
    assert [(row["round"], float(row["share"])) for row in rows] == [("3", 1.0), ("1", weight["share"])]


def test_of_an_open_round_nothing_is_told_but_how_many_sheets_came_back() -> None:
    waits = OpenRound(2, "2026-01-31", policy(), issued=3, returned=2)
    alone = document(
        sample_files(SAMPLE, audience="authority", verified=Verified((), waits)), VERIFICATION_JSON
    )
    assert alone["number"] is None and alone["lines"] == alone["other_rounds"] == []
    assert alone["open_round"] == {
        "number": 2,
        "charts_known_until": "2026-01-31",
        "issued": 3,
        "returned": 2,
    }
    beside = document(
        sample_files(SAMPLE, audience="authority", verified=in_rounds(made(), open_round=waits)),
        VERIFICATION_JSON,
    )
    assert beside["number"] == 1 and beside["lines"] and beside["open_round"] == alone["open_round"]
    counts = sample_files(SAMPLE, audience="aggregate", verified=Verified((), waits))
    told = document(counts, VERIFICATION_JSON)
    assert told["open_round"] is True and told["rows"] is None and numbers(told) == [1, SMALLEST_COUNT]


def test_sheets_that_can_no_longer_be_read_are_named_and_counted() -> None:
    lost = dataclasses.replace(closed(made()), agreement=None)
    told = document(sample_files(SAMPLE, audience="authority", verified=Verified((lost,))), VERIFICATION_JSON)
    assert (told["computed"], told["returned"], told["lines"]) == (False, 3, [])
    assert [one["sha256"] for one in told["sheets"]] == [one.sha256 for one in made().sheets]
    assert sample_files(SAMPLE, audience="aggregate", verified=Verified((lost,))) == {}


def test_agreement_of_an_earlier_lock_says_so() -> None:
    """Charts were read for the lock of before; what they said stays true of that lock."""
    results = stent_results(stent_table(), small_protocol(), lock="lock-later")
    later = sample_of(stent_inputs(results=results), stent_table())
    told = document(sample_files(later, audience="authority", verified=in_rounds(made())), VERIFICATION_JSON)
    assert told["of_this_lock"] is False
    assert told["lock_id"] == SAMPLE.lock_id


@pytest.mark.parametrize("audience", ["authority", "aggregate"])
def test_the_same_facts_give_the_same_bytes(audience: Any) -> None:
    again = sample_of(stent_inputs(), stent_table(), known_until="2025-12-31")
    one = sample_files(SAMPLE, audience=audience, verified=in_rounds(made()), with_values=True)
    assert sample_files(again, audience=audience, verified=in_rounds(made()), with_values=True) == one


def test_a_formula_in_a_title_does_not_run_in_the_table() -> None:
    protocol = hostile()
    inputs = stent_inputs(protocol=protocol, results=stent_results(stent_table(), protocol))
    sample = sample_of(inputs, stent_table())
    found = agreement(sample, [returned(sample, "org-a")])
    for name, content in sample_files(
        sample, audience="authority", verified=in_rounds(found), with_values=True
    ).items():
        if name.endswith(".csv"):
            cells = [
                cell
                for row in csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""))
                for cell in row
            ]
            assert not any(cell.startswith(("=", "@", "+")) for cell in cells), name


def test_an_empty_sample_has_its_rule_and_no_rows() -> None:
    sample = sample_of(stent_inputs(sources=()), stent_table())
    files = sample_files(sample, audience="authority", with_values=True)
    assert document(files, SAMPLE_RULE)["counts"] == {"rows": 0, "drawn": 0, "unplaced": 200}
    assert table(files[TRACE_SAMPLE]) == []


# --- for an aggregate audience ------------------------------------------------------------------------------


def numbers(value: Any) -> list[float]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [number for one in items for number in numbers(one)]


def aggregate(*told: Agreement, cell: int = SMALLEST_COUNT) -> Any:
    """Of closed rounds with these agreements, the newest first."""
    verified = in_rounds(*told)
    files = sample_files(SAMPLE, audience="aggregate", verified=verified, with_values=True, cell=cell)
    assert set(files) <= {VERIFICATION_JSON}
    return document(files, VERIFICATION_JSON) if files else None


def test_an_aggregate_audience_gets_nothing_of_the_rows() -> None:
    assert sample_files(SAMPLE, audience="aggregate", with_values=True) == {}


def test_an_aggregate_audience_gets_counts_of_all_hospitals_together() -> None:
    sheets = [returned(SAMPLE, hospital) for hospital in SIZES]
    told = aggregate(agreement(SAMPLE, sheets))
    rows = len(SAMPLE.rows)
    assert told["rows"] == rows
    assert told["lines"] == [
        {"variable": one.name, "asked": rows, "compared": rows, "agreed": rows} for one in SAMPLE.variables
    ]


def test_no_count_is_of_a_few_and_none_leaves_a_few() -> None:
    """Three charts were not found: how many were compared would tell that of three people."""
    told = aggregate(made())
    assert all(number >= SMALLEST_COUNT for number in numbers(told["lines"]))
    for one in told["lines"]:
        assert one["asked"] == told["rows"]
        assert one["compared"] is None
        assert one["agreed"] is None


def test_a_count_with_enough_on_both_sides_is_told() -> None:
    def fill(line: SheetLine) -> Fill:
        wrong = line.variable.name == "weight_kg" and line.row.drawn.place <= 15
        return ("1", "否", "单位") if wrong else as_platform(line)

    told = aggregate(agreement(SAMPLE, [returned(SAMPLE, one, fill) for one in SIZES]))
    weight = next(one for one in told["lines"] if one["variable"] == "weight_kg")
    assert weight["compared"] - weight["agreed"] == 12 + 15 + 15


def three_differ(line: SheetLine) -> Fill:
    wrong = line.variable.name == "weight_kg" and line.row.drawn.place == 1
    return ("1", "否", "单位") if wrong else as_platform(line)


def test_a_protocol_may_ask_for_larger_counts_and_not_for_smaller_ones() -> None:
    def fill(line: SheetLine) -> Fill:
        wrong = line.variable.name == "weight_kg" and line.row.drawn.place <= 5
        return ("1", "否", "单位") if wrong else as_platform(line)

    told = agreement(SAMPLE, [returned(SAMPLE, one, fill) for one in SIZES])
    weight = {cell: aggregate(told, cell=cell)["lines"][4] for cell in (1, 11, 16)}
    assert weight[1]["agreed"] == weight[11]["agreed"] == len(SAMPLE.rows) - 15
    assert weight[16]["agreed"] is None
    # Three that differ stay untold, however small a cell the caller names.
    few = aggregate(agreement(SAMPLE, [returned(SAMPLE, one, three_differ) for one in SIZES]), cell=1)
    assert few["lines"][4]["agreed"] is None


def test_a_verification_of_few_rows_is_not_told_at_all() -> None:
    few = sample_of(stent_inputs(), stent_table(), chosen=policy_with(total=1, least=3, events=0))
    told = in_rounds(agreement(few, [returned(few, "org-b")]))
    assert sample_files(few, audience="aggregate", verified=told) == {}


def test_no_agreement_at_all_is_not_told_of_everybody() -> None:
    def fill(line: SheetLine) -> Fill:
        return ("1", "否", "单位") if line.variable.name == "weight_kg" else as_platform(line)

    told = aggregate(agreement(SAMPLE, [returned(SAMPLE, one, fill) for one in SIZES]))
    assert told["lines"][4]["agreed"] is None


def test_no_hospital_no_sheet_and_no_lock_is_named_to_an_aggregate_audience() -> None:
    text = json.dumps(aggregate(made()))
    assert "org-" not in text
    assert "SV-" not in text
    assert SAMPLE.lock_id not in text


# --- rounds, for an aggregate audience ----------------------------------------------------------------------


def differing(count: int) -> FilledBy:
    """In so many charts of the largest hospital the weight is another."""

    def fill(line: SheetLine) -> Fill:
        drawn = line.row.drawn
        wrong = line.variable.name == "weight_kg" and drawn.hospital == "org-c" and drawn.place <= count
        return ("1", "否", "单位") if wrong else as_platform(line)

    return fill


def weight_of(told: Any) -> Any:
    return next(one for one in told["lines"] if one["variable"] == "weight_kg")


def test_an_aggregate_audience_is_told_the_earlier_round_too() -> None:
    rows = len(SAMPLE.rows)
    found = aggregate(of_all(), of_all(differing(15)))
    assert (found["number"], weight_of(found)["agreed"]) == (2, rows)
    (other,) = found["other_rounds"]
    assert (other["number"], other["rows"], weight_of(other)["agreed"]) == (1, rows, rows - 15)
    assert "closed_because" not in json.dumps(found)


def test_two_rounds_that_differ_in_a_few_do_not_tell_of_those_few_and_the_earlier_one_is_told() -> None:
    """Whoever draws again takes nothing back, and the two counts side by side would speak of three people."""
    rows = len(SAMPLE.rows)
    found = aggregate(of_all(differing(12)), of_all(differing(15)))
    assert weight_of(found)["agreed"] is None and weight_of(found)["compared"] == rows
    assert weight_of(found["other_rounds"][0])["agreed"] == rows - 15
    three = aggregate(of_all(differing(30)), of_all(differing(12)), of_all(differing(15)))
    told = [weight_of(one)["agreed"] for one in (three, *three["other_rounds"])]
    assert told == [rows - 30, None, rows - 15]


def test_a_round_of_a_few_rows_more_is_counted_and_not_told() -> None:
    """A hospital whose sheet came in the second round alone must not be what lies between the two."""
    few = SIZES["org-a"]
    beside = aggregate(of_all(), of_all(hospitals=["org-b", "org-c"]), cell=few + 1)
    assert (beside["number"], beside["rows"], beside["lines"]) == (2, None, [])
    assert beside["other_rounds"][0]["rows"] == len(SAMPLE.rows) - few
    assert not beside["other_rounds"][0]["all_returned"] and beside["all_returned"]


def test_rounds_of_few_rows_are_counted_and_nothing_else() -> None:
    few = sample_of(stent_inputs(), stent_table(), chosen=policy_with(total=1, least=3, events=0))
    found = agreement(few, [returned(few, "org-b")])
    told = document(
        sample_files(few, audience="aggregate", verified=in_rounds(found, found)), VERIFICATION_JSON
    )
    assert [one["rows"] for one in (told, *told["other_rounds"])] == [None, None]
    assert told["lines"] == told["other_rounds"][0]["lines"] == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_rounds_no_two_told_counts_lie_a_few_apart(seed: int) -> None:
    """Drawn rounds: within one along its chain, and between any two of them."""
    random = Random(seed)
    rounds = [
        of_all(differing(random.randint(0, 40)), random.sample(sorted(SIZES), random.randint(1, 3)))
        for _ in range(random.randint(2, 5))
    ]
    cell = random.choice([11, 16, 20])
    found = aggregate(*rounds, cell=cell)
    every = [found, *found["other_rounds"]]
    assert len(every) == len(rounds)
    for variable in SAMPLE.variables:
        lines = [line for one in every for line in one["lines"] if line["variable"] == variable.name]
        for name in ("asked", "compared", "agreed"):
            counts = [one[name] for one in lines if one[name] is not None]
            apart = {abs(one - other) for one in counts for other in counts}
            assert all(not 0 < one < cell for one in apart | set(counts)), (variable.name, name)
    rows = [one["rows"] for one in every if one["rows"] is not None]
    assert all(not 0 < abs(one - other) < cell for one in rows for other in rows)
    assert accounts.rounds(VERIFICATION_JSON, found, cell) == [], (
        "the check of a release finds nothing either"
    )
