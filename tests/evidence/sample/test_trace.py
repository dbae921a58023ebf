"""The sampled rows: ordinals, source lines and values, from a package's inputs and the table that was analysed."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from rwd_platform.core.errors import PlatformError
from studies.dataset import build
from studies.evidence.documents import ordinals
from studies.evidence.inputs import SourceFile
from studies.evidence.sample.trace import sample_of
from tests.evidence.fixtures import nothing_found, small_inputs, small_lock, with_changes
from tests.evidence.sample.made import (
    SIZES,
    file_of,
    policy_with,
    stent_inputs,
    stent_lineage,
    stent_results,
    stent_sample,
    stent_sources,
    stent_table,
)
from tests.evidence.submission.made import rotterdam_table
from tests.studies.rotterdam_lock import rotterdam_protocol
from tests.studies.small import small_protocol


def test_every_hospital_has_its_part_of_the_sample() -> None:
    sample = stent_sample()
    assert {one.hospital: one.rows for one in sample.draw.hospitals} == SIZES
    drawn = {one.hospital: one.by_rank for one in sample.draw.hospitals}
    assert drawn["org-a"] == 12, "below the minimum: all"
    assert 20 <= drawn["org-b"] < drawn["org-c"]
    assert sum(drawn.values()) == 100
    assert sample.unplaced == 0


def test_a_row_is_the_ordinal_that_the_package_uses() -> None:
    """Its values are those of the subject that has this ordinal."""
    inputs, table, sample = stent_inputs(), stent_table(), stent_sample()
    by_ordinal = {place: subject for subject, place in ordinals(inputs).items()}
    frame = table.frame.set_index("subject_id")
    for row in sample.rows:
        subject = frame.loc[by_ordinal[row.drawn.row]]
        assert row.drawn.hospital == subject["site_id"]
        assert row.drawn.event == bool(subject["event"])
        assert row.values == {
            "stent": str(subject["stent"]),
            "event": str(subject["event"]),
            "time_days": int(subject["time_days"]),
            "age": float(subject["age"]),
            "weight_kg": float(subject["weight_kg"]),
            "frailty": subject["frailty"],
            "surgery": str(subject["surgery"]),
        }


def test_the_lines_are_those_of_the_lineage() -> None:
    inputs, sample = stent_inputs(), stent_sample()
    by_ordinal = {place: subject for subject, place in ordinals(inputs).items()}
    lineage = stent_lineage(stent_table())
    for row in sample.rows[::7]:
        mine = lineage[lineage["subject_id"] == by_ordinal[row.drawn.row]]
        for variable, part in mine.groupby("variable"):
            expected = set(
                zip(part["source_file_sha256"], part["source_line"], part["line_digest"], strict=True)
            )
            assert {(one.sha256, one.number, one.digest) for one in row.lines[str(variable)]} == expected
        assert row.index == row.lines["index"][0]


def test_a_file_is_called_by_its_label_and_never_by_the_hospitals_name_for_it() -> None:
    labels = {line.file for row in stent_sample().rows for lines in row.lines.values() for line in lines}
    assert labels == {f"{letter}-0{number}.ndjson" for letter in "ABC" for number in (1, 2)}
    assert "zhang" not in repr(stent_sample().rows)


def test_no_subject_id_is_in_a_sample() -> None:
    told = repr(stent_sample())
    assert not any(subject in told for subject in stent_table().frame["subject_id"])


def test_the_order_of_tables_and_lineage_does_not_matter() -> None:
    table = stent_table()
    mixed = dataclasses.replace(table, frame=table.frame.sample(frac=1, random_state=1))
    lineage = stent_lineage(table).sample(frac=1, random_state=2)
    again = sample_of(stent_inputs(lineage=lineage), mixed, known_until="2025-12-31")
    assert again == stent_sample()


def test_a_row_whose_file_nobody_sent_is_counted_and_not_drawn() -> None:
    sources = stent_sources()
    sample = sample_of(stent_inputs(sources=sources[1:]), stent_table())
    assert sample.unplaced == SIZES["org-a"]
    assert {one.drawn.hospital for one in sample.rows} == {"org-b", "org-c"}


def test_a_file_that_two_hospitals_sent_is_neithers() -> None:
    a, b, c = stent_sources()
    twice = SourceFile("again.ndjson", file_of("org-a", "charts"), a.files[0].accounting)
    sources = (a, dataclasses.replace(b, files=(*b.files, twice)), c)
    sample = sample_of(stent_inputs(sources=sources), stent_table())
    assert sample.unplaced == SIZES["org-a"]


def test_a_table_of_other_subjects_is_refused() -> None:
    table = stent_table()
    fewer = dataclasses.replace(table, frame=table.frame.iloc[1:])
    with pytest.raises(PlatformError, match=r"verification\.dataset_differs"):
        sample_of(stent_inputs(), fewer)


def test_a_cohort_that_nobody_entered_has_an_empty_sample() -> None:
    empty = dataclasses.replace(stent_table(), frame=stent_table().frame.iloc[:0])
    results = stent_results(empty, small_protocol())
    sample = sample_of(stent_inputs(results=results, lineage=stent_lineage(stent_table()).iloc[:0]), empty)
    assert sample.rows == ()
    assert sample.draw.hospitals == ()


def test_the_study_of_an_empty_lock_has_an_empty_sample() -> None:
    lock = {name: frame.iloc[:0] for name, frame in small_lock().items()}
    assert sample_of(nothing_found(), build(lock, rotterdam_protocol())).rows == ()


def test_another_policy_draws_as_it_says() -> None:
    sample = sample_of(stent_inputs(), stent_table(), chosen=policy_with(total=30, least=5, events=2))
    assert sum(one.by_rank for one in sample.draw.hospitals) == 30
    assert sample.policy.total == 30


def test_published_patients_are_sampled_with_competing_outcomes() -> None:
    """597 women of one file: the 100 rows of the policy, with every kind of end among them."""
    sample = sample_of(small_inputs(), rotterdam_table())
    assert len(sample.rows) == 100
    assert {row.values["status"] for row in sample.rows} == {"0", "1", "2"}


def test_a_second_line_of_the_index_event_does_not_change_who_sent_the_row() -> None:
    """The first by file and line counts."""
    lineage = stent_lineage(stent_table())
    first = lineage[lineage["variable"] == "index"].iloc[0]
    later = first.to_dict() | {"source_line": first["source_line"] + 5, "line_digest": "f" * 64}
    more = pd.concat([pd.DataFrame([later]), lineage], ignore_index=True)
    again = sample_of(with_changes(stent_inputs(), lineage=more), stent_table(), known_until="2025-12-31")
    assert [row.index for row in again.rows] == [row.index for row in stent_sample().rows]
