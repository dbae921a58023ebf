"""Competing events on a study's page: both kinds of event, both arms, both ratios - after unsealing only."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.server import charts, protocols, results
from studies.sealing import open_part, planned_methods
from tests.evidence.fixtures import small_inputs
from tests.studies.rotterdam_lock import protocol_text


@cache
def stored() -> dict[str, Any]:
    return small_inputs().results.as_dict()


def test_a_page_shows_each_kind_with_the_comparator_first():
    (shown,) = results.read(stored()).incidences
    assert shown.analysis == "restricted.incidence"
    assert [kind for kind, _ in shown.kinds] == ["event", "competing"]
    for _, curves in shown.kinds:
        assert [arm for arm, _ in curves] == ["comparator", "exposed"]
        assert all(points[0] == (0.0, 0.0) and points[-1][1] > 0 for _, points in curves)


def test_both_ratios_of_both_kinds_are_listed_with_their_counts():
    rows = results.read(stored()).competing
    assert [(row.kind, row.statistic) for row in rows] == [
        ("event", "hazard_ratio"),
        ("competing", "hazard_ratio"),
        ("event", "subdistribution_hazard_ratio"),
        ("competing", "subdistribution_hazard_ratio"),
    ]
    assert all(row.low < row.value < row.high and row.events < row.n for row in rows)
    assert rows[1].warnings == () or "fewer than 10" in rows[1].warnings[0].en


def test_nothing_of_it_is_read_from_the_open_part():
    planned = planned_methods(small_inputs().protocol)
    shown = results.read(open_part(small_inputs().results, planned).as_dict())
    assert shown.incidences == () and shown.competing == ()


def test_results_of_before_have_none():
    shown = results.read({"rows": [], "series": [], "not_done": {}})
    assert shown.incidences == () and shown.competing == ()


def test_the_page_knows_the_kinds_by_the_protocols_own_names():
    kinds = protocols.outline(protocol_text()).kinds
    assert kinds == {
        "event": Bilingual("复发", "Recurrence"),
        "competing": Bilingual("无复发死亡", "Death without recurrence"),
    }
    assert protocols.outline("title: x").kinds == {} and protocols.outline(": :").kinds == {}


def test_a_drawn_incidence_rises_from_zero_on_a_scale_that_fits():
    curves = [("comparator", [(0.0, 0.0), (100.0, 0.03)]), ("product", [(0.0, 0.0), (200.0, 0.07)])]
    drawn = str(charts.incidence(curves, "title", "days"))
    assert ">8%<" in drawn and ">2%<" in drawn and ">100%<" not in drawn
    first = re.search(r'class="curve curve-0" d="M([\d.]+) ([\d.]+)', drawn)
    assert first is not None and float(first[2]) == 300.0  # the axis
    assert ">100%<" in str(charts.incidence([("a", [(0.0, 0.0), (1.0, 1.0)])], "title", "days"))
    assert str(charts.incidence([], "title", "days")) == ""


def test_a_drawn_survival_starts_at_everybody_as_it_did():
    drawn = str(charts.survival([("a", [(0.0, 1.0), (100.0, 0.5)])], "title", "days"))
    first = re.search(r'class="curve curve-0" d="M([\d.]+) ([\d.]+)', drawn)
    assert first is not None and float(first[2]) == 14.0 and ">75%<" in drawn
