"""`rwd omop export`: the exit codes of the contract, and one JSON document."""

from __future__ import annotations

from pathlib import Path

import pytest

from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd
from tests.flows.test_omop import locked
from tests.studies.omop.locks import ROWS, athena, lock, row


def test_an_export_says_where_it_lies_and_what_was_left_out(rwd: Rwd, home: Path, tmp_path: Path) -> None:
    platform = open_platform(Settings())
    study, lock_id = locked(platform, lock({name: [row(name)] for name in ROWS}))
    platform.records.engine.dispose()
    folder = tmp_path / "athena"
    folder.mkdir()
    athena(folder, [(4112853, "ICD10", "C50.9", "Condition", "S")])
    found = rwd("omop", "export", study.id, "--vocabulary", folder, "--json")
    told = found.document
    assert (found.code, told["lock"], told["adds_up"]) == (0, lock_id, True)
    assert Path(told["path"]).parent == home / "results" / "omop" and told["vocabulary"] == "v5.0 05-MAY-26"
    in_words = rwd("omop", "export", study.id)
    assert (
        in_words.code == 0 and "合计相符" in in_words.stdout.decode() and "add up" in in_words.stdout.decode()
    )


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (("--lake",), 3, "omop.lake_stays"),
        ((), 2, ""),
        (("study-x", "--lake"), 2, ""),
        (("study-x",), 2, "records.not_found"),
        (("study-x", "--vocabulary", "nowhere"), 2, ""),
    ],
)
def test_what_cannot_be_exported_ends_with_the_contract_s_code(
    rwd: Rwd, home: Path, words: tuple[str, ...], code: int, problem: str
) -> None:
    found = rwd("omop", "export", *words, "--json")
    assert found.code == code
    assert problem in found.document["error"]["code"]
