"""ars.json holds the whole run in the standard's form, so that a reader needs no other file to get every row back."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.ars import ARS_JSON, ArsFacts, Output, reporting_event
from studies.evidence.documents import json_bytes
from tests.evidence.ars import model
from tests.evidence.ars.events import FACTS, NAMES, event_of, event_with, every, row, with_rows
from tests.evidence.ars.rebuilt import as_in_the_event, rebuilt

SCHEMA = "RWD_ARS_SCHEMA"


def refused(*rows, facts: ArsFacts | None = None, **changes) -> str:
    protocol, results = with_rows(*rows, **changes)
    with pytest.raises(PlatformError) as error:
        reporting_event(results, protocol, facts or ArsFacts())
    assert error.value.zh and error.value.next_zh and error.value.next_en
    return error.value.code


@pytest.mark.parametrize("name", NAMES)
def test_every_object_has_the_slots_that_the_standard_gives_its_class_and_no_others(name):
    assert list(model.faults(event_of(name))) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_official_schema_accepts_the_event(name):
    """The schema is not ours to ship: RWD_ARS_SCHEMA names the file of who has it."""
    if SCHEMA not in os.environ:
        pytest.skip(f"{SCHEMA} does not name the standard's ars_ldm.schema.json")
    from jsonschema import Draft7Validator

    schema = json.loads(Path(os.environ[SCHEMA]).read_text("utf-8"))
    whole = {"$ref": "#/$defs/ReportingEvent", "$defs": schema["$defs"]}
    for held in (schema, whole):
        found = [
            f"{list(one.absolute_path)}: {one.message}"
            for one in Draft7Validator(held).iter_errors(event_of(name))
        ]
        assert found == []


@pytest.mark.parametrize("name", NAMES)
def test_every_result_row_can_be_put_together_again_with_every_digit(name):
    """Value, type of value, limits, counts, unit, group, method and notes: as ard.json has them, in its order."""
    protocol, results = every()[name]
    found = {one.id: one for one in rebuilt(event_of(name))}
    expected = {one.id: as_in_the_event(one) for one in results.rows}
    assert found.keys() == expected.keys()
    for id, one in expected.items():
        assert found[id] == one
        for field in ("value", "ci_low", "ci_high", "n", "events"):
            assert type(getattr(found[id], field)) is type(getattr(one, field)), (id, field)
    of_one_analysis = [one.id for one in results.rows if one.analysis == protocol.analyses[0].id]
    assert [id for id in found if id in set(of_one_analysis)] == of_one_analysis


@pytest.mark.parametrize("name", ["rotterdam", "valve", "stent"])
def test_the_runs_tested_hold_numbers_words_and_gaps(name):
    """Otherwise the round trip above would show little."""
    kinds = {type(one.value) for one in every()[name][1].rows}
    assert {int, float, str} <= kinds
    assert sum(one.ci_low is not None for one in every()[name][1].rows) > 10


def test_the_smallest_step_between_two_numbers_is_kept():
    values = [
        0.1 + 0.2,
        math.nextafter(1.0, 2.0),
        5e-324,
        1.7976931348623157e308,
        -0.0,
        1e16,
        2**53 + 1,
        3,
        3.0,
    ]
    rows = [row(f"all.crude.{at}", one) for at, one in enumerate(values)]
    found = rebuilt(event_with(*rows))
    assert [repr(one.value) for one in found] == [repr(one) for one in values]


@pytest.mark.parametrize("name", NAMES)
def test_no_two_objects_share_an_id_and_every_reference_is_to_one_that_is_there(name):
    ids = model.ids(event_of(name))
    assert len(ids) == len(set(ids)) and len(ids) > 50
    assert model.dangling(event_of(name)) == []


@pytest.mark.parametrize("name", ["rotterdam", "valve"])
def test_the_same_results_give_the_same_bytes(name):
    protocol, results = every()[name]
    once, again = (json_bytes(reporting_event(results, protocol, FACTS)) for _ in range(2))
    assert once == again


def test_ids_do_not_depend_on_which_other_results_there_are():
    """A reader's link into one version still names the same operation in the next."""
    alone = event_with(row())
    rows = [
        row("all.crude.events", 7, statistic="events"),
        row(),
        row("all.weighted.x", 2.0, analysis="all.weighted"),
    ]
    more = event_with(*rows)
    assert set(model.ids(alone)) - {"Op.cox.none"} <= set(model.ids(more))


