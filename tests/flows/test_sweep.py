"""The sweep when a worker starts: what no record names goes, by zone; what somebody is about to record stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import seal
from rwd_platform.flows.sweep import sweep_leftovers
from rwd_platform.store.layout import open_part
from rwd_platform.store.receipts import write_receipt
from tests.flows.sending import ndjson, patient, received, sent


def test_a_home_that_nobody_died_in_has_nothing_to_sweep(platform: Platform) -> None:
    """Receipts, segments and tables of an admitted upload are all on record."""
    sent(platform, {"a.ndjson": ndjson(patient("p1"))})
    assert set(sweep_leftovers(platform).values()) == {0}


def test_a_receipt_whose_upload_was_not_admitted_goes(platform: Platform) -> None:
    """It is written just before the record; the next admission writes it again."""
    upload = received(platform, {"a.ndjson": ndjson(patient("p1"))})
    write_receipt(platform.layout.receipt(upload), {}, [])
    assert sweep_leftovers(platform)["receipts"] == 1
    assert not platform.layout.receipt(upload).exists()


def test_the_sealed_maps_of_a_lock_that_is_not_on_record_go(platform: Platform) -> None:
    """They say who the subjects are of a lock that never was; a half-written one goes too."""
    whole = seal(platform, "L-nobody", "persons", b"{}")
    half = whole.with_name("L-other.sources.part")
    half.write_bytes(b"half")
    assert sweep_leftovers(platform)["ledger"] == 2
    assert list(whole.parent.iterdir()) == []


@pytest.mark.parametrize(("folder", "name"), [("results", "run-x"), ("packages", "EP-x"), ("locks", "L-x")])
def test_results_packages_and_locks_half_made_go(platform: Platform, folder: str, name: str) -> None:
    """With what is in them, at once: nobody is about to put them on record."""
    place = platform.layout.home / folder / name
    place.mkdir()
    (place / "rows.parquet").write_bytes(b"a patient's row")
    assert sweep_leftovers(platform)[folder] == 1
    assert not place.exists()


def test_scratch_of_a_dead_worker_goes_and_of_a_living_one_stays(platform: Platform) -> None:
    """A folder for what did not fit into memory holds rows: its lock tells whether its owner lives."""
    layout = platform.layout
    dead = layout.tmp / "work-dead"
    dead.mkdir()
    (dead / "spill").write_bytes(b"a patient's row")
    open_part(layout.tmp / "work-dead.scratch").close()
    with layout.scratch("work") as living:
        (living / "spill").write_bytes(b"a patient's row")
        assert sweep_leftovers(platform)["tmp"] == 1
        assert (living / "spill").exists()
    assert not dead.exists() and not living.exists()


def test_what_a_library_left_in_tmp_goes_after_an_hour(platform: Platform) -> None:
    """Nothing tells whether its process lives: an hour does."""
    strange = platform.layout.tmp / "tmpab12"
    strange.write_bytes(b"a hospital's archive")
    assert sweep_leftovers(platform)["tmp"] == 0
    _age(strange)
    assert sweep_leftovers(platform)["tmp"] == 1
    assert not strange.exists()


def _age(path: Path) -> None:
    os.utime(path, (0, 0))
