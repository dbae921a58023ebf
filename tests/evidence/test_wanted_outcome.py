"""An outcome that is wanted - remission, healing - is better where it is more frequent: figures and counts say so."""

from __future__ import annotations

import dataclasses
import re

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.documents import json_documents
from studies.evidence.report.content import make_report
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol, load_protocol
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.studies.test_doubt import TITLE, plans
from tests.studies.valve import TEXT, protocol, valve_dataset

DATASET = valve_dataset()
MODELS = ("all.crude", "all.adjusted", "all.rmst")
WAYS = PlannedAnalysis(
    "all.ways", "specification", TITLE, of="all.crude", compares=("all.adjusted", "all.rmst")
)
BY = PlannedAnalysis("all.by", "subgroups", TITLE, population="all", of="all.adjusted", by=("diabetes",))
FOREST = PlannedAnalysis("forest", "forest", TITLE, compares=("all.crude", "all.adjusted"))


def of(wanted: bool, *more: PlannedAnalysis) -> Protocol:
    return dataclasses.replace(
        protocol(),
        outcome=dataclasses.replace(protocol().outcome, wanted=wanted),
        analyses=(*plans(*MODELS), *more),
    )


def drawn(wanted: bool) -> dict[str, str]:
    """Letters of each drawing in English, by its file."""
    plan = of(wanted, WAYS, BY, FOREST)
    inputs = with_results(run_analyses(DATASET, plan, "lock-1"), protocol=plan)
    _, _, drawings = make_report(inputs, json_documents(inputs))
    found = {
        name: " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", one.svg.decode()))
        for name, one in drawings.items()
    }
    return {name: text for name, text in found.items() if "favours" in text}


def test_the_sides_of_every_forest_change_with_what_is_wanted():
    usual, turned = drawn(wanted=False), drawn(wanted=True)
    assert usual.keys() == turned.keys() and len(usual) >= 3
    for name, text in usual.items():
        assert "← favours" in text, name
        sides = re.findall(r"← (favours|against)|(favours [^→]*|against) →", turned[name])
        assert ("against", "") in sides, name
        assert re.search(r"favours [^←→]*→", turned[name]), name


def test_ways_that_point_to_more_events_speak_for_the_exposed_when_events_are_wanted():
    usual, turned = (run_analyses(DATASET, of(wanted, WAYS), "lock-1") for wanted in (False, True))
    for one, other in (
        ("pointing_better", "pointing_worse"),
        ("pointing_worse", "pointing_better"),
        ("shown_better", "shown_worse"),
        ("shown_worse", "shown_better"),
    ):
        assert turned.row(f"all.ways.{one}").value == usual.row(f"all.ways.{other}").value
    assert usual.row("all.ways.pointing_better").value != usual.row("all.ways.pointing_worse").value
    for model in MODELS[:2]:
        id = f"{model}.valve_v.hazard_ratio"
        assert turned.row(id).value == usual.row(id).value


def test_methods_that_count_freedom_from_the_event_as_success_are_refused_for_it():
    with pytest.raises(PlatformError, match=r"free of the event as a success, and this outcome is wanted"):
        load_protocol(TEXT.replace("outcome:\n", "outcome:\n  wanted: true\n", 1))


@pytest.mark.parametrize("said", ["maybe", "1", '"true"', "null"])
def test_wanted_is_yes_or_no(said: str):
    with pytest.raises(PlatformError, match=r"wanted"):
        load_protocol(TEXT.replace("outcome:\n", f"outcome:\n  wanted: {said}\n", 1))