def test_the_event_says_what_it_is_in_both_languages():
    """The standard has one of each: English is the name, Chinese the label, both are in the description."""
    protocol, results = every()["rotterdam"]
    event = event_of("rotterdam")
    assert (event["name"], event["label"]) == (protocol.title.en, protocol.title.zh)
    zh, en = event["description"].split(" / ")
    assert results.lock_id in zh and results.lock_id in en and protocol.id in zh
    assert event["id"] == f"Event.{protocol.id}" and event["version"] == 3
    assert ARS_JSON == "data/05_results/ars.json"


def test_curves_hashes_and_variables_are_not_in_the_event_and_it_says_where_they_are():
    """What the round trip leaves out is exactly what the description names."""
    _, results = every()["rotterdam"]
    text = json.dumps(event_of("rotterdam"))
    hashes = {one.data_hash for one in results.rows if one.data_hash}
    assert hashes and not any(one in text for one in hashes)
    assert "ard.json" in event_of("rotterdam")["description"]


def test_no_subject_is_named():
    """A row set is a name and a condition: its subjects stay in the lock."""
    for name in ("rotterdam", "valve"):
        _, results = every()[name]
        text = json.dumps(event_of(name), ensure_ascii=False)
        subjects = {one for ids in results.row_sets.values() for one in ids}
        assert len(subjects) > 50 and not any(f'"{one}"' in text for one in subjects)


@pytest.mark.parametrize("part", ["value", "ci_low", "ci_high", "ci_level"])
@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_an_infinite_value_or_limit_is_refused_and_the_row_named(part, number):
    protocol, results = with_rows(row(), row("all.crude.bad", **{part: number}))
    with pytest.raises(PlatformError) as error:
        reporting_event(results, protocol, ArsFacts())
    assert error.value.code == "ars.not_finite" and "all.crude.bad" in error.value.en
    assert "all.crude.bad" in error.value.zh


def test_results_of_another_protocol_are_refused():
    assert refused(row(), protocol_sha256="0" * 64) == "ars.other_protocol"
    assert refused(row(), study="another") == "ars.other_protocol"


def test_two_rows_of_one_id_are_refused():
    """Every digit of both would be there, and nobody could say which is whose."""
    assert refused(row(), row(value=0.6)) == "ars.named_twice"


@pytest.mark.parametrize("second", ["a", "a.display", "a.title.en"])
def test_two_outputs_that_would_share_an_id_are_refused(second):
    """Also where one output is called what a part of the other is called."""
    titles = Bilingual("甲", "A")
    outputs = tuple(Output(one, titles, "table", f"data/05_results/{one}.csv") for one in ("a", second))
    assert refused(row(), facts=ArsFacts(outputs)) == "ars.named_twice"


def test_words_of_any_kind_pass_as_they_are():
    """Words that look like a number, markup, quotes, line ends and other scripts are still the same words."""
    words = ["12", "1e5", "nan", "", "<b>&amp;</b>", '"; DROP', "两\n行", "a / b / c", "\u202e\u0000", "𠮷"]
    rows = [row(f"all.crude.{at}", one, statistic="status") for at, one in enumerate(words)]
    noted = row("all.crude.noted", 1.0, warnings=("甲 / first", "甲 / first", "{x} %s"))
    found = {one.id: one for one in rebuilt(event_with(*rows, noted))}
    assert [found[one.id].value for one in rows] == words
    assert found["all.crude.noted"].warnings == noted.warnings


def test_a_run_without_a_result_is_an_event_with_every_analysis_and_no_result():
    protocol, _ = with_rows()
    event = event_with()
    assert list(model.faults(event)) == [] and model.dangling(event) == []
    assert [one["id"] for one in event["analyses"]] == [f"An.{one.id}" for one in protocol.analyses]
    assert not any("results" in one for one in event["analyses"]) and "outputs" not in event


def test_many_rows_are_written_in_a_time_that_grows_with_their_number():
    """A subgroup forest of a large study has thousands of rows; each is there once."""
    rows = [row(f"all.crude.level_{at}", at / 7, variable=f"level_{at}", n=at) for at in range(5000)]
    assert [one.value for one in rebuilt(event_with(*rows))] == [one.value for one in rows]


def test_facts_alone_change_version_and_outputs_and_nothing_else():
    protocol, results = with_rows(row())
    bare, full = (reporting_event(results, protocol, one) for one in (ArsFacts(), FACTS))
    apart = {name for name in bare.keys() | full.keys() if bare.get(name) != full.get(name)}
    assert apart == {"version", "mainListOfContents", "outputs"}
    assert replace(FACTS, version=1).outputs == FACTS.outputs
