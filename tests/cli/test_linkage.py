"""`rwd linkage`: one JSON document each, the exit codes of the contract, both languages."""

from __future__ import annotations

from pathlib import Path

from rwd_platform.core.errors import Exit
from rwd_platform.flows.linkage_words import CHARACTERISTICS, ROLES, STATES
from studies.linkage import charts, comparison
from tests.cli.calling import Rwd, is_chinese


def test_an_empty_store_has_no_run_and_then_one_of_zeros(home: Path, rwd: Rwd) -> None:
    none = rwd("linkage", "show", "--json")
    assert (none.code, none.document) == (Exit.NO, None) and is_chinese(none.stderr)
    made = rwd("linkage", "run", "--json")
    assert made.code == Exit.YES
    assert made.document["account"]["persons"] == 0 and made.document["account"]["sources"] == []
    again = rwd("linkage", "run", "--json")
    assert again.document == made.document
    seen = rwd("linkage", "show", made.document["id"])
    assert (
        seen.code == Exit.YES
        and is_chinese(seen.stdout.decode())
        and made.document["id"] in seen.stdout.decode()
    )


def test_what_is_not_on_record_is_malformed_input(home: Path, rwd: Rwd) -> None:
    refused = rwd("linkage", "run", "--payment", "org-nobody", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (Exit.MALFORMED, "linkage.role_unfit")
    missing = rwd("linkage", "show", "linkage-0", "--json")
    assert (missing.code, missing.document["error"]["code"]) == (Exit.MALFORMED, "records.not_found")


def test_every_code_of_a_run_has_its_words() -> None:
    assert tuple(ROLES) == charts.ROLES and tuple(STATES) == charts.STATES
    assert set(CHARACTERISTICS) == {*comparison.PARTITIONS, comparison.PRODUCTS}
