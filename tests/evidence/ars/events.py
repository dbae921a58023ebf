"""Reporting events to test with: both demonstrations, an aggregate package, an empty cohort, parts not done."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import yaml

from rwd_platform.core.text import Bilingual
from studies.evidence.aggregate import coarsened
from studies.evidence.ars import ArsFacts, Output, reporting_event
from studies.evidence.documents import json_bytes
from studies.evidence.twin import make_twin, twin_results
from studies.protocol import Protocol, load_protocol
from studies.results import ArdRow, ResultSet
from studies.run import run_analyses
from tests.evidence.fixtures import nothing_found, small_inputs, with_changes
from tests.studies import valve
from tests.studies.small import small_protocol, small_text

Json = dict[str, Any]
OUTPUTS = (
    Output("table_1", Bilingual("基线特征", "Baseline"), "table", "data/05_results/tables/table_1.csv"),
    Output("figure_1", Bilingual("森林图", "Forest plot"), "figure", "data/05_results/figures/forest.svg"),
    Output("report", Bilingual("报告", "Report"), "table", "data/06_report/report_en.pdf"),
)
FACTS = ArsFacts(OUTPUTS, version=3)
TITLE = {"zh": "某", "en": "One"}
WEIGHTED = ("ate", "att", "entropy", "matched")
MORE: tuple[Json, ...] = (
    {"id": "all.loo", "method": "leave_one_out", "of": "all.adjusted"},
    {"id": "all.sub", "method": "subgroups", "of": "all.crude", "by": ["frailty", "surgery"]},
    {"id": "all.strata", "method": "cox", "population": "all", "strata": ["frailty"]},
    {"id": "all.e_value", "method": "e_value", "of": "all.weighted"},
    {"id": "all.rmst", "method": "rmst", "population": "all", "tau": 365},
    *(
        {
            "id": f"all.{one}",
            "method": "cox",
            "population": "all",
            "covariates": ["age", "frailty"],
            "weights": one,
        }
        for one in WEIGHTED
    ),
)


@cache
def valve_results() -> ResultSet:
    return run_analyses(valve.valve_dataset(), valve.protocol(), "lock-valve")


def valve_event() -> Json:
    return written(reporting_event(valve_results(), valve.protocol(), FACTS))


def rotterdam_event() -> Json:
    return written(reporting_event(small_inputs().results, small_inputs().protocol, FACTS))


@cache
def stent() -> tuple[Protocol, ResultSet]:
    """The invented study with subgroups, hospitals left out in turn, strata and every kind of weights."""
    text = yaml.safe_load(small_text())
    text["analyses"] += [{**one, "title": dict(TITLE)} for one in MORE]
    protocol = load_protocol(yaml.safe_dump(text, allow_unicode=True, sort_keys=False))
    return protocol, twin_results(protocol, make_twin(protocol))


@cache
def aggregate() -> tuple[Protocol, ResultSet]:
    inputs = coarsened(with_changes(small_inputs(), audience="aggregate")).inputs
    return inputs.protocol, inputs.results


@cache
def every() -> dict[str, tuple[Protocol, ResultSet]]:
    """Real results of all kinds, by name."""
    empty = nothing_found()
    return {
        "rotterdam": (small_inputs().protocol, small_inputs().results),
        "valve": (valve.protocol(), valve_results()),
        "stent": stent(),
        "aggregate": aggregate(),
        "empty": (empty.protocol, empty.results),
    }


NAMES = ("rotterdam", "valve", "stent", "aggregate", "empty")


@cache
def _event(name: str) -> bytes:
    protocol, results = every()[name]
    return json_bytes(reporting_event(results, protocol, FACTS))


def event_of(name: str) -> Json:
    made: Json = json.loads(_event(name))
    return made


def written(event: Json) -> Json:
    """As it is in the file."""
    made: Json = json.loads(json_bytes(event))
    return made


def with_rows(*rows: ArdRow, **changes: Any) -> tuple[Protocol, ResultSet]:
    """Results of the invented study that hold these rows and nothing else."""
    protocol = small_protocol()
    results = ResultSet(protocol.id, protocol.sha256, "lock-1", rows)
    return protocol, replace(results, **changes)


def row(id: str = "all.crude.stent.hazard_ratio", value: Any = 0.5, **changes: Any) -> ArdRow:
    made = ArdRow(id, "all.crude", "Cox, Efron ties", "", "stent", "hazard_ratio", value)
    return replace(made, **changes)


def event_with(*rows: ArdRow, facts: ArsFacts | None = None, **changes: Any) -> Json:
    protocol, results = with_rows(*rows, **changes)
    return written(reporting_event(results, protocol, facts or ArsFacts()))


def results_of(event: Json, analysis: str) -> list[Json]:
    found = next(one for one in event["analyses"] if one["id"] == f"An.{analysis}")
    return list(found.get("results", ()))
