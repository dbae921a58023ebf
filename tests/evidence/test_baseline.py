"""Table 1 where the planned weights cannot be made: the arms are told without them, with the reason."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from studies.evidence.aggregate import coarsened
from studies.evidence.documents import json_documents
from studies.evidence.report.blocks import Report, Table, same
from studies.evidence.report.content import make_report
from studies.evidence.report.widths import shares
from studies.run import run_analyses
from tests.evidence.fixtures import with_results
from tests.evidence.test_designs import table
from tests.studies.test_doubt import many
from tests.studies.valve import protocol, valve_dataset

DATASET = valve_dataset()
LARGE = many(12, 0.3)  # nobody of it is so few that an aggregate package withholds Table 1


def made(frame: pd.DataFrame, audience: str) -> Report:
    of = protocol()
    of = dataclasses.replace(of, analyses=tuple(of.analysis(id) for id in ("all.balance", "all.crude")))
    results = run_analyses(dataclasses.replace(DATASET, frame=frame), of, "lock-1")
    written = coarsened(with_results(results, protocol=of, audience=audience)).inputs
    return make_report(written, json_documents(written))[0]


def separated() -> pd.DataFrame:
    return LARGE.assign(age=60.0 + 20.0 * LARGE["valve_v"] + [place % 3 for place in range(len(LARGE))])


def constant() -> pd.DataFrame:
    return LARGE.assign(diabetes=0)


@pytest.mark.parametrize("audience", ["authority", "aggregate"])
@pytest.mark.parametrize("frame", [separated(), constant()], ids=["separated", "constant"])
def test_without_weights_table_one_is_unweighted_and_says_why(frame, audience):
    report = made(frame, audience)
    found = table(report, "baseline_all_balance")
    heads = [one.plain("en") for one in found.head]
    assert len(heads) == 4 and not any("weighted" in one for one in heads)
    assert found.rows[0][1].plain("en") != "—"
    notes = {language: [note.plain(language) for note in found.notes] for language in ("zh", "en")}
    assert "could not be done" in notes["en"][-1] and "未能完成" in notes["zh"][-1]
    assert len(notes["en"][-1]) > len(heads[0]) + 60, "the reason follows"
    assert not any("Effective sample size" in note for note in notes["en"])
    assert not any(getattr(block, "key", "").startswith("love_") for block in report.body)


def test_with_weights_table_one_has_both_and_no_such_note():
    found = table(made(LARGE, "authority"), "baseline_all_balance")
    assert len(found.head) == 7
    assert not any("could not be done" in note.plain("en") for note in found.notes)
    assert any("Effective sample size" in note.plain("en") for note in found.notes)


def test_a_head_gives_way_before_a_row_breaks():
    """Seven columns across the page: the heads take four lines before the characteristics lose theirs."""
    weighted = ["Valve V (Lecheng) (n = 60)", "Valve S (external control) (n = 140)", "SMD before"]
    rows = [("Age at implantation (years)", "67.0 (7.6)", "72.6 (8.8)", "−0.688", "67.0", "66.5", "0.058")]
    head = (
        "Characteristic",
        *weighted,
        "Valve V (Lecheng), weighted",
        "Valve S (external control), weighted",
        "SMD",
    )
    table = Table("x", same(""), tuple(map(same, head)), tuple(tuple(map(same, row)) for row in rows), (), ())
    first, *others = shares(table, "en")
    assert first >= len("Age at implantation (years)") and all(share >= 9 for share in others)
    narrow = Table("x", same(""), (same("A"), same("B")), ((same("a"), same("b")),), (), ())
    assert len(set(shares(narrow, "zh"))) == 1
