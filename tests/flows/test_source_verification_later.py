"""After sheets came back: what makes another version of a package, and what an erasure leaves of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.flows.chart_agreement import agreement_for
from rwd_platform.flows.chart_sheets import return_sheet, sheet_for
from rwd_platform.flows.dossier_inputs import Wanted, basis_of, chosen_for, words_of
from rwd_platform.flows.erase_patient import erase
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.sealed import LEDGER
from rwd_platform.flows.source_verification import close_round
from rwd_platform.flows.study import newest_lock, newest_run, run_study
from rwd_platform.flows.verification_rounds import returned_of, sheets_of
from rwd_platform.records.tables import AnalysisRun, VerificationRound
from tests.conftest import StandingClock
from tests.evidence.sample.made import as_platform
from tests.flows.erasing import approved, opened
from tests.flows.sending import CLERK, RESEARCHER
from tests.flows.unsealing import settle
from tests.flows.verifying import (
    chart,
    drawn,
    every_third_differs,
    only_sheet,
    refused,
    study_of,
)

JSON, CSV = "data/04_quality/source_verification.json", "data/04_quality/source_verification.csv"
ENOUGH = "医院已全部核对完毕，本轮结束"


@pytest.fixture
def platform(prepared: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    """Thirty patients of one hospital, a lock, and a run whose results are unsealed."""
    found = opened(Path(shutil.copytree(prepared, tmp_path / "home", symlinks=True)), clock)
    settle(found, RESEARCHER)
    yield found
    found.records.engine.dispose()


def basis(platform: Platform) -> str:
    study = study_of(platform)
    run = newest_run(platform, study)
    chosen = chosen_for("drug", Wanted("post_market", "authority"))
    return basis_of(run, chosen, words_of(platform, study, run))


def test_a_version_follows_from_what_came_back_and_from_nothing_else(platform: Platform) -> None:
    before = basis(platform)
    seen = drawn(platform)
    assert basis(platform) == before, "a round by itself says nothing"
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    waits = basis(platform)
    assert waits != before, "that a sheet came back is said"
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    assert basis(platform) == waits
    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen, every_third_differs))
    assert basis(platform) == waits, "which one is not, as long as the round is open"
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    assert basis(platform) not in (before, waits)


def test_another_round_makes_another_basis(platform: Platform, clock: StandingClock) -> None:
    found = []
    for until, by in (("2026-10-31", as_platform), ("2026-11-01", every_third_differs)):
        clock.advance(hours=1)
        seen = drawn(platform, until=until)
        return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen, by))
        close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
        found.append(basis(platform))
    assert found[0] != found[1]


def test_an_erasure_takes_what_came_back_and_leaves_its_hash_and_counts(
    platform: Platform, clock: StandingClock
) -> None:
    """A sheet names lines of an erased patient: its bytes go with the lock, and it counts no more."""
    seen = drawn(platform)
    content = chart(platform, seen)
    return_sheet(platform, CLERK, seen.sheets[0].id, content)
    ledger, old = platform.layout.home / LEDGER, seen.round.lock_id
    (kept,) = ledger.glob(f"{old}.SV-*")
    sealed = kept.read_bytes()
    request = approved(platform)
    erase(platform, CLERK, request.id)
    assert not list(ledger.glob(f"{old}.*")) and sealed not in [one.read_bytes() for one in ledger.iterdir()]
    sheet = only_sheet(platform)
    assert (sheet.state, sheet.answered, sheet.returned_sha256) == (
        "sheet_withdrawn",
        330,
        sha256_hex(content),
    )
    assert platform.records.get(VerificationRound, seen.round.id).state == "round_closed"
    assert returned_of(platform, old) is None
    (one,) = sheets_of(platform, CLERK)
    assert not one.can_return
    for doing in (
        lambda: return_sheet(platform, CLERK, sheet.id, content),
        lambda: sheet_for(platform, CLERK, sheet.id),
    ):
        assert refused(doing).code == "verification.round_closed"
    old_run = next(run for run in platform.records.all(select(AnalysisRun)) if run.lock_id == old)
    assert agreement_for(platform, study_of(platform), old_run) is None


def test_the_lock_that_took_its_place_is_drawn_from_anew_without_the_patient(
    platform: Platform, clock: StandingClock
) -> None:
    seen = drawn(platform)
    request = approved(platform)
    erase(platform, CLERK, request.id)
    clock.advance(hours=1)
    study = study_of(platform)
    assert newest_lock(platform, study).id != seen.round.lock_id
    run_study(platform, RESEARCHER, study.id)
    later = drawn(platform)
    assert later.round.id != seen.round.id and later.sheets[0].items == 29 * 11
    assert return_sheet(platform, CLERK, later.sheets[0].id, chart(platform, later)).accepted
